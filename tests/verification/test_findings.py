"""The rule of encrypted inference against a reference in loops, and its error rate against the normal distribution."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import norm

from mithridate.verification.inference import FIRST_STAGE, Finding, findings, mean_margins, stages


def onehot_of(labels, classes=None):
    return np.eye(classes or int(max(labels)) + 1)[labels]


def reference(changes, labels, z):
    """As the rule's documentation words it: class means, their mean and its standard error, one update at a time."""
    present = sorted(set(labels.tolist()))

    def mean_and_error(sample):
        weights = np.array([1 / (len(present) * np.count_nonzero(labels == label)) for label in labels])
        means = {label: sample[labels == label].mean() for label in present}
        apart = sample - np.array([means[label] for label in labels.tolist()])
        return np.mean(list(means.values())), np.sqrt(np.sum(weights**2 * apart**2))

    def finding(sample):
        parts = [mean_and_error(sample), mean_and_error(sample - changes[-1])]
        if all(mean < 0 and -mean > z * error for mean, error in parts):
            return Finding.HARMFUL
        clearly = any(mean > 0 and mean > 2 * error for mean, error in parts)
        return Finding.USEFUL if clearly else Finding.OPEN

    return [finding(sample) for sample in changes[:-1]]


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 8), st.integers(6, 60), st.integers(2, 5), st.integers(0, 10_000), st.floats(0.5, 5))
def test_the_rule_is_the_one_of_its_documentation(n, m, classes, seed, z):
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, classes, m)
    changes = rng.normal(rng.normal(0, 0.5, size=(n + 1, 1)), 0.5, size=(n + 1, m))
    assert findings(changes, onehot_of(labels, classes), z).tolist() == reference(changes, labels, z)


def test_the_reference_reaches_all_findings():
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 3, 40)
    changes = np.array([[-1.0], [0.0], [1.0], [0.0]]) + 0.5 * rng.normal(size=(4, 40))
    expected = [Finding.HARMFUL, Finding.OPEN, Finding.USEFUL]
    assert findings(changes, onehot_of(labels), 3.0).tolist() == reference(changes, labels, 3.0) == expected


def alarms(rng, counts, z, tests=20_000):
    """The share of updates without any effect that are found harmful when the mean of the others changes nothing."""
    onehot = onehot_of(np.repeat(np.arange(len(counts)), counts))
    changes = rng.normal(size=(tests + 1, len(onehot)))
    changes[-1] = 0
    return (findings(changes, onehot, z) == Finding.HARMFUL).mean()


@pytest.mark.parametrize("counts", [(150, 150), (100, 300)])
def test_the_rate_of_false_alarms_is_the_normal_tail(counts):
    tail = norm.sf(2.0)
    error = np.sqrt(tail * (1 - tail) / 20_000)
    # Beside chance, some percent of the tail, for the standard error is estimated from a few hundred samples.
    assert abs(alarms(np.random.default_rng(0), counts, 2.0) - tail) < 3 * error + 0.05 * tail


def test_at_the_studys_four_standard_errors_no_alarm_in_thousands():
    assert alarms(np.random.default_rng(1), (20, 20), 4.0, tests=5_000) < 2e-3


def test_what_most_do_alike_is_not_held_against_one():
    rng = np.random.default_rng(0)
    changes = -1 + 0.1 * rng.normal(size=(8, 40))
    onehot = onehot_of(np.arange(40) % 2)
    assert (findings(changes, onehot, 3.0) != Finding.HARMFUL).all()
    changes[-1] += 1
    assert (findings(changes, onehot, 3.0) == Finding.HARMFUL).all()


def test_without_any_effect_all_stay_open():
    assert not findings(np.zeros((5, 20)), onehot_of(np.arange(20) % 2), 3.0).any()


def test_every_class_counts_alike():
    # Nine of ten records gain 0.2, the rare class loses 1.5: the mean over records rises, that over classes falls.
    labels = np.array([0] * 90 + [1] * 10)
    change = np.where(labels == 0, 0.2, -1.5) + 0.1 * np.random.default_rng(0).normal(size=100)
    changes = np.stack([change, np.zeros(100)])
    assert change.mean() > 0
    assert findings(changes, onehot_of(labels), 3.0).tolist() == [Finding.HARMFUL]
    assert findings(-changes, onehot_of(labels), 3.0).tolist() == [Finding.USEFUL]
    assert findings(changes, np.ones((100, 1)), 3.0).tolist() == [Finding.OPEN]


def test_a_class_without_samples_counts_nothing():
    labels = np.arange(40) % 2
    changes = np.random.default_rng(0).normal(-0.5, 1, size=(6, 40))
    changes[-1] = 0
    assert findings(changes, onehot_of(labels, 5), 2.0).tolist() == findings(changes, onehot_of(labels), 2.0).tolist()


@settings(deadline=None, max_examples=50)
@given(st.integers(2, 5), st.integers(0, 1000))
def test_mean_margins(classes, seed):
    rng = np.random.default_rng(seed)
    scores, labels = rng.normal(size=(3, 7, classes)), rng.integers(0, classes, 7)
    expected = [
        [row[label] - np.mean(np.delete(row, label)) for row, label in zip(model, labels, strict=True)]
        for model in scores
    ]
    np.testing.assert_allclose(mean_margins(scores, onehot_of(labels, classes)), expected)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 500))
def test_the_stages_divide_the_samples(samples):
    first, then = stages(samples)
    assert sorted([*first, *then]) == list(range(samples))
    if samples < 32:
        assert not len(then)
    else:
        assert len(first) == max(16, int(FIRST_STAGE * samples))
    np.testing.assert_array_equal(first, stages(samples)[0])
