"""Bulyan on shares: Krum's choice again and again as rows of zeros and ones, then the values around the median.

Source: that of `aggregation.bulyan`.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from mithridate.aggregation.bulyan import Bulyan
from mithridate.aggregation.secure.context import SecureContext
from mithridate.aggregation.secure.krum import krum_ranks
from mithridate.aggregation.secure.numbers import over
from mithridate.aggregation.secure.rule import SecureRule, SharedRound, secure_rules
from mithridate.aggregation.secure.selection import squared_distances
from mithridate.mpc.shares import ReplicatedShare
from mithridate.mpc.sorting import network, ordered, rows_of


@dataclass(frozen=True)
class BulyanChoices:
    """theta = n - 2f choices, each a row with a one at Krum's choice among those that remain."""

    malicious: int

    def __call__(self, gram: jax.Array) -> jax.Array:
        """Inner products int64 (n, n) to choices (theta, n)."""
        n = gram.shape[0]
        distances, alive = squared_distances(gram), jnp.ones(n, dtype=jnp.int64)
        choices = []
        for taken in range(n - 2 * self.malicious):
            best = (krum_ranks(distances, alive, n - taken, self.malicious) < 1).astype(jnp.int64)
            choices.append(best)
            alive = alive - best
        return jnp.stack(choices).astype(jnp.float32)


@dataclass(frozen=True)
class AroundMedian:
    """Of the chosen updates, the mean of each coordinate's `count` values nearest to its median."""

    count: int

    def __call__(self, choices: jax.Array, updates: jax.Array) -> jax.Array:
        """Choices (theta, n) and updates (n, d) to (d,)."""
        rows = ordered(rows_of(choices @ updates), network(range(choices.shape[0])))
        # Twice the median, and twice all that is compared with it, so that nothing is rounded.
        twice = rows[(len(rows) - 1) // 2] + rows[len(rows) // 2]
        total, reach = self._window(rows, 0, twice)
        for start in range(1, len(rows) - self.count + 1):
            window, further = self._window(rows, start, twice)
            better = further < reach
            total, reach = jnp.where(better, window, total), jnp.where(better, further, reach)
        return over(total, self.count)

    def _window(self, rows: list[jax.Array], start: int, twice: jax.Array) -> tuple[jax.Array, jax.Array]:
        window = rows[start : start + self.count]
        below, above = twice - 2 * window[0], 2 * window[-1] - twice
        return sum(window[1:], start=window[0]), jnp.maximum(below, above)


@secure_rules.register("bulyan")
@dataclass(frozen=True)
class SecureBulyan(SecureRule[Bulyan]):
    """The mean of each coordinate's n - 4f values nearest to the median of the n - 2f updates that Krum selects."""

    def combine(self, context: SecureContext, gathered: SharedRound, memory: Any) -> tuple[ReplicatedShare, None]:
        """That mean; no memory."""
        malicious = self.clear.malicious
        gram = context.gram(gathered.updates, gathered.shift())
        choices = context.run(BulyanChoices(malicious), gram)
        around = AroundMedian(len(gathered.updates) - 4 * malicious)
        return context.by_columns(around, [choices], [gathered.updates]), None
