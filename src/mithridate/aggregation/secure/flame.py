"""FLAME on shares: the same cluster as in the clear, found without a step that depends on the data.

Source: that of `aggregation.flame`. HDBSCAN with these settings is single linkage until more than half are joined. In
single linkage two points are joined at the smallest, over all paths between them, of the longest edge; so Floyd and
Warshall's algorithm with minimum and maximum finds where each pair is joined, n^3 comparisons in n rounds. A point is
in the cluster if the distance at which it is first joined with more than half is the smallest there is.

Cosines are in fixed point, accurate to about 2^-22: distances that differ by less may join in another order.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt

from mithridate.aggregation.flame import Flame
from mithridate.aggregation.secure.clipping import clip_to_median
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import COSINE, LENGTH, WEIGHT, inverse_roots, normalised
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.selection import mean_weights
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.mpc.shares import ReplicatedShare
from mithridate.mpc.sorting import network, ordered, rows_of

_PART = 2.0**7


def majority_cluster(distances: jax.Array) -> jax.Array:
    """`aggregation.flame.majority_cluster` as zeros and ones, int64 (n,), from distances (n, n), exactly symmetric."""
    count = distances.shape[0]
    joined = distances
    for via in range(count):
        column, row = joined[:, via : via + 1], joined[via : via + 1, :]
        joined = jnp.minimum(joined, jnp.maximum(column, row))
    place = count // 2
    parts = ["nearer"] * place + ["majority"] + ["further"] * (count - place - 1)
    majority = ordered(rows_of(joined), network(parts))[place]
    return (majority <= majority.min()).astype(jnp.int64)


@dataclass(frozen=True)
class FlameWeights:
    """Weights of the mean of the cluster, each clipped to the median norm S, and S itself."""

    shift: int

    def __call__(self, gram: jax.Array) -> tuple[jax.Array, jax.Array]:
        """Inner products int64 (n, n) with 36 - shift fractional bits to weights (n,) and S (1,), over 2^7."""
        count = gram.shape[0]
        roots = inverse_roots(gram.diagonal())
        cosines = normalised(gram, roots[:, None], roots[None, :])
        # Rounding differs between the two triangles, and equal distances must be equal.
        upper = (COSINE - cosines) * np.triu(np.ones((count, count), dtype=np.float32), 1)
        kept = majority_cluster(upper + upper.T)
        factors, length = clip_to_median(gram.diagonal())
        weights = mean_weights(kept, range(count // 2 + 1, count + 1)) * factors * (1 / WEIGHT)
        return weights, (length * (2.0 ** (self.shift // 2) / (LENGTH * _PART)))[None]


def noisy(length: jax.Array, step: jax.Array, draws: jax.Array) -> jax.Array:
    """step + S draws, (d,), of S (1,) over 2^7 and draws (d,) times 2^7: no factor is left to be rounded."""
    return step + length * draws


@secure_rules.register("flame")
@dataclass(frozen=True)
class SecureFlame(SecureRule[Flame]):
    """The mean of the majority's cluster, clipped to the median norm S, with noise N(0, (lambda S)^2).

    The draws behind the noise are public, as in the clear: it blunts backdoors, and hides nothing from one who knows
    the seed.
    """

    def combine(self, context: SecureContext, gathered: SharedRound, memory: int | None) -> tuple[ReplicatedShare, int]:
        """That mean; the memory is the number of rounds so far."""
        rounds, shift = memory or 0, gathered.shift()
        gram = context.gram(gathered.updates, shift)
        weights, length = context.session.run(FlameWeights(shift), [gram])
        step = weighted_step(context, weights, gathered.updates)
        if self.clear.noise:
            step = context.by_columns(noisy, [length], [step, self._draws(rounds, len(step))])
        return step, rounds + 1

    def _draws(self, rounds: int, size: int) -> npt.NDArray[np.float32]:
        rng = np.random.default_rng((self.clear.seed, rounds))
        return rng.normal(scale=self.clear.noise * _PART, size=size).astype(np.float32)
