"""The mean of the updates, weighted by the records that each hospital enrolled with.

Source: FedAvg, B. McMahan et al., "Communication-efficient learning of deep networks from decentralized data", AISTATS
2017, algorithm 1; on shares the sum is local and exact, and only the sum is opened.
"""

from collections.abc import Sequence

import numpy as np

from mithridate.aggregation.registry import Integers, LinearAggregator, TrackRecord, aggregators
from mithridate.errors import ShapeError
from mithridate.mpc.shares import RingArray

_TILE = 2**16
"""512 KiB: the part of the sum that is added to stays in the processor's second-level cache."""


def by_records(records: Sequence[int], earlier: Sequence[TrackRecord]) -> list[int]:
    """The records themselves."""
    return list(records)


def weighted_sum(components: RingArray, weights: Sequence[int]) -> RingArray:
    """Sum of weight times vector, (d,) uint64 mod 2^64, of components (n, d) uint64.

    Raises:
        ShapeError: there is not one weight a vector.
    """
    if len(components) != len(weights):
        raise ShapeError(f"{len(weights)} weights for {len(components)} vectors")
    factors, total = np.array(weights, dtype=np.uint64), np.empty(components.shape[1], dtype=np.uint64)
    # Multiplies and adds in one step, unlike numpy's product of integer matrices.
    for start in range(0, total.size, _TILE):
        tile = slice(start, start + _TILE)
        np.einsum("nd,n->d", components[:, tile], factors, out=total[tile])
    return total


def divide(opened: Integers, weights: Sequence[int]) -> Integers:
    """The nearest integers to opened / sum(weights), halves rounded up, (d,) int64: equal bits everywhere.

    Assumes abs(opened) < 2^62, which the round's bound on norms and weights ensures.
    """
    weight = sum(weights)
    doubled = 2 * opened
    doubled += weight
    doubled //= 2 * weight
    return doubled


aggregators.register("weighted_mean")(LinearAggregator(by_records, weighted_sum, divide))
