"""Hospitals that bound verdicts suspend: whom, when, and for how long."""

from collections.abc import Callable
from typing import Any

import pytest
from eth_utils.crypto import keccak

from mithridate.errors import RuleViolation
from mithridate.ledger.interface import Phase
from mithridate.ledger.rules import SENTENCES
from mithridate.verification.verdict import Rule

Scene = Any
OUT = bytes([Rule.SUSPENDED])
LAST_OUT = b"\0\0\1" + OUT
EVENT = int.from_bytes(keccak(text="Suspended(uint256,uint256,uint256)"))


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


def test_an_event_names_hospital_round_and_attempt_once(scene: Scene, watched: Callable[[Any], list[Any]]) -> None:
    scene.to("drawn")
    for validator in scene.validators[:2]:
        validator.vote_void(1, 0, "again")
    scene.attempt_to("drawn", 1, 1)
    receipts = watched(scene.chain)
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
