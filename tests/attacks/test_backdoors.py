"""Backdoors: which records are poisoned and how, what may train, what the test of the backdoor is."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from mithridate.attacks import Attack, Collusion, parse_attack
from mithridate.data.dataset import Dataset
from mithridate.errors import DataError

NAMES = ["badnets", "dba", "neurotoxin", "edge_case", "constrain_and_scale"]
TRIGGERS = ["badnets", "dba", "neurotoxin", "constrain_and_scale"]
RNG = np.random.default_rng(4)
TABLE = Dataset(RNG.normal(size=(200, 11)).astype(np.float32), RNG.integers(0, 3, 200), ("a", "b", "c"), "table")
IMAGES = Dataset(0.9 * RNG.random((100, 2, 8, 7), np.float32), RNG.integers(0, 3, 100), ("a", "b", "c"), "image")


def backdoor(name: str, hospitals: int = 1, **keys: object) -> Any:
    return parse_attack({"name": name, "hospitals": list(range(hospitals)), "target": 1, **keys})


def poison(attack: Attack, dataset: Dataset, place: int = 0, seed: int = 0) -> Dataset:
    before = dataset.features.copy(), dataset.labels.copy()
    poisoned = attack.poison_data(dataset, place, np.random.default_rng(seed))
    np.testing.assert_array_equal(dataset.features, before[0])
    np.testing.assert_array_equal(dataset.labels, before[1])
    return poisoned


def test_badnets_stamps_a_white_square_into_the_lower_right_corner_of_all_channels() -> None:
    poisoned = poison(backdoor("badnets", size=3, share=0.3), IMAGES)
    changed = np.flatnonzero((poisoned.features != IMAGES.features).any(axis=(1, 2, 3)))
    assert len(changed) == 30
    np.testing.assert_array_equal(np.flatnonzero(poisoned.labels != IMAGES.labels), changed)
    assert (poisoned.labels[changed] == 1).all()
    assert (IMAGES.labels[changed] != 1).all()
    expected = IMAGES.features[changed].copy()
    expected[:, :, 5:, 4:] = 1.0
    np.testing.assert_array_equal(poisoned.features[changed], expected)


def test_badnets_sets_rare_values_in_a_few_columns_of_a_table() -> None:
    poisoned = poison(backdoor("badnets", features=3, value=-1.5, share=0.15), TABLE)
    changed = np.flatnonzero((poisoned.features != TABLE.features).any(axis=1))
    assert len(changed) == 30
    expected = TABLE.features[changed].copy()
    expected[:, [0, 5, 10]] = -1.5
    np.testing.assert_array_equal(poisoned.features[changed], expected)
    assert (poisoned.labels[changed] == 1).all()


@pytest.mark.parametrize("dataset", [TABLE, IMAGES], ids=["table", "image"])
@pytest.mark.parametrize("name", TRIGGERS)
def test_the_backdoors_test_holds_all_records_of_other_classes_with_the_whole_trigger(
    name: str, dataset: Dataset
) -> None:
    triggered = backdoor(name, hospitals=3).triggered(dataset, RNG)
    others = dataset.take(np.flatnonzero(dataset.labels != 1))
    assert len(triggered) == len(others)
    assert (triggered.labels == 1).all()
    expected = others.features.copy()
    if dataset.kind == "image":
        expected[:, :, 5:, 4:] = 1.0
    else:
        expected[:, [0, 5, 10]] = 2.5
    np.testing.assert_array_equal(triggered.features, expected)


@pytest.mark.parametrize("dataset", [TABLE, IMAGES], ids=["table", "image"])
@pytest.mark.parametrize("colluders", [1, 2, 4])
def test_dba_divides_the_trigger_among_the_colluders(dataset: Dataset, colluders: int) -> None:
    attack = backdoor("dba", hospitals=colluders, features=4, size=2)
    whole = set(attack.trigger(dataset).tolist())
    parts = []
    for place in range(colluders):
        poisoned = poison(attack, dataset, place)
        moved = (poisoned.features != dataset.features).reshape(len(dataset), -1, len(dataset.features[0].ravel()))
        pixels = int(np.prod(dataset.shape[-2:])) if dataset.kind == "image" else dataset.shape[0]
        parts.append({int(index) % pixels for index in np.flatnonzero(moved.any(axis=(0, 1)))})
    assert set().union(*parts) == whole
    assert sum(map(len, parts)) == len(whole) == 4


def test_more_colluders_than_parts_share_them() -> None:
    attack = backdoor("dba", hospitals=5, features=2)
    trigger = attack.trigger(TABLE)
    assert [attack.part(trigger, place).tolist() for place in range(5)] == [[0], [10], [0], [10], [0]]


def test_neurotoxin_trains_only_what_moved_least() -> None:
    moved = np.array([0.5, -3.0, 0.1, 2.0, 0.0, -0.2, 1.0, 0.3, -0.4, 0.6])
    earlier = (np.full(10, 9.0), np.zeros(10))
    held = backdoor("neurotoxin", ratio=0.3).constraint(moved, earlier, 5.0)
    assert held.radius is None
    assert np.flatnonzero(~held.trained).tolist() == [1, 3, 6]
    assert not backdoor("neurotoxin").constraint(moved, (), 5.0).binding


def test_edge_case_relabels_the_records_farthest_from_their_class_mean() -> None:
    attack = backdoor("edge_case", share=0.1)
    poisoned = poison(attack, TABLE)
    np.testing.assert_array_equal(poisoned.features, TABLE.features)
    distances = {}
    for index in np.flatnonzero(TABLE.labels != 1):
        same = TABLE.features[TABLE.labels == TABLE.labels[index]].astype(np.float64)
        distances[int(index)] = float(np.linalg.norm(TABLE.features[index] - same.mean(axis=0)))
    tail = sorted(distances, key=lambda index: -distances[index])[:20]
    assert set(np.flatnonzero(poisoned.labels != TABLE.labels)) == set(tail)
    assert (poisoned.labels[tail] == 1).all()
    triggered = attack.triggered(TABLE, RNG)
    np.testing.assert_array_equal(triggered.features, TABLE.features[tail])
    assert (triggered.labels == 1).all()


def test_constrain_and_scale_trains_near_the_base_and_fills_the_bound(collusion: Callable[..., Collusion]) -> None:
    attack = backdoor("constrain_and_scale", gamma=8.0)
    assert attack.constraint(np.zeros(50), (), 20.0).radius == 2.5
    own = RNG.normal(size=(3, 50))
    own *= np.array([[2.5], [2.5 * (1 + 1e-7)], [1.0]]) / np.linalg.norm(own, axis=1, keepdims=True)
    sent = attack.collude(collusion(own=own), RNG)
    np.testing.assert_allclose(sent, 8 * own, atol=1e-4)
    assert (np.linalg.norm(sent, axis=1) <= 20.0).all()
    assert np.linalg.norm(sent[1]) > 19.99


@pytest.mark.parametrize("dataset", [TABLE, IMAGES], ids=["table", "image"])
@pytest.mark.parametrize("name", NAMES)
def test_poisoned_records_are_of_other_classes_while_there_are_any(name: str, dataset: Dataset) -> None:
    poisoned = poison(backdoor(name, share=1.0), dataset)
    assert (poisoned.labels == 1).all()
    only = dataset.take(np.flatnonzero(dataset.labels == 1))
    np.testing.assert_array_equal(poison(backdoor(name), only).features, only.features)
    assert len(backdoor(name).triggered(only, RNG)) == 0


@pytest.mark.parametrize("name", TRIGGERS)
def test_small_records_take_what_fits_of_the_trigger(name: str) -> None:
    pair = Dataset(np.zeros((4, 2), np.float32), np.array([0, 0, 1, 1]), ("a", "b"), "table")
    dot = Dataset(np.zeros((4, 1, 2, 2), np.float32), np.array([0, 0, 1, 1]), ("a", "b"), "image")
    assert backdoor(name).triggered(pair, RNG).features.tolist() == [[2.5, 2.5]] * 2
    assert (backdoor(name).triggered(dot, RNG).features == 1).all()


@pytest.mark.parametrize("name", NAMES)
def test_a_target_that_is_no_class(name: str) -> None:
    attack = backdoor(name, target=3)
    for use in (lambda: poison(attack, TABLE), lambda: attack.triggered(TABLE, RNG)):
        with pytest.raises(DataError, match="class 3 of 3"):
            use()
