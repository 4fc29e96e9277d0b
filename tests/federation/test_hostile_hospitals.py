"""Hospitals that break the protocol, all in one round: each is rejected for its own reason, and the round goes on."""

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any, NamedTuple

import msgpack  # type: ignore[import-untyped]
import numpy as np
import pytest
from pydantic import ValidationError

from mithridate.crypto import commitment, envelope, keys, signing
from mithridate.crypto.domains import COMPONENTS, Domain
from mithridate.crypto.fixed_point import encode
from mithridate.crypto.sharing import PARTIES, share
from mithridate.federation.hospital import Hospital
from mithridate.federation.packing import join, split
from mithridate.federation.submission import BODY, VERSION, make_submission, parse
from mithridate.ledger.accounts import new_account
from mithridate.ledger.interface import AttemptState
from mithridate.mpc.projection import ternary_rows
from mithridate.verification.gates import UpdateGates, rules_in_plaintext
from mithridate.verification.registry import Bounds
from mithridate.verification.settings import DefenceSettings
from mithridate.verification.verdict import Rule

HONEST = 6
HEADER, SIGNATURE, ENVELOPES, SEALED_BODY = 1, 2, 3, 4
Sealed = tuple[bytes, bytes]
Ring = np.ndarray[Any, np.dtype[np.uint64]]


class Hostile(Hospital):
    """A hospital that remembers what it handed in; its kinds override one step each."""

    last: Sealed = (b"", b"")

    @classmethod
    def in_place_of(cls, other: Hospital) -> "Hostile":
        return cls(other.site, other._ledger, other._key, other._store, other._layout)

    def seal(self, state: AttemptState) -> bytes:
        self.last = self.forge(state)
        self._digest = self.last[1]
        return self.last[0]

    def forge(self, state: AttemptState) -> Sealed:
        return super().seal(state), self._digest

    @property
    def secret(self) -> Ring:
        """The update in the ring, once it has trained."""
        assert self._secret is not None
        return self._secret

    def honest_message(self, state: AttemptState, key: Any = None, secret: Any = None, **context: Any) -> Sealed:
        """A well-made message for another context, of another secret or by another key."""
        validators = [keys.public_from_bytes(validator.envelope_key) for validator in self._ledger.validators()]
        made = replace(self._context(state), **context)
        return make_submission(self.secret if secret is None else secret, made, key or self._key, validators)


def forges(step: Callable[[Hostile, AttemptState], Sealed]) -> type[Hostile]:
    """A hospital whose message `step` makes."""
    return type(step.__name__, (Hostile,), {"forge": step})


def altered(at: int, change: Callable[[Any], Any]) -> type[Hostile]:
    """A hospital whose message has one item changed after it was made and committed to."""

    def forge(self: Hostile, state: AttemptState) -> Sealed:
        message, digest = self.honest_message(state)
        head, body = split(message, len(message))
        items = [*msgpack.unpackb(head), bytes(body)]
        items[at] = change(items[at])
        return join(msgpack.packb(items[:-1]), items[-1]), digest

    return forges(forge)


def sends(vector: Callable[[int], Ring]) -> type[Hostile]:
    """A hospital that shares ring elements of its choice, correctly in all else."""
    return type("Sends", (Hostile,), {"encode": lambda self, update: vector(update.size)})


def flip(data: bytes, at: int = -1) -> bytes:
    flipped = bytearray(data)
    flipped[at] ^= 1
    return bytes(flipped)


def flip_envelope(rank: int) -> type[Hostile]:
    return altered(ENVELOPES, lambda sealed: [flip(each) if i == rank else each for i, each in enumerate(sealed)])


def made_by_hand(
    self: Hostile,
    state: AttemptState,
    *,
    body: Callable[[Ring], Ring] = lambda x2: x2,
    commits_to_body: bool = False,
    seeds: dict[tuple[int, int], bytes] | None = None,
) -> Sealed:
    """A signed message with the body `body(x2)`, and with other seeds for the (rank, component) that `seeds` names."""
    context, shared = self._context(state), share(self.secret)
    x2 = np.ascontiguousarray(body(shared.x2)).tobytes()
    body_key, sealed_body = envelope.seal_body(x2, context.associated_data(BODY))
    nonces = [commitment.fresh_nonce() for _ in range(PARTIES)]
    committed = [shared.seed0, shared.seed1, x2 if commits_to_body else shared.x2.tobytes()]
    commitments = [commitment.commit(*opened) for opened in zip(COMPONENTS, nonces, committed, strict=True)]
    header = msgpack.packb([VERSION, *context.fields(), *commitments])
    signature = signing.sign(self._key, Domain.SUBMISSION_SIGNATURE, header)
    materials = (shared.seed0, shared.seed1, body_key)

    def opening(rank: int, component: int) -> bytes:
        return (seeds or {}).get((rank, component), materials[component]) + nonces[component]

    envelopes = [
        envelope.seal(
            keys.public_from_bytes(validator.envelope_key),
            opening(rank, rank) + opening(rank, (rank + 1) % PARTIES),
            context.associated_data(rank),
        )
        for rank, validator in enumerate(self._ledger.validators())
    ]
    message = join(msgpack.packb([VERSION, header, signature, envelopes]), sealed_body)
    return message, parse(message, self._layout.size).header.digest()


