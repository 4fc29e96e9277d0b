"""FLAME: the majority's cluster by cosine distance, clipped to the median norm, with noise.

Source: T. D. Nguyen et al., "FLAME: taming backdoors in federated learning", USENIX Security 2022, algorithm 1, with
lambda = 0.001, the authors' for images and text. Angles are between updates, not between models.
"""

from dataclasses import dataclass, replace
from typing import Self

import numpy as np
import numpy.typing as npt

from mithridate.aggregation.geometry import clip_factors, cosines, lengths
from mithridate.aggregation.robust import Aggregate, Gathered, Matrix, robust_rules
from mithridate.aggregation.rule import MAJORITY, Rule, chosen


def majority_cluster(distances: Matrix) -> npt.NDArray[np.bool_]:
    """HDBSCAN's one cluster of at least floor(n / 2) + 1 of n points, bool (n,).

    With min_cluster_size above n / 2, min_samples 1 and a single cluster allowed, HDBSCAN's density hierarchy is that
    of single linkage and at most one branch is ever large enough: the cluster is the first component above n / 2 that
    appears as pairs are joined by ascending distance, equal distances at once.

    Args:
        distances: (n, n), symmetric.
    """
    count = len(distances)
    first, second = np.triu_indices(count, k=1)
    pairs = distances[first, second]
    order = np.argsort(pairs, kind="stable")
    component = [{point} for point in range(count)]
    cutoff, largest = np.inf, component[0]
    joins = zip(pairs[order].tolist(), first[order].tolist(), second[order].tolist(), strict=True)
    for distance, one, other in joins:
        if distance > cutoff:
            break
        joined = component[one] | component[other]
        for point in joined:
            component[point] = joined
        if len(joined) > count / 2:
            cutoff, largest = distance, joined
    return chosen(count, np.array(sorted(largest)))


@robust_rules.register("flame")
@dataclass(frozen=True)
class Flame(Rule):
    """The mean of the cluster's g_i min(1, S / ||g_i||), S the median norm of all, with Gaussian noise.

    The noise is N(0, (lambda S)^2) on each coordinate.

    Args:
        malicious: f, ignored by the clustering beyond its condition.
        noise: lambda.
        seed: of the noise, drawn anew each round from seed and round.
    """

    name = "flame"
    source = "Nguyen et al., USENIX Security 2022, algorithm 1"
    condition = MAJORITY
    malicious: int
    noise: float = 0.001
    seed: int = 0

    def seeded(self, seed: int) -> Self:
        """The same rule with this seed."""
        return replace(self, seed=seed)

    def combine(self, gathered: Gathered, memory: int | None) -> tuple[Aggregate, int]:
        """That mean, with the cluster as kept; the memory is the number of rounds so far."""
        rounds = memory or 0
        kept = majority_cluster(1.0 - cosines(gathered.updates))
        norms = lengths(gathered.updates)
        bound = float(np.median(norms))
        step = (kept * clip_factors(norms, bound) / kept.sum()) @ gathered.updates
        if self.noise:
            step += np.random.default_rng((self.seed, rounds)).normal(scale=self.noise * bound, size=len(step))
        return Aggregate(step, kept), rounds + 1
