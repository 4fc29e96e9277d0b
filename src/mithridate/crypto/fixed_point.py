"""Real numbers in the ring Z_2^64: two's complement with 18 fractional bits, as in the encrypted runtime (SPU)."""

import math

import numpy as np
from numpy.typing import NDArray

from mithridate.errors import EncodingError, InputError

Floats = NDArray[np.float16] | NDArray[np.float32] | NDArray[np.float64]

FRACTION_BITS = 18
SCALE = float(2**FRACTION_BITS)
# 2^44 with 18 fractional bits is 2^62: a sum of two encoded values still has the right sign.
LIMIT = float(2**44)


def encode(x: Floats) -> NDArray[np.uint64]:
    """The nearest multiples of 2^-18 (ties to even) as ring elements; exact for values that lie on that grid.

    Args:
        x: any shape, float16, float32 or float64; abs(x) < 2^44.

    Returns:
        uint64 of the same shape, a new array.

    Raises:
        EncodingError: a value is NaN, infinite or out of range (the message counts them and names the first).
    """
    scaled = _scaled(x)
    np.rint(scaled, out=scaled)
    return scaled.astype(np.int64).view(np.uint64)


def decode(ring: NDArray[np.uint64]) -> NDArray[np.float64]:
    """The real numbers behind ring elements of any shape; float64, exact where abs(value) <= 2^35 (53 bits in all)."""
    if ring.dtype != np.uint64:
        raise EncodingError(f"ring elements are uint64, got {ring.dtype}")
    return np.multiply(ring.view(np.int64), 1 / SCALE, dtype=np.float64)


def clip_l2(x: Floats, bound: float) -> NDArray[np.float64]:
    """Scales x down, if need be, so that the L2 norm of `encode(result)` as integers is at most bound * 2^18, exactly.

    Rounding moves each of the d entries by at most 2^-19, so a vector that is too long is scaled to a norm of
    bound - sqrt(d) * 2^-19, less a margin above the error of computing norms in float64. One whose rounded norm is
    within the bound is only rounded.

    Args:
        x: (d,) float16, float32 or float64, finite.
        bound: in the units of x; sqrt(d) * 2^-19 < bound < 2^44.

    Returns:
        (d,) float64 on the grid of 2^-18, a new array.

    Raises:
        EncodingError: a value is NaN or infinite, or x is not one vector of floats.
        InputError: the bound is too small for d entries at this precision, or too large for the ring.
    """
    _check_floats(x)
    if x.ndim != 1:
        raise EncodingError(f"an update is one vector, got shape {x.shape}")
    margin = x.size * 2.0**-50 + 2.0**-48
    target = bound * (1 - margin) - math.sqrt(x.size) / (2 * SCALE)
    if not (target > 0 and bound < LIMIT):
        least = math.sqrt(x.size) / (2 * SCALE)
        raise InputError(f"L2 bound {bound} for {x.size} parameters: choose one above {least:.3g} and below 2^44")
    vector = _finite_and_moderate(x)
    rounded = _round_to_grid(vector)
    if _norm(rounded) <= bound * (1 - margin):
        return rounded
    vector *= min(target / _norm(vector), 1.0)
    return _round_to_grid(vector, out=vector)


def _round_to_grid(x: NDArray[np.float64], out: NDArray[np.float64] | None = None) -> NDArray[np.float64]:
    grid = np.multiply(x, SCALE, out=out)
    np.rint(grid, out=grid)
    grid *= 1 / SCALE
    return grid


def _norm(x: NDArray[np.float64]) -> float:
    return math.sqrt(float(np.dot(x, x)))


def _finite_and_moderate(x: Floats) -> NDArray[np.float64]:
    """A float64 copy of x, its direction kept, whose squared norm does not overflow; EncodingError unless finite."""
    vector = x.astype(np.float64)
    peak = float(np.max(np.abs(vector), initial=0.0))
    if not math.isfinite(peak):
        _refuse(vector, math.inf)
    if peak > LIMIT:
        # Far above any bound: only the direction survives clipping, so bring the largest entry to the limit first.
        vector /= peak
        vector *= LIMIT
    return vector


def _scaled(x: Floats) -> NDArray[np.float64]:
    _check_floats(x)
    with np.errstate(over="ignore", invalid="ignore"):
        scaled = np.multiply(x, SCALE, dtype=np.float64)
    if scaled.size:
        # NaN propagates through min and max and fails the comparison.
        low, high = float(scaled.min()), float(scaled.max())
        if not (low > -LIMIT * SCALE and high < LIMIT * SCALE):
            _refuse(np.asarray(x, dtype=np.float64), LIMIT)
    return scaled


def _check_floats(x: Floats) -> None:
    if x.dtype not in (np.float16, np.float32, np.float64):
        raise EncodingError(f"fixed point encodes float16, float32 or float64, got {x.dtype}")


def _refuse(x: NDArray[np.float64], limit: float) -> None:
    with np.errstate(invalid="ignore"):
        bad = np.flatnonzero(~(np.abs(x) < limit))
    first = int(bad[0])
    raise EncodingError(
        f"{bad.size} of {x.size} values are NaN, infinite or too large for the ring (abs >= 2^44); "
        f"the first is {float(x.flat[first])} at index {first}"
    )
