"""The curator's role in a round: train on the reference set, beside it, and share what the validators test against.

Its message is a submission of its own, from `CURATOR`, signed with the curator's key. The secret is its own update
followed by the direction of use, (2 d,), in fixed point.
"""

import copy
from dataclasses import dataclass

import numpy as np
from torch import nn

from mithridate.crypto.fixed_point import clip_l2, encode
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.data.dataset import Dataset
from mithridate.errors import EnvelopeError
from mithridate.federation.reference import CURATOR
from mithridate.federation.seats import envelope_keys
from mithridate.federation.submission import RoundContext, make_submission, open_submission, parse_part
from mithridate.ledger.interface import AttemptState, Ledger
from mithridate.ledger.store import ModelStore
from mithridate.models.files import from_safetensors
from mithridate.models.layout import Layout
from mithridate.mpc.shares import ReplicatedShare
from mithridate.training.settings import TrainingSettings
from mithridate.verification.curation import curator_moves, direction_of_use


@dataclass(frozen=True)
class CuratedShares:
    """One validator's shares of what the curator computed for a round.

    Args:
        update: (d,), the curator's own update, within the round's bound.
        direction: (d,), the direction of use.
    """

    update: ReplicatedShare
    direction: ReplicatedShare


def curated_context(study_id: bytes, state: AttemptState, parameters: int) -> RoundContext:
    """What the curator's message of an attempt is bound to."""
    return RoundContext(study_id, state.round, state.attempt, CURATOR, state.base_hash, 2 * parameters)


@dataclass(frozen=True)
class Curator:
    """The reference set's owner.

    Args:
        reference: its records; they stay here.
        module: the study's model, for the curator alone.
        settings: how it trains.
        probes: copies of the records with random triggers; None for the usual number.
        clip_norm: the round's L2 bound.
        seed: secret from the hospitals outside simulations: whoever knows it knows the probes.
        ledger: the ledger, for reading.
        key: signs its messages.
        store: where global models lie.
        layout: of the study's model.
    """

    reference: Dataset
    module: nn.Module
    settings: TrainingSettings
    probes: int | None
    clip_norm: float
    seed: int
    ledger: Ledger
    key: PrivateKey
    store: ModelStore
    layout: Layout

    def curate(self, announced: AttemptState) -> bytes:
        """The sealed message for an attempt, on its base model as the ledger names it.

        Raises:
            ModelError: training fails.
            EncodingError: training diverged.
        """
        state = self.ledger.attempt(announced.round, announced.attempt)
        base = from_safetensors(self.store.get(state.base_hash.hex()), self.layout)
        numbers = (self.seed, state.round, state.generation)
        # Its own copy: training in two threads on one module ends the process.
        module = copy.deepcopy(self.module)
        moved = [*curator_moves(module, base, self.reference, self.settings, self.probes, numbers)]
        direction = direction_of_use(module, base, self.reference, moved[1:3], moved[3:])
        update = clip_l2(moved[0], self.clip_norm)
        context = curated_context(self.ledger.study_id(), state, self.layout.size)
        validators = envelope_keys(self.ledger, state.committee)
        message, _ = make_submission(encode(np.concatenate([update, direction])), context, self.key, validators)
        return message


def open_curated(
    part: bytes | None, rank: int, key: PrivateKey, context: RoundContext, curator: PublicKey
) -> tuple[CuratedShares, bytes]:
    """A validator's shares of the curator's message, and its digest, which the three compare.

    Args:
        part: the message as the coordinator gave it; hostile.
        rank: this validator's.
        key: its envelope key.
        context: from `curated_context`.
        curator: the curator's public key.

    Raises:
        ProtocolError: there is none, or something is wrong with it.
    """
    if part is None:
        raise EnvelopeError("the curator delivered nothing for this attempt")
    parsed = parse_part(part, context.length)
    digest = parsed.header.digest()
    shares = open_submission(parsed, rank, key, context, curator, digest)
    half = context.length // 2
    return CuratedShares(shares[:half], shares[half:]), digest