class CommitsTwice(Hostile):
    """Writes a second digest, hoping to choose between two updates later."""

    def commit(self, state: AttemptState) -> None:
        super().commit(state)
        self._ledger.submit(state.round, state.attempt, os.urandom(32))


class CommitsToAnother(Hostile):
    """Its message is in order, but not the one it committed to."""

    def forge(self, state: AttemptState) -> Sealed:
        return super().forge(state)[0], self.honest_message(state)[1]


class Copies(Hostile):
    """Hands in the message of another hospital as its own."""

    victim: Hostile

    def forge(self, state: AttemptState) -> Sealed:
        return self.victim.last


def wrapping(length: int) -> Ring:
    """One entry of 2^32: the squared norm is 2^64, which is zero in the ring."""
    vector = np.zeros(length, dtype=np.uint64)
    vector[length // 2] = 2**32
    return vector


def wrapping_in_four(length: int) -> Ring:
    """Four entries of 2^31, whose squares of 2^62 add up to zero in the ring."""
    vector = np.zeros(length, dtype=np.uint64)
    vector[:4] = 2**31
    return vector


def cast(value: float) -> Callable[[int], Ring]:
    """What a C cast makes of a float that is no integer."""

    def vector(length: int) -> Ring:
        with np.errstate(invalid="ignore"):
            return np.full(length, value).astype(np.int64).view(np.uint64)

    return vector


class Row(NamedTuple):
    """What a hospital does, what the report must say of it, and a part of the note if a validator can tell why."""

    kind: type[Hostile]
    verdict: str
    note: str | None


ROWS: dict[str, Row] = {
    "a bit of validator 0's envelope is flipped": Row(flip_envelope(0), "envelope", "the envelope does not open"),
    "a bit of validator 1's envelope is flipped": Row(flip_envelope(1), "envelope", "the envelope does not open"),
    "a bit of validator 2's envelope is flipped": Row(flip_envelope(2), "envelope", "the envelope does not open"),
    "a bit of the body is flipped": Row(altered(SEALED_BODY, flip), "envelope", "the body does not open"),
    "the envelopes are swapped": Row(
        altered(ENVELOPES, lambda sealed: sealed[::-1]), "envelope", "sealed for another recipient"
    ),
    "signed with another key": Row(
        forges(lambda self, state: self.honest_message(state, key=keys.generate())), "signature", "does not verify"
    ),
    "a bit of the signature is flipped": Row(altered(SIGNATURE, flip), "signature", "does not verify"),
    "a bit of the header is flipped": Row(altered(HEADER, flip), "signature", "does not verify"),
    "the base is the last round's": Row(
        forges(lambda self, state: self.honest_message(state, base_hash=self._ledger.initial_model())),
        "stale",
        "base_hash",
    ),
    "made for another study": Row(
        forges(lambda self, state: self.honest_message(state, study_id=os.urandom(32))), "stale", "study_id"
    ),
    "last round's message, committed again": Row(
        forges(lambda self, state: self.last), "stale", "round 1 where 2 is open: replayed"
    ),
    "another hospital's message": Row(Copies, "stale", "with hospital"),
    "a parameter too few": Row(
        forges(lambda self, state: self.honest_message(state, secret=self.secret[1:], length=self.secret.size - 1)),
        "shape",
        "61 parameters for a model of 62",
    ),
    "a parameter too many": Row(
        forges(
            lambda self, state: self.honest_message(
                state, secret=np.append(self.secret, np.uint64(0)), length=self.secret.size + 1
            )
        ),
        "shape",
        "63 parameters for a model of 62",
    ),
    "a body shorter than the header says": Row(
        forges(lambda self, state: made_by_hand(self, state, body=lambda x2: x2[1:], commits_to_body=True)),
        "shape",
        "component 2 has 488 bytes",
    ),
    "a message too large": Row(altered(SEALED_BODY, lambda body: body + bytes(2000)), "envelope", "at most"),
    "no message at all": Row(
        forges(lambda self, state: (b"not a message", os.urandom(32))), "envelope", "cut short, or of another version"
    ),
    "the body holds another component than was committed to": Row(
        forges(lambda self, state: made_by_hand(self, state, body=lambda x2: x2 + np.uint64(1))),
        "shares",
        "opened as component_2 is not what its commitment says",
    ),
    "two validators get different seeds of one component": Row(
        forges(lambda self, state: made_by_hand(self, state, seeds={(1, 1): os.urandom(32)})),
        "shares",
        "opened as component_1 is not what its commitment says",
    ),
    "committed to another message": Row(CommitsToAnother, "shares", "not the one whose digest"),
    "commits twice": Row(CommitsTwice, "envelope", "submitted already"),
    "training diverged": Row(Hostile, "absent", "NaN, infinite or too large"),
    "not a number, cast to the ring": Row(sends(cast(float("nan"))), "range", None),
    "infinity, cast to the ring": Row(sends(cast(float("-inf"))), "range", None),
    "a square that wraps around the ring": Row(sends(wrapping), "range", None),
    "squares that add up to the ring's size": Row(sends(wrapping_in_four), "range", None),
    "an account that nobody enrolled": Row(Hostile, "absent", "only a hospital of this study"),
}
PLACE = {what: HONEST + number for number, what in enumerate(ROWS)}
BEYOND = HONEST + len(ROWS)


@pytest.fixture(scope="module")
def played(federation_of: Any, lenient: dict[str, Any]) -> tuple[Any, Any]:
    """The federation and its second round, in which all rows attack; the first one is honest."""
    federation = federation_of(hospitals={"count": BEYOND}, data={"max_records": None}, defence=lenient)
    hospitals, chain = federation.parties.hospitals, federation.parties.chain
    federation.put(*(Hostile.in_place_of(hospitals[place]) for place in PLACE.values()))
    federation.play()
    before = {what: federation.parties.hospitals[place].last for what, place in PLACE.items()}
    hostile = {what: row.kind.in_place_of(hospitals[PLACE[what]]) for what, row in ROWS.items()}
    for what, hospital in hostile.items():
        hospital.last = before[what]
    copier = hostile["another hospital's message"]
    assert isinstance(copier, Copies)
    copier.victim = hostile["a bit of validator 0's envelope is flipped"]
    unknown = hostile["an account that nobody enrolled"]
    unknown._ledger, unknown._key = chain.as_party(new_account()), keys.generate()
    diverging = hostile["training diverged"]
    records = diverging.site.dataset.take(range(len(diverging.site.dataset)))
    records.features[0, 0] = np.inf
    diverging.site = replace(diverging.site, dataset=records)
    extra_site, stranger = replace(hospitals[0].site, index=BEYOND), chain.as_party(new_account())
    extra = Hospital(extra_site, stranger, keys.generate(), federation.parties.store, federation.prepared.layout)
    extra._secret = encode(np.zeros(federation.prepared.layout.size))
    federation.put(*hostile.values(), extra)
    return federation, federation.play()


@pytest.mark.parametrize("what", ROWS)
def test_it_is_rejected_with_its_reason(played: tuple[Any, Any], what: str) -> None:
    _, record = played
    name, row = f"hospital-{PLACE[what]}", ROWS[what]
    assert record.verdicts[name] == row.verdict
    if row.note is None:
        assert name not in record.notes
    else:
        assert row.note in record.notes[name]


def test_the_round_goes_on_with_the_honest_hospitals_and_nobody_else(played: tuple[Any, Any]) -> None:
    federation, record = played
    assert record.status == "released"
    assert record.attested == 3
    assert [record.verdicts[f"hospital-{index}"] for index in range(HONEST)] == ["accepted"] * HONEST
    assert record.accepted == HONEST
    assert record.model_hash == federation.in_the_clear(bytes.fromhex(record.base_hash), range(HONEST), 2)
    assert set(record.notes) <= {f"hospital-{index}" for index in (*PLACE.values(), BEYOND)}


def test_a_hospital_beyond_the_roster_is_noted_and_has_no_verdict(played: tuple[Any, Any]) -> None:
    federation, record = played
    assert f"hospital-{BEYOND}" not in record.verdicts
    assert "only a hospital of this study" in record.notes[f"hospital-{BEYOND}"]
    assert BEYOND not in federation.ledger.attempt(2, 0).submissions


@pytest.mark.parametrize("forged", [wrapping, wrapping_in_four])
def test_a_norm_alone_would_let_an_update_that_wraps_around_pass(forged: Callable[[int], Ring]) -> None:
    length = 62
    rng = np.random.default_rng(1)
    updates = np.vstack([encode(rng.normal(size=(5, length)) / length), forged(length)]).view(np.int64)
    rows = np.concatenate(list(ternary_rows(b"w" * 32, length)), axis=1).astype(np.int64)
    bounds = Bounds.of(10.0)
    with pytest.raises(ValidationError):
        DefenceSettings(detectors=("norm",))
    norm_alone = DefenceSettings.model_construct(name="mithridate", detectors=("norm",))
    rules, _ = rules_in_plaintext(UpdateGates(norm_alone, bounds), updates, rows)
    assert rules[5] is Rule.ACCEPTED
    rules, _ = rules_in_plaintext(UpdateGates(DefenceSettings(noise_cosine=0), bounds), updates, rows)
    assert rules == (Rule.ACCEPTED,) * 5 + (Rule.RANGE,)
