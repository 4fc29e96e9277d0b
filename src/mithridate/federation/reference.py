"""The reference set: labelled records that a curator hands to the validators as shares, once, before the study.

It travels as a submission of its own to each committee that can be drawn: round 0, from `CURATOR`, signed with the
curator's key. The ledger binds the digests of all. Each committee has shares of its own, for a validator that serves at
different ranks must not come to hold all three components of one sharing. The secret is the inputs (m, *shape) followed
by the one-hot labels (m, C), flat, in fixed point.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np
import numpy.typing as npt

from mithridate.crypto.domains import Domain
from mithridate.crypto.fixed_point import encode
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.data.dataset import Dataset
from mithridate.errors import ShareMismatch
from mithridate.federation.seats import Seats, possible_seats
from mithridate.federation.submission import RoundContext, make_submission, open_submission, parse_part
from mithridate.mpc.shares import ReplicatedShare

CURATOR = 2**32 - 1
"""The curator's place in a submission's header, where no hospital can be."""


@dataclass(frozen=True)
class ReferenceShape:
    """What everybody knows of the reference set.

    Args:
        samples: m.
        shape: of one input.
        classes: C.
    """

    samples: int
    shape: tuple[int, ...]
    classes: int

    @property
    def length(self) -> int:
        """Ring elements of inputs and labels."""
        return self.samples * (prod(self.shape) + self.classes)

    def context(self, study_id: bytes, initial_model: bytes) -> RoundContext:
        """What the curator's message is bound to."""
        return RoundContext(study_id, 0, 0, CURATOR, initial_model, self.length)


@dataclass(frozen=True)
class ReferenceShares:
    """One validator's shares of the reference set.

    Args:
        inputs: (m, *shape), fixed point.
        onehot: (m, C), fixed point.
    """

    inputs: ReplicatedShare
    onehot: ReplicatedShare

    def take(self, samples: npt.NDArray[np.int64]) -> "ReferenceShares":
        """The shares of some samples, by number."""
        return ReferenceShares(self.inputs[samples], self.onehot[samples])


@dataclass(frozen=True)
class ReferencePart:
    """What the coordinator gives one validator of one committee.

    Args:
        digests: of the curator's messages to all committees, in their order.
        part: the validator's of its committee's message.
    """

    digests: tuple[bytes, ...]
    part: bytes


def share_reference(
    records: Dataset, context: RoundContext, curator_key: PrivateKey, validator_keys: Sequence[PublicKey]
) -> tuple[dict[Seats, bytes], bytes]:
    """The curator's messages, one a committee in the order of `possible_seats`, and the hash for the ledger.

    Args:
        records: m preprocessed records.
        context: from `ReferenceShape.context`.
        curator_key: signs the messages.
        validator_keys: the envelope keys of all validators of the study, by place.
    """
    onehot = np.eye(len(records.classes), dtype=np.float32)[records.labels]
    secret = encode(np.concatenate([records.features.reshape(-1), onehot.reshape(-1)]))
    made = {
        seats: make_submission(secret, context, curator_key, [validator_keys[place] for place in seats])
        for seats in possible_seats(len(validator_keys))
    }
    return {seats: message for seats, (message, _) in made.items()}, reference_hash([d for _, d in made.values()])


def reference_hash(digests: Sequence[bytes]) -> bytes:
    """What the ledger binds of the messages with these digests, 32 bytes."""
    return hashlib.sha256(Domain.REFERENCE_SET.tag + b"".join(digests)).digest()


def digest_for(seats: Seats, validators: int, digests: Sequence[bytes], bound: bytes) -> bytes:
    """The digest of one committee's message.

    Args:
        seats: the committee.
        validators: how many the study has.
        digests: of all messages, as the coordinator says.
        bound: the ledger's reference hash.

    Raises:
        ShareMismatch: they are not the ones that the ledger binds.
    """
    every = possible_seats(validators)
    if len(digests) != len(every) or reference_hash(digests) != bound:
        raise ShareMismatch("the reference set is not the one that the ledger binds: the curator or coordinator erred")
    return digests[every.index(seats)]


def open_reference(
    part: bytes,
    rank: int,
    key: PrivateKey,
    shape: ReferenceShape,
    context: RoundContext,
    curator: PublicKey,
    digest: bytes,
) -> ReferenceShares:
    """A validator's shares, after every check of a submission.

    Args:
        part: the curator's message to its committee, for this validator.
        rank: this validator's in that committee.
        key: its envelope key.
        shape: of the reference set.
        context: from `ReferenceShape.context`.
        curator: the curator's public key.
        digest: from `digest_for`.

    Raises:
        ProtocolError: whatever is wrong with the message; the study cannot begin.
    """
    flat = open_submission(parse_part(part, context.length), rank, key, context, curator, digest)
    split = shape.samples * prod(shape.shape)
    inputs = flat[:split].reshape(shape.samples, *shape.shape)
    return ReferenceShares(inputs, flat[split:].reshape(shape.samples, shape.classes))
