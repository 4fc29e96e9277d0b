from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.aggregation import aggregators
from mithridate.aggregation.model import next_model
from mithridate.aggregation.weighted_mean import _TILE, divide, weighted_sum
from mithridate.crypto.fixed_point import encode
from mithridate.errors import RoundVoid, ShapeError
from mithridate.mpc.shares import ReplicatedShare, reconstruct, share_locally

entries = st.integers(-(2**40), 2**40)
updates_and_weights = st.integers(1, 5).flatmap(
    lambda n: st.tuples(
        st.lists(st.lists(entries, min_size=3, max_size=3), min_size=n, max_size=n),
        st.lists(st.integers(1, 10_000), min_size=n, max_size=n),
    )
)


@given(updates_and_weights)
def test_sum_of_shares_is_the_sum_of_the_updates(case):
    updates, weights = case
    secret = np.array(updates, dtype=np.int64).view(np.uint64)
    sums = [
        ReplicatedShare(s.rank, weighted_sum(s.first, weights), weighted_sum(s.second, weights))
        for s in share_locally(secret)
    ]
    expected = [sum(w * u[j] for w, u in zip(weights, updates, strict=True)) for j in range(3)]
    assert reconstruct(sums).view(np.int64).tolist() == expected


@given(updates_and_weights)
def test_the_mean_is_the_rational_one_rounded_half_up(case):
    updates, weights = case
    opened = weighted_sum(np.array(updates, dtype=np.int64).view(np.uint64), weights).view(np.int64)
    for j, got in enumerate(divide(opened, weights).tolist()):
        exact = Fraction(sum(w * u[j] for w, u in zip(weights, updates, strict=True)), sum(weights))
        assert got - Fraction(1, 2) <= exact < got + Fraction(1, 2)


@pytest.mark.parametrize("size", [1, _TILE - 1, _TILE, _TILE + 1, 2 * _TILE + 3])
def test_the_sum_is_exact_in_the_ring_across_tiles(size):
    components = np.random.default_rng(size).integers(0, 2**64, (3, size), dtype=np.uint64)
    weights = [1, 10_000, 2**63]
    total = weighted_sum(components, weights)
    for at in {0, size // 2, min(_TILE, size - 1), size - 1}:
        assert int(total[at]) == sum(w * int(c[at]) for w, c in zip(weights, components, strict=True)) % 2**64


@pytest.mark.parametrize("rows", [0, 1, 3])
def test_there_is_one_weight_a_vector(rows):
    assert weighted_sum(np.ones((rows, 4), dtype=np.uint64), [2] * rows).tolist() == [2 * rows] * 4
    with pytest.raises(ShapeError, match=f"{rows + 1} weights for {rows} vectors"):
        weighted_sum(np.ones((rows, 4), dtype=np.uint64), [2] * (rows + 1))


def test_weights_count():
    aggregator = aggregators.get("weighted_mean")
    updates = np.array([[100], [-100]], dtype=np.int64)
    opened = aggregator.combine(updates.view(np.uint64), [3, 1]).view(np.int64)
    assert aggregator.finish(opened, [3, 1]).tolist() == [50]


@given(st.floats(-63.9, 63.9), st.integers(-(2**18), 2**18))
def test_the_next_model_is_exact_and_stays_on_the_grid(value, step):
    base = np.array([np.rint(value * 2**18) / 2**18], dtype=np.float32)
    after = next_model(base, np.array([step]))
    if abs(after[0]) < 64:
        assert encode(after).view(np.int64)[0] == encode(base).view(np.int64)[0] + step


def test_beyond_64_the_next_model_is_rounded_to_a_float32_that_is_on_the_grid():
    after = next_model(np.array([1000.0], dtype=np.float32), np.array([1]))
    assert after[0] == np.float32(1000 + 2.0**-18)
    assert encode(after).view(np.int64)[0] == float(after[0]) * 2**18


def test_a_diverged_model_voids_the_round():
    with pytest.raises(RoundVoid, match="diverged"):
        next_model(np.zeros(1, dtype=np.float32), np.array([2**60]))
