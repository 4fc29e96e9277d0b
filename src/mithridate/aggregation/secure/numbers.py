"""Roots, ratios and cosines of secret squared norms whose magnitude nobody knows, for use inside `Session.run`.

Fixed point has 18 fractional bits, too few for the reciprocal of a long update. So each squared norm is first brought
into [2^60, 2^62) by a secret power of four, found by comparisons with public ones, and only then read as a number near
1; Newton's iteration does the rest. Relative errors are about 2^-22.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

WEIGHT = 2.0**10
"""Weights and ratios are held times this, so that their rounding does not show in a sum of updates."""
COSINE = 2.0**18
"""Cosines and quotients are held times this."""
LENGTH = 2.0**5
"""Norms are held times this."""
CAP = 2.0**12
"""The largest ratio of two norms; a larger one counts as this."""

_TOP = 30
_ROOT = 2.0**6
# A parabola that is 1 / sqrt(x) on [1/4, 1] with a relative error e below 3 %; each Newton step makes it 3 e^2 / 2.
_GUESS = (2.629, -3.134, 1.5232)
_NEWTON = 3


@dataclass(frozen=True)
class InverseRoots:
    """1 / sqrt(x) of integers x, in parts: powers 2^-31 / sqrt(mantissas).

    Args:
        mantissas: real, x powers^2 / 2^62 in [1/4, 1), times 2^6.
        roots: real, 1 / sqrt(mantissas / 2^6) in (1, 2], times 2^6.
        powers: int64, a power of two from 1 to 2^30.
        inverses: int64, 2^30 / powers.
    """

    mantissas: jax.Array
    roots: jax.Array
    powers: jax.Array
    inverses: jax.Array

    def __getitem__(self, index: Any) -> "InverseRoots":
        """Those of x[index]."""
        return InverseRoots(self.mantissas[index], self.roots[index], self.powers[index], self.inverses[index])


def ring(values: jax.Array) -> jax.Array:
    """The int64 that fixed-point values are in the ring: values times 2^18, exactly, at no cost."""
    return jax.lax.bitcast_convert_type(values.astype(jnp.float32), jnp.int32).astype(jnp.int64)


def real(integers: jax.Array) -> jax.Array:
    """The fixed-point values that int64 ring elements stand for: integers over 2^18, exactly, at no cost."""
    return jax.lax.bitcast_convert_type(integers.astype(jnp.int32), jnp.float32)


def over(total: jax.Array, count: int) -> jax.Array:
    """total / count for a public count.

    1 / count has 18 fractional bits only, too few for long sums, and the compiler joins constant factors into one. So
    what the first quotient leaves over is divided once more; in between, the count is an integer and not a factor.
    """
    quotient = total * (1 / count)
    left = total - real(ring(quotient) * count)
    return quotient + left * (1 / count)


def inverse_roots(values: jax.Array) -> InverseRoots:
    """1 / sqrt of int64 values of any shape, below 2^62; those below 1 count as 1."""
    positive = jnp.maximum(values, 1)
    powers, inverses = _powers(positive)
    mantissas = real((positive * powers * powers) >> 38)
    return InverseRoots(mantissas, _inverse_root(mantissas), powers, inverses)


def normalised(values: jax.Array, left: InverseRoots, right: InverseRoots) -> jax.Array:
    """values / (sqrt(x) sqrt(y)), times `COSINE`, for int64 values with |values| <= sqrt(x) sqrt(y); shapes broadcast.

    Of inner products and squared norms these are cosines; with x = y, quotients values / x.
    """
    mantissas = real((values * left.powers * right.powers) >> 38)
    return mantissas * left.roots * right.roots


def ratios(numerator: InverseRoots, denominator: InverseRoots) -> jax.Array:
    """sqrt(x / y) times `WEIGHT`, at most `CAP` times that, of the x and y behind the two; shapes broadcast."""
    powers = jnp.minimum(denominator.powers * numerator.inverses, int(2 * CAP) << _TOP)
    # Roots of both mantissas: sqrt(m) = m / sqrt(m).
    root = numerator.mantissas * numerator.roots * (1 / _ROOT)
    return jnp.minimum(real(powers >> 8) * (root * denominator.roots * (1 / _ROOT)), CAP * WEIGHT)


def lengths(squared: InverseRoots) -> jax.Array:
    """sqrt(x), times `LENGTH`, of the x behind it, where x has 36 fractional bits."""
    return squared.mantissas * squared.roots * (1 / _ROOT) * real(squared.inverses)


def _powers(values: jax.Array) -> tuple[jax.Array, jax.Array]:
    """p with values p^2 in [2^60, 2^62), and 2^30 / p, both sums of the steps between the levels that are reached."""
    levels = np.arange(1, _TOP + 1)
    reached = (values[..., None] >= 4**levels).astype(jnp.int64)
    # With each level p halves and its inverse doubles.
    falling = 2**_TOP - (reached * 2 ** (_TOP - levels)).sum(axis=-1)
    rising = 1 + (reached * 2 ** (levels - 1)).sum(axis=-1)
    return falling, rising


def _inverse_root(mantissas: jax.Array) -> jax.Array:
    small = mantissas * (1 / _ROOT)
    constant, linear, quadratic = (coefficient * _ROOT for coefficient in _GUESS)
    root = (small * quadratic + linear) * small + constant
    for _ in range(_NEWTON):
        # How far m root^2 is from 1, times 2^18; in this order no product leaves the range of fixed point.
        missing = 2.0**18 - mantissas * (root * root)
        root = root + (missing * 2.0**-9) * root * 2.0**-10
    return root
