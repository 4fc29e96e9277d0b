"""The curator's part in a round: what it sends, and what becomes of a round whose curator fails or deviates."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest

from mithridate.crypto.fixed_point import encode
from mithridate.crypto.keys import generate, public_from_bytes
from mithridate.errors import EncodingError
from mithridate.federation.curator import curated_context
from mithridate.federation.packing import join, split
from mithridate.federation.submission import make_submission, parse
from mithridate.federation.validator import Validator
from mithridate.ledger.interface import AttemptState, Phase
from mithridate.mpc.shares import reconstruct

COUNT = 5
HEADER, SIGNATURE, ENVELOPES, BODY = 1, 2, 3, 4
Curate = Callable[[Any, AttemptState], bytes]
"""(federation, state) to the message that the curator hands in."""


@pytest.fixture(scope="module")
def seated(federation_of: Any, lenient: dict[str, Any]) -> Any:
    return federation_of(hospitals={"count": COUNT}, training={"learning_rate": 0.01}, defence=lenient)


@pytest.fixture
def federation(seated: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The federation, with its own curator again after the test; the curator is checked when the test says so."""
    monkeypatch.setattr("mithridate.federation.cascade.curator_due", lambda seed: False)
    parties = seated.parties
    parties.committee.assemble()
    yield seated
    seated.parties = parties
    seated.watcher.at.clear()
    for validator in parties.committee.validators:
        vars(validator).pop("aggregate", None)
        vars(validator).pop("attest_verdicts", None)
    vars(parties.coordinator).pop("curated_part", None)


def flip(data: bytes, at: int = -1) -> bytes:
    flipped = bytearray(data)
    flipped[at] ^= 1
    return bytes(flipped)


def altered(at: int, change: Callable[[Any], Any]) -> Curate:
    """One item of the curator's own message is changed."""

    def curate(federation: Any, state: AttemptState) -> bytes:
        message = federation.parties.curator.curate(state)
        head, body = split(message, len(message))
        items = [*msgpack.unpackb(head), bytes(body)]
        items[at] = change(items[at])
        return join(msgpack.packb(items[:-1]), items[-1])

    return curate


def flipped_envelope(rank: int) -> Curate:
    return altered(ENVELOPES, lambda sealed: [flip(each) if i == rank else each for i, each in enumerate(sealed)])


def sealed(federation: Any, state: AttemptState, update: Any, direction: Any, **context: Any) -> bytes:
    """A message of other content, by the curator's own key."""
    curator = federation.parties.curator
    made = curated_context(federation.ledger.study_id(), state, federation.prepared.layout.size)
    validators = [public_from_bytes(validator.envelope_key) for validator in federation.ledger.validators()]
    message, _ = make_submission(
        encode(np.concatenate([update, direction])), replace(made, **context), curator.key, validators
    )
    return message


def of_another_length(federation: Any, state: AttemptState) -> bytes:
    d = federation.prepared.layout.size
    return sealed(federation, state, np.zeros(d), np.zeros(d - 1), length=2 * d - 1)


def of_the_attempt_before(federation: Any, state: AttemptState) -> bytes:
    earlier = federation.ledger.attempt(state.round - 1, federation.ledger.attempts(state.round - 1) - 1)
    return bytes(federation.parties.curator.curate(earlier))


def fails(federation: Any, state: AttemptState) -> bytes:
    raise EncodingError("training diverged")


REFUSED: dict[str, tuple[Curate, str]] = {
    "a bit of validator 0's envelope": (flipped_envelope(0), "open"),
    "a bit of validator 2's envelope": (flipped_envelope(2), "open"),
    "a bit of the body": (altered(BODY, flip), "open"),
    "a bit of the header": (altered(HEADER, flip), ""),
    "a bit of the signature": (altered(SIGNATURE, flip), "does not verify"),
    "signed with another key": (
        lambda federation, state: replace(federation.parties.curator, key=generate()).curate(state),
        "does not verify",
    ),
    "replayed from the attempt before": (of_the_attempt_before, "replayed"),
    "of another length": (of_another_length, "parameters"),
    "not a message": (lambda federation, state: b"no message", "cut short, or of another version"),
    "too large": (altered(BODY, lambda body: body + bytes(3000)), "at most"),
    "training that diverged": (fails, "diverged"),
}


def play(federation: Any, curate: Curate) -> tuple[Any, list[bytes]]:
    """A round with such a curator, and the verdicts as each validator attested them."""
    honest, seen = federation.parties, []
    as_it_was = SimpleNamespace(parties=honest, ledger=federation.ledger, prepared=federation.prepared)
    fake = SimpleNamespace(curate=lambda state: curate(as_it_was, state))
    federation.parties = replace(honest, curator=fake)
    for validator in honest.committee.validators:

        def attest(state: AttemptState, rules: Any, v: Any = validator) -> None:
            seen.append(bytes(rules))
            Validator.attest_verdicts(v, state, rules)

        validator.attest_verdicts = attest
    record = federation.play()
    federation.parties = honest
    return record, seen


def assert_it_went_on_without(federation: Any, record: Any, seen: list[bytes], note: str) -> None:
    everybody = {f"hospital-{index}" for index in range(COUNT)}
    assert (record.status, record.attested) == ("released", 3)
    assert note in record.notes["curator"]
    assert set(record.notes) == {"curator"}
    assert seen == [seen[0]] * 3, "the three validators must come to the same"
    # Nothing is known of the direction, so encrypted inference checks all.
    assert record.inference.keys() == everybody == record.verdicts.keys()
    generation = federation.state().generation
    alone = federation.in_the_clear(
        bytes.fromhex(record.base_hash), range(COUNT), record.round, generation, curator=False
    )
    assert record.model_hash == alone


