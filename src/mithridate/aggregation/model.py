"""From a base model and an opened aggregate to the next global model, in whole steps of 2^-18."""

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.registry import Integers
from mithridate.crypto.fixed_point import SCALE, encode
from mithridate.errors import RoundVoid

LIMIT = 2.0**40
"""Parameters at or beyond this magnitude void the round: training has diverged."""


def next_model(base: npt.NDArray[np.float32], step: Integers) -> npt.NDArray[np.float32]:
    """base + step, float32 (d,), the same bits at every validator.

    The sum is exact in the ring. As float32 it is exact while a parameter's magnitude is below 64, and the nearest
    float32 beyond, which is again a multiple of 2^-18.

    Args:
        base: float32 (d,) on the grid of 2^-18.
        step: int64 (d,) in ring units.

    Raises:
        RoundVoid: a parameter would reach 2^40.
    """
    total = encode(base).view(np.int64) + step
    if np.any(np.abs(total.astype(np.float64)) >= LIMIT * SCALE):
        raise RoundVoid("the next model would hold a parameter of 2^40 or more: training has diverged")
    return (total / SCALE).astype(np.float32)
