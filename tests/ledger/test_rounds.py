"""Whole rounds and every way in which one ends."""

import hashlib
import re
from typing import Any

import pytest

from mithridate.crypto.commitment import commit_randomness
from mithridate.errors import RuleViolation
from mithridate.ledger.interface import RANDOMNESS_DOMAIN, Phase
from mithridate.ledger.rules import SENTENCES

Scene = Any


def refused(reason: str) -> Any:
    return pytest.raises(RuleViolation, match=re.escape(SENTENCES[reason]))


def xor(values: list[bytes]) -> bytes:
    return bytes(a ^ b ^ c for a, b, c in zip(*values, strict=True))


def test_a_round_from_opening_to_release(scene: Scene) -> None:
    scene.to("begun")
    reader = scene.stranger
    initial = reader.initial_model()
    assert reader.latest() is None
    assert reader.current_model() == reader.stable_model() == initial
    deadline = reader.now() + 1000
    assert scene.coordinator.open_round(1, initial, deadline) == 0
    state = reader.latest()
    assert (state.round, state.attempt, state.generation, state.phase) == (1, 0, 0, Phase.SUBMITTING)
    assert (state.base_hash, state.deadline) == (initial, deadline)
    assert (state.committed, dict(state.submissions), state.seed, state.verdicts) == (frozenset(), {}, None, None)
    scene.commit()
    assert reader.latest().committed == {0, 1, 2}
    scene.submit()
    assert dict(reader.latest().submissions) == {index: scene.digest(index) for index in (0, 1, 3)}
    scene.close()
    assert reader.latest().phase == Phase.CLOSED
    scene.reveal()
    assert (reader.latest().phase, reader.latest().seed) == (Phase.DRAWN, xor(scene.values()))
    scene.bind(verdicts=b"\0\x08\1\0")
    assert (reader.latest().phase, reader.latest().verdicts) == (Phase.BOUND, b"\0\x08\1\0")
    scene.finalise()
    assert (reader.latest().phase, reader.latest().model_hash) == (Phase.FINAL, scene.model(1))
    assert (reader.current_model(), reader.stable_model()) == (scene.model(1), initial)
    scene.release()
    assert reader.latest().phase == Phase.RELEASED
    assert dict(reader.latest().votes) == {0: True, 1: True}
    assert reader.current_model() == reader.stable_model() == scene.model(1)
    assert (reader.attempts(1), reader.attempts(2)) == (1, 0)


def test_the_roster_is_read_as_it_was_enrolled(scene: Scene) -> None:
    assert not scene.stranger.begun()
    scene.to("begun")
    assert scene.stranger.begun()
    for index, record in enumerate(scene.stranger.hospitals()):
        assert (record.index, record.address) == (index, scene.hospitals[index].address)
        assert (record.signing_key, record.records) == (scene.signing_key(index), 100 + index)
    for rank, validator in enumerate(scene.stranger.validators()):
        assert (validator.rank, validator.address) == (rank, scene.validators[rank].address)
        assert validator.envelope_key == scene.envelope_key(rank)
    assert scene.stranger.configuration() == hashlib.sha256(b'{"name":"study"}').digest()
    assert scene.stranger.reference_hash() == hashlib.sha256(b"reference").digest()


def test_two_ledgers_of_equal_settings_have_different_studies(scene: Scene, at: Any) -> None:
    assert scene.stranger.study_id() != at("deployed").stranger.study_id()


def test_the_seed_appears_with_the_third_reveal_in_any_order(scene: Scene) -> None:
    scene.to("closed")
    for rank in (2, 0):
        scene.validators[rank].reveal_randomness(1, 0, scene.values()[rank])
    state = scene.chain.latest()
    assert (state.phase, state.seed, state.revealed) == (Phase.CLOSED, None, {0, 2})
    scene.validators[1].reveal_randomness(1, 0, scene.values()[1])
    assert scene.chain.latest().seed == xor(scene.values())


def test_a_seed_of_zeros_is_a_seed(scene: Scene) -> None:
    scene.to("opened")
    first, second, _ = scene.values()
    values = [first, second, bytes(a ^ b for a, b in zip(first, second, strict=True))]
    for validator, mine in zip(scene.validators, values, strict=True):
        validator.commit_randomness(1, 0, hashlib.sha256(RANDOMNESS_DOMAIN + mine).digest())
    scene.submit()
    scene.close()
    for validator, mine in zip(scene.validators, values, strict=True):
        validator.reveal_randomness(1, 0, mine)
    assert scene.chain.latest().seed == bytes(32)


def test_too_few_submissions_void_the_attempt(scene: Scene) -> None:
    scene.to("committed")
    scene.submit(by=(0, 1))
    scene.close()
    state = scene.chain.latest()
    assert (state.phase, state.void_reason) == (Phase.VOID, "quorum")
    assert scene.open(1) == 1
    assert scene.chain.latest().generation == 0
    assert dict(scene.chain.latest().submissions) == {}


