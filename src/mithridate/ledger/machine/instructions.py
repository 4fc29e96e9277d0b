"""Quick forms of the instructions that contracts use most.

Each does what py-evm's own does where nothing is out of the ordinary, in less than half its time, and hands everything
else to it: too little gas, a stack too short or too full, memory that grows, a jump to where none may land. So errors,
their order and their gas are py-evm's.
"""

import operator
from collections.abc import Callable
from functools import lru_cache
from typing import Any, ClassVar

from eth.abc import ComputationAPI
from eth.constants import GAS_SHA3, GAS_SHA3WORD, UINT_256_MAX
from eth.vm import opcode_values as code
from eth.vm.forks.paris.computation import ParisComputation
from eth.vm.forks.paris.opcodes import PARIS_OPCODES

from mithridate.ledger.machine.digests import keccak_of

Instruction = Callable[[ComputationAPI], None]
WORD_BYTES = 32
STACK_LIMIT = 1024
WORD_BITS = 256
TABLE_KEY_BYTES = 2 * WORD_BYTES
TABLE_KEY_GAS = GAS_SHA3 + 2 * GAS_SHA3WORD
NUMBERS = 4
"""Pushes of up to so many bytes are mostly places in code or memory: they go onto the stack as numbers."""
CODES = 64
"""How many contracts' jump destinations are kept."""


@lru_cache(CODES)
def destinations(program: bytes) -> frozenset[int]:
    """Where a jump may land: at a JUMPDEST that is no data of a PUSH (yellow paper, section 9.4.3)."""
    found, place = set(), 0
    while place < len(program):
        instruction = program[place]
        if instruction == code.JUMPDEST:
            found.add(place)
        place += 1 + (instruction - code.PUSH1 + 1 if code.PUSH1 <= instruction <= code.PUSH32 else 0)
    return frozenset(found)


def _number(item: int | bytes) -> int:
    return item if isinstance(item, int) else int.from_bytes(item, "big")


def _push(own: Any, size: int) -> Instruction:
    gas, as_number = own.gas_cost, size <= NUMBERS

    def instruction(computation: ComputationAPI) -> None:
        meter, values, stream = computation._gas_meter, computation._stack.values, computation.code
        start = stream.program_counter
        data = stream._raw_code_bytes[start : start + size]
        if meter.gas_remaining < gas or len(values) >= STACK_LIMIT or len(data) < size:
            own(computation)
            return
        meter.gas_remaining -= gas
        stream.program_counter = start + size
        values.append(int.from_bytes(data, "big") if as_number else data)

    return instruction


def _dup(own: Any, depth: int) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or not depth <= len(values) < STACK_LIMIT:
            own(computation)
            return
        meter.gas_remaining -= gas
        values.append(values[-depth])

    return instruction


def _swap(own: Any, depth: int) -> Instruction:
    gas, other = own.gas_cost, -depth - 1

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or len(values) <= depth:
            own(computation)
            return
        meter.gas_remaining -= gas
        values[-1], values[other] = values[other], values[-1]

    return instruction


def _binary(own: Any, of: Callable[[int, int], int]) -> Instruction:
    """`of` is given the uppermost item and the one below it."""
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or len(values) < 2:
            own(computation)
            return
        meter.gas_remaining -= gas
        upper, lower = values.pop(), values[-1]
        values[-1] = int(of(_number(upper), _number(lower)))

    return instruction


