"""FoolsGold on shares: the cosines of the summed updates stay secret, and the sums with them.

Source: that of `aggregation.foolsgold`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from mithridate.aggregation.foolsgold import FoolsGold
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import COSINE, WEIGHT, inverse_roots, normalised, over, ring
from mithridate.aggregation.secure.rule import Memory, SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.errors import InputError
from mithridate.mpc.shares import ReplicatedShare

_HALF = 2.0**9
# The logit plus a half is between 0 and 1 where 2 rate - 1 is between -tanh(1/4) and tanh(1/4).
_FLAT = float(np.tanh(0.25))


@dataclass(frozen=True)
class FoolsGoldWeights:
    """alpha_i / n, as `aggregation.foolsgold.learning_rates` has alpha for kappa = 1."""

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) of the summed updates to weights (n,)."""
        count = gram.shape[0]
        if count == 1:
            return gram[0].astype(jnp.float32) * 0 + WEIGHT
        roots = inverse_roots(gram.diagonal())
        others = normalised(gram, roots[:, None], roots[None, :]) * (1 - jnp.eye(count, dtype=jnp.float32))
        rates = jnp.clip(COSINE - _pardoned(others).max(axis=1), 0.0, COSINE)
        largest = inverse_roots(ring(rates.max()[None]))
        return over(_logits(normalised(ring(rates), largest, largest)), count)


def _pardoned(others: jax.Array) -> jax.Array:
    most = others.max(axis=1)
    more = most[None, :] > most[:, None]
    roots = inverse_roots(ring(most))[None, :]
    # Where v_j is not larger the quotient has no meaning, and is not chosen.
    quotients = normalised(jnp.broadcast_to(ring(most)[:, None], others.shape), roots, roots)
    return (others * (1 / _HALF)) * (jnp.where(more, quotients, COSINE) * (1 / _HALF))


def _logits(rates: jax.Array) -> jax.Array:
    """log(r / (1 - r)) + 1/2 from 0 to 1, times `WEIGHT`, of r times `COSINE`: a ceiling on r changes nothing."""
    limit = _FLAT * 2.0**10
    scaled = jnp.clip((rates * 2 - COSINE) * 2.0**-8, -limit, limit)
    # log(r / (1 - r)) = 2 artanh(u), u = 2 r - 1; the series' next term is below 1e-6.
    u = scaled * 2.0**-10
    square = u * u
    return WEIGHT / 2 + 2 * (scaled + scaled * (square * (1 / 3 + square * (1 / 5 + square / 7))))


@secure_rules.register("foolsgold")
@dataclass(frozen=True)
class SecureFoolsGold(SecureRule[FoolsGold]):
    """1/n sum_i alpha_i g_i, alpha_i by how little hospital i's summed updates resemble any other's."""

    def combine(
        self, context: SecureContext, gathered: SharedRound, memory: Memory | None
    ) -> tuple[ReplicatedShare, Memory]:
        """That mean; the memory is the summed updates, row by hospital.

        Raises:
            InputError: the memory is of other hospitals, of updates of another length, or of so many rounds that the
                sums might wrap around.
        """
        updates = gathered.updates
        if memory is not None and memory.values.shape != updates.shape:
            raise InputError(
                f"foolsgold: the summed updates have the shape {memory.values.shape} and this round's {updates.shape}: "
                "the same hospitals should take part in every round, in the same order"
            )
        summed = Memory(updates, 1) if memory is None else Memory(memory.values + updates, memory.rounds + 1)
        gram = context.gram(summed.values, gathered.shift(norms=summed.rounds))
        weights: Any = context.run(FoolsGoldWeights(), gram)
        return weighted_step(context, weights, updates), summed
