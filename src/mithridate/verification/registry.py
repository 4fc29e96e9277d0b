"""Detectors that judge updates by their projections and Gram matrix."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mithridate.crypto.fixed_point import SCALE
from mithridate.mpc.projection import range_bound
from mithridate.registry import Registry
from mithridate.verification.verdict import Rule

if TYPE_CHECKING:
    from mithridate.verification.settings import DefenceSettings

Array = Any
"""A numpy array, or JAX's stand-in for a secret one: detectors are written so that both work."""


@dataclass(frozen=True)
class Bounds:
    """What an honest update keeps to, in ring units (one is 2^-18).

    Args:
        squared: the square of the round's L2 bound.
        range: the largest absolute entry of a projection.
    """

    squared: int
    range: int

    @classmethod
    def of(cls, norm: float) -> "Bounds":
        """The bounds of updates with an L2 norm up to `norm`, in the units of the parameters."""
        ring_norm = norm * SCALE
        return cls(math.floor(ring_norm**2), range_bound(ring_norm))


@dataclass(frozen=True)
class Statistics:
    """What the detectors see of n updates, in whole numbers of ring units.

    Args:
        projected: int64 (n, k), random projections.
        gram: int64 (n, n), inner products; 36 fractional bits.
        bounds: of honest updates.
    """

    projected: Array
    gram: Array
    bounds: Bounds


@dataclass(frozen=True)
class UpdateDetector:
    """A rule on `Statistics`.

    Args:
        rule: what the verdict is called.
        flags: bool (n,), True for each update to reject. It runs inside the encrypted runtime, so it may compare,
            add, multiply and shift, and must not branch on values.
    """

    rule: Rule
    flags: "Callable[[Statistics, DefenceSettings], Array]"


update_detectors: Registry[UpdateDetector] = Registry("detector")