def _is_zero(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or not values:
            own(computation)
            return
        meter.gas_remaining -= gas
        values[-1] = 0 if _number(values[-1]) else 1

    return instruction


def _pop(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or not values:
            own(computation)
            return
        meter.gas_remaining -= gas
        values.pop()

    return instruction


def _jump_destination(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter = computation._gas_meter
        if meter.gas_remaining < gas:
            own(computation)
            return
        meter.gas_remaining -= gas

    return instruction


def _jump(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        target = _number(values[-1]) if values else None
        if meter.gas_remaining < gas or target not in computation.destinations:
            own(computation)
            return
        meter.gas_remaining -= gas
        values.pop()
        computation.code.program_counter = target

    return instruction


def _jump_if(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values = computation._gas_meter, computation._stack.values
        if meter.gas_remaining < gas or len(values) < 2:
            own(computation)
            return
        target, condition = _number(values[-1]), _number(values[-2])
        if condition and target not in computation.destinations:
            own(computation)
            return
        meter.gas_remaining -= gas
        del values[-2:]
        if condition:
            computation.code.program_counter = target

    return instruction


def _load(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values, memory = computation._gas_meter, computation._stack.values, computation._memory._bytes
        if meter.gas_remaining < gas or not values or (start := _number(values[-1])) + WORD_BYTES > len(memory):
            own(computation)
            return
        meter.gas_remaining -= gas
        values[-1] = bytes(memory[start : start + WORD_BYTES])

    return instruction


def _store(own: Any) -> Instruction:
    gas = own.gas_cost

    def instruction(computation: ComputationAPI) -> None:
        meter, values, memory = computation._gas_meter, computation._stack.values, computation._memory._bytes
        if meter.gas_remaining < gas or len(values) < 2 or (start := _number(values[-1])) + WORD_BYTES > len(memory):
            own(computation)
            return
        meter.gas_remaining -= gas
        _, word = values.pop(), values.pop()
        memory[start : start + WORD_BYTES] = (
            word.to_bytes(WORD_BYTES, "big") if isinstance(word, int) else word.rjust(WORD_BYTES, b"\0")
        )

    return instruction


def _digest(own: Any) -> Instruction:
    """Of a key of a contract's table, whose digest says where its value lies: two words."""

    def instruction(computation: ComputationAPI) -> None:
        meter, values, memory = computation._gas_meter, computation._stack.values, computation._memory._bytes
        if meter.gas_remaining < TABLE_KEY_GAS or len(values) < 2:
            own(computation)
            return
        start, size = _number(values[-1]), _number(values[-2])
        if size != TABLE_KEY_BYTES or start + size > len(memory):
            own(computation)
            return
        meter.gas_remaining -= TABLE_KEY_GAS
        values.pop()
        values[-1] = keccak_of(bytes(memory[start : start + size]))

    return instruction


def _shifted_left(bits: int, word: int) -> int:
    return (word << bits) & UINT_256_MAX if bits < WORD_BITS else 0


def _shifted_right(bits: int, word: int) -> int:
    return word >> bits if bits < WORD_BITS else 0


_BINARY: dict[int, Callable[[int, int], int]] = {
    code.ADD: lambda upper, lower: (upper + lower) & UINT_256_MAX,
    code.SUB: lambda upper, lower: (upper - lower) & UINT_256_MAX,
    code.LT: operator.lt,
    code.GT: operator.gt,
    code.EQ: operator.eq,
    code.AND: operator.and_,
    code.OR: operator.or_,
    code.XOR: operator.xor,
    code.SHL: _shifted_left,
    code.SHR: _shifted_right,
}
_OTHERS: dict[int, Callable[[Any], Instruction]] = {
    code.ISZERO: _is_zero,
    code.POP: _pop,
    code.JUMPDEST: _jump_destination,
    code.JUMP: _jump,
    code.JUMPI: _jump_if,
    code.MLOAD: _load,
    code.MSTORE: _store,
    code.SHA3: _digest,
}


def _quick(own: dict[int, Any]) -> dict[int, Instruction]:
    return {
        **{at: _push(own[at], size) for size, at in enumerate(range(code.PUSH1, code.PUSH32 + 1), 1)},
        **{at: _dup(own[at], depth) for depth, at in enumerate(range(code.DUP1, code.DUP16 + 1), 1)},
        **{at: _swap(own[at], depth) for depth, at in enumerate(range(code.SWAP1, code.SWAP16 + 1), 1)},
        **{at: _binary(own[at], of) for at, of in _BINARY.items()},
        **{at: make(own[at]) for at, make in _OTHERS.items()},
    }


class QuickComputation(ParisComputation):  # type: ignore[misc]
    """The run of one call, with quick forms of the commonest instructions."""

    opcodes: ClassVar = {**PARIS_OPCODES, **_quick(PARIS_OPCODES)}

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.destinations = destinations(self.msg.code)
