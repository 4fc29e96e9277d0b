"""A hospital's message of one round: its update in replicated shares, committed to, sealed to the validators, signed.

The message is a msgpack array [version, header, signature, envelopes] and, behind it, the body. The header names the
study, round, attempt, hospital, base model and length, and commits to the three components. Validator i's envelope
opens components i and i + 1 mod 3: a seed or, for component 2, the key of the body; each with the nonce of its
commitment. The body is component 2 in full. The coordinator gives each validator its part: [version, header, signature,
rank, envelope] and, unless it is validator 0, the body.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import msgpack  # type: ignore[import-untyped]
import numpy as np

from mithridate.crypto import commitment, envelope, signing
from mithridate.crypto.domains import COMPONENTS, Domain
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.crypto.sharing import MAX_LENGTH, PARTIES, SEED_BYTES, Ring, expand_into, share
from mithridate.errors import MessageError, ShapeError, ShareMismatch, StaleError
from mithridate.federation.packing import join, shown, split, unpack_array
from mithridate.mpc.shares import ReplicatedShare, unwritten

VERSION = 2
HASH_BYTES = 32
# An opening is a seed or key with its commitment's nonce; an envelope holds two.
OPENING_BYTES = SEED_BYTES + commitment.NONCE_BYTES
ENVELOPE_BYTES = 2 * OPENING_BYTES + envelope.OVERHEAD
# All of a message but 8 bytes a parameter: 861 bytes at most, with the widest integers.
MAX_OVERHEAD = 1024
_MAX_HEADER = 256
_MAX_INT = 2**32 - 1
_HEADER_FIELDS = 10

Bytes = bytes | bytearray | memoryview


@dataclass(frozen=True)
class RoundContext:
    """What a submission is for; every ciphertext and signature covers it.

    Args:
        study_id: 32 bytes.
        round: 0 to 2^32 - 1, as are `attempt` and `hospital`.
        attempt: the attempt of that round.
        hospital: index in the roster.
        base_hash: 32 bytes, SHA-256 of the base model's file.
        length: d, the model's number of parameters, 1 to 2^27.

    Raises:
        MessageError: a field is of another type or out of range.
    """

    study_id: bytes
    round: int
    attempt: int
    hospital: int
    base_hash: bytes
    length: int

    def __post_init__(self) -> None:
        for name in ("study_id", "base_hash"):
            _check_bytes(name, getattr(self, name), HASH_BYTES)
        for name, least, most in (
            ("round", 0, _MAX_INT),
            ("attempt", 0, _MAX_INT),
            ("hospital", 0, _MAX_INT),
            ("length", 1, MAX_LENGTH),
        ):
            value = getattr(self, name)
            # A bool would be an int to isinstance, and other bytes on the wire.
            if type(value) is not int or not least <= value <= most:
                raise MessageError(f"a submission's {name} is an integer from {least} to {most}, got {value!r:.40}")

    def fields(self) -> list[bytes | int]:
        """The fields in the order in which they are sent and signed."""
        return [self.study_id, self.round, self.attempt, self.hospital, self.base_hash, self.length]

    def associated_data(self, purpose: int) -> bytes:
        """The bytes a ciphertext is bound to; purpose 0 to 2 is the recipient's rank, `BODY` (3) the body."""
        return Domain.SUBMISSION_CONTEXT.tag + _pack([*self.fields(), purpose])


BODY = PARTIES


@dataclass(frozen=True)
class SignedHeader:
    """A header with its signature, well-formed but not yet checked against a key, a round or the ledger."""

    raw: bytes = field(repr=False)
    signature: bytes = field(repr=False)
    context: RoundContext
    commitments: tuple[bytes, ...]

    def digest(self) -> bytes:
        """What the hospital writes to the ledger: SHA-256(domain || header || signature), 32 bytes."""
        return hashlib.sha256(Domain.SUBMISSION_DIGEST.tag + self.raw + self.signature).digest()


@dataclass(frozen=True)
class SubmissionPart:
    """What one validator is given of a submission; `body` is a view of the bytes it came in, empty for rank 0."""

    header: SignedHeader
    rank: int
    envelope: bytes = field(repr=False)
    body: Bytes = field(repr=False)


@dataclass(frozen=True)
class Submission:
    """A whole message as the coordinator sees it: sealed, except for the header. `body` is a view of its bytes."""

    header: SignedHeader
    envelopes: tuple[bytes, ...] = field(repr=False)
    body: Bytes = field(repr=False)

    def for_validator(self, rank: int) -> bytes:
        """The part that validator `rank` may have: its own envelope and, unless it is rank 0, the body."""
        head = _pack([VERSION, self.header.raw, self.header.signature, rank, self.envelopes[rank]])
        return join(head, b"" if rank == 0 else self.body)


