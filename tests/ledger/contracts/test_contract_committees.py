"""The committees' contract: draws by commit and reveal, who withheld, and how a study serves what was drawn."""

import hashlib
import itertools
from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from scipy.stats import chisquare

from mithridate.crypto.commitment import commit_randomness
from mithridate.ledger.interface import Status
from mithridate.ledger.interface.draws import COMMITTEE_DOMAIN
from mithridate.ledger.rulebook.base import Caller, xor
from mithridate.ledger.rulebook.committees import Committees

World = Any
SIZES = [4, 5]


def value(world: World, number: int, rank: int) -> bytes:
    return bytes(world.model(1000 * number + rank))


def commitment(chosen: bytes) -> bytes:
    return hashlib.sha256(COMMITTEE_DOMAIN + chosen).digest()


def open_draw(world: World, seconds: int = 100) -> int:
    world.send("coordinator", "Committees", "open_draw", world.now() + seconds, world.now() + 2 * seconds)
    return int(world.read("Committees", "draw_count"))


def drawn(world: World, number: int) -> tuple[int, ...]:
    *_, settled, made, committee = world.read("Committees", "draw", number)
    assert settled
    return tuple(committee) if made else ()


def by_rulebook(pool: int, seed: bytes, revealed: set[int]) -> tuple[int, ...]:
    """What the rulebook draws from this seed."""
    rules = Committees(SimpleNamespace(is_active=lambda *_: True))  # type: ignore[arg-type]
    rules.study = SimpleNamespace(  # type: ignore[assignment]
        coordinator="c", is_idle=lambda: True, may_draw=lambda: True, pool=lambda r: r, pool_size=lambda: pool
    )
    rules.open_draw(Caller("c", 0), 1, 2)
    rules._draws[0].seed, rules._draws[0].revealed = seed, revealed
    rules._draws[0].commitments = dict.fromkeys(revealed, b"")
    rules.settle(Caller("anyone", 2), 1)
    return tuple(rules.committee(1))


@pytest.fixture
def pool(make_world: Callable[..., World]) -> Callable[..., World]:
    def make(size: int, **terms: Any) -> World:
        world = make_world(validators=size, **terms)
        world.enrol()
        world.begin()
        return world

    return make


@pytest.mark.parametrize("size", SIZES)
def test_a_draw_makes_a_committee_and_its_events_tell_all_of_it(pool: Any, size: int) -> None:
    world = pool(size)
    start = world.now()
    sent = world.send("coordinator", "Committees", "open_draw", start + 10, start + 20)
    assert sent.events[0].values == {"number": 1, "commit_deadline": start + 10, "reveal_deadline": start + 20}
    for rank in range(size):
        (event,) = world.send(f"validator-{rank}", "Committees", "commit", 1, commitment(value(world, 1, rank))).events
        assert event.values == {"number": 1, "rank": rank, "commitment": commitment(value(world, 1, rank))}
    seed = bytes(32)
    for rank in reversed(range(size)):
        (event,) = world.send(f"validator-{rank}", "Committees", "reveal", 1, value(world, 1, rank)).events
        assert event.values == {"number": 1, "rank": rank, "revealed": value(world, 1, rank)}
        seed = xor(seed, value(world, 1, rank))
    (event,) = world.send("stranger", "Committees", "settle", 1).events
    assert (event.name, event.values["seed"]) == ("CommitteeDrawn", seed)
    assert tuple(event.values["committee"]) == drawn(world, 1) == by_rulebook(size, seed, set(range(size)))
    assert world.read("Committees", "latest_drawn") == 1


def test_the_domain_is_that_of_the_protocol_not_that_of_a_round() -> None:
    assert commitment(bytes(32)) != commit_randomness(bytes(32))
    assert COMMITTEE_DOMAIN == b"mithridate/committee/1"


@pytest.mark.parametrize("size", SIZES)
def test_whoever_withholds_is_named_and_not_drawn(pool: Any, size: int) -> None:
    world = pool(size)
    number = world.draw(withheld=[1])
    assert 1 not in drawn(world, number)
    assert len(drawn(world, number)) == 3
    event = world.sent[-1].events[0]
    assert (event.name, event.values) == ("Withheld", {"number": 1, "validator": world.address("validator-1")})
    assert [world.read("Committees", "withheld", world.address(f"validator-{rank}")) for rank in (0, 1)] == [0, 1]


