"""The contract of access to records: asked for, admitted, approved by most doctors, opened, and linked to nobody."""

from typing import Any

import pytest

from mithridate.ledger.interface import AccessState, Status
from mithridate.ledger.interface.access import panel_digest

World = Any
HANDLE, PURPOSE = bytes([0xA1]) * 32, bytes([0xB2]) * 32


def salt(seat: int, handle: bytes = HANDLE) -> bytes:
    return bytes(a ^ (seat + 1) for a in handle)


def panel(world: World, *seats: int, handle: bytes = HANDLE) -> list[bytes]:
    return [panel_digest(handle, salt(seat, handle), world.address(f"physician-{seat}")) for seat in seats]


def ask(world: World, handle: bytes = HANDLE, who: int = 3, seconds: int = 1000) -> Any:
    expiry = world.now() + seconds
    return world.send(f"physician-{who}", "Access", "request", handle, world.address("hospital-0"), PURPOSE, expiry)


def admit(world: World, *seats: int, threshold: int = 2, handle: bytes = HANDLE) -> Any:
    return world.send("hospital-0", "Access", "admit", handle, panel(world, *seats, handle=handle), threshold)


def say(world: World, seat: int, function: str = "approve", handle: bytes = HANDLE) -> Any:
    return world.send(f"physician-{seat}", "Access", function, handle, salt(seat, handle))


def state(world: World, handle: bytes = HANDLE) -> AccessState:
    return AccessState(world.read("Access", "access_request", handle)[0])


@pytest.fixture
def admitted(world: World) -> World:
    ask(world)
    admit(world, 0, 1, 2)
    return world


@pytest.fixture
def granted(admitted: World) -> World:
    say(admitted, 0)
    say(admitted, 2)
    return admitted


def test_most_doctors_approve_and_every_opening_is_logged(world: World) -> None:
    physician, custodian, expiry = world.address("physician-3"), world.address("hospital-0"), world.now() + 1000
    (event,) = ask(world).events
    asked = {"handle": HANDLE, "physician": physician, "custodian": custodian, "purpose": PURPOSE, "expiry": expiry}
    assert (event.name, event.values) == ("Requested", asked)
    (event,) = admit(world, 0, 1, 2).events
    assert (event.values["threshold"], list(event.values["panel"])) == (2, panel(world, 0, 1, 2))
    (event,) = say(world, 1).events
    assert (event.name, event.values) == ("Approved", {"handle": HANDLE, "physician": world.address("physician-1")})
    assert state(world) == AccessState.ADMITTED
    world.refuse("access not granted", "hospital-0", "Access", "log_opening", HANDLE)
    events = say(world, 0).events
    assert [each.name for each in events] == ["Approved", "Granted"]
    assert events[1].values == {"handle": HANDLE, "expiry": expiry}
    for opening in (1, 2):
        (event,) = world.send("hospital-0", "Access", "log_opening", HANDLE).events
        assert event.values == {"handle": HANDLE, "physician": physician, "opening": opening}
    request = world.read("Access", "access_request", HANDLE)
    assert (request[0], request[7:]) == (AccessState.GRANTED, (0b011, 0, 2))
    world.refuse("wrong state", "physician-2", "Access", "approve", HANDLE, salt(2))


def test_a_request_is_refused_once_the_threshold_is_out_of_reach(admitted: World) -> None:
    (event,) = say(admitted, 2, "refuse").events
    assert (event.name, state(admitted)) == ("Refused", AccessState.ADMITTED)
    say(admitted, 0)
    assert [each.name for each in say(admitted, 1, "refuse").events] == ["Refused", "Denied"]
    assert state(admitted) == AccessState.REFUSED
    admitted.refuse("wrong state", "physician-3", "Access", "withdraw", HANDLE)


@pytest.mark.parametrize(("doctors", "threshold", "taken"), [(1, 1, True), (2, 1, False), (2, 2, True), (3, 4, False)])
def test_the_threshold_is_more_than_half(world: World, doctors: int, threshold: int, taken: bool) -> None:
    ask(world)
    if taken:
        admit(world, *range(doctors), threshold=threshold)
    else:
        arguments = (HANDLE, panel(world, *range(doctors)), threshold)
        world.refuse("threshold is no majority", "hospital-0", "Access", "admit", *arguments)


@pytest.mark.parametrize("threshold", [0, 2**255, 2**256 - 1])
def test_no_number_passes_for_a_majority_of_nobody(world: World, threshold: int) -> None:
    ask(world)
    world.refuse("threshold is no majority", "hospital-0", "Access", "admit", HANDLE, [], threshold)


def test_a_panel_of_sixteen_is_the_largest(world: World) -> None:
    ask(world)
    digests = [bytes([number]) * 32 for number in range(1, 17)]
    world.send("hospital-0", "Access", "admit", HANDLE, digests, 16)
    assert list(world.read("Access", "access_request", HANDLE)[5]) == digests


def test_every_step_ends_with_the_expiry(granted: World) -> None:
    granted.wait(1000)
    for who, function, *arguments in (
        ("hospital-0", "admit", panel(granted, 0), 1),
        ("physician-1", "approve", salt(1)),
        ("physician-1", "refuse", salt(1)),
        ("physician-3", "withdraw"),
        ("hospital-0", "log_opening"),
    ):
        granted.refuse("request has expired", who, "Access", function, HANDLE, *arguments)


def test_a_request_lives_until_its_last_second(granted: World) -> None:
    granted.wait(999)
    granted.send("hospital-0", "Access", "log_opening", HANDLE)


