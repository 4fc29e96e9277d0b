"""Norm clipping and centred clipping on shares: who is clipped, and to what length, stays secret.

Sources: those of `aggregation.norm_clipping` and `aggregation.centred_clipping`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mithridate.aggregation.centred_clipping import CentredClipping
from mithridate.aggregation.norm_clipping import NormClipping
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import WEIGHT, InverseRoots, inverse_roots, lengths, ratios
from mithridate.aggregation.secure.rule import Memory, SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.crypto.fixed_point import SCALE
from mithridate.errors import InputError
from mithridate.mpc.shares import ReplicatedShare
from mithridate.mpc.sorting import network, ordered, rows_of


def middle_pair(values: jax.Array) -> jax.Array:
    """The two values (2,) whose mean is the median of (n,): the same one twice where n is odd."""
    count = values.shape[0]
    low, high = (count - 1) // 2, count // 2
    # Those below and those above the middle need no order among themselves.
    parts = ["below"] * low + list(range(low, high + 1)) + ["above"] * (count - high - 1)
    rows = ordered(rows_of(values), network(parts))
    return jnp.stack([rows[low], rows[high]])


def clip_to_median(squared: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Factors min(1, S / norm) for each (n,), times `WEIGHT`, and the median norm S, times `LENGTH`.

    Args:
        squared: norms, int64 (n,). S is in the units of the parameters where they have 36 fractional bits.
    """
    roots = inverse_roots(jnp.concatenate([squared, middle_pair(squared)]))
    each, pair = roots[: squared.shape[0]], roots[squared.shape[0] :]
    return _clipped(pair, each), lengths(pair).sum() * 0.5


def _clipped(pair: InverseRoots, each: InverseRoots) -> jax.Array:
    factors = ratios(pair[:1], each) + ratios(pair[1:], each)
    return jnp.minimum(factors * 0.5, WEIGHT)


@dataclass(frozen=True)
class ClippedWeights:
    """Proportions times factors min(1, S / norm).

    Args:
        squared: S^2 in the units of the inner products; None for the median norm as S.
    """

    squared: int | None = None

    def __call__(self, gram: jax.Array, proportions: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) and proportions (n,), times `WEIGHT`, to weights (n,)."""
        squared = gram.diagonal()
        if self.squared is None:
            factors = clip_to_median(squared)[0]
        else:
            public = jnp.full(2, self.squared, dtype=jnp.int64) + 0 * squared[:2]
            roots = inverse_roots(jnp.concatenate([squared, public]))
            factors = _clipped(roots[squared.shape[0] :], roots[: squared.shape[0]])
        return factors * proportions * (1 / WEIGHT)


@secure_rules.register("norm_clipping")
@dataclass(frozen=True)
class SecureNormClipping(SecureRule[NormClipping]):
    """The weighted mean of the updates, each shortened to the median norm."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """That mean; no memory."""
        gram = context.gram(gathered.updates, gathered.shift())
        weights = context.run(ClippedWeights(), gram, gathered.proportions)
        return weighted_step(context, weights, gathered.updates), None


@secure_rules.register("centred_clipping")
@dataclass(frozen=True)
class SecureCentredClipping(SecureRule[CentredClipping]):
    """The last step, moved by the mean of the updates clipped around it."""

    def combine(
        self, context: SecureContext, gathered: SharedRound, memory: Memory | None
    ) -> tuple[ReplicatedShare, Memory]:
        """The moved step, which is also the memory.

        Raises:
            InputError: the memory has another length than the updates.
        """
        updates = gathered.updates
        count, size = updates.shape
        if memory is not None and memory.values.shape != (size,):
            raise InputError(f"{self.name}: the last step has the shape {memory.values.shape}; it should be ({size},)")
        centre = updates[0] - updates[0] if memory is None else memory.values
        # A step is a mean of vectors within the bound, so an update is at most two bounds away from it.
        shift = gathered.shift(norms=2)
        weights = ClippedWeights(self._squared_radius(shift))
        proportions = np.full(count, WEIGHT / count, dtype=np.float32)
        for _ in range(self.clear.iterations):
            apart = updates - centre
            factors = context.run(weights, context.gram(apart, shift), proportions)
            centre = centre + weighted_step(context, factors, apart)
        return centre, Memory(centre, 1 if memory is None else memory.rounds + 1)

    def _squared_radius(self, shift: int) -> int | None:
        if self.clear.radius is None:
            return None
        return round((self.clear.radius * SCALE) ** 2) >> shift
