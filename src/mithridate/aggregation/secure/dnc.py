"""Divide and conquer on shares: outlier scores by repeated squaring of the centred Gram matrix.

Source: that of `aggregation.dnc`. After k squarings the matrix is what 2^k steps of the power method make of it; its
diagonal then holds the squared entries of the top eigenvector, all that the scores differ by.

Where the two largest eigenvalues differ by less than 1 %, the scores blend both directions, and who is removed may be
other than in the clear, where one of the two is picked by differences as small.
"""

from dataclasses import dataclass

import jax
import numpy as np

from mithridate.aggregation.dnc import DnC
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import COSINE, inverse_roots, normalised, ring
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.selection import among_smallest, mean_weights
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.errors import InputError
from mithridate.mpc.session import Integer
from mithridate.mpc.shares import ReplicatedShare

_TRACE = 2.0**8
_SQUARINGS = 10


@dataclass(frozen=True)
class KeptByDnC:
    """One for each of the `count` updates with the smallest outlier scores."""

    count: int

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) to zeros and ones, int64 (n,)."""
        n = gram.shape[0]
        # n^2 times the Gram matrix of the centred updates, in integers and so without cancellation.
        centring = n * np.eye(n, dtype=np.int64) - 1
        matrix = _with_trace(centring @ gram @ centring)
        matrix = jax.lax.fori_loop(0, _SQUARINGS, lambda _, power: _with_trace(ring(power @ power)), matrix)
        return among_smallest(self.count, matrix.diagonal())


@dataclass(frozen=True)
class KeptByAll:
    """Weights of the mean of those that every iteration keeps; 0 where there are none.

    Args:
        most: the largest number of them.
        iterations: how many selections there are.
    """

    most: int
    iterations: int

    def __call__(self, *kept: jax.Array) -> jax.Array:
        """Zeros and ones, int64 (n,) for each iteration, to weights (n,)."""
        together = kept[0]
        for other in kept[1:]:
            together = together * other
        # Of one iteration the number is public, of several it is not.
        counts = [self.most] if self.iterations == 1 else range(1, self.most + 1)
        return mean_weights(together, counts)


def _with_trace(matrix: jax.Array) -> jax.Array:
    """A positive semidefinite int64 matrix as fixed point, scaled to the trace 2^8."""
    trace = inverse_roots(matrix.diagonal().sum()[None])
    return normalised(matrix, trace, trace) * (_TRACE / COSINE)


@secure_rules.register("dnc")
@dataclass(frozen=True)
class SecureDnC(SecureRule[DnC]):
    """The mean of those among the n - floor(c f) with the smallest outlier scores in each iteration.

    The coordinates that an iteration looks at are public: the seed should be drawn after the updates are committed to.
    """

    def combine(self, context: SecureContext, gathered: SharedRound, memory: int | None) -> tuple[ReplicatedShare, int]:
        """That mean; the memory is the number of rounds so far.

        Raises:
            InputError: c f is not below n.
        """
        updates, rounds = gathered.updates, memory or 0
        removed = int(self.clear.filtering * self.clear.malicious)
        if removed >= len(updates):
            raise InputError(f"dnc removes c f = {removed} of n = {len(updates)} updates: lower c or f")
        rng, count, shift = np.random.default_rng((self.clear.seed, rounds)), len(updates) - removed, gathered.shift()
        kept = [
            Integer(context.run(KeptByDnC(count), context.gram(self._sampled(updates, rng), shift)))
            for _ in range(self.clear.iterations)
        ]
        weights = context.run(KeptByAll(count, len(kept)), *kept)
        return weighted_step(context, weights, updates), rounds + 1

    def _sampled(self, updates: ReplicatedShare, rng: np.random.Generator) -> ReplicatedShare:
        size = updates.shape[1]
        if self.clear.dimensions >= size:
            return updates
        # Drawn as in the clear.
        return updates[:, np.sort(rng.choice(size, self.clear.dimensions, replace=False))]
