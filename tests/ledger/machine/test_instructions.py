"""Quick instructions beside py-evm's own: any program ends with the same stack, memory, gas, output and error."""

import itertools
from typing import Any

import pytest
from eth.chains.base import MiningChain
from eth.db.atomic import AtomicDB
from eth.vm import opcode_values as code
from eth.vm.forks import ParisVM
from eth.vm.forks.paris.computation import ParisComputation
from eth.vm.message import Message
from eth.vm.transaction_context import BaseTransactionContext
from hypothesis import example, given, settings
from hypothesis import strategies as st

from mithridate.ledger.machine.instructions import QuickComputation, destinations

PUSH_GAS = 3
QUICK = sorted(at for at, own in QuickComputation.opcodes.items() if own is not ParisComputation.opcodes[at])
NUMBERS = st.one_of(st.integers(0, 100), st.sampled_from([2**255, 2**256 - 1, 2**64]), st.integers(0, 2**256 - 1))


def pushed(number: int) -> bytes:
    data = number.to_bytes(max(1, (number.bit_length() + 7) // 8), "big")
    return bytes([code.PUSH1 - 1 + len(data)]) + data


def stored(place: int) -> bytes:
    return pushed(2**256 - 1) + pushed(place) + bytes([code.MSTORE])


PIECES = st.one_of(
    st.sampled_from(QUICK).map(lambda at: bytes([at])),
    NUMBERS.map(pushed),
    st.integers(0, 100).map(stored),
    # A table's key, and digests of other lengths.
    st.sampled_from([0, 32, 63, 64, 65]).map(lambda size: pushed(size) + pushed(0) + bytes([code.SHA3])),
    st.sampled_from([code.JUMP, code.JUMPI]).flatmap(
        lambda jump: st.integers(0, 80).map(lambda place: pushed(place) + bytes([jump]))
    ),
    st.sampled_from([code.PC, code.GAS, code.MSIZE, code.CALLER, code.CODESIZE, code.RETURN, code.STOP, 0xFE]).map(
        lambda at: bytes([at])
    ),
)
PROGRAMS = st.lists(PIECES, max_size=60).map(b"".join)


@pytest.fixture(scope="module")
def state() -> Any:
    class Plain(MiningChain):  # type: ignore[misc]
        chain_id = 1
        vm_configuration = ((0, ParisVM),)

    return Plain.from_genesis(AtomicDB(), {"difficulty": 0, "gas_limit": 10**7, "timestamp": 1}, {}).get_vm().state


def ended(kind: type[Any], state: Any, program: bytes, gas: int) -> dict[str, Any]:
    message = Message(gas=gas, to=b"\1" * 20, sender=b"\2" * 20, value=0, data=b"", code=program)
    run = kind.apply_computation(state, message, BaseTransactionContext(gas_price=0, origin=b"\2" * 20))
    items = [item if isinstance(item, int) else int.from_bytes(item, "big") for item in run._stack.values]
    return {
        "stack": items,
        "memory": bytes(run._memory._bytes),
        "gas": run.get_gas_remaining(),
        "used": run.get_gas_used(),
        "place": run.code.program_counter,
        "output": run.output,
        "error": (type(run._error), str(run._error)),
    }


@settings(max_examples=500)
@given(program=PROGRAMS, gas=st.one_of(st.integers(0, 300), st.just(5000)))
@example(program=pushed(1) * 1025, gas=10**5)
@example(program=pushed(1) * 1024 + bytes([code.DUP1]), gas=10**5)
@example(program=bytes([code.PUSH32, 1]), gas=100)
@example(program=pushed(3) + bytes([code.JUMP, code.JUMPDEST]), gas=100)
@example(program=pushed(4) + bytes([code.JUMP, code.PUSH1, code.JUMPDEST]), gas=100)
def test_any_program_ends_as_under_the_librarys_instructions(state: Any, program: bytes, gas: int) -> None:
    assert ended(QuickComputation, state, program, gas) == ended(ParisComputation, state, program, gas)


@pytest.mark.parametrize("at", QUICK)
def test_each_refuses_what_the_librarys_refuses(state: Any, at: int) -> None:
    for depth, gas in itertools.product((0, 1, 2, 17), (2, 3, 200)):
        program = b"".join(pushed(7 + number) for number in range(depth)) + bytes([at]) + bytes(32)
        expected = ended(ParisComputation, state, program, PUSH_GAS * depth + gas)
        assert ended(QuickComputation, state, program, PUSH_GAS * depth + gas) == expected


@given(st.binary(max_size=200))
def test_jumps_land_where_the_library_lets_them(program: bytes) -> None:
    message = Message(gas=0, to=b"\1" * 20, sender=b"\2" * 20, value=0, data=b"", code=program)
    stream = ParisComputation(None, message, None).code
    allowed = {place for place, at in enumerate(program) if at == code.JUMPDEST and stream.is_valid_opcode(place)}
    assert destinations(program) == allowed
