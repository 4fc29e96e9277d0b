"""Calls and estimates: what a transaction would return and need, run on a state and undone again."""

from dataclasses import dataclass

from eth.abc import VirtualMachineAPI
from eth.vm.spoof import SpoofTransaction

from mithridate.errors import LedgerError
from mithridate.ledger.chain import INVALID, output_of
from mithridate.ledger.embedded_network import CALL_GAS
from mithridate.ledger.network import Reverted


@dataclass(frozen=True)
class Asked:
    """What a call or an estimate is to run.

    Attributes:
        sender: 20 bytes.
        to: 20 bytes, empty to make a contract.
        data: the call, or creation code.
        gas: what it may use, at most `CALL_GAS`.
    """

    sender: bytes
    to: bytes
    data: bytes
    gas: int = CALL_GAS


def executed(machine: VirtualMachineAPI, asked: Asked) -> bytes:
    """What a contract's read returns; raises Reverted."""
    state = machine.state
    snapshot = state.snapshot()
    try:
        computation = machine.execute_bytecode(
            *(asked.sender, 0, asked.gas, asked.to, asked.sender, 0, asked.data), code=state.get_code(asked.to)
        )
    finally:
        state.revert(snapshot)
    if computation.is_error:
        raise Reverted(output_of(computation))
    return bytes(computation.output)


def transacted(machine: VirtualMachineAPI, asked: Asked) -> tuple[bytes, int]:
    """What a transaction would return, and the gas that it needs at hand.

    Raises:
        Reverted: the contract refuses.
        LedgerError: the gas is too little to begin with, or the data too long.
    """
    state = machine.state
    snapshot = state.snapshot()
    unsigned = machine.create_unsigned_transaction(
        nonce=state.get_nonce(asked.sender), gas_price=0, gas=asked.gas, to=asked.to, value=0, data=asked.data
    )
    try:
        computation = state.apply_transaction(SpoofTransaction(unsigned, from_=asked.sender))
    except INVALID as error:
        raise LedgerError(f"this is no transaction that the ledger could take: {error}") from error
    finally:
        state.revert(snapshot)
    if computation.is_error:
        raise Reverted(output_of(computation))
    return bytes(computation.output), unsigned.intrinsic_gas + computation.get_gas_used()