def test_too_few_accepted_void_the_attempt_and_bind_nothing(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=b"\0\x08\1\x09")
    state = scene.chain.latest()
    assert (state.phase, state.void_reason) == (Phase.VOID, "too few accepted")
    assert state.verdicts == b"\0\x08\1\x09"
    with refused("wrong phase"):
        scene.validators[0].attest_model(1, 0, bytes([1]) * 32)
    assert scene.open(1) == 1
    # The same updates would only be rejected again.
    assert scene.chain.latest().generation == 1


def test_as_many_accepted_as_the_least_allowed_bind(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=b"\0\0\1\x09")
    assert scene.chain.latest().phase == Phase.BOUND


@pytest.mark.parametrize("step", ["opened", "submitted", "closed", "drawn", "bound"])
def test_a_majority_of_validators_voids_an_unfinished_attempt(scene: Scene, step: str) -> None:
    scene.to(step)
    phase = scene.chain.latest().phase
    scene.validators[0].vote_void(1, 0, "first reason")
    assert scene.chain.latest().phase == phase
    scene.validators[2].vote_void(1, 0, "disagreement (2 of 3)")
    state = scene.chain.latest()
    assert (state.phase, state.void_reason) == (Phase.VOID, "disagreement (2 of 3)")
    assert scene.stranger.current_model() == scene.stranger.initial_model()
    with refused("wrong phase"):
        scene.validators[1].vote_void(1, 0, "late")


def test_a_void_attempt_is_followed_by_the_next_of_the_same_round(scene: Scene) -> None:
    scene.to("bound")
    for validator in scene.validators[:2]:
        validator.vote_void(1, 0, "no model")
    with refused("not the next round"):
        scene.open(2)
    scene.attempt_to("released", 1, 1)
    states = [scene.stranger.attempt(1, attempt) for attempt in (0, 1)]
    assert [state.phase for state in states] == [Phase.VOID, Phase.RELEASED]
    assert [state.generation for state in states] == [0, 1]
    assert scene.stranger.attempts(1) == 2
    assert scene.open(2) == 0
    assert scene.chain.latest().generation == 0
    with refused("not the latest attempt"):
        scene.validators[2].attest_model(1, 1, scene.model(1, 1))


def test_the_generation_counts_attempts_that_came_to_verdicts_only(scene: Scene) -> None:
    scene.to("begun")
    for attempt, (step, generation) in enumerate([("bound", 0), ("drawn", 1), ("bound", 1), ("opened", 2)]):
        scene.attempt_to(step, 1, attempt)
        assert scene.chain.latest().generation == generation
        for validator in scene.validators[:2]:
            validator.vote_void(1, attempt, "again")


def test_a_failed_release_rolls_back_to_the_stable_model(scene: Scene) -> None:
    scene.to("begun")
    scene.attempt_to("released")
    scene.attempt_to("final", 2)
    assert scene.stranger.current_model() == scene.model(2)
    scene.release(2, passed=False)
    state = scene.chain.latest()
    assert (state.phase, state.model_hash) == (Phase.ROLLED_BACK, scene.model(2))
    assert scene.stranger.current_model() == scene.stranger.stable_model() == scene.model(1)
    with refused("not the current model"):
        scene.coordinator.open_round(3, scene.model(2), scene.stranger.now() + 10)
    assert scene.open(3) == 0


def test_a_split_vote_waits_for_the_third(scene: Scene) -> None:
    scene.to("final")
    scene.validators[0].vote_release(1, 0, True)
    scene.validators[1].vote_release(1, 0, False)
    assert scene.chain.latest().phase == Phase.FINAL
    scene.validators[2].vote_release(1, 0, False)
    assert scene.chain.latest().phase == Phase.ROLLED_BACK


def test_different_verdicts_bind_nothing_until_two_agree(scene: Scene) -> None:
    scene.to("drawn")
    scene.validators[0].attest_verdicts(1, 0, b"\0\0\1\x08")
    scene.validators[1].attest_verdicts(1, 0, b"\0\0\1\0")
    assert (scene.chain.latest().phase, scene.chain.latest().verdicts) == (Phase.DRAWN, None)
    scene.validators[2].attest_verdicts(1, 0, b"\0\0\1\x08")
    assert scene.chain.latest().verdicts == b"\0\0\1\x08"


