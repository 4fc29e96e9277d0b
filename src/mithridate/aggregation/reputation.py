"""The weighted mean, where a hospital counts by its records times its reputation: how often its updates were accepted.

Source: A. Josang, R. Ismail, "The beta reputation system", 15th Bled Electronic Commerce Conference, 2002: the expected
value (r + 1) / (r + s + 2) after r good and s bad outcomes. Here they are the verdicts on the ledger, which are public,
so that the weights are, too, and the sum stays local and exact.
"""

from collections.abc import Sequence
from fractions import Fraction

from mithridate.aggregation.registry import LinearAggregator, TrackRecord, aggregators
from mithridate.aggregation.weighted_mean import divide, weighted_sum


def reputation(earlier: TrackRecord) -> Fraction:
    """Between 0 and 1, exactly; 1/2 before the first round."""
    return Fraction(earlier.accepted + 1, earlier.accepted + earlier.rejected + 2)


def by_reputation(records: Sequence[int], earlier: Sequence[TrackRecord]) -> list[int]:
    """Records times reputation over the best reputation among them, rounded, at least 1: equal ones give the records.

    What a hospital so loses of its weight falls to the curator, as do the records of those that are left out.
    """
    reputations = [reputation(each) for each in earlier]
    best = max(reputations)
    return [max(round(number * each / best), 1) for number, each in zip(records, reputations, strict=True)]


aggregators.register("reputation")(LinearAggregator(by_reputation, weighted_sum, divide))
