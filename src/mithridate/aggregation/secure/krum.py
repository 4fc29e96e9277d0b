"""Krum and Multi-Krum on shares: scores exact from the Gram matrix, the selection as secret zeros and ones.

Sources: those of `aggregation.krum` and `aggregation.multi_krum`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from mithridate.aggregation.krum import Krum
from mithridate.aggregation.multi_krum import MultiKrum
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.selection import (
    UNREACHABLE,
    among_smallest,
    mean_weights,
    ranks,
    squared_distances,
)
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.mpc.shares import ReplicatedShare


def krum_ranks(distances: jax.Array, alive: jax.Array, count: int, malicious: int) -> jax.Array:
    """Places (n,) by Krum score among the updates that are alive, those that are not last; ties as in the clear.

    Args:
        distances: squared, int64 (n, n).
        alive: int64 (n,), zeros and ones.
        count: how many are alive, public.
        malicious: f.
    """
    n = distances.shape[0]
    paired = alive[:, None] * alive[None, :] * (1 - jnp.eye(n, dtype=jnp.int64))
    counted = distances * paired
    neighbours = max(count - malicious - 2, 1)
    nearest = among_smallest(neighbours, counted + (1 - paired) * UNREACHABLE)
    scores = (nearest * counted).sum(axis=1) + (1 - alive) * UNREACHABLE
    return ranks(scores, counted.sum(axis=1))


@dataclass(frozen=True)
class KrumWeights:
    """Weights of the mean of the `chosen` updates with the best Krum scores."""

    malicious: int
    chosen: int

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) to weights (n,)."""
        n = gram.shape[0]
        places = krum_ranks(squared_distances(gram), jnp.ones(n, dtype=jnp.int64), n, self.malicious)
        return mean_weights((places < self.chosen).astype(jnp.int64), [self.chosen])


def _selected_mean(context: SecureContext, gathered: SharedRound, weights: KrumWeights) -> ReplicatedShare:
    gram = context.gram(gathered.updates, gathered.shift())
    return weighted_step(context, context.run(weights, gram), gathered.updates)


@secure_rules.register("krum")
@dataclass(frozen=True)
class SecureKrum(SecureRule[Krum]):
    """The update closest to its n - f - 2 nearest, which is opened as the step: nobody learns whose it is."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """That update; no memory."""
        return _selected_mean(context, gathered, KrumWeights(self.clear.malicious, 1)), None


@secure_rules.register("multi_krum")
@dataclass(frozen=True)
class SecureMultiKrum(SecureRule[MultiKrum]):
    """The plain mean of the n - f updates with the smallest Krum scores."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """That mean; no memory."""
        malicious = self.clear.malicious
        weights = KrumWeights(malicious, len(gathered.updates) - malicious)
        return _selected_mean(context, gathered, weights), None
