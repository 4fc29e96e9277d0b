"""Every rule of the contract, by a call that breaks it; a refused call changes nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from mithridate.errors import LedgerError, RuleViolation
from mithridate.ledger.rules import SENTENCES

Scene = Any
Call = Callable[[Scene], Any]

ZERO, NOBODY = bytes(32), "0x" + "00" * 20
HASH = bytes([7]) * 32


def _admit(records: int = 1, of: str = "stranger") -> Call:
    return lambda s: s.administrator.admit(s.accounts[of].address, records)


def _open(number: int = 1, base: bytes | None = None, allowed: int = 10) -> Call:
    return lambda s: s.coordinator.open_round(number, base or s.coordinator.current_model(), s.stranger.now() + allowed)


# Reason, the step at which the call comes, the call.
BROKEN: list[tuple[str, str, Call]] = [
    ("only an administrator", "deployed", lambda s: s.coordinator.admit(s.stranger.address, 1)),
    ("only an administrator", "registered", lambda s: s.validators[0].begin(HASH, HASH)),
    ("only by decision", "deployed", lambda s: s.administrator._write("Study", "admit", s.stranger.address, 1)),
    ("only by decision", "registered", lambda s: s.administrator._write("Study", "begin", HASH, HASH)),
    ("roster is frozen", "begun", _admit()),
    ("not an active member", "deployed", _admit()),
    ("not an active member", "deployed", _admit(of="validator-2")),
    ("already enrolled", "enrolled", _admit(of="hospital-2")),
    ("fewer hospitals than quorum", "deployed", lambda s: s.administrator.begin(HASH, HASH)),
    ("validator key missing", "enrolled", lambda s: s.administrator.begin(HASH, HASH)),
    ("empty hash", "registered", lambda s: s.administrator.begin(ZERO, HASH)),
    ("empty hash", "registered", lambda s: s.administrator.begin(HASH, ZERO)),
    ("already begun", "begun", lambda s: s.administrator.begin(HASH, HASH)),
    *(
        ("not begun", "registered", read)
        for read in (
            lambda s: s.stranger.current_model(),
            lambda s: s.stranger.stable_model(),
            lambda s: s.stranger.initial_model(),
            lambda s: s.stranger.reference_hash(),
            _open(base=HASH),
        )
    ),
    ("only the coordinator", "begun", lambda s: s.validators[0].open_round(1, HASH, 2**32)),
    ("only the coordinator", "begun", lambda s: s.administrator.open_round(1, HASH, 2**32)),
    ("attempt still open", "opened", _open(1)),
    ("attempt still open", "bound", _open(1)),
    ("attempt still open", "final", _open(2)),
    ("not the next round", "begun", _open(0)),
    ("not the next round", "begun", _open(2)),
    ("not the next round", "released", _open(1)),
    ("not the next round", "released", _open(3)),
    ("not the current model", "begun", _open(base=HASH)),
    ("deadline has passed", "begun", _open(allowed=-1)),
    ("deadline too far", "begun", _open(allowed=2**40 + 1000)),
    ("no such attempt", "begun", lambda s: s.stranger.attempt(1, 0)),
    ("no such attempt", "opened", lambda s: s.stranger.attempt(1, 1)),
    ("only a validator", "opened", lambda s: s.coordinator.commit_randomness(1, 0, HASH)),
    ("not the latest attempt", "begun", lambda s: s.validators[0].commit_randomness(1, 0, HASH)),
    ("not the latest attempt", "begun", lambda s: s.validators[0].commit_randomness(0, 0, HASH)),
    ("not the latest attempt", "opened", lambda s: s.validators[0].commit_randomness(1, 1, HASH)),
    ("not the latest attempt", "opened", lambda s: s.validators[0].commit_randomness(2, 0, HASH)),
    ("not the latest attempt", "opened", lambda s: s.validators[0].commit_randomness(1, 2**128, HASH)),
    ("empty hash", "opened", lambda s: s.validators[0].commit_randomness(1, 0, ZERO)),
    ("already committed", "committed", lambda s: s.validators[0].commit_randomness(1, 0, HASH)),
    ("wrong phase", "closed", lambda s: s.validators[0].commit_randomness(1, 0, HASH)),
    ("only an enrolled hospital", "committed", lambda s: s.validators[0].submit(1, 0, HASH)),
    ("only an enrolled hospital", "committed", lambda s: s.stranger.submit(1, 0, HASH)),
    ("randomness not committed", "opened", lambda s: s.hospitals[0].submit(1, 0, HASH)),
    ("empty hash", "committed", lambda s: s.hospitals[0].submit(1, 0, ZERO)),
    ("already submitted", "submitted", lambda s: s.hospitals[0].submit(1, 0, HASH)),
    ("wrong phase", "closed", lambda s: s.hospitals[2].submit(1, 0, HASH)),
    ("not the latest attempt", "committed", lambda s: s.hospitals[0].submit(1, 1, HASH)),
    ("only a validator", "submitted", lambda s: s.coordinator.close_submissions(1, 0)),
    ("wrong phase", "closed", lambda s: s.validators[2].close_submissions(1, 0)),
    ("only a validator", "closed", lambda s: s.hospitals[0].reveal_randomness(1, 0, HASH)),
    ("wrong phase", "submitted", lambda s: s.validators[0].reveal_randomness(1, 0, s.values()[0])),
    ("not what was committed", "closed", lambda s: s.validators[0].reveal_randomness(1, 0, HASH)),
    ("not what was committed", "closed", lambda s: s.validators[0].reveal_randomness(1, 0, s.values()[1])),
    ("already revealed", "drawn", lambda s: s.validators[0].reveal_randomness(1, 0, s.values()[0])),
    ("only a validator", "drawn", lambda s: s.coordinator.attest_verdicts(1, 0, b"\0\0\1\0")),
    ("wrong phase", "closed", lambda s: s.validators[0].attest_verdicts(1, 0, b"\0\0\1\0")),
    ("already attested", "bound", lambda s: s.validators[0].attest_verdicts(1, 0, b"\0\0\1\0")),
    *(
        ("one verdict a hospital", "drawn", lambda s, v=v: s.validators[0].attest_verdicts(1, 0, v))
        for v in (b"", b"\0\0\1", b"\0\0\1\0\0", bytes(1024))
    ),
    ("accepted but not submitted", "drawn", lambda s: s.validators[0].attest_verdicts(1, 0, bytes(4))),
    ("not submitted but not absent", "drawn", lambda s: s.validators[0].attest_verdicts(1, 0, b"\0\0\2\0")),
    ("only a validator", "bound", lambda s: s.administrator.attest_model(1, 0, HASH)),
    ("wrong phase", "drawn", lambda s: s.validators[0].attest_model(1, 0, HASH)),
    ("empty hash", "bound", lambda s: s.validators[0].attest_model(1, 0, ZERO)),
    ("already attested", "final", lambda s: s.validators[0].attest_model(1, 0, HASH)),
    ("only a validator", "final", lambda s: s.coordinator.vote_release(1, 0, True)),
    ("wrong phase", "bound", lambda s: s.validators[0].vote_release(1, 0, True)),
    ("already voted", "released", lambda s: s.validators[0].vote_release(1, 0, False)),
    ("only validators, coordinator", "opened", lambda s: s.hospitals[0].vote_void(1, 0, "why")),
    ("only validators, coordinator", "opened", lambda s: s.administrator.vote_void(1, 0, "why")),
    ("grace has not passed", "opened", lambda s: s.coordinator.vote_void(1, 0, "why")),
    ("no reason given", "opened", lambda s: s.validators[0].vote_void(1, 0, "")),
    ("wrong phase", "final", lambda s: s.coordinator.vote_void(1, 0, "why")),
    ("wrong phase", "released", lambda s: s.validators[0].vote_void(1, 0, "why")),
    ("not the latest attempt", "opened", lambda s: s.validators[0].vote_void(1, 1, "why")),
]


def _pool(scene: Scene, size: int) -> list[str]:
    return [scene.accounts[name].address for name in list(scene.accounts)[-size:]]


# Reason and the setting of the deployment that breaks it.
REFUSED_SETTINGS: list[tuple[str, Callable[[Scene], dict[str, Any]]]] = [
    ("empty hash", lambda s: {"configuration": ZERO}),
    ("empty address", lambda s: {"coordinator": NOBODY}),
    ("empty address", lambda s: {"validators": [s.validators[0].address, NOBODY, s.validators[1].address]}),
    ("address has another role", lambda s: {"coordinator": s.validators[0].address}),
    ("address has another role", lambda s: {"administrator": s.accounts["validator-1"]}),
    ("fewer than three validators", lambda s: {"validators": [s.validators[0].address, s.validators[1].address]}),
    ("no rotation", lambda s: {"validators": _pool(s, 4), "rotation": 0}),
    ("validators not distinct", lambda s: {"validators": [s.validators[i].address for i in (0, 1, 0)]}),
    ("min_accepted below 2", lambda s: {"min_accepted": 1}),
    ("quorum below min_accepted", lambda s: {"quorum": 2, "min_accepted": 3}),
    ("quorum too large", lambda s: {"quorum": 1025}),
    ("grace too long", lambda s: {"grace": 2**40 + 1}),
]

# Broken where no shared step stands: each has its own test below, in test_rounds.py or in test_suspension.py.
ELSEWHERE = {"commitment copied", "roster is full", "suspended"}


@pytest.mark.parametrize(
    ("reason", "step", "call"), BROKEN, ids=[f"{i}-{step}-{reason}" for i, (reason, step, _) in enumerate(BROKEN)]
)
def test_a_broken_rule_is_refused_by_name(at: Any, reason: str, step: str, call: Call) -> None:
    scene = at(step)
    before = (scene.chain.latest(), scene.chain.height(), scene.stranger.hospitals(), scene.stranger.validators())
    with pytest.raises(RuleViolation) as refusal:
        call(scene)
    assert refusal.value.reason == reason
    assert str(refusal.value) == SENTENCES[reason]
    assert before == (
        scene.chain.latest(),
        scene.chain.height(),
        scene.stranger.hospitals(),
        scene.stranger.validators(),
    )


@pytest.mark.parametrize(("reason", "settings"), REFUSED_SETTINGS)
def test_a_study_with_impossible_settings_is_not_deployed(
    at: Any, make_scene: Any, tmp_path: Any, reason: str, settings: Any
) -> None:
    deployed = at("deployed")
    other = {
        "coordinator": deployed.coordinator.address,
        "validators": [validator.address for validator in deployed.validators],
    }
    with pytest.raises(RuleViolation) as refusal:
        make_scene(**(other | settings(deployed)))
    assert refusal.value.reason == reason
    assert list(tmp_path.iterdir()) == []


def test_a_copied_commitment_is_refused(scene: Scene) -> None:
    scene.to("opened")
    scene.validators[0].commit_randomness(1, 0, HASH)
    with pytest.raises(RuleViolation) as refusal:
        scene.validators[2].commit_randomness(1, 0, HASH)
    assert refusal.value.reason == "commitment copied"


@pytest.mark.parametrize(
    ("step", "call"),
    [
        ("submitted", lambda s: s.validators[0].close_submissions(1, 0)),
        ("closed", lambda s: s.validators[0].reveal_randomness(1, 0, s.values()[0])),
        ("drawn", lambda s: s.validators[0].attest_verdicts(1, 0, b"\0\0\1\0")),
        ("drawn", lambda s: s.validators[0].vote_void(1, 0, "no")),
        ("bound", lambda s: s.validators[0].attest_model(1, 0, HASH)),
        ("final", lambda s: s.validators[0].vote_release(1, 0, True)),
    ],
)
def test_no_validator_counts_twice(scene: Scene, step: str, call: Call) -> None:
    scene.to(step)
    call(scene)
    phase = scene.chain.latest().phase
    with pytest.raises(RuleViolation, match="already"):
        call(scene)
    assert scene.chain.latest().phase == phase


def test_a_validator_may_not_change_its_vote(scene: Scene) -> None:
    scene.to("final")
    scene.validators[0].vote_release(1, 0, True)
    with pytest.raises(RuleViolation) as refusal:
        scene.validators[0].vote_release(1, 0, False)
    assert refusal.value.reason == "already voted"
    assert scene.chain.latest().votes == {0: True}


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.administrator.begin(HASH[:-1], HASH),
        lambda s: s.hospitals[0].submit(1, 0, HASH + b"\0"),
        lambda s: s.hospitals[0].submit(1, 0, b""),
        lambda s: s.coordinator.open_round(-1, HASH, 1),
        lambda s: s.coordinator.open_round(2**256, HASH, 1),
        lambda s: s.administrator.admit("0x12", 1),
        lambda s: s.validators[0].vote_void(1, 0, "x" * 65),
        lambda s: s.validators[0].vote_void(1, 0, "caf\u00e9"),
        lambda s: s.validators[0].vote_void(1, 0, "two\nlines"),
    ],
)
def test_values_that_no_call_can_carry_never_reach_the_ledger(at: Any, call: Call) -> None:
    with pytest.raises(LedgerError) as refusal:
        call(at("registered"))
    assert not isinstance(refusal.value, RuleViolation)
