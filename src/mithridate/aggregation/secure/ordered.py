"""Median and trimmed mean on shares: coordinate by coordinate through a sorting network over the hospitals.

Sources: those of `aggregation.median` and `aggregation.trimmed_mean`; the network is `mpc.sorting`'s.
"""

from dataclasses import dataclass
from typing import Any

import jax

from mithridate.aggregation.median import Median
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import over
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.trimmed_mean import TrimmedMean
from mithridate.mpc.shares import ReplicatedShare
from mithridate.mpc.sorting import network, ordered, rows_of


def middle_sum(rows: list[jax.Array], trim: int) -> jax.Array:
    """The sum of each coordinate's values without the `trim` smallest and largest, of n rows, 2 trim < n."""
    inside = len(rows) - 2 * trim
    parts = ["dropped"] * trim + ["summed"] * inside + ["dropped"] * trim
    middle = ordered(rows, network(parts))[trim : trim + inside]
    return sum(middle[1:], start=middle[0])


@dataclass(frozen=True)
class MiddleMean:
    """The mean of each coordinate's values without the `trim` smallest and largest."""

    trim: int

    def __call__(self, updates: jax.Array) -> jax.Array:
        """(n, d) to (d,)."""
        return over(middle_sum(rows_of(updates), self.trim), updates.shape[0] - 2 * self.trim)


@secure_rules.register("median")
@dataclass(frozen=True)
class SecureMedian(SecureRule[Median]):
    """The median of each coordinate: the mean of the two middle values where n is even."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """The median; no memory."""
        return context.by_columns(MiddleMean((len(gathered.updates) - 1) // 2), [], [gathered.updates]), None


@secure_rules.register("trimmed_mean")
@dataclass(frozen=True)
class SecureTrimmedMean(SecureRule[TrimmedMean]):
    """The mean of each coordinate without its f smallest and f largest values."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """The trimmed mean; no memory."""
        return context.by_columns(MiddleMean(self.clear.malicious), [], [gathered.updates]), None
