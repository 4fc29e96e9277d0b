"""Detectors that judge updates by their projections, Gram matrix and direction."""

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
    """What the detectors see of n updates.

    Args:
        projected: int64 (n, k), random projections, in ring units.
        gram: int64 (n, n), inner products; 36 fractional bits.
        squared: real (n,), squared norms times 256.
        cosines: real (n, n), -1 on the diagonal.
        scores: real (n,), cosines to the direction of use times its norm, from -2 to 2; 0 where there is none.
        evidence: real (n,), against each hospital, this round's scores included.
        sound: bool (n,), updates within range and bound: nothing may be concluded from those of others.
        factors: real (2, n, n), public: how squared norms of hospitals of different sizes compare.
        bounds: of honest updates.
    """

    projected: Array
    gram: Array
    squared: Array
    cosines: Array
    scores: Array
    evidence: Array
    sound: Array
    factors: Array
    bounds: Bounds


@dataclass(frozen=True)
class UpdateDetector:
    """A rule on `Statistics`.

    Args:
        rule: what the verdict is called.
        flags: bool (n,), True for each update to reject. It runs inside the encrypted runtime, so it may compare,
            add, multiply and shift, and must not branch on values.
        proves: its flags count as evidence against the hospital, as much as a round can give.
    """

    rule: Rule
    flags: "Callable[[Statistics, DefenceSettings], Array]"
    proves: bool = True


update_detectors: Registry[UpdateDetector] = Registry("detector")
