from fractions import Fraction

import pytest

from mithridate.aggregation import aggregators
from mithridate.aggregation.registry import TrackRecord
from mithridate.aggregation.reputation import by_reputation, reputation


@pytest.mark.parametrize(("accepted", "rejected", "expected"), [(0, 0, (1, 2)), (3, 0, (4, 5)), (0, 4, (1, 6))])
def test_reputation_is_the_expectation_of_a_beta_distribution(accepted, rejected, expected):
    assert reputation(TrackRecord(accepted, rejected)) == Fraction(*expected)


def test_equal_reputations_leave_the_records_as_they_are():
    earlier = [TrackRecord(4, 1)] * 3
    assert by_reputation([7, 100, 3], earlier) == [7, 100, 3]
    assert aggregators.get("weighted_mean").weigh([7, 100], [TrackRecord(), TrackRecord(0, 9)]) == [7, 100]


def test_the_best_counts_in_full_and_nobody_for_nothing():
    earlier = [TrackRecord(9, 0), TrackRecord(4, 5), TrackRecord(0, 98)]
    weights = by_reputation([200, 200, 2], earlier)
    assert weights == [200, round(200 * Fraction(5, 11) / Fraction(10, 11)), 1]
    assert sum(weights) <= 402