def make_submission(
    secret: Ring, context: RoundContext, signing_key: PrivateKey, validator_keys: Sequence[PublicKey]
) -> tuple[bytes, bytes]:
    """Shares, commits to, seals and signs one update, with fresh randomness from the operating system.

    Args:
        secret: (d,) uint64, the update in fixed point; d = context.length.
        signing_key: the hospital's enrolled P-256 key.
        validator_keys: the envelope keys of validators 0, 1, 2.

    Returns:
        (message of 8 d + 0.9 kB, digest for the ledger of 32 bytes).

    Raises:
        ShapeError: the secret has another length or type, or there are not three validators.
    """
    if secret.shape != (context.length,) or len(validator_keys) != PARTIES:
        raise ShapeError(
            f"needs an update of {context.length} parameters and {PARTIES} validators' keys, "
            f"got {secret.shape} and {len(validator_keys)}"
        )
    shared = share(secret)
    x2 = shared.x2.view(np.uint8).data
    body_key, body = envelope.seal_body(x2, context.associated_data(BODY))
    nonces = [commitment.fresh_nonce() for _ in range(PARTIES)]
    payloads: list[Bytes] = [shared.seed0, shared.seed1, x2]
    commitments = [commitment.commit(*opened) for opened in zip(COMPONENTS, nonces, payloads, strict=True)]
    header = _pack([VERSION, *context.fields(), *commitments])
    signature = signing.sign(signing_key, Domain.SUBMISSION_SIGNATURE, header)
    openings = [
        material + nonce for material, nonce in zip((shared.seed0, shared.seed1, body_key), nonces, strict=True)
    ]
    envelopes = [
        envelope.seal(key, openings[rank] + openings[(rank + 1) % PARTIES], context.associated_data(rank))
        for rank, key in enumerate(validator_keys)
    ]
    digest = _parse_header(header, signature).digest()
    return join(_pack([VERSION, header, signature, envelopes]), body), digest


def parse(message: Bytes, max_length: int) -> Submission:
    """A whole message, checked for form only: sizes, types, version, one way to write it.

    Args:
        message: from a hospital, hostile.
        max_length: the most parameters an update of this study may have; bounds the size before anything is read.

    Raises:
        MessageError: malformed, too large or of another version.
    """
    head, body = split(message, _message_limit(max_length))
    header, signature, envelopes = _unpack(head, MAX_OVERHEAD, 4)
    if type(envelopes) is not list or len(envelopes) != PARTIES:
        raise MessageError(f"a submission has {PARTIES} envelopes")
    sealed = tuple(_check_bytes("envelope", each, ENVELOPE_BYTES) for each in envelopes)
    signed = _parse_header(header, signature)
    _check_form(head, [VERSION, header, signature, envelopes])
    return Submission(signed, sealed, body)


def parse_part(part: Bytes, max_length: int) -> SubmissionPart:
    """One validator's part, as `Submission.for_validator` wrote it, checked for form only.

    Raises:
        MessageError: malformed, too large or of another version, or with a body where rank 0 may have none.
    """
    head, body = split(part, _message_limit(max_length))
    header, signature, rank, sealed = _unpack(head, MAX_OVERHEAD, 5)
    if type(rank) is not int or not 0 <= rank < PARTIES:
        raise MessageError(f"a validator's rank is 0, 1 or 2, got {shown(rank)}")
    if rank == 0 and body:
        raise MessageError("validator 0 holds components 0 and 1 and may not be handed the body of component 2")
    sealed = _check_bytes("envelope", sealed, ENVELOPE_BYTES)
    signed = _parse_header(header, signature)
    _check_form(head, [VERSION, header, signature, rank, sealed])
    return SubmissionPart(signed, rank, sealed, body)


