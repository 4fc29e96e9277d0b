"""A study with more validators than serve at once: the committees that are drawn go on from one another's shares."""

import sqlite3
from typing import Any

import numpy as np
import pytest

from mithridate.errors import StudyError
from mithridate.federation.parties import seat
from mithridate.federation.seats import possible_seats
from mithridate.ledger.interface import Phase

ATTACK = {"name": "scaling", "hospitals": [4], "gamma": 1000.0}
MOST_ROUNDS = 16
"""All committees drawn in so many rounds are one and the same with a chance of 4^-15."""


@pytest.fixture
def drawn(federation_of: Any, lenient: dict[str, Any]) -> Any:
    """A study of four validators, where each attempt has a committee of its own."""
    return federation_of(
        attacks=[ATTACK],
        training={"rounds": MOST_ROUNDS, "learning_rate": 0.01},
        defence={**lenient, "suspension": 100.0},
        validators={"count": 4, "rotation": 1},
    )


def played_to_a_change(federation: Any) -> Any:
    """Plays until a committee followed on another one; its record."""
    last = federation.play()
    for _ in range(MOST_ROUNDS - 1):
        before = federation.state().committee
        last = federation.play()
        if federation.state().committee != before:
            return last
    raise AssertionError("one committee was drawn over and over")


def test_evidence_adds_up_across_committees(drawn: Any) -> None:
    record = played_to_a_change(drawn)
    assert record.status == "released"
    assert drawn.evidence().round(3).tolist() == [0, 0, 0, 0, record.round, 0]


def test_models_are_those_of_three_validators(drawn: Any, federation_of: Any, lenient: dict[str, Any]) -> None:
    last = played_to_a_change(drawn)
    training = {"rounds": MOST_ROUNDS, "learning_rate": 0.01}
    three = federation_of(attacks=[ATTACK], training=training, defence={**lenient, "suspension": 100.0})
    hashes = [three.play().model_hash for _ in range(last.round)]
    assert hashes[-1] == last.model_hash


def test_a_rule_goes_on_from_the_memory_of_another_committee(federation_of: Any, lenient: dict[str, Any]) -> None:
    tables: dict[str, Any] = {
        "aggregation": {"name": "foolsgold"},
        "training": {"rounds": MOST_ROUNDS, "learning_rate": 0.01},
        "defence": lenient,
    }
    federation = federation_of(**tables, validators={"count": 4, "rotation": 1})
    played_to_a_change(federation)
    state = federation.state()
    memories = [
        federation.parties.committee.every[place]._succession.memories.after(
            state, (len(federation.prepared.sites), federation.prepared.layout.size)
        )
        for place in state.committee
    ]
    assert {memory.rounds for memory in memories} == {state.round}


def forget(federation: Any, place: int) -> None:
    with sqlite3.connect(federation.folder.party(f"validator-{place}").path / "standings.sqlite") as database:
        assert database.execute("DELETE FROM standings").rowcount
    database.close()


def played_with(federation: Any, harm: Any) -> Any:
    """Plays rounds, each time after `harm` to the last committee, until it was another that went on from it."""
    federation.play()
    for _ in range(MOST_ROUNDS - 1):
        before = federation.state().committee
        undo = harm(before)
        record = federation.play()
        if federation.state().committee != before:
            return record
        undo()
    raise AssertionError("one committee was drawn over and over")


def copied(federation: Any, place: int) -> Any:
    path = federation.folder.party(f"validator-{place}").path / "standings.sqlite"
    with sqlite3.connect(path) as database:
        rows = database.execute("SELECT * FROM standings").fetchall()

    def undo() -> None:
        with sqlite3.connect(path) as database:
            database.executemany("INSERT OR REPLACE INTO standings VALUES (?, ?, ?, ?, ?, ?)", rows)

    return undo


def test_one_of_the_last_committee_may_have_lost_its_record(drawn: Any) -> None:
    def harm(committee: Any) -> Any:
        undo = copied(drawn, committee[1])
        forget(drawn, committee[1])
        return undo

    record = played_with(drawn, harm)
    # The same committee could not go on: then the attempt is void, and this one is the next.
    assert record.status == "released"
    assert drawn.evidence().round(3)[4] == record.round


def test_what_one_of_the_last_committee_alters_is_noticed(drawn: Any) -> None:
    def harm(committee: Any) -> Any:
        undo = copied(drawn, committee[0])
        path = drawn.folder.party(f"validator-{committee[0]}").path / "standings.sqlite"
        altered = np.arange(6, dtype="<u8").tobytes()
        with sqlite3.connect(path) as database:
            database.execute("UPDATE standings SET first = ?", (altered,))
        return undo

    record = played_with(drawn, harm)
    assert record.status == "void"
    assert "of the last committee hand over different components" in record.notes["round"]


def test_after_an_attempt_that_came_to_nothing_others_are_drawn(federation_of: Any, lenient: dict[str, Any]) -> None:
    federation = federation_of(defence=lenient, validators={"count": 5, "rotation": 100})
    first = federation.play()
    committee = federation.state().committee
    assert federation.ledger.draws() == 1
    federation.watcher.at["verify"] = lambda: forget_updates(federation)
    void = federation.play()
    federation.watcher.at.clear()
    assert (first.status, void.status, federation.state().committee) == ("released", "void", committee)
    again = federation.play()
    assert (again.status, federation.ledger.draws()) == ("released", 2)


def forget_updates(federation: Any) -> None:
    federation.parties.committee.validators[0].forget()


def test_a_run_that_was_killed_goes_on_with_the_committee_of_its_attempt(drawn: Any) -> None:
    played_to_a_change(drawn)
    state = drawn.state()
    drawn.parties.close()
    drawn.parties = seat(drawn.prepared, drawn.folder)
    places = [validator.place for validator in drawn.parties.committee.validators]
    assert places == list(state.committee)
    assert drawn.play().status == "released"


def test_a_memory_that_fits_in_no_message_is_refused_before_the_first_round(
    federation_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mithridate.federation.parties.MAX_LENGTH", 100)
    with pytest.raises(StudyError, match=r"foolsgold keeps \d+ numbers .* choose validators.count = 3"):
        federation_of(aggregation={"name": "foolsgold"}, validators={"count": 4})
    federation_of(aggregation={"name": "foolsgold"})


def test_every_committee_has_shares_of_its_own_of_the_reference_set(drawn: Any) -> None:
    length = drawn.parties.reference.length
    given = [drawn.parties.coordinator.reference_part(seats, 0, length) for seats in possible_seats(4)]
    assert len({each.digests for each in given}) == 1
    assert len(set(given[0].digests)) == 4


def test_the_ledger_says_who_served(drawn: Any) -> None:
    for _ in range(3):
        drawn.play()
    reader = drawn.ledger
    assert reader.draws() == 3
    for number in range(1, 4):
        state = reader.attempt(number, 0)
        assert state.phase is Phase.RELEASED
        assert state.committee == reader.draw(number).committee
