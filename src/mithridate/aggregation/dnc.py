"""Divide and conquer: those furthest along the direction of largest variance are removed.

Source: V. Shejwalkar, A. Houmansadr, "Manipulating the Byzantine: optimizing model poisoning attacks and defenses for
federated learning", NDSS 2021, algorithm 2. One iteration, c = 1 and b = 10,000 are what the benchmark
suite Blades runs it with.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.robust import Aggregate, Gathered, Matrix, Vector, robust_rules
from mithridate.aggregation.rule import MAJORITY, Rule, chosen, mean_of
from mithridate.errors import InputError


def outlier_scores(updates: Matrix) -> Vector:
    """Squared projections (n,) of the centred updates (n, b) on their top right singular vector."""
    centred = updates - updates.mean(axis=0)
    # X = U S V', so X v_1 = s_1 u_1, and u_1 is the top eigenvector of the n by n Gram matrix.
    values, vectors = np.linalg.eigh(centred @ centred.T)
    scores: Vector = max(float(values[-1]), 0.0) * vectors[:, -1] ** 2
    return scores


@robust_rules.register("dnc")
@dataclass(frozen=True)
class DnC(Rule):
    """The mean of those that are, in each iteration, among the n - floor(c f) with the smallest outlier scores.

    Where no update is so in all iterations, the step is 0.

    Args:
        malicious: f.
        filtering: c, how many are removed for each malicious one.
        dimensions: b, coordinates drawn for each iteration; all where there are no more.
        iterations: niters.
        seed: of the coordinates, drawn anew each round from seed and round.

    Raises:
        InputError: c f is not below n.
    """

    name = "dnc"
    source = "Shejwalkar and Houmansadr, NDSS 2021, algorithm 2"
    condition = MAJORITY
    malicious: int
    filtering: float = 1.0
    dimensions: int = 10_000
    iterations: int = 1
    seed: int = 0

    def seeded(self, seed: int) -> Self:
        """The same rule with this seed."""
        return replace(self, seed=seed)

    def combine(self, gathered: Gathered, memory: int | None) -> tuple[Aggregate, int]:
        """That mean; the memory is the number of rounds so far."""
        count, rounds = len(gathered.updates), memory or 0
        removed = int(self.filtering * self.malicious)
        if removed >= count:
            raise InputError(f"dnc removes c f = {removed} of n = {count} updates: lower c or f")
        rng = np.random.default_rng((self.seed, rounds))
        kept = np.ones(count, dtype=np.bool_)
        for _ in range(self.iterations):
            kept &= self._passes(gathered.updates, count - removed, rng)
        return mean_of(gathered, kept), rounds + 1

    def _passes(self, updates: Matrix, count: int, rng: np.random.Generator) -> npt.NDArray[np.bool_]:
        size = updates.shape[1]
        if self.dimensions < size:
            updates = updates[:, np.sort(rng.choice(size, self.dimensions, replace=False))]
        return chosen(len(updates), np.argsort(outlier_scores(updates), kind="stable")[:count])
