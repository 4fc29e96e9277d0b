from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from mithridate.data.dataset import Dataset
from mithridate.errors import DataError

ROWS = np.arange(8, dtype=np.float32).reshape(4, 2)
LABELS = np.array([0, 1, 1, 2], dtype=np.int64)


def test_take_keeps_features_labels_and_sites_together() -> None:
    part = Dataset(ROWS, LABELS, ("a", "b", "c"), "table", sites=np.array(["w", "x", "y", "z"])).take([3, 0])
    assert part.features.tolist() == [[6, 7], [0, 1]]
    assert part.labels.tolist() == [2, 0]
    assert part.sites is not None
    assert part.sites.tolist() == ["z", "w"]


def test_take_copies() -> None:
    dataset = Dataset(ROWS.copy(), LABELS, ("a", "b", "c"), "table")
    dataset.take([0]).features[:] = 9
    assert dataset.features[0].tolist() == [0, 1]


def test_class_counts_include_absent_classes() -> None:
    assert Dataset(ROWS, LABELS, ("a", "b", "c", "d"), "table").class_counts().tolist() == [1, 2, 1, 0]


@pytest.mark.parametrize(
    ("features", "labels", "message"),
    [
        (ROWS.astype(np.float64), LABELS, "float32"),
        (ROWS, LABELS.astype(np.int32), "int64"),
        (ROWS, LABELS[:3], "another number"),
        (ROWS, LABELS + 1, r"\[0, 3\)"),
        (ROWS, LABELS - 1, r"\[0, 3\)"),
        (ROWS[:, 0], LABELS, "kind table"),
    ],
)
def test_arrays_that_do_not_belong_together(features: npt.NDArray[Any], labels: npt.NDArray[Any], message: str) -> None:
    with pytest.raises(DataError, match=message):
        Dataset(features, labels, ("a", "b", "c"), "table")


def test_images_have_three_axes_a_record() -> None:
    with pytest.raises(DataError, match="kind image"):
        Dataset(ROWS, LABELS, ("a", "b", "c"), "image")
    with pytest.raises(DataError, match="another number"):
        Dataset(ROWS, LABELS, ("a", "b", "c"), "table", sites=np.array(["w"]))
