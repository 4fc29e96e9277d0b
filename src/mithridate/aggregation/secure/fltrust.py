"""FLTrust on shares: the root's update is as secret as the others, and so is who is trusted.

Source: that of `aggregation.fltrust`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from mithridate.aggregation.fltrust import FLTrust
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import COSINE, inverse_roots, normalised, ratios, ring
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.weighing import weighted_step
from mithridate.errors import InputError
from mithridate.mpc.shares import ReplicatedShare, concatenate

# Shares of the trust are held times this: times a ratio of up to 2^22 they stay within fixed point.
_PART = 2.0**3


@dataclass(frozen=True)
class TrustWeights:
    """T_i / sum of T, times ||g_0|| / ||g_i||, with T_i = max(0, cos(g_i, g_0)); all 0 where nobody is trusted.

    An update shorter than 1 / 4096 of the root's counts as that long, so that its part in the step is less than in the
    clear, where it is as long as everyone's.
    """

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n + 1, n + 1), the root's last, to weights (n,)."""
        count = gram.shape[0] - 1
        roots = inverse_roots(gram.diagonal())
        updates, root = roots[:count], roots[count:]
        trust = jnp.maximum(normalised(gram[:count, count], updates, root), 0.0)
        total = inverse_roots(ring(trust).sum()[None])
        parts = normalised(ring(trust), total, total) * (_PART / COSINE)
        return parts * ratios(root, updates) * (1 / _PART)


@secure_rules.register("fltrust")
@dataclass(frozen=True)
class SecureFLTrust(SecureRule[FLTrust]):
    """The mean of the updates, at the root's length, weighted by their cosine with the root's where positive."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """That mean; no memory.

        Raises:
            InputError: there is no root update.
        """
        if gathered.root is None:
            raise InputError("fltrust needs a root update, trained on the reference set, and there is none")
        vectors = concatenate([gathered.updates, gathered.root.reshape(1, -1)])
        weights = context.run(TrustWeights(), context.gram(vectors, gathered.shift()))
        return weighted_step(context, weights, gathered.updates), None
