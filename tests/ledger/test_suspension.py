"""Hospitals that bound verdicts suspend: whom, when, and for how long."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from eth_utils.crypto import keccak

from mithridate.errors import RuleViolation
from mithridate.ledger.accounts import new_account
from mithridate.ledger.embedded_network import CALL_GAS
from mithridate.ledger.interface import MAX_HOSPITALS, Phase
from mithridate.ledger.rules import SENTENCES
from mithridate.verification.verdict import Rule

Scene = Any
OUT = bytes([Rule.SUSPENDED])
LAST_OUT = b"\0\0\1" + OUT
EVENT = int.from_bytes(keccak(text="Suspended(uint256,uint256,uint256)"))


def watched(scene: Scene) -> list[Any]:
    """The receipts of all transactions from now on."""
    receipts: list[Any] = []
    chain = scene.chain._network._chain
    apply = chain.apply

    def remembering(raw: bytes) -> Any:
        digest, receipt = apply(raw)
        receipts.append(receipt)
        return digest, receipt

    chain.apply = remembering
    return receipts


def test_a_bound_verdict_suspends(scene: Scene) -> None:
    scene.to("drawn")
    assert scene.stranger.suspended() == frozenset()
    scene.bind(verdicts=LAST_OUT)
    assert scene.chain.latest().phase == Phase.BOUND
    assert scene.stranger.suspended() == {3}


def test_only_a_hospital_with_that_verdict_is_suspended(scene: Scene) -> None:
    scene.to("begun")
    for number, code in enumerate([c for c in range(14) if c not in (Rule.ACCEPTED, Rule.ABSENT, Rule.SUSPENDED)], 1):
        scene.attempt_to("drawn", number)
        scene.bind(number, verdicts=b"\0\0\1" + bytes([code]))
        scene.finalise(number)
        scene.release(number)
    assert scene.stranger.suspended() == frozenset()


def test_one_validator_suspends_nobody(scene: Scene) -> None:
    scene.to("drawn")
    scene.validators[0].attest_verdicts(1, 0, LAST_OUT)
    assert scene.stranger.suspended() == frozenset()
    scene.validators[1].attest_verdicts(1, 0, b"\0\0\1\0")
    scene.validators[2].attest_verdicts(1, 0, b"\0\0\1\0")
    assert scene.chain.latest().phase == Phase.BOUND
    assert scene.stranger.suspended() == frozenset()


def test_a_late_attestation_suspends_nobody(scene: Scene) -> None:
    scene.to("bound")
    scene.validators[2].attest_verdicts(1, 0, LAST_OUT)
    assert scene.stranger.suspended() == frozenset()


def test_verdicts_that_are_not_bound_suspend_nobody(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=b"\0\x08\1" + OUT)
    assert (scene.chain.latest().phase, scene.chain.latest().void_reason) == (Phase.VOID, "too few accepted")
    assert scene.stranger.suspended() == frozenset()


def test_a_suspension_stands_when_the_attempt_that_bound_it_is_voided(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=LAST_OUT)
    for validator in scene.validators[:2]:
        validator.vote_void(1, 0, "no model")
    assert scene.stranger.suspended() == {3}


def test_a_suspended_hospital_cannot_submit_any_more(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=LAST_OUT)
    scene.finalise()
    scene.release()
    for number in (2, 3):
        scene.attempt_to("committed", number)
        with pytest.raises(RuleViolation) as refusal:
            scene.hospitals[3].submit(number, 0, scene.digest(3, number))
        assert (refusal.value.reason, str(refusal.value)) == ("suspended", SENTENCES["suspended"])
        scene.submit(number, by=(0, 1, 2))
        scene.close(number)
        scene.reveal(number)
        for code in (b"\0", OUT):
            with pytest.raises(RuleViolation, match="submitted nothing"):
                scene.validators[0].attest_verdicts(number, 0, b"\0\0\0" + code)
        scene.bind(number, verdicts=b"\0\0\0\1")
        scene.finalise(number)
        scene.release(number)
    assert scene.stranger.suspended() == {3}


def test_those_left_may_be_too_few_for_the_quorum(scene: Scene) -> None:
    scene.to("begun")
    scene.open()
    scene.commit()
    scene.submit(by=range(4))
    scene.close()
    scene.reveal()
    scene.bind(verdicts=b"\0\0" + OUT * 2)
    scene.finalise()
    scene.release()
    scene.attempt_to("committed", 2)
    scene.submit(2, by=(0, 1))
    scene.close(2)
    assert (scene.chain.latest().phase, scene.chain.latest().void_reason) == (Phase.VOID, "quorum")


def test_an_event_names_hospital_round_and_attempt_once(scene: Scene) -> None:
    scene.to("drawn")
    for validator in scene.validators[:2]:
        validator.vote_void(1, 0, "again")
    scene.attempt_to("drawn", 1, 1)
    receipts = watched(scene)
    scene.bind(1, 1, verdicts=LAST_OUT)
    scene.validators[2].attest_verdicts(1, 1, LAST_OUT)
    topics = [log.topics for receipt in receipts for log in receipt.logs]
    assert [each[1:] for each in topics if each[0] == EVENT] == [(3, 1, 1)]


def test_a_suspension_survives_a_replay(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=LAST_OUT)
    scene.finalise()
    scene.release()
    scene.reopen()
    assert scene.stranger.suspended() == {3}
    scene.attempt_to("committed", 2)
    with pytest.raises(RuleViolation, match=SENTENCES["suspended"]):
        scene.hospitals[3].submit(2, 0, scene.digest(3, 2))


@pytest.fixture
def full(make_scene: Callable[..., Scene]) -> Iterator[Scene]:
    """A full roster of hospitals with accounts, all of whom have submitted, ready to be judged."""
    scene = make_scene()
    scene.enrol()
    scene.register()
    accounts = [new_account() for _ in range(4, MAX_HOSPITALS)]
    with scene.chain.block():
        for index, account in enumerate(accounts, 4):
            scene.enrol_hospital(account.address, index)
    scene.hospitals += [scene.chain.as_party(account) for account in accounts]
    scene.begin()
    scene.open()
    scene.commit()
    scene.submit(by=range(MAX_HOSPITALS))
    scene.close()
    scene.reveal()
    yield scene
    scene.chain.close()


@pytest.mark.slow
def test_in_a_full_roster_every_hospital_can_be_suspended_within_the_gas_of_a_call(full: Scene) -> None:
    out = set(range(MAX_HOSPITALS)) - {0, 255, 256, 257, 1023}
    verdicts = bytes(Rule.SUSPENDED if index in out else Rule.ACCEPTED for index in range(MAX_HOSPITALS))
    receipts = watched(full)
    full.bind(verdicts=verdicts)
    assert full.chain.latest().phase == Phase.BOUND
    assert full.stranger.suspended() == out
    # Each of the two calls had a block of its own, so these are the gas of one call.
    assert max(receipt.gas_used for receipt in receipts) * 10 < CALL_GAS
    full.finalise()
    full.release()
    full.attempt_to("committed", 2)
    for index in (1, 254, 258, 511, 512, 1022):
        with pytest.raises(RuleViolation, match=SENTENCES["suspended"]):
            full.hospitals[index].submit(2, 0, full.digest(index, 2))
    full.submit(2, by=(0, 255, 256, 257, 1023))
    assert full.chain.latest().submissions.keys() == {0, 255, 256, 257, 1023}