def test_different_models_finish_nothing_until_two_agree(scene: Scene) -> None:
    scene.to("bound")
    wrong, right = bytes([1]) * 32, bytes([2]) * 32
    scene.validators[0].attest_model(1, 0, wrong)
    scene.validators[1].attest_model(1, 0, right)
    assert scene.chain.latest().phase == Phase.BOUND
    scene.validators[2].attest_model(1, 0, right)
    state = scene.chain.latest()
    assert (state.phase, state.model_hash) == (Phase.FINAL, right)
    assert dict(state.attestations) == {0: wrong, 1: right, 2: right}


def test_late_attestations_and_votes_are_recorded_and_change_nothing(scene: Scene) -> None:
    scene.to("released")
    last = scene.validators[2]
    last.attest_verdicts(1, 0, b"\0\x07\1\0")
    last.attest_model(1, 0, bytes([9]) * 32)
    last.vote_release(1, 0, False)
    state = scene.chain.latest()
    assert (state.phase, state.verdicts, state.model_hash) == (Phase.RELEASED, b"\0\0\1\0", scene.model(1))
    assert state.attestations[2] == bytes([9]) * 32
    assert dict(state.votes) == {0: True, 1: True, 2: False}
    assert scene.stranger.stable_model() == scene.model(1)


@pytest.mark.parametrize(("passed", "phase"), [(True, Phase.RELEASED), (False, Phase.ROLLED_BACK)])
def test_late_agreement_neither_reopens_a_round_nor_counts_again(scene: Scene, passed: bool, phase: Phase) -> None:
    scene.to("final")
    scene.release(passed=passed)
    models = scene.stranger.current_model(), scene.stranger.stable_model()
    last = scene.validators[2]
    last.attest_verdicts(1, 0, b"\0\0\1\0")
    last.attest_model(1, 0, scene.model(1))
    assert scene.chain.latest().phase == phase
    last.vote_release(1, 0, passed)
    assert scene.chain.latest().phase == phase
    assert (scene.stranger.current_model(), scene.stranger.stable_model()) == models
    assert scene.open(2) == 0


def test_a_late_attestation_to_a_void_attempt_binds_nothing_again(scene: Scene) -> None:
    scene.to("bound")
    for validator in scene.validators[:2]:
        validator.vote_void(1, 0, "no model")
    scene.validators[2].attest_verdicts(1, 0, b"\0\0\1\0")
    assert scene.chain.latest().phase == Phase.VOID
    scene.open(1)
    assert scene.chain.latest().generation == 1


def test_a_late_attestation_obeys_the_same_rules(scene: Scene) -> None:
    scene.to("released")
    with refused("accepted but not submitted"):
        scene.validators[2].attest_verdicts(1, 0, bytes(4))


def test_a_submission_counts_before_the_deadline_only(clock: Any, scene: Scene) -> None:
    scene.to("begun")
    scene.open(allowed=100)
    scene.commit()
    clock.seconds += 99
    scene.hospitals[0].submit(1, 0, scene.digest(0))
    clock.seconds += 1
    assert scene.stranger.now() == scene.chain.latest().deadline
    with refused("deadline has passed"):
        scene.hospitals[1].submit(1, 0, scene.digest(1))


def test_after_the_deadline_any_one_validator_closes(clock: Any, scene: Scene) -> None:
    scene.to("submitted")
    scene.validators[0].close_submissions(1, 0)
    assert scene.chain.latest().phase == Phase.SUBMITTING
    clock.seconds += 1000
    scene.validators[0].close_submissions(1, 0)
    assert scene.chain.latest().phase == Phase.CLOSED


@pytest.mark.parametrize("party", ["coordinator", "validator"])
@pytest.mark.parametrize("step", ["opened", "closed", "bound"])
def test_after_deadline_and_grace_one_party_alone_voids(clock: Any, scene: Scene, party: str, step: str) -> None:
    scene.to(step)
    alone = scene.coordinator if party == "coordinator" else scene.validators[1]
    clock.seconds += 1099
    if party == "coordinator":
        with refused("grace has not passed"):
            alone.vote_void(1, 0, "withheld")
    else:
        alone.vote_void(1, 0, "withheld")
        assert scene.chain.latest().phase != Phase.VOID
    clock.seconds += 1
    alone.vote_void(1, 0, "withheld")
    assert (scene.chain.latest().phase, scene.chain.latest().void_reason) == (Phase.VOID, "withheld")


def test_nothing_voids_a_model_that_was_attested(clock: Any, scene: Scene) -> None:
    scene.to("final")
    clock.seconds += 10**6
    with refused("wrong phase"):
        scene.coordinator.vote_void(1, 0, "late")


def test_the_contract_opens_the_commitments_that_validators_make(scene: Scene) -> None:
    scene.to("opened")
    for validator, value in zip(scene.validators, scene.values(), strict=True):
        validator.commit_randomness(1, 0, commit_randomness(value))
    scene.submit()
    scene.close()
    scene.reveal()
    assert scene.chain.latest().seed == xor(scene.values())
