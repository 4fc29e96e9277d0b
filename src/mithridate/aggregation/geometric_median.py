"""RFA: the geometric median, weighted by records, by the smoothed Weiszfeld algorithm.

Source: K. Pillutla, S. Kakade, Z. Harchaoui, "Robust aggregation for federated learning", IEEE Transactions on Signal
Processing 2022, the smoothed Weiszfeld algorithm, nu = 1e-6.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from mithridate.aggregation.robust import Aggregate, Gathered, Matrix, Vector, robust_rules
from mithridate.aggregation.rule import MAJORITY, Rule, everyone

MOVED = 1e-8
"""Iterations stop where the point moves by less than this part of its harmonic mean distance to the updates."""


@robust_rules.register("geometric_median")
@dataclass(frozen=True)
class GeometricMedian(Rule):
    """argmin over v of sum_i w_i max(||v - g_i||, nu), nearly.

    Void where the malicious hold half of the records: the condition counts hospitals, the sum counts records.

    Args:
        malicious: f.
        smoothing: nu, below which a distance counts as nu.
        iterations: at most so many; the authors found three enough for training. Where colluders send alike and hold
            almost half of the records, 32 leave the point up to a few percent of the spread away from the median.
    """

    name = "geometric_median"
    source = "Pillutla et al., IEEE TSP 2022"
    condition = MAJORITY
    malicious: int
    smoothing: float = 1e-6
    iterations: int = 32

    def combine(self, gathered: Gathered, memory: Any) -> tuple[Aggregate, Any]:
        """The geometric median; no memory."""
        shares = gathered.weights / gathered.weights.sum()
        coefficients = self._coefficients(gathered.updates @ gathered.updates.T, shares)
        return Aggregate(coefficients @ gathered.updates, everyone(gathered)), None

    def _coefficients(self, gram: Matrix, shares: Vector) -> Vector:
        # The iterate is always a weighted mean of the updates, so only its weights are followed, from their mean on.
        current, squares = shares, np.diagonal(gram)
        for _ in range(self.iterations):
            crossed = gram @ current
            distances = np.sqrt(np.maximum(squares - 2 * crossed + current @ crossed, 0.0))
            inverse = shares / np.maximum(distances, self.smoothing)
            total = float(inverse.sum())
            change = inverse / total - current
            current = current + change
            if change @ gram @ change <= (MOVED / total) ** 2:
                break
        return current
