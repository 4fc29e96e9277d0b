"""What validators keep for a robust rule, over void attempts, repetitions and altered records."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mithridate.aggregation.secure import Memory
from mithridate.errors import RoundVoid
from mithridate.federation.rule_memory import RuleMemoryLog
from mithridate.ledger.interface import Phase
from mithridate.mpc.shares import ReplicatedShare

SHAPE = (2, 3)


def memory(number: int, rounds: int = 1) -> Memory:
    secret = np.full(SHAPE, number, dtype=np.uint64)
    return Memory(ReplicatedShare(1, secret, secret + np.uint64(100)), rounds)


def ledger(**phases: Phase) -> Any:
    """A ledger whose attempt a of round r ended in the phase `r{r}a{a}`."""
    return SimpleNamespace(attempt=lambda r, a: SimpleNamespace(phase=phases[f"r{r}a{a}"]))


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RuleMemoryLog]:
    log = RuleMemoryLog(tmp_path / "memory.sqlite", 1)
    yield log
    log.close()


def test_before_the_first_round_there_is_none(log: RuleMemoryLog) -> None:
    assert log.before(1, 0, ledger(), SHAPE) == (b"", None)


def test_a_round_starts_from_the_last_that_came_to_something(log: RuleMemoryLog) -> None:
    log.put(1, 0, memory(7))
    log.put(2, 0, memory(8, 2))
    log.put(2, 1, memory(9, 2))
    phases = {"r1a0": Phase.ROLLED_BACK, "r2a0": Phase.VOID, "r2a1": Phase.VOID}
    label, found = log.before(2, 2, ledger(**phases), SHAPE)
    assert found is not None
    assert (found.values.first == 7).all()
    assert (found.values.second == 107).all()
    later, found = log.before(3, 0, ledger(**phases | {"r2a1": Phase.RELEASED}), SHAPE)
    assert found is not None
    assert (found.rounds, int(found.values.first[0, 0])) == (2, 9)
    assert later != label


def test_an_attempt_aggregated_again_replaces_its_row_and_old_rounds_are_dropped(
    log: RuleMemoryLog, tmp_path: Path
) -> None:
    for number in (1, 2, 3, 3):
        log.put(number, 0, memory(number))
    rows = sqlite3.connect(tmp_path / "memory.sqlite").execute("SELECT round FROM memories ORDER BY round").fetchall()
    assert rows == [(2,), (3,)]


def test_a_record_of_another_shape_or_length_is_refused(log: RuleMemoryLog, tmp_path: Path) -> None:
    log.put(1, 0, memory(1))
    with pytest.raises(RoundVoid, match="altered"):
        log.before(2, 0, ledger(r1a0=Phase.RELEASED), (3, 3))
    with sqlite3.connect(tmp_path / "memory.sqlite") as database:
        database.execute("UPDATE memories SET first = x'00'")
    with pytest.raises(RoundVoid, match="altered"):
        log.before(2, 0, ledger(r1a0=Phase.RELEASED), SHAPE)
