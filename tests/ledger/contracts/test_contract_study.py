"""The study's contract by direct calls: events of a round, what its getters tell, who is named or left out."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.ledger.interface import Role, Status

World = Any


def test_every_change_of_a_round_is_an_event(begun: World) -> None:
    begun.attempt(1, to="FINAL")
    for rank in (0, 1, 2):
        begun.send(f"validator-{rank}", "Study", "vote_release", 1, 0, True)
    told = {
        function: [] for function in dict.fromkeys(sent.function for sent in begun.sent if sent.contract == "Study")
    }
    for sent in begun.sent:
        if sent.contract == "Study":
            told[sent.function].append([event.name for event in sent.events])
    attested = ["VerdictsAttested"]
    assert told == {
        "open_round": [["RoundOpened"]],
        "commit_randomness": [["RandomnessCommitted"]] * 3,
        "submit": [["Submitted"]] * 3,
        "close_submissions": [["CloseVoted"], ["CloseVoted", "SubmissionsClosed"]],
        "reveal_randomness": [["RandomnessRevealed"]] * 2 + [["RandomnessRevealed", "Drawn"]],
        "attest_verdicts": [attested, [*attested, "Bound"]],
        "attest_model": [["ModelAttested"], ["ModelAttested", "ModelAttested", "Finalised"]],
        "vote_release": [["ReleaseVoted"], ["ReleaseVoted", "ModelReleased", "Released", "Counted"], ["ReleaseVoted"]],
    }


def test_events_carry_round_attempt_and_what_was_written(begun: World) -> None:
    begun.attempt(1)
    events = [event for sent in begun.sent if sent.contract == "Study" for event in sent.events]
    by_name = {event.name: event.values for event in events}
    place = {"round_number": 1, "attempt": 0}
    deadline = begun.read("Study", "attempt_state", 1, 0)[3]
    opened = {"base": begun.model(0), "deadline": deadline, "generation": 0, "committee": (0, 1, 2)}
    assert by_name["RoundOpened"] == place | opened
    assert by_name["SubmissionsClosed"] == place | {"submissions": 3}
    assert by_name["Bound"] == place | {"verdicts": begun.verdicts(), "accepted": 3}
    assert by_name["Finalised"] == by_name["Released"] == place | {"model": begun.model(1)}
    assert by_name["ReleaseVoted"] == place | {"rank": 1, "passed": True}


def test_beginning_is_an_event(world: World) -> None:
    reference = bytes([5]) * 32
    events = world.decide("Study", "begin", world.model(0), reference).events
    assert [event.name for event in events] == ["Voted", "Decided", "ModelReleased", "Begun"]
    assert events[-1].values == {"initial_model": world.model(0), "reference": reference}
    assert world.read("Study", "reference") == reference


def test_getters_tell_the_terms(begun: World) -> None:
    terms = begun.terms
    for name in ("quorum", "min_accepted", "grace", "rotation", "configuration"):
        assert begun.read("Study", name) == getattr(terms, name)
    for name in ("Consortium", "Models", "Reputation", "Committees"):
        assert begun.read("Study", name.lower()) == begun.addresses[name].lower()
    assert begun.read("Study", "coordinator") == terms.coordinator.lower()
    assert [begun.read("Study", "hospital_index", begun.address(who)) for who in ("hospital-2", "stranger")] == [3, 0]
    assert (begun.read("Study", "pool_size"), begun.read("Study", "finished_round")) == (3, 0)
    assert begun.read("Consortium", "ballot_seconds") == terms.ballot
    assert begun.read("Consortium", "role_counts", int(Role.HOSPITAL)) == 4
    assert begun.read("Consortium", "accounts", int(Role.HOSPITAL), 3) == begun.address("hospital-3").lower()
    begun.attempt(1)
    assert begun.read("Study", "finished_round") == 1


def test_whoever_had_not_revealed_when_the_attempt_was_voided_is_named(begun: World) -> None:
    begun.attempt(1, to="CLOSED")
    revealing = next(move for phase, move in begun._moves(begun.model(1)) if phase == "CLOSED")()
    for who, function, value in revealing[:2]:
        begun.send(who, "Study", function, 1, 0, value)
    begun.send("validator-0", "Study", "vote_void", 1, 0, "one is missing")
    events = begun.send("validator-1", "Study", "vote_void", 1, 0, "one is missing").events
    assert [event.name for event in events] == ["VoidVoted", "Withheld", "Voided"]
    assert events[1].values == {"round_number": 1, "attempt": 0, "validator": begun.address("validator-2")}


def test_a_hospital_that_the_consortium_suspends_counts_as_suspended_until_reinstated(begun: World) -> None:
    for status, word in ((Status.SUSPENDED, 0b10), (Status.ACTIVE, 0)):
        begun.decide("Consortium", "set_status", begun.address("hospital-1"), int(status), "inspection")
        assert begun.read("Study", "suspended_word", 0) == word


@pytest.mark.parametrize("size", [4, 5])
def test_ranks_of_an_attempt_are_places_in_its_committee(make_world: Callable[..., World], size: int) -> None:
    world = make_world(validators=size)
    world.enrol()
    world.begin()
    world.draw(withheld=[0])
    world.attempt(1, to="OPENED")
    for place, who in enumerate(world.committee()):
        (event,) = world.send(who, "Study", "commit_randomness", 1, 0, bytes([place + 1]) * 32).events
        assert event.values["rank"] == place