def test_an_honest_curators_part_counts(federation: Any) -> None:
    record = federation.play()
    assert "curator" not in record.notes
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), range(COUNT), record.round)


def test_the_validators_hold_shares_of_what_the_curators_records_give(federation: Any) -> None:
    held: list[Any] = []
    validators = federation.parties.committee.validators
    federation.watcher.at["verify"] = lambda: held.extend(validator._curated for validator in validators)
    record = federation.play()
    update, direction = federation.curated(bytes.fromhex(record.base_hash), record.round)
    assert np.array_equal(reconstruct([each.update for each in held]), encode(update))
    assert np.array_equal(reconstruct([each.direction for each in held]), encode(direction))
    assert np.linalg.norm(update) <= federation.prepared.study.clipping.norm
    assert 0 < np.linalg.norm(direction) <= 2


@pytest.mark.parametrize("what", REFUSED)
def test_a_curators_message_that_is_wrong_leaves_encrypted_inference_to_decide(federation: Any, what: str) -> None:
    curate, note = REFUSED[what]
    if federation.next_round() == 1:
        federation.play()
    assert_it_went_on_without(federation, *play(federation, curate), note)


def test_a_message_that_the_coordinator_withholds_is_missed_by_all(federation: Any) -> None:
    federation.parties.coordinator.curated_part = lambda state, rank: None
    assert_it_went_on_without(
        federation, *play(federation, lambda f, state: f.parties.curator.curate(state)), "delivered nothing"
    )


@pytest.mark.parametrize("victim", range(3))
def test_different_messages_to_different_validators_count_as_none(federation: Any, victim: int) -> None:
    curator, coordinator = federation.parties.curator, federation.parties.coordinator
    size, name = 2 * federation.prepared.layout.size, "curator.curated"

    def part(state: AttemptState, rank: int) -> bytes:
        # Both are in order and signed: only together do the validators see that they differ.
        other = parse(curator.curate(state), size)
        first = other if rank == victim else parse(coordinator._path(state, 0).with_name(name).read_bytes(), size)
        return bytes(first.for_validator(rank))

    coordinator.curated_part = part
    record, seen = play(federation, lambda f, state: f.parties.curator.curate(state))
    assert_it_went_on_without(federation, record, seen, "another validator")


@pytest.mark.parametrize("rank", range(3))
def test_a_message_that_only_one_validator_misses_counts_as_none(federation: Any, rank: int) -> None:
    coordinator = federation.parties.coordinator
    known = type(coordinator).curated_part
    coordinator.curated_part = lambda state, asked: None if asked == rank else known(coordinator, state, asked)
    record, seen = play(federation, lambda f, state: f.parties.curator.curate(state))
    assert_it_went_on_without(federation, record, seen, "")


def test_a_checked_curator_that_serves_counts(federation_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mithridate.federation.cascade.curator_due", lambda seed: True)
    federation = federation_of(data={"max_records": None, "reference_per_class": 20})
    record = federation.play()
    assert "curator" not in record.notes
    members = [index for index in range(6) if record.verdicts[f"hospital-{index}"] == "accepted"]
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), members, 1)


@pytest.mark.parametrize("what", ["update", "direction"])
def test_a_curator_that_harms_is_found_out_when_it_is_checked(
    federation_of: Any, lenient: dict[str, Any], monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    monkeypatch.setattr("mithridate.federation.cascade.curator_due", lambda seed: True)
    data = {"max_records": None, "reference_per_class": 20}
    defence = {**lenient, "standard_errors": 4.0}
    federation = federation_of(hospitals={"count": COUNT}, data=data, defence=defence)

    def curate(f: Any, state: AttemptState) -> bytes:
        update, direction = federation.curated(state.base_hash, state.round)
        signs = {"update": (-5, 1), "direction": (1, -1)}[what]
        return sealed(f, state, update * signs[0], direction * signs[1])

    record, seen = play(federation, curate)
    assert_it_went_on_without(federation, record, seen, "refused")


def interrupted(federation: Any) -> None:
    """Plays a round until its members are bound, as a process that is then killed does."""

    def killed(state: AttemptState) -> bytes:
        raise RuntimeError("killed")

    for validator in federation.parties.committee.validators:
        validator.aggregate = killed
    with pytest.raises(RuntimeError, match="killed"):
        federation.play()
    for validator in federation.parties.committee.validators:
        vars(validator).pop("aggregate")
        validator.forget()
    federation.parties.committee.assemble()
    assert federation.state().phase is Phase.BOUND


def test_a_round_finished_after_a_restart_has_the_curators_part(federation: Any) -> None:
    interrupted(federation)
    record = federation.finish()
    assert record.status == "released"
    base, generation = bytes.fromhex(record.base_hash), federation.state().generation
    assert record.model_hash == federation.in_the_clear(base, range(COUNT), record.round, generation)


def test_a_round_whose_curators_part_is_lost_after_binding_is_not_opened_without_it(federation: Any) -> None:
    interrupted(federation)
    state = federation.state()
    mailbox = federation.folder.party("coordinator").path / "mailbox"
    (mailbox / f"{state.round}-{state.attempt}" / "curator.curated").unlink()
    record = federation.finish()
    assert (record.status, federation.state().attestations) == ("void", {})
    assert "curator's part of this attempt is lost" in record.notes["round"]


def test_a_round_without_the_gradient_test_has_no_curator(federation_of: Any) -> None:
    federation = federation_of(defence={"detectors": ["range", "norm"]})
    federation.watcher.at["verify"] = lambda: files.extend(
        path.name for path in federation.folder.party("coordinator").path.rglob("*") if path.is_file()
    )
    files: list[str] = []
    record = federation.play()
    assert "0.msg" in files
    assert "curator.curated" not in files
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), range(6), 1, curator=False)
