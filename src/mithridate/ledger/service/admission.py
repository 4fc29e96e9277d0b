"""What is asked of a signed transaction from anybody before the EVM sees it."""

from mithridate.errors import LedgerError
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chronicle import Transaction, read_transaction
from mithridate.ledger.embedded_network import CALL_GAS

_DEPTH = 3
_GAS_LIMIT = {0: 2, 1: 3, 2: 4}
"""Transaction type (EIP-2718): place of the gas limit among its fields."""
_UNPROTECTED = (27, 28)
"""What `v` is in a signature that names no chain (before EIP-155)."""
_V = 6
_FIRST_OF_A_LIST = 0xC0


def admitted(raw: bytes) -> Transaction:
    """The transaction, read with bounds.

    Raises:
        LedgerError: it is none, its signature would count on other chains too, or it may use too much gas.
    """
    transaction = read_transaction(raw)
    kind = 0 if raw[0] >= _FIRST_OF_A_LIST else raw[0]
    fields = decode(raw if kind == 0 else raw[1:], _DEPTH)
    if kind == 0 and int.from_bytes(fields[_V]) in _UNPROTECTED:
        raise LedgerError("only replay-protected (EIP-155) transactions allowed over RPC")
    gas = int.from_bytes(fields[_GAS_LIMIT[kind]])
    if gas > CALL_GAS:
        raise LedgerError(f"exceeds block gas limit: a transaction may use {CALL_GAS}, this one asks for {gas}")
    return transaction
