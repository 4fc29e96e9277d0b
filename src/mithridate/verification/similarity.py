"""Does the update point against most of the others?

Source: cosine of pairs as in Fung, Yoon, Beschastnikh, "The Limitations of Federated Learning in Sybil Settings"
(FoolsGold), RAID 2020, section 5; here a vote of pairs instead of a weight, so that nothing but the outcome is opened.
"""

from typing import TYPE_CHECKING

from mithridate.verification.bounded import most_of_the_others
from mithridate.verification.registry import Array, Statistics, UpdateDetector, update_detectors
from mithridate.verification.verdict import Rule

if TYPE_CHECKING:
    from mithridate.verification.settings import DefenceSettings

# Squared norms are brought to at most 2^26, so that products of two of them, scaled by `_PARTS`, fit in the ring.
_BITS = 26

# The square of the floor is rounded to a 256th.
_PARTS = 256


def against_most(statistics: Statistics, settings: "DefenceSettings") -> Array:
    """Updates whose cosine to more than half of the others lies below `similarity_floor`.

    cos(i, j) < c with c <= 0 is G_ij < 0 and G_ij^2 > c^2 G_ii G_jj: whole numbers, no division.
    """
    gram = statistics.gram >> max(0, statistics.bounds.squared.bit_length() - _BITS)
    squared = gram.diagonal()
    floor = round(_PARTS * settings.similarity_floor**2)
    opposed = (gram < 0) & (gram * gram * _PARTS > squared[:, None] * squared[None, :] * floor)
    return most_of_the_others(opposed)


update_detectors.register("similarity")(UpdateDetector(Rule.SIMILARITY, against_most))
