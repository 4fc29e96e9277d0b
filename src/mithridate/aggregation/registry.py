"""Aggregators that are linear in the updates: a sum with public integer weights, opened once, then divided."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from mithridate.mpc.shares import RingArray
from mithridate.registry import Registry

Integers = npt.NDArray[np.int64]


class Combine(Protocol):
    """(components (n, d) uint64, weights n) to the component (d,) of the value to be opened."""

    def __call__(self, components: RingArray, weights: Sequence[int]) -> RingArray: ...  # noqa: D102


class Finish(Protocol):
    """(opened value int64 (d,), weights n) to the step int64 (d,) that is added to the base."""

    def __call__(self, opened: Integers, weights: Sequence[int]) -> Integers: ...  # noqa: D102


@dataclass(frozen=True)
class LinearAggregator:
    """An aggregator in two steps, one on either side of the opening.

    Args:
        combine: on one component of the shares, or on updates in the clear: it is linear, so both are the same code.
        finish: on the opened value.
    """

    combine: Combine
    finish: Finish


aggregators: Registry[LinearAggregator] = Registry("aggregator")
