"""Centred clipping: updates are clipped around the last aggregate, and their mean moves it.

Source: S. P. Karimireddy, L. He, M. Jaggi, "Learning from history for Byzantine robust optimization", ICML 2021,
the iterative centred clipping rule, started from the aggregate of the round before, one iteration as in the
authors' experiments.
"""

from dataclasses import dataclass

import numpy as np

from mithridate.aggregation.geometry import clip_factors, lengths
from mithridate.aggregation.robust import Aggregate, Gathered, Vector, robust_rules
from mithridate.aggregation.rule import MAJORITY, Remembers, Rule, everyone
from mithridate.errors import InputError


@robust_rules.register("centred_clipping")
@dataclass(frozen=True)
class CentredClipping(Rule):
    """v <- v + 1/n sum_i (g_i - v) min(1, tau / ||g_i - v||), unweighted, from v = the last aggregate, 0 at first.

    The authors' radius is in proportion to the spread of the honest updates, which nobody knows; their experiments set
    it by hand, to 10 for gradients and 100 with momentum 0.9, which would clip nothing among updates of
    norm 1. Here it is the median distance of the updates to v: of that proportion, and not the malicious' to choose
    while they are the minority. Their theorem holds up to 10 % malicious; they run it, as here, beyond.

    Args:
        malicious: f.
        radius: tau; None for the median distance.
        iterations: how often v moves.
    """

    name = "centred_clipping"
    source = "Karimireddy et al., ICML 2021"
    condition = MAJORITY
    remembers = Remembers.STEP
    malicious: int
    radius: float | None = None
    iterations: int = 1

    def combine(self, gathered: Gathered, memory: Vector | None) -> tuple[Aggregate, Vector]:
        """The moved v, which is also the memory, float64 (d,).

        Raises:
            InputError: the memory has another length than the updates.
        """
        size = gathered.updates.shape[1]
        centre = np.zeros(size) if memory is None else memory
        if centre.shape != (size,):
            raise InputError(f"{self.name}: the last aggregate has the shape {centre.shape}; it should be ({size},)")
        for _ in range(self.iterations):
            apart = gathered.updates - centre
            distances = lengths(apart)
            radius = float(np.median(distances)) if self.radius is None else self.radius
            centre = centre + clip_factors(distances, radius) / len(apart) @ apart
        return Aggregate(centre, everyone(gathered)), centre
