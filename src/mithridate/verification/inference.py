"""Encrypted inference: does base + update serve the task, measured on the reference set?

A sample's margin is its true class's logit less the best other one. An update is rejected if it lowers the mean margin
by more than `standard_errors` standard errors, and at least half of the updates stand above it by as much, sample by
sample (paired, so that few samples decide). Margins are capped, so that no single sample does.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from mithridate.mpc.aten import Lowered
from mithridate.mpc.inference import logits, margins
from mithridate.verification.registry import Array


def harmful(changes: Array, standard_errors: float) -> Array:
    """The rule itself, on capped margins.

    With mean s_i and mean square q_ij of products of changes over m samples, update i is harmful if s_i < 0,
    s_i^2 > z^2 (q_ii - s_i^2) / m, and the same holds of its difference to at least half of the n updates.

    Args:
        changes: (n, m) capped margin of base + update i on a sample, less that of the base.
        standard_errors: z.

    Returns:
        bool (n,).
    """
    n, m = changes.shape
    scaled = changes * (m**-0.5)
    products = scaled @ scaled.T
    squares = products.diagonal()
    # sqrt(m) times the mean: its square is at the scale of `products`.
    means = scaled.sum(axis=1)
    z2 = standard_errors**2
    lowered = (means < 0) & (means * means * (1 + z2 / m) > squares * z2)
    ahead = means[None, :] - means[:, None]
    spread = squares[:, None] + squares[None, :] - (products + products.T)
    surpassed = (ahead > 0) & (ahead * ahead * (1 + z2 / m) > spread * z2)
    return lowered & (surpassed.sum(axis=1) * 2 >= n)


@dataclass(frozen=True)
class MarginChanges:
    """Maps (candidates, base, x, one-hot labels) to changes of the capped margins, (n, m).

    Args:
        model: the lowered module.
        cap: margins count up to this size, either way.
    """

    model: Lowered
    cap: float

    def __call__(self, candidates: jax.Array, base: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        """See the class; candidates (n, d) secret, base (d,) public, x (m, *shape) and onehot (m, C) secret."""
        return self._capped(candidates, x, onehot) - self._capped(base[None], x, onehot)

    def _capped(self, models: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        return jnp.clip(margins(logits(self.model, models, x), onehot), -self.cap, self.cap)


@dataclass(frozen=True)
class Harmful:
    """`harmful` as a program with a fixed threshold.

    Args:
        standard_errors: z.
    """

    standard_errors: float

    def __call__(self, changes: jax.Array) -> jax.Array:
        """bool (n,) of the changes (n, m)."""
        return harmful(changes, self.standard_errors)


@dataclass(frozen=True)
class FellBehind:
    """The release check: is a model's accuracy on the reference set below another's by more than a tolerance?

    Args:
        model: the lowered module.
        tolerance: share of the samples, 0 to 1.
    """

    model: Lowered
    tolerance: float

    def __call__(self, models: jax.Array, x: jax.Array, onehot: jax.Array) -> jax.Array:
        """bool (); models (2, d) public, the new one first, x (m, *shape) and onehot (m, C) secret."""
        correct = (margins(logits(self.model, models, x), onehot) > 0).sum(axis=1)
        # A share such as 0.29 of 100 is 28.999... in floating point.
        return correct[1] - correct[0] > int(self.tolerance * x.shape[0] + 1e-9)
