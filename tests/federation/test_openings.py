"""A validator's own record of what it opened, and its refusals to open."""

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType, SimpleNamespace
from typing import Any

import pytest

from mithridate.aggregation.settings import AggregationSettings
from mithridate.crypto import keys
from mithridate.errors import OpeningRefused
from mithridate.federation.openings import OpeningLog
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.ledger.store import ModelStore

BASE, OTHER_BASE = b"b" * 32, b"o" * 32
NONE: MappingProxyType[int, Any] = MappingProxyType({})
BOUND = AttemptState(
    round=1,
    attempt=0,
    generation=0,
    phase=Phase.BOUND,
    base_hash=BASE,
    committee=(0, 1, 2),
    deadline=0,
    committed=frozenset(range(3)),
    revealed=frozenset(range(3)),
    submissions=NONE,
    seed=b"s" * 32,
    verdicts=bytes([0, 8, 0, 0, 1]),
    attestations=NONE,
    votes=NONE,
    model_hash=None,
    void_reason=None,
)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[OpeningLog]:
    log = OpeningLog(tmp_path / "openings.sqlite")
    yield log
    log.close()


def test_an_opening_is_written_down(log: OpeningLog) -> None:
    log.permit(1, 0, 0, BASE, [3, 0, 2])
    assert log.entries() == [(1, 0, 0, "[0, 2, 3]")]


def test_the_same_opening_is_allowed_again_in_any_order(log: OpeningLog) -> None:
    for members in ([0, 2, 3], [3, 2, 0]):
        log.permit(1, 0, 0, BASE, members)
    assert log.entries() == [(1, 0, 0, "[0, 2, 3]")]


@pytest.mark.parametrize(
    ("attempt", "base", "members"),
    [
        (0, BASE, [0, 2]),
        (0, BASE, [0, 2, 3, 4]),
        (0, BASE, [0, 2, 4]),
        (0, BASE, []),
        (1, BASE, [0, 2, 3]),
        (0, OTHER_BASE, [0, 2, 3]),
    ],
)
def test_any_other_opening_in_the_same_generation_is_refused(
    log: OpeningLog, attempt: int, base: bytes, members: list[int]
) -> None:
    log.permit(1, 0, 0, BASE, [0, 2, 3])
    with pytest.raises(OpeningRefused, match=r"opened before in attempt 0 with hospitals \[0, 2, 3\]"):
        log.permit(1, 0, attempt, base, members)
    assert log.entries() == [(1, 0, 0, "[0, 2, 3]")]
    log.permit(1, 0, 0, BASE, [0, 2, 3])


@pytest.mark.parametrize(("round_number", "generation"), [(1, 1), (2, 0)])
def test_another_generation_or_round_is_another_opening(log: OpeningLog, round_number: int, generation: int) -> None:
    log.permit(1, 0, 0, BASE, [0, 2, 3])
    log.permit(round_number, generation, 1, BASE, [0, 2])
    assert log.entries() == [(1, 0, 0, "[0, 2, 3]"), (round_number, generation, 1, "[0, 2]")]


def test_the_record_survives_reopening_the_file(log: OpeningLog, tmp_path: Path) -> None:
    log.permit(1, 0, 0, BASE, [0, 2, 3])
    log.close()
    again = OpeningLog(tmp_path / "openings.sqlite")
    with pytest.raises(OpeningRefused):
        again.permit(1, 0, 0, BASE, [0, 2])
    assert again.entries() == [(1, 0, 0, "[0, 2, 3]")]
    again.close()


def test_an_opening_is_on_the_disk_before_permit_returns(log: OpeningLog, tmp_path: Path) -> None:
    log.permit(1, 0, 0, BASE, [0, 2, 3])
    # Another connection sees only what was committed.
    with sqlite3.connect(tmp_path / "openings.sqlite") as other:
        assert other.execute("SELECT members FROM openings").fetchall() == [("[0, 2, 3]",)]
        assert other.execute("PRAGMA journal_mode").fetchone() == ("wal",)
    other.close()


def validator(log: OpeningLog, tmp_path: Path, state: AttemptState) -> Validator:
    """A validator whose ledger holds `state`; it holds no updates, so whatever it opened would fail loudly."""
    ledger: Any = SimpleNamespace(attempt=lambda round_number, attempt: state)
    rules: Any = SimpleNamespace(aggregation=AggregationSettings())
    kept: Any = SimpleNamespace()
    return Validator(0, ledger, keys.generate(), bytes(32), ModelStore(tmp_path / "models"), log, kept, rules)


@pytest.mark.parametrize("phase", [phase for phase in Phase if phase is not Phase.BOUND])
def test_nothing_is_opened_in_any_phase_but_bound(log: OpeningLog, tmp_path: Path, phase: Phase) -> None:
    held = validator(log, tmp_path, replace(BOUND, phase=phase))
    with pytest.raises(OpeningRefused, match="not bound"):
        # What the coordinator announces does not count: the ledger's state does.
        held.aggregate(BOUND)
    assert log.entries() == []


@pytest.mark.parametrize("verdicts", [None, bytes([0, 8, 0, 7, 1]), bytes([8] * 5)])
def test_nothing_is_opened_without_enough_members(log: OpeningLog, tmp_path: Path, verdicts: bytes | None) -> None:
    held = validator(log, tmp_path, replace(BOUND, verdicts=verdicts))
    with pytest.raises(OpeningRefused, match="not bound" if verdicts is None else "fewer than 3"):
        held.aggregate(BOUND)
    assert log.entries() == []


def test_other_members_than_before_are_refused_whatever_the_ledger_says(log: OpeningLog, tmp_path: Path) -> None:
    log.permit(1, 0, 0, BASE, [0, 2, 3, 4])
    with pytest.raises(OpeningRefused, match="could reveal single updates"):
        validator(log, tmp_path, BOUND).aggregate(BOUND)
