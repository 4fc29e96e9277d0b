"""Hospitals that drop out cost themselves the round and nobody else; too few that are left void it."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import RoundVoid
from mithridate.evaluation.records import read_records
from mithridate.federation.dropout import drops
from mithridate.federation.local import run_study
from mithridate.federation.openings import OpeningLog
from mithridate.study import Study

# With this seed both kinds of drop-out happen in both rounds.
DROPPING: dict[str, Any] = {
    "seed": 12,
    "hospitals": {"count": 8, "drop_before": 0.2, "drop_after": 0.2},
    "training": {"learning_rate": 0.01},
}


@pytest.fixture(scope="module")
def dropping(federation_of: Any, lenient: dict[str, Any]) -> tuple[Any, list[Any]]:
    federation = federation_of(**DROPPING, defence=lenient)
    return federation, [federation.play(), federation.play()]


@pytest.mark.parametrize("index", [0, 1])
def test_the_round_goes_on_with_those_that_are_left(dropping: tuple[Any, list[Any]], index: int) -> None:
    federation, records = dropping
    record, study = records[index], federation.prepared.study
    before = {i for i in range(8) if drops(study, "before", i, index + 1, 0)}
    after = {i for i in range(8) if drops(study, "after", i, index + 1, 0)} - before
    left = sorted(set(range(8)) - before - after)
    assert before
    assert after
    words = {**dict.fromkeys(before, "absent"), **dict.fromkeys(after, "envelope"), **dict.fromkeys(left, "accepted")}
    assert record.verdicts == {f"hospital-{i}": words[i] for i in range(8)}
    assert set(record.notes) == {f"hospital-{i}" for i in after}
    assert all("committed on the ledger and delivered nothing" in note for note in record.notes.values())
    assert (record.status, record.trained, record.submitted) == ("released", 8 - len(before), 8 - len(before))
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), left, index + 1)


def test_below_the_quorum_nothing_is_opened_and_the_study_stops_after_six_attempts(
    study_of: Callable[..., Study], tmp_path: Path
) -> None:
    study = study_of(hospitals={"count": 5, "drop_before": 1.0})
    with pytest.raises(RoundVoid, match=r"round 1 was void 6 times, the last time for this reason: quorum"):
        run_study(study, tmp_path / "run")
    initial, *voids = read_records(tmp_path / "run")
    assert [(record.round, record.attempt, record.status, record.reason) for record in voids] == [
        (1, attempt, "void", "quorum") for attempt in range(6)
    ]
    assert all(record.model_hash == initial.model_hash for record in voids)
    assert all((record.trained, record.submitted, record.verdicts) == (0, 0, {}) for record in voids)
    for rank in range(3):
        log = OpeningLog(tmp_path / "run" / "parties" / f"validator-{rank}" / "openings.sqlite")
        assert log.entries() == []
        log.close()


@pytest.mark.parametrize("when", ["before", "after"])
def test_hospitals_drop_out_as_often_as_the_study_says(study_of: Callable[..., Study], when: Any) -> None:
    study = study_of(hospitals={"count": 6, f"drop_{when}": 0.3})
    draws = [drops(study, when, i, number, attempt) for i in range(20) for number in range(100) for attempt in (0, 1)]
    # Five standard deviations of a binomial count.
    assert abs(sum(draws) - 0.3 * len(draws)) < 5 * math.sqrt(0.21 * len(draws))
    assert draws == [drops(study, when, i, n, a) for i in range(20) for n in range(100) for a in (0, 1)]
    other: Any = "after" if when == "before" else "before"
    assert not any(drops(study, other, i, 1, 0) for i in range(100))


def test_a_hospital_that_dropped_out_may_come_back_in_the_next_attempt(study_of: Callable[..., Study]) -> None:
    study = study_of(hospitals={"count": 6, "drop_before": 0.5})
    attempts = [[drops(study, "before", i, 1, attempt) for i in range(40)] for attempt in (0, 1)]
    assert attempts[0] != attempts[1]
