"""Nearest-neighbour mixing with the trimmed mean on shares.

Source: that of `aggregation.nearest_neighbour_mixing`.
"""

from dataclasses import dataclass
from typing import Any

import jax

from mithridate.aggregation.nearest_neighbour_mixing import NearestNeighbourMixing
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.numbers import over
from mithridate.aggregation.secure.ordered import middle_sum
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.selection import among_smallest, squared_distances
from mithridate.aggregation.secure.weighing import as_floats
from mithridate.mpc.shares import ReplicatedShare
from mithridate.mpc.sorting import rows_of


@dataclass(frozen=True)
class Neighbours:
    """A row for each update with ones at the `count` nearest to it, itself among them."""

    count: int

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) to neighbours (n, n)."""
        return as_floats(among_smallest(self.count, squared_distances(gram)))


@dataclass(frozen=True)
class MixedTrimmedMean:
    """The trimmed mean of the means over each update's neighbours."""

    trim: int

    def __call__(self, neighbours: jax.Array, updates: jax.Array) -> jax.Array:
        """Neighbours (n, n), n - trim a row, and updates (n, d) to (d,)."""
        count = updates.shape[0]
        # All rows are sums of equally many, so they are ordered as their means are: one division serves both means.
        total = middle_sum(rows_of(neighbours @ updates), self.trim)
        return over(total, (count - 2 * self.trim) * (count - self.trim))


@secure_rules.register("nearest_neighbour_mixing")
@dataclass(frozen=True)
class SecureNearestNeighbourMixing(SecureRule[NearestNeighbourMixing]):
    """Each update is replaced by the mean of its n - f nearest; the f-trimmed mean of these."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """The trimmed mean of the mixed updates; no memory."""
        malicious = self.clear.malicious
        gram = context.gram(gathered.updates, gathered.shift())
        neighbours = context.run(Neighbours(len(gathered.updates) - malicious), gram)
        return context.by_columns(MixedTrimmedMean(malicious), [neighbours], [gathered.updates]), None