@pytest.mark.parametrize("who", ["physician-3", "hospital-0"])
@pytest.mark.parametrize("step", ["asked", "admitted", "granted"])
def test_either_party_ends_the_access_at_any_time(world: World, who: str, step: str) -> None:
    ask(world)
    if step != "asked":
        admit(world, 0, 1, 2)
    if step == "granted":
        say(world, 0)
        say(world, 1)
    (event,) = world.send(who, "Access", "withdraw", HANDLE).events
    assert (event.name, event.values) == ("AccessWithdrawn", {"handle": HANDLE, "by": world.address(who)})
    world.refuse("wrong state", who, "Access", "withdraw", HANDLE)
    world.refuse("access not granted", "hospital-0", "Access", "log_opening", HANDLE)


def test_nothing_opens_for_a_physician_suspended_meanwhile(granted: World) -> None:
    physician = granted.address("physician-3")
    granted.decide("Consortium", "set_status", physician, int(Status.SUSPENDED), "left")
    granted.refuse("only a physician", "hospital-0", "Access", "log_opening", HANDLE)
    granted.decide("Consortium", "set_status", physician, int(Status.ACTIVE), "back")
    granted.send("hospital-0", "Access", "log_opening", HANDLE)


def test_neither_a_suspended_doctor_nor_a_suspended_hospital_acts(admitted: World) -> None:
    for who in ("physician-0", "hospital-0"):
        admitted.decide("Consortium", "set_status", admitted.address(who), int(Status.SUSPENDED), "left")
    admitted.refuse("only a physician", "physician-0", "Access", "approve", HANDLE, salt(0))
    admitted.refuse("not an active member", "hospital-0", "Access", "log_opening", HANDLE)


def test_an_active_hospital_admits_a_request_once(world: World) -> None:
    ask(world)
    hospital, arguments = world.address("hospital-0"), ("hospital-0", "Access", "admit", HANDLE, panel(world, 0), 1)
    world.decide("Consortium", "set_status", hospital, int(Status.SUSPENDED), "audit")
    world.refuse("not an active member", *arguments)
    world.decide("Consortium", "set_status", hospital, int(Status.ACTIVE), "audited")
    admit(world, 0, 1, 2)
    world.refuse("wrong state", *arguments)


def test_a_doctor_needs_its_own_salt(admitted: World) -> None:
    admitted.refuse("not on the panel", "physician-0", "Access", "approve", HANDLE, salt(1))
    admitted.refuse("not on the panel", "physician-3", "Access", "approve", HANDLE, salt(3))
    ask(admitted, bytes([9]) * 32)
    admit(admitted, 0, threshold=1, handle=bytes([9]) * 32)
    admitted.refuse("not on the panel", "physician-0", "Access", "approve", bytes([9]) * 32, salt(0))


@pytest.mark.parametrize(("first", "then"), [("approve", "approve"), ("approve", "refuse"), ("refuse", "approve")])
def test_a_doctor_votes_once(admitted: World, first: str, then: str) -> None:
    say(admitted, 0, first)
    admitted.refuse("already voted", "physician-0", "Access", then, HANDLE, salt(0))


def test_a_doctor_given_two_seats_has_one_vote(world: World) -> None:
    ask(world)
    salts = [bytes([1]) * 32, bytes([2]) * 32]
    digests = [panel_digest(HANDLE, each, world.address("physician-0")) for each in salts]
    world.send("hospital-0", "Access", "admit", HANDLE, digests + panel(world, 1), 2)
    world.send("physician-0", "Access", "approve", HANDLE, salts[0])
    world.refuse("already voted", "physician-0", "Access", "approve", HANDLE, salts[1])
    assert state(world) == AccessState.ADMITTED


def test_two_requests_for_one_patient_share_nothing_but_who_acts(world: World) -> None:
    seen: list[set[bytes]] = []
    for number in (1, 2):
        handle, start = bytes([number]) * 31 + b"\x55", len(world.sent)
        expiry, purpose = world.now() + 1000 * number, bytes([0xC0 + number]) * 32
        custodian = world.address("hospital-0")
        world.send("physician-3", "Access", "request", handle, custodian, purpose, expiry)
        admit(world, 0, 1, 2, handle=handle)
        for seat in (0, 1):
            say(world, seat, handle=handle)
        world.send("hospital-0", "Access", "log_opening", handle)
        seen.append({word for sent in world.sent[start:] for word in sent.words})
    names = ("hospital-0", *(f"physician-{seat}" for seat in range(4)))
    actors = {bytes(12) + bytes.fromhex(world.address(name)[2:]) for name in names}
    shared = seen[0] & seen[1]
    # What is left are the events' names, and numbers below 256: offsets, lengths, the threshold, the opening.
    names_of_events = set(world._topics)
    rest = {word for word in shared - actors - names_of_events if int.from_bytes(word) > 255}
    assert rest == set()
    assert bytes(12) + bytes.fromhex(world.address("physician-2")[2:]) not in seen[0] | seen[1]


def test_a_handle_taken_before_its_owner_names_the_thief_and_costs_a_fresh_handle(world: World) -> None:
    ask(world, who=1)
    arguments = (HANDLE, world.address("hospital-0"), PURPOSE, world.now() + 10)
    world.refuse("handle was used", "physician-3", "Access", "request", *arguments)
    assert world.read("Access", "access_request", HANDLE)[1] == world.address("physician-1").lower()
    ask(world, bytes([7]) * 32)
