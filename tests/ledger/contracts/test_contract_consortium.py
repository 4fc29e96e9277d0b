"""The consortium's contract: what m of n administrators decide, membership and keys."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.errors import RuleViolation
from mithridate.ledger.interface import Role, Status

World = Any
SIGNING, ENVELOPE = b"\2" + bytes([5]) * 32, b"\3" + bytes([6]) * 32


def enrol(world: World, index: int, who: str = "newcomer", role: Role = Role.PHYSICIAN) -> Any:
    return world.vote(index, "Consortium", "enrol", world.address(who), int(role), b"", b"")


def set_status(world: World, who: str, status: Status, *, by: tuple[int, ...] = (0, 1)) -> Any:
    return [
        world.vote(index, "Consortium", "set_status", world.address(who), int(status), f"why {status.name}")
        for index in by
    ][-1]


def is_member(world: World, who: str = "newcomer", role: Role = Role.PHYSICIAN) -> bool:
    return bool(world.read("Consortium", "is_active", world.address(who), int(role)))


def test_the_second_of_three_votes_decides(world: World) -> None:
    data = world.call_data("Consortium", "enrol", world.address("newcomer"), int(Role.PHYSICIAN), b"", b"")
    (first,) = enrol(world, 2).events
    assert (first.name, first.values["administrator"]) == ("Voted", world.address("administrator-2"))
    assert (first.values["target"], first.values["data"]) == (world.addresses["Consortium"], data)
    assert not is_member(world)
    events = enrol(world, 0).events
    assert [event.name for event in events] == ["Voted", "Decided", "Enrolled"]
    assert events[1].values == {key: first.values[key] for key in ("action", "target", "data")}
    assert events[2].values == {"account": world.address("newcomer"), "role": 4, "index": 4}
    assert is_member(world)
    assert world.read("Consortium", "executed", first.values["action"]) == 1


def test_votes_for_different_things_do_not_add_up(world: World) -> None:
    enrol(world, 0)
    enrol(world, 1, "another")
    enrol(world, 2, role=Role.AUDITOR)
    assert not is_member(world)
    assert not is_member(world, "another")


def test_the_vote_of_one_administrator_counts_once(world: World) -> None:
    enrol(world, 0)
    data = world.call_data("Consortium", "enrol", world.address("newcomer"), int(Role.PHYSICIAN), b"", b"")
    world.refuse("already voted", "administrator-0", "Consortium", "decide", world.addresses["Consortium"], data)


def test_votes_expire_together_and_can_be_cast_again(world: World) -> None:
    enrol(world, 0)
    world.wait(3599)
    assert not is_member(world)
    world.wait(1)
    enrol(world, 1)
    assert not is_member(world)
    enrol(world, 0)
    assert is_member(world)


def test_a_vote_counts_until_the_last_second(world: World) -> None:
    enrol(world, 0)
    world.wait(3599)
    enrol(world, 1)
    assert is_member(world)


def test_a_ballot_longer_than_the_clock_shows_lasts_as_long_as_agreed(make_world: Callable[..., World]) -> None:
    world = make_world(ballot=2_000_000_500)
    world.enrol()
    enrol(world, 0)
    world.wait(1000)
    enrol(world, 1)
    assert is_member(world)


def test_a_decision_repeated_needs_its_votes_again(world: World) -> None:
    study = world.addresses["Access"]
    assert world.decide("Consortium", "add_study", study).events[-1].values == {"number": 1, "study": study}
    world.vote(0, "Consortium", "add_study", study)
    assert world.read("Consortium", "study_count") == 2
    world.vote(1, "Consortium", "add_study", study)
    assert world.read("Consortium", "study_count") == 3
    assert world.read("Consortium", "studies", 2) == study.lower()


def test_the_vote_of_an_administrator_suspended_meanwhile_does_not_count(world: World) -> None:
    enrol(world, 0)
    set_status(world, "administrator-0", Status.SUSPENDED, by=(1, 2))
    enrol(world, 1)
    assert not is_member(world)
    enrol(world, 2)
    assert is_member(world)


def test_votes_that_become_enough_by_a_reinstatement_can_be_carried_out(world: World) -> None:
    enrol(world, 0)
    set_status(world, "administrator-0", Status.SUSPENDED, by=(1, 2))
    enrol(world, 1)
    set_status(world, "administrator-0", Status.ACTIVE, by=(1, 2))
    assert not is_member(world)
    enrol(world, 1)
    assert is_member(world)


def test_votes_that_become_enough_by_a_lower_threshold_can_be_carried_out(world: World) -> None:
    enrol(world, 0)
    assert world.decide("Consortium", "set_threshold", 1).events[-1].values == {"threshold": 1}
    assert enrol(world, 0).events[-1].name == "Enrolled"
    with pytest.raises(RuleViolation) as refusal:
        enrol(world, 0)
    assert refusal.value.reason == "already enrolled"


def test_a_decision_that_is_refused_undoes_the_last_vote(world: World) -> None:
    world.vote(0, "Study", "begin", bytes(32), bytes(32))
    with pytest.raises(RuleViolation) as refusal:
        world.vote(1, "Study", "begin", bytes(32), bytes(32))
    assert refusal.value.reason == "empty hash"
    # The vote was undone: it is no second vote of this administrator now.
    with pytest.raises(RuleViolation) as refusal:
        world.vote(1, "Study", "begin", bytes(32), bytes(32))
    assert refusal.value.reason == "empty hash"


def test_what_was_refused_can_be_decided_once_its_cause_is_gone(world: World) -> None:
    newcomer = world.address("newcomer")
    world.vote(0, "Study", "admit", newcomer, 5)
    with pytest.raises(RuleViolation):
        world.vote(1, "Study", "admit", newcomer, 5)
    world.decide("Consortium", "enrol", newcomer, int(Role.HOSPITAL), SIGNING, b"")
    event = world.vote(1, "Study", "admit", newcomer, 5).events[-1]
    assert (event.name, event.values) == ("Admitted", {"index": 4, "account": newcomer, "records": 5})


def test_the_consortium_cannot_vote_in_its_own_name(world: World) -> None:
    inner = world.call_data("Consortium", "set_threshold", 1)
    arguments = ("Consortium", "decide", world.addresses["Consortium"], inner)
    world.vote(0, *arguments)
    with pytest.raises(RuleViolation) as refusal:
        world.vote(1, *arguments)
    assert refusal.value.reason == "only an administrator"


def test_a_decided_call_that_votes_again_is_refused(world: World, puppet: Any) -> None:
    target = puppet("Reputation")
    inner = world.call_data("Consortium", "set_threshold", 1)
    consortium = world.addresses["Consortium"]
    data = target._codec.call("again", [consortium, consortium, inner])
    world.send("administrator-0", "Consortium", "decide", target.address, data)
    world.refuse("only an administrator", "administrator-1", "Consortium", "decide", target.address, data)
    assert world.read("Consortium", "threshold") == 2


def test_an_administrator_that_is_a_contract_gains_no_second_vote_by_reentering(world: World, puppet: Any) -> None:
    target = puppet("Reputation")
    consortium = world.addresses["Consortium"]
    world.decide("Consortium", "enrol", target.address, int(Role.ADMINISTRATOR), b"", b"")
    world.decide("Consortium", "set_threshold", 1)
    inner = world.call_data("Consortium", "add_study", consortium)
    data = target._codec.call("again", [consortium, consortium, inner])
    sent = world.send("administrator-0", "Consortium", "decide", target.address, data)
    assert [event.name for event in sent.events] == ["Voted", "Decided", "Voted", "Decided", "StudyAdded"]
    assert world.read("Consortium", "study_count") == 2


def test_a_decision_for_what_no_contract_offers_is_refused_without_a_reason(world: World) -> None:
    consortium = world.addresses["Consortium"]
    world.send("administrator-0", "Consortium", "decide", consortium, b"\1\2\3\4")
    world.refuse("none given", "administrator-1", "Consortium", "decide", consortium, b"\1\2\3\4")


def test_members_are_suspended_reinstated_and_revoked(world: World) -> None:
    auditor = world.address("auditor-0")
    for status, active in ((Status.SUSPENDED, False), (Status.ACTIVE, True), (Status.REVOKED, False)):
        event = set_status(world, "auditor-0", status).events[-1]
        expected = {"account": auditor, "status": int(status), "reason": f"why {status.name}"}
        assert (event.name, event.values) == ("StatusChanged", expected)
        assert is_member(world, "auditor-0", Role.AUDITOR) is active
    entries = world.read("Consortium", "entry_page", int(Role.AUDITOR), 0)
    assert [entry[1] for entry in entries] == [Status.REVOKED, Status.ACTIVE]
    assert world.read("Consortium", "entry_page", int(Role.AUDITOR), 2) == ()


def test_the_threshold_can_always_be_reached(world: World) -> None:
    set_status(world, "administrator-2", Status.SUSPENDED)
    with pytest.raises(RuleViolation) as refusal:
        set_status(world, "administrator-1", Status.REVOKED)
    assert refusal.value.reason == "fewer administrators than threshold"
    set_status(world, "administrator-2", Status.REVOKED)
    assert world.read("Consortium", "active_administrators") == 0b011


def test_keys_rotate_and_their_history_stays(world: World) -> None:
    address = world.address("auditor-0")
    first = world.read("Consortium", "current_keys", address)
    assert world.read("Consortium", "member", address) == (int(Role.AUDITOR), int(Status.ACTIVE), 0, 1)
    world.wait(50)
    event = world.send("auditor-0", "Consortium", "register_keys", b"", ENVELOPE).events[0]
    values = {"account": address, "version": 2, "signing_key": first[0], "envelope_key": ENVELOPE}
    assert (event.name, event.values) == ("KeysRegistered", values)
    second = world.now()
    world.wait(50)
    world.send("auditor-0", "Consortium", "register_keys", SIGNING, b"")
    versions = [world.read("Consortium", "keys_of_version", address, version) for version in (1, 2, 3)]
    assert versions == [first, (first[0], ENVELOPE, second), (SIGNING, ENVELOPE, second + 50)]
    assert world.read("Consortium", "current_keys", address) == versions[2]
    assert world.read("Consortium", "current_keys", world.address("stranger")) == (b"", b"", 0)


@pytest.mark.parametrize("key", [b"\2" + bytes(32), b"\3" + bytes(32), b"\4" + bytes(64)])
def test_signing_keys_of_either_form_are_taken(world: World, key: bytes) -> None:
    world.send("auditor-0", "Consortium", "register_keys", key, b"")
    assert world.read("Consortium", "current_keys", world.address("auditor-0"))[0] == key


def test_a_consortium_has_at_most_32_administrators(world: World) -> None:
    for index in range(3, 32):
        world.decide("Consortium", "enrol", world.address(f"administrator-{index}"), 5, b"", b"")
    world.vote(31, "Consortium", "enrol", world.address("one too many"), 5, b"", b"")
    with pytest.raises(RuleViolation) as refusal:
        world.vote(30, "Consortium", "enrol", world.address("one too many"), 5, b"", b"")
    assert refusal.value.reason == "too many administrators"
    assert world.read("Consortium", "active_administrators") == 2**32 - 1


def test_a_page_of_members_holds_64(make_world: Callable[..., World]) -> None:
    world = make_world(people={"physician": 66})
    world.enrol()
    pages = [world.read("Consortium", "entry_page", int(Role.PHYSICIAN), start) for start in (0, 64, 66)]
    assert [len(page) for page in pages] == [64, 2, 0]
    assert pages[1][0][0] == world.address("physician-64").lower()
