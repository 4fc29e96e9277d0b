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


@dataclass(frozen=True)
class TrackRecord:
    """What became of a hospital's updates in earlier rounds.

    Args:
        accepted: rounds in which its update was.
        rejected: rounds in which verification rejected it.
    """

    accepted: int = 0
    rejected: int = 0


class Weigh(Protocol):
    """(records, track records) of n hospitals to n public weights: positive integers up to the records."""

    def __call__(self, records: Sequence[int], earlier: Sequence[TrackRecord]) -> list[int]: ...  # noqa: D102


class Finish(Protocol):
    """(opened value int64 (d,), weights n) to the step int64 (d,) that is added to the base."""

    def __call__(self, opened: Integers, weights: Sequence[int]) -> Integers: ...  # noqa: D102


@dataclass(frozen=True)
class LinearAggregator:
    """An aggregator in two steps, one on either side of the opening.

    Args:
        weigh: the weights of the two.
        combine: on one component of the shares, or on updates in the clear: it is linear, so both are the same code.
        finish: on the opened value.
    """

    weigh: Weigh
    combine: Combine
    finish: Finish


aggregators: Registry[LinearAggregator] = Registry("linear aggregator")
