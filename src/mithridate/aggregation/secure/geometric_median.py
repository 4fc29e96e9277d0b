"""The geometric median on shares: a fixed number of Weiszfeld steps on secret coefficients.

Source: that of `aggregation.geometric_median`. In the clear the iteration stops once the point hardly moves; when it
does so tells of the data, so here the rule's whole number of steps is made.
"""

from dataclasses import dataclass
from typing import Any

import jax

from mithridate.aggregation.geometric_median import GeometricMedian
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import COSINE, WEIGHT, inverse_roots, normalised, real, ring
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.mpc.shares import ReplicatedShare


@dataclass(frozen=True)
class Scaled:
    """Inner products in fixed point, the sum of the squared norms in [2^10, 2^12)."""

    def __call__(self, gram: jax.Array) -> jax.Array:
        """int64 (n, n) to real (n, n)."""
        powers = inverse_roots(gram.diagonal().sum()[None]).powers
        return real((gram * powers * powers) >> 32)


def weiszfeld_step(gram: jax.Array, coefficients: jax.Array, proportions: jax.Array) -> jax.Array:
    """From the coefficients (n,) of a point in the updates to those of the next; all as in `Weiszfeld`."""
    crossed = gram @ coefficients
    own = (coefficients * (crossed * (1 / WEIGHT))).sum()
    # Squared distances to the point, times `WEIGHT`; those below what fixed point can tell count as that.
    roots = inverse_roots(ring(gram.diagonal() * WEIGHT - 2 * crossed + own))
    # Powers relative to the nearest update's, times 2^4, so that magnitudes do not matter.
    nearness = real((roots.powers * roots.inverses.min()) >> 8)
    pulls = ring(nearness * roots.roots * proportions)
    total = inverse_roots(pulls.sum()[None])
    return normalised(pulls, total, total) * (WEIGHT / COSINE)


@dataclass(frozen=True)
class Weiszfeld:
    """The coefficients after so many steps, from the weighted mean on."""

    iterations: int

    def __call__(self, gram: jax.Array, proportions: jax.Array) -> jax.Array:
        """Real inner products (n, n) and proportions (n,), times `WEIGHT`, to coefficients (n,), times `WEIGHT`."""
        first = proportions + 0 * gram.diagonal()
        return jax.lax.fori_loop(0, self.iterations, lambda _, last: weiszfeld_step(gram, last, proportions), first)


@secure_rules.register("geometric_median")
@dataclass(frozen=True)
class SecureGeometricMedian(SecureRule[GeometricMedian]):
    """argmin over v of sum_i w_i ||v - g_i||, nearly.

    The smoothing nu = 1e-6 is below what fixed point can tell, about 1e-6 of the longest update, which takes its place.
    """

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """The geometric median; no memory."""
        updates, proportions = gathered.updates, gathered.proportions
        gram = context.run(Scaled(), context.gram(updates, gathered.shift()))
        coefficients = context.run(Weiszfeld(self.clear.iterations), gram, proportions)
        return weighted_step(context, coefficients, updates), None
