import numpy as np

from mithridate.data import datasets
from mithridate.data.settings import DataSettings


def test_breast_cancer() -> None:
    dataset = datasets.get("breast_cancer")(DataSettings())
    assert dataset.features.shape == (569, 30)
    assert dataset.class_counts().tolist() == [212, 357]
    assert dataset.classes == ("malignant", "benign")
    assert dataset.columns[0] == "mean radius"
    # The first record of the published table (WDBC 842302).
    assert np.isclose(dataset.features[0, 0], 17.99)


def test_digits() -> None:
    dataset = datasets.get("digits")(DataSettings(name="digits"))
    assert dataset.features.shape == (1797, 1, 8, 8)
    assert (dataset.features.min(), dataset.features.max()) == (0.0, 1.0)
    assert len(dataset.classes) == 10
    assert dataset.labels[:10].tolist() == list(range(10))
