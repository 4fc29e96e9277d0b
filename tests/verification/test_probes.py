import numpy as np
import pytest

from mithridate.data.dataset import Dataset
from mithridate.verification.probes import probes


def table(records=200, columns=30):
    rng = np.random.default_rng(0)
    features = rng.normal(size=(records, columns)).astype(np.float32)
    return Dataset(features, rng.integers(0, 2, records), ("a", "b"), "table")


def images(records=200, shape=(1, 12, 10)):
    rng = np.random.default_rng(0)
    return Dataset(
        rng.random((records, *shape), dtype=np.float32), rng.integers(0, 3, records), ("a", "b", "c"), "image"
    )


@pytest.mark.parametrize("records", [table(), table(columns=2), images(), images(shape=(3, 28, 28))])
def test_probes_keep_labels_shape_type_and_range_and_change_every_record(records):
    before = records.features.copy()
    probed = probes(records, np.random.default_rng(1))
    np.testing.assert_array_equal(records.features, before)
    np.testing.assert_array_equal(probed.labels, records.labels)
    assert (probed.features.shape, probed.features.dtype) == (before.shape, np.float32)
    assert np.isfinite(probed.features).all()
    changed = (probed.features != before).reshape(len(before), -1).any(axis=1)
    assert changed.mean() > 0.99
    if records.kind == "image":
        assert 0 <= probed.features.min() <= probed.features.max() <= 1


def test_the_rng_decides():
    one, same, other = (probes(images(), np.random.default_rng(seed)).features for seed in (1, 1, 2))
    np.testing.assert_array_equal(one, same)
    assert not np.array_equal(one, other)


def test_a_tables_probe_has_one_rare_value_in_a_few_columns():
    records = table()
    probed = probes(records, np.random.default_rng(0))
    changed = probed.features != records.features
    assert set(changed.sum(axis=1).tolist()) == set(range(1, 7))
    for row, where in zip(probed.features, changed, strict=True):
        assert len(set(row[where].tolist())) == 1
        assert 1.5 <= abs(row[where][0]) <= 2.5
    values = probed.features[changed]
    assert (values > 0).any()
    assert (values < 0).any()
    assert changed.any(axis=0).all()


def test_images_carry_patches_blends_and_noise():
    records = images(400)
    changed = (probes(records, np.random.default_rng(0)).features != records.features).mean(axis=(1, 2, 3))
    # Noise and blends touch nearly all pixels, patches at most a half of each side; half of the probes are patches.
    whole = changed > 0.5
    assert 0.4 < whole.mean() < 0.6
    assert changed[~whole].max() <= 0.31
