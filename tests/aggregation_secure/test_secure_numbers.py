import numpy as np
import pytest

from mithridate.aggregation.flame import majority_cluster
from mithridate.aggregation.secure import flame, numbers
from mithridate.aggregation.secure.selection import among_smallest, mean_weights, ranks

FINE = 2.0**-21


def magnitudes(count):
    rng = np.random.default_rng(1)
    edges = [1, 2, 3, 4, 2**60, 2**61, 2**62 - 1]
    return np.array([*edges, *np.exp(rng.uniform(0, np.log(2.0**62), size=count))]).astype(np.int64)


def test_ratios_of_norms_of_all_magnitudes(committee):
    values = magnitudes(20)

    def function(squared):
        roots = numbers.inverse_roots(squared)
        return numbers.ratios(roots[:, None], roots[None, :])

    found = committee.program(function, values) / numbers.WEIGHT
    expected = np.minimum(np.sqrt(values[:, None] / values[None, :]), numbers.CAP)
    assert np.abs(found - expected).max() < FINE * numbers.CAP
    assert np.all(np.abs(found - expected) <= FINE * np.maximum(expected, 1))


def test_cosines_of_short_and_long_updates_and_of_one_of_zeros(committee):
    rng = np.random.default_rng(2)
    vectors = rng.normal(size=(6, 30)) * 2.0 ** np.array([[-4], [0], [3], [10], [17], [0]])
    integers = np.rint(vectors * 2.0**10).astype(np.int64)
    integers[5] = 0
    gram = integers @ integers.T

    def function(products):
        roots = numbers.inverse_roots(products.diagonal())
        return numbers.normalised(products, roots[:, None], roots[None, :])

    found = committee.program(function, gram) / numbers.COSINE
    norms = np.linalg.norm(integers.astype(np.float64), axis=1)
    norms[5] = 1
    assert np.abs(found - gram / np.outer(norms, norms)).max() < FINE


@pytest.mark.parametrize("norm", [2.0**-10, 0.37, 4000.0])
def test_lengths(committee, norm):
    squared = np.array([round(norm**2 * 2.0**36)])
    found = committee.program(lambda x: numbers.lengths(numbers.inverse_roots(x)), squared) / numbers.LENGTH
    assert found[0] == pytest.approx(norm, rel=FINE, abs=2.0**-21)


@pytest.mark.parametrize("count", [1, 7, 72, 130])
def test_division_by_a_public_count_keeps_the_digits(committee, count):
    totals = np.array([-1000.0, -1.0, 0.0, 0.5, 77.25, 1000.0]) * count / 8
    found = committee.program(lambda x: numbers.over(x, count), totals)
    assert np.abs(found - totals / count).max() <= 4 * 2.0**-18


def test_ring_and_real_are_the_same_bits(committee):
    values = np.array([2.0**40 + 2.0**-18, -3.5, 0.0])
    integers = np.rint(values * 2.0**18).astype(np.int64)
    assert np.array_equal(committee.program(numbers.ring, values, integers=True), integers)
    assert np.array_equal(committee.program(numbers.real, integers), values)


def test_ranks_follow_the_keys_and_then_the_order(committee):
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 4, size=(2, 20, 9))
    found = committee.program(ranks, first, second, integers=True)
    expected = [np.argsort(np.lexsort((b, a))) for a, b in zip(first, second, strict=True)]
    assert np.array_equal(found, expected)


def test_the_smallest_are_as_many_as_asked_for(committee):
    values = np.array([[5, 1, 1, 1], [-(2**60), 2**60, 3, 3], [7, 7, 7, 7]])
    found = committee.program(lambda x: among_smallest(2, x), values, integers=True)
    assert np.array_equal(found, [[0, 1, 1, 0], [1, 0, 1, 0], [1, 1, 0, 0]])


@pytest.mark.parametrize("kept", [[0, 0, 0, 0], [0, 1, 0, 0], [1, 1, 0, 1], [1, 1, 1, 1]])
def test_a_secret_number_of_kept_updates_divides_their_sum(committee, kept):
    values = np.array(kept)
    found = committee.program(lambda x: mean_weights(x, range(1, 5)), values) / numbers.WEIGHT
    assert found == pytest.approx(values / max(values.sum(), 1), abs=2.0**-25)


@pytest.mark.parametrize("count", [1, 2, 7])
def test_the_majoritys_cluster_is_single_linkages(committee, count):
    rng = np.random.default_rng(count)
    for _ in range(4):
        # Few values, so that several pairs are joined at once.
        upper = np.triu(rng.integers(1, 6, size=(count, count)), 1).astype(np.float64)
        distances = upper + upper.T
        found = committee.program(flame.majority_cluster, distances, integers=True)
        assert np.array_equal(found.astype(bool), majority_cluster(distances))
