"""What validators keep of the hospitals from round to round, over restarts, void attempts and lost records."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from mithridate.errors import RoundVoid
from mithridate.federation.parties import seat
from mithridate.federation.standings import SharedStanding, StandingLog
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.mpc.shares import ReplicatedShare, reconstruct

ATTACK = {"name": "scaling", "hospitals": [4], "gamma": 1000.0}


def standing(number: int, waited: tuple[int, ...] = (0, 1, 2)) -> SharedStanding:
    secret = np.full(3, number, dtype=np.uint64)
    return SharedStanding(ReplicatedShare(1, secret, secret + np.uint64(100)), waited)


def attempt(round_number: int, number: int = 0, committee: tuple[int, int, int] = (0, 1, 2)) -> Any:
    """An attempt as the ledger has it."""
    return SimpleNamespace(round=round_number, attempt=number, committee=committee)


@pytest.fixture
def log(tmp_path: Path) -> Iterator[StandingLog]:
    log = StandingLog(tmp_path / "standings.sqlite", 1)
    yield log
    log.close()


def number_of(found: SharedStanding | None) -> int:
    assert found is not None
    assert (found.evidence.second == found.evidence.first + np.uint64(100)).all()
    return int(found.evidence.first[0])


def test_before_the_first_round_there_is_no_evidence() -> None:
    found = SharedStanding.of(2, 3)
    assert (found.evidence.rank, found.waited) == (2, (0, 0, 0))
    assert not found.evidence.first.any()
    assert not found.evidence.second.any()


def test_each_attempt_leaves_its_own_row(log: StandingLog) -> None:
    log.put(1, 0, standing(7), curator=True)
    log.put(2, 0, standing(8, (5, 6, 7)), curator=False)
    found = log.after(attempt(2), 3)
    assert number_of(found) == 8
    assert found is not None
    assert found.waited == (5, 6, 7)
    assert number_of(log.after(attempt(1), 3)) == 7
    assert [log.curator_counts(*place) for place in ((1, 0), (2, 0), (3, 0))] == [True, False, False]


def test_an_attempt_that_was_not_judged_here_left_nothing(log: StandingLog) -> None:
    log.put(1, 0, standing(7), curator=True)
    assert log.after(attempt(1, 1), 3) is None
    assert log.after(attempt(2), 3) is None


def test_the_shares_bear_the_rank_that_the_validator_had(log: StandingLog) -> None:
    log.put(1, 0, standing(7), curator=True)
    ranks = {committee: log.after(attempt(1, 0, committee), 3) for committee in ((0, 1, 2), (1, 2, 3), (0, 2, 3))}
    assert [None if found is None else found.evidence.rank for found in ranks.values()] == [1, 0, None]


def test_an_attempt_judged_again_replaces_what_it_left(log: StandingLog) -> None:
    log.put(1, 0, standing(7), curator=True)
    log.put(1, 0, standing(9), curator=False)
    assert number_of(log.after(attempt(1), 3)) == 9
    assert not log.curator_counts(1, 0)


def test_the_record_survives_reopening_the_file_and_is_on_the_disk_at_once(log: StandingLog, tmp_path: Path) -> None:
    log.put(1, 0, standing(7), curator=True)
    # Another connection sees only what was committed.
    again = StandingLog(tmp_path / "standings.sqlite", 1)
    assert number_of(again.after(attempt(1), 3)) == 7
    assert again.curator_counts(1, 0)
    again.close()


@pytest.mark.parametrize(
    "change",
    [
        "first = x'00'",
        "second = substr(second, 9)",
        "first = substr(first, 9), second = substr(second, 9)",
        "waited = 'nothing'",
        "waited = '3'",
        "waited = '[1, 2]'",
    ],
)
def test_a_record_that_cannot_be_read_voids_the_round(log: StandingLog, tmp_path: Path, change: str) -> None:
    log.put(1, 0, standing(7), curator=True)
    with sqlite3.connect(tmp_path / "standings.sqlite") as other:
        other.execute(f"UPDATE standings SET {change}")  # noqa: S608
    other.close()
    with pytest.raises(RoundVoid, match=r"validator-1.* record of the evidence"):
        log.after(attempt(1), 3)


def alter(federation: Any, rank: int, statement: str, *values: Any) -> None:
    path = federation.folder.party(f"validator-{rank}").path / "standings.sqlite"
    with sqlite3.connect(path) as database:
        assert database.execute(statement, values).rowcount > 0
    database.close()


@pytest.fixture
def played(federation_of: Any, lenient: dict[str, Any]) -> Any:
    """A federation after a round in which one attacker was proven to be one."""
    federation = federation_of(attacks=[ATTACK], defence={**lenient, "suspension": 4.0})
    record = federation.play()
    assert record.verdicts["hospital-4"] == "range"
    return federation


def test_evidence_is_kept_in_shares_and_survives_a_restart(played: Any) -> None:
    assert played.evidence().round(3).tolist() == [0, 0, 0, 0, 1, 0]
    played.parties.close()
    played.parties = seat(played.prepared, played.folder)
    played.play()
    assert played.evidence().round(3).tolist() == [0, 0, 0, 0, 2, 0]


def test_a_void_attempt_leaves_no_evidence(played: Any) -> None:
    def fail(state: AttemptState) -> bytes:
        raise RoundVoid("out of memory")

    validator = played.parties.committee.validators[0]
    validator.aggregate = fail
    assert played.play().status == "void"
    assert played.evidence()[4] == pytest.approx(1, abs=1e-3)
    del validator.aggregate
    assert played.play().status == "released"
    assert played.evidence()[4] == pytest.approx(2, abs=1e-3)


DAMAGED: dict[str, tuple[str, str]] = {
    "lost": ("DELETE FROM standings", "lost its own"),
    "waiting times altered": ("UPDATE standings SET waited = '[0, 0, 0, 0, 0, 9]'", "lost its own"),
    "a component altered": ("UPDATE standings SET first = zeroblob(length(first))", "one of the records was altered"),
    "the other component altered": (
        "UPDATE standings SET second = zeroblob(length(second))",
        "one of the records was altered",
    ),
    "evidence of five hospitals": (
        "UPDATE standings SET first = substr(first, 9), second = substr(second, 9)",
        "not of 6 hospitals",
    ),
}


@pytest.mark.parametrize("what", DAMAGED)
def test_a_lost_or_altered_record_voids_the_round_and_says_so(played: Any, what: str) -> None:
    statement, reason = DAMAGED[what]
    alter(played, 2, statement)
    before = played.ledger.current_model()
    record = played.play()
    assert record.status == "void"
    assert reason in record.notes["round"]
    assert played.ledger.current_model() == before
    assert played.state().verdicts is None
    assert played.state().phase is Phase.VOID


def test_an_older_copy_of_a_record_is_noticed(played: Any) -> None:
    played.play()
    alter(played, 0, "DELETE FROM standings WHERE round = 2")
    record = played.play()
    assert record.status == "void"
    assert "different records of the evidence" in record.notes["round"]


def test_a_false_part_of_the_curator_in_the_record_spoils_the_opening(played: Any) -> None:
    def falsify(state: AttemptState) -> bytes:
        alter(played, 1, "UPDATE standings SET curator = 0 WHERE round = ?", state.round)
        return Validator.aggregate(validator, state)

    validator = played.parties.committee.validators[1]
    validator.aggregate = falsify
    record = played.play()
    assert record.status == "void"
    assert "different components" in record.notes["round"]


def test_quarantine_ends_when_the_evidence_has_fallen_and_the_past_is_not_held_against_it(federation_of: Any) -> None:
    attacks = [{**ATTACK, "until_round": 1}]
    defence = {
        "least_score": -2.0,
        "score_floor": -1.0,
        "score_share": 0.0,
        "noise_cosine": 0.0,
        "norm_multiple": 10.0,
        "standard_errors": 10.0,
        "forgiveness": 0.2,
        "quarantine": 0.5,
        "suspension": 4.0,
    }
    federation = federation_of(attacks=attacks, defence=defence, training={"learning_rate": 0.01})
    words, evidence = [], []
    for _ in range(5):
        words.append(federation.play().verdicts["hospital-4"])
        evidence.append(round(float(federation.evidence()[4]), 2))
    assert evidence == [1.0, 0.8, 0.6, 0.4, 0.2]
    assert words == ["range", "gradient", "gradient", "accepted", "accepted"]


def test_shares_of_the_evidence_say_nothing_on_their_own(played: Any) -> None:
    parts = []
    for rank in range(3):
        path = played.folder.party(f"validator-{rank}").path / "standings.sqlite"
        with sqlite3.connect(path) as database:
            row = database.execute("SELECT first, second FROM standings").fetchone()
        database.close()
        parts.append([np.frombuffer(part, dtype="<u8") for part in row])
    for rank in range(3):
        assert np.array_equal(parts[rank][1], parts[(rank + 1) % 3][0])
        # Uniform in 2^64: none of six entries is as small as evidence would be.
        for part in parts[rank]:
            assert (np.abs(part.astype(np.int64).astype(float)) > 2**40).all()
    shares = [ReplicatedShare(rank, *parts[rank]) for rank in range(3)]
    assert reconstruct(shares)[4] == pytest.approx(2**18, rel=1e-3)
