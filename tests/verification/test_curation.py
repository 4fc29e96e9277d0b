"""What the curator computes, on real records."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.data.dataset import Dataset
from mithridate.models.build import build_model
from mithridate.models.parameters import to_vector
from mithridate.training.together import stacked_logits
from mithridate.verification.curation import (
    COPIES,
    LEAST_RELIABLE,
    PUSHED,
    _margin_gradients,
    balanced,
    direction_of_use,
    halves,
    lessons,
    pushes,
)


def cosine(one, other):
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def records(counts, kind="table"):
    labels = np.repeat(np.arange(len(counts)), counts).astype(np.int64)
    rng = np.random.default_rng(0)
    shape = (len(labels), 4) if kind == "table" else (len(labels), 1, 12, 12)
    return Dataset(rng.random(shape, dtype=np.float32), labels, tuple("abcde"[: len(counts)]), kind)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=5).filter(any), st.integers(0, 100))
def test_balanced_holds_every_record_and_every_class_as_often(counts, seed):
    reference = records(counts)
    result = balanced(reference, np.random.default_rng(seed))
    assert set(result.class_counts().tolist()) <= {0, max(counts)}
    held = {(row.tobytes(), label) for row, label in zip(result.features, result.labels.tolist(), strict=True)}
    assert held == {(row.tobytes(), label) for row, label in zip(reference.features, reference.labels, strict=True)}


def test_pushes_label_the_same_records_with_each_class():
    reference = records((50, 20, 5))
    sets = pushes(reference, np.random.default_rng(0))
    assert [set(each.labels.tolist()) for each in sets] == [{0}, {1}, {2}]
    assert all(len(each) == PUSHED for each in sets)
    for each in sets[1:]:
        np.testing.assert_array_equal(each.features, sets[0].features)


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, 30), min_size=2, max_size=5).filter(lambda counts: sum(counts) > 1), st.integers(0, 100))
def test_halves_share_no_record_and_hold_every_class_alike(counts, seed):
    reference = records(counts)
    parts = [{row.tobytes() for row in half.features} for half in halves(reference, np.random.default_rng(seed))]
    assert not parts[0] & parts[1]
    assert parts[0] | parts[1] == {row.tobytes() for row in reference.features}
    by_class = [
        [len(part & {row.tobytes() for row in reference.features[reference.labels == label]}) for part in parts]
        for label in range(len(counts))
    ]
    assert all(abs(one - other) <= 1 for one, other in by_class)


@pytest.mark.parametrize(
    ("kind", "copies", "parts"),
    [("table", None, 1 + COPIES["table"]), ("image", None, 1 + COPIES["image"]), ("table", 0, 1)],
)
def test_lessons_are_the_set_with_its_probes_its_halves_and_a_push_for_each_class(kind, copies, parts):
    reference = records((12, 6), kind)
    taught, first, second, *pushed = lessons(reference, copies, np.random.default_rng(0))
    assert taught.class_counts().tolist() == [12 * parts] * 2
    assert len(pushed) == 2
    clean = {row.tobytes() for row in reference.features}
    assert sum(row.tobytes() in clean for row in taught.features) in range(24, 24 + parts)
    assert {row.tobytes() for half in (first, second) for row in half.features} == clean


def test_lessons_are_drawn_anew_from_the_generator():
    reference = records((12, 6))
    one, same, other = (lessons(reference, None, np.random.default_rng(seed))[0].features for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


@pytest.fixture(scope="module")
def round_one(make_task):
    task = make_task()
    direction, own = task.curated(1)
    return task, direction, own


def class_gradient(task, label, step=1e-3):
    """The gradient of one class's mean logit, each class of records counted alike, by differences along an axis."""
    reference = task.split.reference
    shares = 1.0 / reference.class_counts()[reference.labels]
    axes = np.random.default_rng(label).choice(len(task.base), 40, replace=False)
    models = np.repeat(task.base[None], 80, axis=0)
    models[np.arange(40), axes] += step
    models[40 + np.arange(40), axes] -= step
    means = (stacked_logits(task.module, models, reference.features)[..., label] * shares).mean(axis=1)
    return axes, (means[:40] - means[40:]) / (2 * step)


def test_the_direction_is_at_right_angles_to_the_pushes_and_the_class_gradients(round_one):
    task, direction, own = round_one
    margin, classes = _margin_gradients(task.module, task.base, task.split.reference)
    for label, gradient in enumerate(classes):
        axes, differences = class_gradient(task, label)
        # Proportional where differences are above their rounding noise: the gradients are what their name says.
        assert cosine(gradient[axes], differences) > 0.99
    for row in (*own[3:], *classes):
        assert abs(cosine(direction, row)) < 1e-6
    assert cosine(direction, margin) > 0.1
    assert cosine(direction, own[1]) > 0.1
    assert cosine(direction, own[2]) > 0.1


def test_the_directions_norm_is_at_most_two(round_one):
    _, direction, _ = round_one
    assert 1 < np.linalg.norm(direction) <= 2 + 1e-9


def test_honest_training_scores_above_zero_and_flipped_labels_below(round_one):
    task, direction, _ = round_one
    honest = [cosine(update, direction) for update in task.trained(task.split.hospitals, 1)]
    flipped = [cosine(update, direction) for update in task.trained(task.flipped(range(10)), 1)]
    assert min(honest) > 0.2
    assert max(flipped) < -0.2


def test_it_still_tells_them_apart_when_the_model_has_learnt(make_task):
    task = make_task()
    for number in range(1, 4):
        task = task.moved(task.trained(task.split.hospitals, number).mean(axis=0))
    direction, _ = task.curated(4)
    honest = [cosine(update, direction) for update in task.trained(task.split.hospitals, 4)]
    flipped = [cosine(update, direction) for update in task.trained(task.flipped(range(10)), 4)]
    assert min(honest) > 0 > max(flipped)


def test_a_hospital_with_one_class_scores_far_above_itself_with_flipped_labels(round_one, flip_labels):
    task, direction, _ = round_one
    for label in range(2):
        pooled = [each.take(np.flatnonzero(each.labels == label)) for each in task.split.hospitals[:3]]
        one_class = replace(
            pooled[0],
            features=np.concatenate([each.features for each in pooled]),
            labels=np.concatenate([each.labels for each in pooled]),
        )
        honest, flipped = task.trained([one_class, flip_labels(one_class)], 1)
        assert cosine(honest, direction) > cosine(flipped, direction) + 0.2


def test_halves_that_learn_different_things_make_the_direction_short(round_one):
    task, _, own = round_one
    reference, pushed = task.split.reference, list(own[3:])
    noise = np.random.default_rng(0).normal(size=own[1:3].shape)
    lengths = [
        np.linalg.norm(direction_of_use(task.module, task.base, reference, roots, pushed))
        for roots in (own[1:3], noise, (own[1], -own[1]))
    ]
    assert lengths[0] > 1.2
    assert lengths[1] == pytest.approx(LEAST_RELIABLE * np.sqrt(2), rel=0.1)
    assert lengths[2] == pytest.approx(LEAST_RELIABLE, rel=0.1)


def test_roots_along_the_pushes_alone_leave_the_margins_direction():
    reference = records((20, 20))
    module = build_model("logistic", (4,), 2, seed=0)
    base = to_vector(module)
    push = np.random.default_rng(0).normal(size=base.size)
    direction = direction_of_use(module, base, reference, [3 * push, 2 * push], [push, -push])
    assert np.linalg.norm(direction) == pytest.approx(LEAST_RELIABLE, rel=0.05)
    assert abs(cosine(direction, push)) < 0.01