def open_submission(
    part: SubmissionPart,
    rank: int,
    private_key: PrivateKey,
    expected: RoundContext,
    signing_public: PublicKey,
    ledger_digest: bytes,
    into: ReplicatedShare | None = None,
) -> ReplicatedShare:
    """A validator's share of one update, (d,), after every check that one validator can make alone.

    Both holders of a component check it against the same commitment, because both check the header against the ledger's
    digest: so if neither raises, they hold the same component.

    Args:
        part: as parsed.
        rank: this validator's own.
        private_key: this validator's envelope key.
        expected: study, round, attempt, hospital, base and length as the ledger has them.
        signing_public: the hospital's enrolled key.
        ledger_digest: what the hospital wrote to the ledger for this attempt.
        into: room for the share, (d,) and contiguous; new room if None. After an error what is there is of no use.

    Raises:
        MessageError: the part is another validator's.
        StaleError: another study, round, attempt, hospital or base model.
        ShapeError: another number of parameters, in the header or in the body.
        SignatureInvalid: not signed with the hospital's key.
        ShareMismatch: not what the ledger's digest or a commitment says.
        EnvelopeError: the envelope or the body does not open.
    """
    if part.rank != rank:
        raise MessageError(f"a part for validator {part.rank} came to validator {rank}")
    _check_header(part.header, expected, signing_public, ledger_digest)
    opened = envelope.open_sealed(private_key, part.envelope, expected.associated_data(rank))
    if len(opened) != 2 * OPENING_BYTES:
        raise MessageError(f"an envelope holds two openings of {OPENING_BYTES} bytes, this one {len(opened)} bytes")
    share = unwritten(rank, (expected.length,)) if into is None else into
    if share.rank != rank or share.shape != (expected.length,):
        raise ShapeError(f"room for {expected.length} parameters at validator {rank} is needed, got {share.shape}")
    _open_component(part, rank, opened[:OPENING_BYTES], share.first)
    _open_component(part, (rank + 1) % PARTIES, opened[OPENING_BYTES:], share.second)
    return share


def _check_header(header: SignedHeader, expected: RoundContext, key: PublicKey, ledger_digest: bytes) -> None:
    for name in ("study_id", "round", "attempt", "hospital", "base_hash"):
        got, wanted = getattr(header.context, name), getattr(expected, name)
        if got != wanted:
            raise StaleError(f"a submission with {name} {_show(got)} where {_show(wanted)} is open: replayed or late")
    if header.context.length != expected.length:
        raise ShapeError(f"an update of {header.context.length} parameters for a model of {expected.length}")
    signing.verify(key, Domain.SUBMISSION_SIGNATURE, header.raw, header.signature)
    if header.digest() != ledger_digest:
        raise ShareMismatch("the submission is not the one whose digest the hospital wrote to the ledger")


def _open_component(part: SubmissionPart, index: int, opening: bytes, out: Ring) -> None:
    material, nonce = opening[:SEED_BYTES], opening[SEED_BYTES:]
    if index == PARTIES - 1:
        _open_body(part, material, nonce, out)
    else:
        commitment.verify(part.header.commitments[index], COMPONENTS[index], nonce, material)
        expand_into(material, out)


def _open_body(part: SubmissionPart, key: bytes, nonce: bytes, out: Ring) -> None:
    x2 = out.view(np.uint8).data
    size = len(part.body) - envelope.TAG_BYTES
    fits = size == len(x2)
    if not fits:
        # Opened all the same: a hospital's own mistake and a body altered on its way are different verdicts.
        x2 = memoryview(bytearray(max(size, 0)))
    envelope.open_body(key, part.body, part.header.context.associated_data(BODY), x2)
    commitment.verify(part.header.commitments[-1], COMPONENTS[-1], nonce, x2)
    if not fits:
        raise ShapeError(f"component 2 has {size} bytes where {out.size} parameters need {out.nbytes}")


def _parse_header(raw: object, signature: object) -> SignedHeader:
    raw = _check_bytes("header", raw)
    signature = _check_bytes("signature", signature, signing.SIGNATURE_BYTES)
    fields = _unpack(raw, _MAX_HEADER, _HEADER_FIELDS)
    context = RoundContext(*fields[:6])
    commitments = tuple(_check_bytes("commitment", each, commitment.COMMITMENT_BYTES) for each in fields[6:])
    _check_form(raw, [VERSION, *context.fields(), *commitments])
    return SignedHeader(raw, signature, context, commitments)


def _check_form(data: Bytes, items: list[object]) -> None:
    if data != _pack(items):
        raise MessageError("a submission is written in msgpack's shortest form, and this one is not")


def _unpack(data: Bytes, limit: int, size: int) -> list[Any]:
    """The items after the version of a msgpack array of `size` items; one of them may be an array of its own."""
    items = unpack_array(data, limit, _HEADER_FIELDS, size, arrays=2)
    if type(items[0]) is not int or items[0] != VERSION:
        raise MessageError(f"a message of version {shown(items[0])}: this program reads version {VERSION}")
    return items[1:]


def _pack(items: list[object]) -> bytes:
    packed: bytes = msgpack.packb(items)
    return packed


def _check_bytes(name: str, value: object, size: int | None = None) -> bytes:
    if type(value) is not bytes or (size is not None and len(value) != size):
        got = f"{len(value)} bytes" if type(value) is bytes else type(value).__name__
        raise MessageError(f"a submission's {name} is {'' if size is None else f'{size} '}bytes, got {got}")
    return value


def _message_limit(max_length: int) -> int:
    return 8 * min(max_length, MAX_LENGTH) + MAX_OVERHEAD


def _show(value: bytes | int) -> str:
    return value.hex()[:16] if isinstance(value, bytes) else str(value)
