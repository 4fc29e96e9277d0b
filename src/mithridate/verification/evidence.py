"""Evidence against a hospital, gathered over the rounds.

A cumulative sum (CUSUM: E. S. Page, "Continuous inspection schemes", Biometrika 1954): it rises while a hospital's
updates speak against it, falls by a little in a round that speaks for it, and never below zero, so that a good past
does not shield a later attack. Above one limit the hospital is in quarantine: its updates are judged and not used.
From another on it is suspended.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from mithridate.verification.registry import Array, Statistics, UpdateDetector, update_detectors
from mithridate.verification.verdict import Rule

if TYPE_CHECKING:
    from mithridate.verification.settings import DefenceSettings

MOST = 1.0
"""What one round can add."""
LEAST = 2.0**-7
"""Evidence up to this is none: on shares it is exact to about 2^-14, and forgiven evidence need not be quite 0."""


def gathered(evidence: Array, scores: Array, proofs: Array, settings: "DefenceSettings") -> Array:
    """The evidence (n,) after a round.

    Args:
        evidence: real (n,), before it.
        scores: real (n,), of the gradient test.
        proofs: bool (n,), hospitals whose update another detector rejected.
        settings: the study's.
    """
    floor = settings.score_floor + settings.score_share * median(scores)
    increments = (settings.score_slope * (floor - scores)).clip(-settings.forgiveness, MOST)
    increments = increments + (MOST - increments) * proofs
    return (evidence + increments).clip(0.0, settings.suspension + MOST)


def median(values: Array) -> Array:
    """The lower median, real (), of real (n,), by comparing all pairs."""
    n = values.shape[0]
    later = np.triu(np.ones((n, n)), k=1)
    # Of equal values the one that comes first counts as smaller, so that ranks are all different. SPU's "and" of a
    # public mask and a transposed comparison is wrong: products and sums along either axis do without it.
    smaller = (values[None, :] < values[:, None]) * 1.0
    ranks = (smaller * later).sum(axis=1) + ((1.0 - smaller) * later).sum(axis=0)
    middle = (ranks > (n - 1) // 2 - 0.5) & (ranks < (n - 1) // 2 + 0.5)
    return (values * middle).sum()


def in_quarantine(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """Hospitals with evidence above `quarantine`."""
    return statistics.evidence > settings.quarantine


@dataclass(frozen=True)
class Between:
    """Whether evidence leaves a hospital open: there is some, but not enough for quarantine.

    Args:
        quarantine: the study's.
    """

    quarantine: float

    def __call__(self, evidence: Array) -> Array:
        """bool (n,) of the evidence (n,)."""
        return (evidence > LEAST) & (evidence <= self.quarantine)


update_detectors.register("gradient")(UpdateDetector(Rule.GRADIENT, in_quarantine, proves=False))
