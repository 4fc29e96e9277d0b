"""A pytest plugin: which lines and branches of the contracts the tests ran, told at the end. `make coverage-contracts`.

Every program counter that py-evm visits in published code is recorded, and mapped to the source by the compiler's own
map. A branch is one of the two ways out of a conditional jump that the source asked for (`if`, `assert`, `and`, `or`,
`for`); the compiler's own checks, of overflow or of a call's length, are left out.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from eth.vm.code_stream import CodeStream
from vyper import compile_code
from vyper.compiler.settings import Settings

import mithridate.ledger
from mithridate.ledger.compile import EVM_VERSION, contract
from mithridate.ledger.deployment import CONTRACTS

STOP, JUMPI, PUSH1, PUSH32 = 0x00, 0x57, 0x60, 0x7F
CHOICE = re.compile(r"^\s*(?:if|elif|assert|for)\b|\b(?:and|or|if)\b")
"""Lines that choose; others jump only where the compiler copies, slices or decodes."""
OURS = {None, "user revert with reason", "range() bounds check"}
"""Kinds of jumps that the source asked for."""
SOURCES = Path(mithridate.ledger.__file__).parent / "contracts"


@dataclass
class Trace:
    """Where one code was: counters, and ways out of conditional jumps."""

    visited: set[int] = field(default_factory=set)
    taken: set[tuple[int, int]] = field(default_factory=set)


@dataclass(frozen=True)
class Coverage:
    """One contract's lines and branches, by line."""

    lines: dict[int, bool]
    branches: dict[tuple[int, int, bool], bool]

    @property
    def missed(self) -> list[int]:
        return sorted(line for line, visited in self.lines.items() if not visited)

    @property
    def missed_branches(self) -> list[tuple[int, bool]]:
        return sorted({(line, jumps) for (line, _, jumps), taken in self.branches.items() if not taken})


_TRACES = {(name, kind): Trace() for name in CONTRACTS for kind in ("creation", "runtime")}
_KNOWN: dict[bytes, Trace | None] = {}


def pytest_configure(config: pytest.Config) -> None:
    CodeStream.__iter__ = _recording  # type: ignore[method-assign]


def pytest_terminal_summary(terminalreporter: Any) -> None:
    terminalreporter.section("contracts")
    for name in CONTRACTS:
        found = covered(name)
        lines, branches = list(found.lines.values()), list(found.branches.values())
        terminalreporter.write_line(
            f"{name:12} lines {sum(lines)} of {len(lines)} ({sum(lines) / len(lines):.1%}),"
            f" branches {sum(branches)} of {len(branches)} ({sum(branches) / len(branches):.1%})"
        )
        source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8").splitlines()
        for line in found.missed:
            terminalreporter.write_line(f"  {name}.vy:{line} never ran: {source[line - 1].strip()}")
        for line, jumps in found.missed_branches:
            way = "the jump" if jumps else "going on"
            terminalreporter.write_line(f"  {name}.vy:{line} {way} never taken: {source[line - 1].strip()}")


def covered(name: str) -> Coverage:
    """What of a contract ran so far."""
    source = (SOURCES / f"{name}.vy").read_text(encoding="utf-8")
    formats = ["source_map", "source_map_runtime"]
    output = compile_code(source, output_formats=formats, settings=Settings(evm_version=EVM_VERSION))
    text = source.splitlines()
    lines: dict[int, bool] = {}
    branches: dict[tuple[int, int, bool], bool] = {}
    for kind, key, code in (
        ("creation", "source_map", contract(name).creation_code),
        ("runtime", "source_map_runtime", contract(name).runtime_code),
    ):
        trace, positions, errors = _TRACES[name, kind], output[key]["pc_pos_map"], output[key]["error_map"]
        for counter, position in positions.items():
            lines[position[0]] = lines.get(position[0], False) or counter in trace.visited
        for counter in _jumps(code):
            chooses = counter in positions and CHOICE.search(text[positions[counter][0] - 1])
            if chooses and errors.get(counter) in OURS:
                for jumps in (False, True):
                    taken = any((after != counter + 1) is jumps for before, after in trace.taken if before == counter)
                    # The same source is compiled once into each function that calls it, so a line has many jumps.
                    place = (*positions[counter][:2], jumps)
                    branches[place] = branches.get(place, False) or taken
    return Coverage(lines, branches)


def _recording(self: CodeStream) -> Iterator[int]:
    trace = _trace_of(self._raw_code_bytes)
    jumped = -1
    while True:
        counter = self.program_counter
        try:
            opcode = self._raw_code_bytes[counter]
        except IndexError:
            break
        if trace is not None:
            trace.visited.add(counter)
            if jumped >= 0:
                trace.taken.add((jumped, counter))
            jumped = counter if opcode == JUMPI else -1
        self.program_counter = counter + 1
        yield opcode
    yield STOP


def _trace_of(code: bytes) -> Trace | None:
    if code not in _KNOWN:
        _KNOWN[code] = None
        for name in CONTRACTS:
            for kind, published in (
                ("creation", contract(name).creation_code),
                ("runtime", contract(name).runtime_code),
            ):
                if code.startswith(published):
                    _KNOWN[code] = _TRACES[name, kind]
    return _KNOWN[code]


def _jumps(code: bytes) -> Iterator[int]:
    counter = 0
    while counter < len(code):
        opcode = code[counter]
        if opcode == JUMPI:
            yield counter
        counter += 1 + (opcode - PUSH1 + 1 if PUSH1 <= opcode <= PUSH32 else 0)
