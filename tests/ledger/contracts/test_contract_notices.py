"""The contract of complaints and refusals: who may say what, once or until withdrawn, and that nobody is stopped."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.ledger.interface import Phase, Status

World = Any
LOST = "no verdict"
NO_COMPLAINT, NO_REFUSAL = (0, 0, 0, 0, b""), (0, b"")


def complain(world: World, hospital: int = 0, number: int = 1, attempt: int = 0, reason: str = LOST) -> Any:
    return world.send(f"hospital-{hospital}", "Notices", "complain", number, attempt, reason)


def complaint(world: World, hospital: int = 0, number: int = 1, attempt: int = 0) -> Any:
    return world.read("Notices", "complaint", number, attempt, hospital)


def set_status(world: World, who: str, status: Status) -> None:
    world.decide("Consortium", "set_status", world.address(who), int(status), "why")


def test_a_complaint_names_attempt_hospital_date_and_reason(begun: World) -> None:
    begun.attempt(1, to="SUBMITTED")
    assert complaint(begun) == NO_COMPLAINT
    begun.wait(7)
    (event,) = complain(begun, 3, reason="x" * 64).events
    values = {"round_number": 1, "attempt": 0, "hospital": 3, "reason": "x" * 64}
    assert (event.name, event.values) == ("Complained", values)
    assert complaint(begun, 3) == (1, 0, 3, begun.now(), b"x" * 64)
    assert complaint(begun, 0) == complaint(begun, 3, attempt=1) == complaint(begun, 3, number=2) == NO_COMPLAINT
    assert begun.read("Notices", "complaint_count") == 1
    obeyed = begun.read("Notices", "consortium"), begun.read("Notices", "study")
    assert obeyed == (begun.addresses["Consortium"].lower(), begun.addresses["Study"].lower())


@pytest.mark.parametrize("phase", ["SUBMITTED", "CLOSED", "DRAWN", "BOUND", "FINAL", "RELEASED"])
def test_a_hospital_complains_at_any_time_after_it_submitted(begun: World, phase: str) -> None:
    begun.attempt(1, to=phase)
    complain(begun)
    begun.refuse("nothing submitted", "hospital-2", "Notices", "complain", 1, 0, LOST)
    assert begun.read("Notices", "complaint_count") == 1


def test_nobody_complains_before_it_submitted(begun: World) -> None:
    begun.refuse("no such attempt", "hospital-0", "Notices", "complain", 1, 0, LOST)
    begun.attempt(1, to="COMMITTED")
    begun.refuse("nothing submitted", "hospital-0", "Notices", "complain", 1, 0, LOST)


def test_each_attempt_and_each_hospital_has_a_complaint_of_its_own(begun: World) -> None:
    begun.attempt(1, to="CLOSED")
    for rank in (0, 1):
        begun.send(f"validator-{rank}", "Study", "vote_void", 1, 0, "stuck")
    begun.attempt(1, 1)
    places = [(0, 1, 0), (3, 1, 0), (0, 1, 1)]
    for hospital, number, attempt in places:
        complain(begun, hospital, number, attempt)
        begun.refuse("already complained", f"hospital-{hospital}", "Notices", "complain", number, attempt, "again")
    page = begun.read("Notices", "complaint_page", 0)
    assert [(hospital, number, attempt) for number, attempt, hospital, _, _ in page] == places
    assert [each[4] for each in page] == [LOST.encode()] * 3
    assert begun.read("Notices", "complaint_page", 2) == page[2:]
    assert begun.read("Notices", "complaint_page", 3) == ()


def test_a_hospital_that_verdicts_suspended_complains_of_them(begun: World) -> None:
    begun.attempt(1, to="DRAWN")
    for rank in (0, 1):
        begun.send(f"validator-{rank}", "Study", "attest_verdicts", 1, 0, b"\0\0\1\x0c")
    assert begun.read("Study", "suspended_word", 0) == 0b1000
    complain(begun, 3, reason="forged")
    assert complaint(begun, 3)[4] == b"forged"


def test_the_consortium_shuts_up_whom_it_suspended(begun: World) -> None:
    begun.attempt(1)
    begun.send("hospital-1", "Notices", "refuse", "policy")
    set_status(begun, "hospital-1", Status.SUSPENDED)
    for function, *place in (("complain", 1, 0), ("refuse",), ("withdraw_refusal",)):
        begun.refuse("not an active member", "hospital-1", "Notices", function, *place, LOST)
    set_status(begun, "hospital-1", Status.ACTIVE)
    complain(begun, 1)
    begun.send("hospital-1", "Notices", "withdraw_refusal", "policy 2")


def test_an_active_hospital_outside_the_study_has_no_word_in_it(begun: World) -> None:
    begun.decide("Consortium", "enrol", begun.address("late"), 1, b"\2" + bytes(32), b"")
    for function, *place in (("complain", 1, 0), ("refuse",), ("withdraw_refusal",)):
        begun.refuse("only an enrolled hospital", "late", "Notices", function, *place, LOST)


def test_a_refusal_is_current_until_it_is_withdrawn(world: World) -> None:
    """Before the study begins, too: a site's policy is asked before its data."""
    assert world.read("Notices", "refusal", 2) == NO_REFUSAL
    (event,) = world.send("hospital-2", "Notices", "refuse", "clip above 1.0").events
    assert (event.name, event.values) == ("StudyRefused", {"hospital": 2, "reason": "clip above 1.0"})
    made = world.now()
    world.wait(50)
    assert world.read("Notices", "refusal", 2) == (made, b"clip above 1.0")
    world.refuse("already refused", "hospital-2", "Notices", "refuse", "validator-1")
    world.send("hospital-0", "Notices", "refuse", "validator-1")
    assert world.read("Notices", "refusal_count") == 2
    (event,) = world.send("hospital-2", "Notices", "withdraw_refusal", "policy 2").events
    assert (event.name, event.values) == ("RefusalWithdrawn", {"hospital": 2, "reason": "policy 2"})
    assert world.read("Notices", "refusal", 2) == NO_REFUSAL
    assert world.read("Notices", "refusal_count") == 1
    world.refuse("nothing to withdraw", "hospital-2", "Notices", "withdraw_refusal", "policy 2")
    world.send("hospital-2", "Notices", "refuse", "again")
    page = world.read("Notices", "refusal_page", 0)
    assert [reason for _, reason in page] == [b"validator-1", b"", b"again", b""]
    assert world.read("Notices", "refusal_page", 3) == (NO_REFUSAL,)
    assert world.read("Notices", "refusal_page", 4) == ()