def test_a_draw_of_too_few_fails_and_the_next_may_follow(pool: Any) -> None:
    world = pool(4)
    number = world.draw(withheld=[0, 1])
    assert [event.name for event in world.sent[-1].events] == ["Withheld", "Withheld", "DrawFailed"]
    assert (drawn(world, number), world.read("Committees", "latest_drawn")) == ((), 0)
    deadline = world.now() + 10
    world.refuse("no committee drawn", "coordinator", "Study", "open_round", 1, world.model(0), deadline)
    assert len(drawn(world, world.draw())) == 3
    assert world.read("Committees", "latest_drawn") == 2


def test_who_never_committed_is_neither_drawn_nor_named(pool: Any) -> None:
    world = pool(5)
    number = world.draw(who=[0, 2, 4])
    assert drawn(world, number) == (0, 2, 4)
    assert "Withheld" not in [event.name for event in world.sent[-1].events]


def test_a_validator_suspended_during_the_draw_is_not_drawn(pool: Any) -> None:
    world = pool(4)
    open_draw(world)
    for function, shown in (("commit", lambda v: commitment(v)), ("reveal", lambda v: v)):
        for rank in range(4):
            world.send(f"validator-{rank}", "Committees", function, 1, shown(value(world, 1, rank)))
    world.decide("Consortium", "set_status", world.address("validator-2"), int(Status.SUSPENDED), "gone")
    world.send("hospital-0", "Committees", "settle", 1)
    assert drawn(world, 1) == (0, 1, 3)


def test_a_draw_ends_once_all_who_committed_have_revealed(pool: Any) -> None:
    world = pool(4)
    open_draw(world)
    for rank in range(3):
        world.send(f"validator-{rank}", "Committees", "commit", 1, commitment(value(world, 1, rank)))
    world.refuse("commitments still open", "validator-0", "Committees", "reveal", 1, value(world, 1, 0))
    world.refuse("draw still open", "stranger", "Committees", "settle", 1)
    world.wait(100)
    world.refuse("deadline has passed", "validator-3", "Committees", "commit", 1, commitment(value(world, 1, 3)))
    for rank in range(3):
        world.refuse("draw still open", "stranger", "Committees", "settle", 1)
        world.send(f"validator-{rank}", "Committees", "reveal", 1, value(world, 1, rank))
    world.send("stranger", "Committees", "settle", 1)
    assert drawn(world, 1) == (0, 1, 2)


def test_nobody_reveals_after_the_second_deadline(pool: Any) -> None:
    world = pool(4)
    open_draw(world)
    for rank in range(4):
        world.send(f"validator-{rank}", "Committees", "commit", 1, commitment(value(world, 1, rank)))
    world.wait(200)
    world.refuse("deadline has passed", "validator-0", "Committees", "reveal", 1, value(world, 1, 0))
    world.send("stranger", "Committees", "settle", 1)
    assert drawn(world, 1) == ()


def test_a_draw_without_a_commitment_fails_after_its_first_deadline(pool: Any) -> None:
    world = pool(4)
    open_draw(world)
    world.wait(100)
    assert world.send("stranger", "Committees", "settle", 1).events[0].name == "DrawFailed"


@pytest.mark.parametrize("size", SIZES)
def test_only_the_committee_acts_in_its_attempts(pool: Any, size: int) -> None:
    world = pool(size)
    number = world.draw()
    world.attempt(1, to="OPENED")
    assert world.committee() == [f"validator-{rank}" for rank in drawn(world, number)]
    (idle, *_) = set(range(size)) - set(drawn(world, number))
    for function, *arguments in (
        ("commit_randomness", world.model(9)),
        ("close_submissions",),
        ("reveal_randomness", world.model(9)),
        ("attest_verdicts", b"\0\0\1\0"),
        ("attest_model", world.model(9)),
        ("vote_release", True),
        ("vote_void", "why"),
    ):
        world.refuse("not on the committee", f"validator-{idle}", "Study", function, 1, 0, *arguments)


