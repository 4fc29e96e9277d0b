"""What is asked of a signed transaction from anybody before the EVM sees it."""

from mithridate.errors import LedgerError
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.chronicle import Transaction, read_transaction
from mithridate.ledger.embedded_network import CALL_GAS

_DEPTH = 4
_GAS_LIMIT = {0: 2, 1: 3, 2: 4}
"""Transaction type (EIP-2718): place of the gas limit among its fields."""
_V, _V_OF_CHAIN_0 = 6, 35
"""Place of the signature's first part in a legacy transaction, and the least one that names a chain (EIP-155)."""
_FIRST_OF_A_LIST = 0xC0


def admitted(raw: bytes) -> Transaction:
    """The transaction, read with bounds.

    Raises:
        LedgerError: it is none, its signature does not name this chain, or it may use too much gas.
    """
    transaction = read_transaction(raw)
    kind = 0 if raw[0] >= _FIRST_OF_A_LIST else raw[0]
    fields = decode(raw if kind == 0 else raw[1:], _DEPTH)
    chain = _chain(int.from_bytes(fields[_V])) if kind == 0 else int.from_bytes(fields[0])
    if chain != CHAIN_ID:
        # py-evm would take it: whoever saw it on another chain could repeat it here.
        raise LedgerError(f"invalid chain id for signer: {CHAIN_ID} should be signed, not {chain}")
    gas = int.from_bytes(fields[_GAS_LIMIT[kind]])
    if gas > CALL_GAS:
        raise LedgerError(f"exceeds block gas limit: a transaction may use {CALL_GAS}, this one asks for {gas}")
    return transaction


def _chain(v: int) -> int | None:
    return (v - _V_OF_CHAIN_0) // 2 if v >= _V_OF_CHAIN_0 else None