def test_no_statement_stops_a_round(begun: World) -> None:
    for hospital in range(4):
        begun.send(f"hospital-{hospital}", "Notices", "refuse", "policy")
    begun.attempt(1, to="SUBMITTED")
    for hospital in (0, 1, 3):
        complain(begun, hospital)
    for rank in (0, 1):
        begun.send(f"validator-{rank}", "Study", "close_submissions", 1, 0)
    assert begun.read("Study", "attempt_state", 1, 0)[0] == Phase.CLOSED


def test_pages_hold_64_entries(make_world: Callable[..., World]) -> None:
    world = make_world(people={"hospital": 66, "auditor": 0, "physician": 0}, threshold=1, administrators=[])
    world.enrol()
    world.begin()
    world.attempt(1, to="SUBMITTED")
    with world.ledger.block():
        for hospital in range(66):
            world.send(f"hospital-{hospital}", "Notices", "refuse", f"policy {hospital}")
            if hospital != 2:
                complain(world, hospital, reason=f"lost {hospital}")
    for function, count in (("complaint_page", 65), ("refusal_page", 66)):
        assert [len(world.read("Notices", function, start)) for start in (0, 64)] == [64, count - 64]
    view = world.ledger.reader
    assert [each.hospital for each in view.complaints()] == [index for index in range(66) if index != 2]
    assert [each.reason for each in view.refusals()] == [f"policy {index}" for index in range(66)]