def test_a_committee_serves_its_attempts_and_then_rotates(pool: Any) -> None:
    world = pool(4, rotation=2)
    assert world.read("Study", "may_draw")
    world.draw()
    for number in (1, 2):
        deadlines = world.now() + 10, world.now() + 20
        world.refuse("committee still serves", "coordinator", "Committees", "open_draw", *deadlines)
        world.attempt(number)
    arguments = (3, world.model(2), world.now() + 10)
    world.refuse("committee due for rotation", "coordinator", "Study", "open_round", *arguments)
    world.draw()
    world.attempt(3)


def test_a_committee_whose_attempt_came_to_nothing_may_be_drawn_anew(pool: Any) -> None:
    world = pool(4, rotation=5)
    world.draw()
    world.attempt(1, to="CLOSED")
    for validator in world.committee()[:2]:
        world.send(validator, "Study", "vote_void", 1, 0, "one is missing")
    world.draw()
    assert not world.read("Study", "may_draw")


def test_a_committee_that_lost_a_member_may_be_drawn_anew(pool: Any) -> None:
    world = pool(4, rotation=5)
    number = world.draw()
    (outside,) = set(range(4)) - set(drawn(world, number))
    for rank, expected in ((outside, False), (drawn(world, number)[1], True)):
        world.decide("Consortium", "set_status", world.address(f"validator-{rank}"), int(Status.SUSPENDED), "gone")
        assert world.read("Study", "may_draw") is expected


def test_a_copied_commitment_or_one_that_comes_too_late_is_refused(pool: Any) -> None:
    world = pool(4)
    open_draw(world)
    world.send("validator-0", "Committees", "commit", 1, commitment(value(world, 1, 0)))
    world.refuse("commitment copied", "validator-1", "Committees", "commit", 1, commitment(value(world, 1, 0)))
    for rank in (1, 2, 3):
        world.send(f"validator-{rank}", "Committees", "commit", 1, commitment(value(world, 1, rank)))
    world.send("validator-3", "Committees", "reveal", 1, value(world, 1, 3))
    world.refuse("wrong phase", "validator-0", "Committees", "commit", 1, value(world, 1, 9))
    world.refuse("already revealed", "validator-3", "Committees", "reveal", 1, value(world, 1, 3))
    world.refuse("not what was committed", "validator-0", "Committees", "reveal", 1, value(world, 1, 3))


@pytest.mark.parametrize("size", [4, 5, 16])
def test_contract_and_rulebook_draw_the_same(make_world: Callable[..., World], puppet_in: Any, size: int) -> None:
    world = make_world(validators=size)
    world.enrol()
    committees = puppet_in(world, "Committees", world.addresses["Consortium"])
    for number in range(1, 13):
        revealed = [rank for rank in range(size) if (number + rank) % 5 or size == 4]
        with world.ledger.block():
            committees.send("coordinator", "open_draw", world.now() + 10, world.now() + 20)
            for rank in revealed:
                chosen = value(world, number, rank)
                committees.send(f"validator-{rank}", "commit", number, commitment(chosen))
        world.wait(10)
        with world.ledger.block():
            for rank in revealed:
                committees.send(f"validator-{rank}", "reveal", number, value(world, number, rank))
            committees.send("stranger", "settle", number)
        *_, seed, _settled, _drawn, committee = committees.read("draw", number)
        assert tuple(committee) == by_rulebook(size, seed, set(revealed))


@pytest.mark.parametrize("size", SIZES)
def test_every_committee_is_equally_likely(size: int) -> None:
    committees = list(itertools.combinations(range(size), 3))
    draws = 400 * len(committees)
    counts = Counter(by_rulebook(size, seed.to_bytes(32, "big"), set(range(size))) for seed in range(draws))
    # Pearson's test at one in a million: a share off by a seventh fails it.
    assert chisquare([counts[committee] for committee in committees]).pvalue > 1e-6
    assert set(counts) == set(committees)


def test_the_last_to_reveal_chooses_only_between_its_seat_and_another_draw(pool: Any) -> None:
    world = pool(4)
    number = world.draw(withheld=[3])
    assert drawn(world, number) == (0, 1, 2)
