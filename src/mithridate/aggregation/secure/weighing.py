"""From secret weights to the step."""

import jax
import jax.numpy as jnp

from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import WEIGHT
from mithridate.mpc.shares import ReplicatedShare


def weighed(weights: jax.Array, updates: jax.Array) -> jax.Array:
    """Sum of weight times update, (d,), of weights (n,) times `WEIGHT` and updates (n, d)."""
    return (weights[None, :] @ updates)[0] * (1 / WEIGHT)


def weighted_step(context: SecureContext, weights: ReplicatedShare, updates: ReplicatedShare) -> ReplicatedShare:
    """A share of the step (d,) from shares of weights (n,), times `WEIGHT`, and of updates (n, d).

    The weights' absolute values add up to little more than 1, or the products of weights and updates do.
    """
    return context.by_columns(weighed, [weights], [updates])


def as_floats(values: jax.Array) -> jax.Array:
    """Integers as fixed point."""
    return values.astype(jnp.float32)
