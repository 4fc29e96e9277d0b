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
from mithridate.mpc.shares import ReplicatedShare

SHAPE = (2, 3)


def memory(number: int, rounds: int = 1) -> Memory:
    secret = np.full(SHAPE, number, dtype=np.uint64)
    return Memory(ReplicatedShare(1, secret, secret + np.uint64(100)), rounds)


def attempt(round_number: int, number: int = 0, committee: tuple[int, int, int] = (0, 1, 2)) -> Any:
    """An attempt as the ledger has it."""
    return SimpleNamespace(round=round_number, attempt=number, committee=committee)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[RuleMemoryLog]:
    log = RuleMemoryLog(tmp_path / "memory.sqlite", 1)
    yield log
    log.close()


def test_each_attempt_leaves_its_own_row(log: RuleMemoryLog) -> None:
    log.put(1, 0, memory(7))
    log.put(2, 1, memory(9, 2))
    for place, number, rounds in (((1, 0), 7, 1), ((2, 1), 9, 2)):
        found = log.after(attempt(*place), SHAPE)
        assert found is not None
        assert (found.values.first == number).all()
        assert (found.values.second == number + 100).all()
        assert (found.rounds, found.values.rank) == (rounds, 1)


def test_an_attempt_that_was_not_aggregated_here_left_nothing(log: RuleMemoryLog) -> None:
    log.put(1, 0, memory(7))
    assert log.after(attempt(1, 1), SHAPE) is None
    assert log.after(attempt(1, 0, (0, 2, 3)), SHAPE) is None


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
        log.after(attempt(1), (3, 3))
    with sqlite3.connect(tmp_path / "memory.sqlite") as database:
        database.execute("UPDATE memories SET first = x'00'")
    with pytest.raises(RoundVoid, match="altered"):
        log.after(attempt(1), SHAPE)
