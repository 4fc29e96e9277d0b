import itertools

import numpy as np
import pytest

from mithridate.mpc.sorting import layered, merge_exchange, network, ordered, rows_of


def through(layers, values):
    values = list(values)
    for layer in layers:
        for low, high in layer:
            values[low], values[high] = min(values[low], values[high]), max(values[low], values[high])
    return values


@pytest.mark.parametrize("count", range(11))
def test_every_sequence_of_zeros_and_ones_is_sorted(count):
    # By the 0-1 principle (Knuth, volume 3, theorem 5.3.4 Z) it then sorts everything.
    layers = layered(list(merge_exchange(count)))
    for bits in itertools.product((0, 1), repeat=count):
        assert through(layers, bits) == sorted(bits)


def test_leaving_out_any_comparator_is_noticed_by_the_test_above():
    comparators = list(merge_exchange(7))
    for left_out in range(len(comparators)):
        layers = layered(comparators[:left_out] + comparators[left_out + 1 :])
        assert any(through(layers, bits) != sorted(bits) for bits in itertools.product((0, 1), repeat=7))


@pytest.mark.parametrize(("count", "comparators"), [(2, 1), (4, 5), (8, 19), (10, 31), (16, 63)])
def test_the_number_of_comparators_is_batchers(count, comparators):
    assert len(list(merge_exchange(count))) == comparators


@pytest.mark.parametrize("count", [2, 7, 10, 33])
def test_no_row_is_twice_in_a_layer(count):
    for layer in network(range(count)):
        rows = [row for comparator in layer for row in comparator]
        assert len(rows) == len(set(rows))
        assert all(low < high for low, high in layer)


@pytest.mark.parametrize(("count", "trim"), [(n, f) for n in range(1, 10) for f in range((n + 1) // 2)])
def test_a_network_for_parts_brings_each_part_its_values(count, trim):
    parts = ["dropped"] * trim + ["summed"] * (count - 2 * trim) + ["dropped"] * trim
    layers = network(parts)
    for bits in itertools.product((0, 1), repeat=count):
        middle = through(layers, bits)[trim : count - trim]
        assert sorted(middle) == sorted(bits)[trim : count - trim]


def test_a_network_for_parts_leaves_comparators_out():
    def size(parts):
        return sum(len(layer) for layer in network(parts))

    assert size(["any"] * 10) == 0
    assert size(["dropped"] * 2 + ["summed"] * 6 + ["dropped"] * 2) < size(range(10))


def test_secret_rows_are_sorted_exactly(committee, codec):
    rng = np.random.default_rng(0)
    rows = np.rint(rng.normal(size=(9, 25)) * 2.0**18) / 2.0**18
    rows[:, 0], rows[:, 1] = 1.5, rows[::-1, 0]

    def sort(values):
        return ordered(rows_of(values), network(range(9)))

    assert np.array_equal(committee.real(sort, [codec.fixed(rows)]), np.sort(rows, axis=0))
