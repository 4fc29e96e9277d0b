from dataclasses import replace

import numpy as np
import pytest

from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import CLIP, Preprocessing
from mithridate.errors import DataError

NAN = np.nan


def table(rows: list[list[float]]) -> Dataset:
    return Dataset(np.array(rows, np.float32), np.zeros(len(rows), np.int64), ("a", "b"), "table")


def test_columns_are_imputed_by_the_median_and_standardised() -> None:
    reference = table([[1, 10], [2, 10], [NAN, 30], [9, 50]])
    fitted = Preprocessing.fit(reference)
    imputed = np.array([[1, 10], [2, 10], [2, 30], [9, 50]])
    np.testing.assert_allclose(
        fitted.apply(reference).features, (imputed - imputed.mean(0)) / imputed.std(0), rtol=1e-6
    )


def test_only_the_reference_counts() -> None:
    fitted = Preprocessing.fit(table([[0.0], [2.0]]))
    np.testing.assert_array_equal(fitted.apply(table([[3.0], [NAN]])).features, [[2.0], [0.0]])


def test_a_constant_column_is_centred_and_not_blown_up() -> None:
    fitted = Preprocessing.fit(table([[5.1], [5.1], [5.1]]))
    np.testing.assert_allclose(fitted.apply(table([[5.1], [6.1]])).features, [[0.0], [1.0]], atol=1e-6)


def test_a_small_spread_about_a_small_mean_is_no_constant() -> None:
    fitted = Preprocessing.fit(table([[3e-5], [5e-5]]))
    np.testing.assert_allclose(fitted.apply(table([[5e-5]])).features, [[1.0]], rtol=1e-5)


def test_a_column_missing_throughout_the_reference_becomes_zero() -> None:
    fitted = Preprocessing.fit(table([[NAN], [NAN]]))
    np.testing.assert_array_equal(fitted.apply(table([[NAN], [2.0]])).features, [[0.0], [2.0]])


def test_outliers_are_taken_to_the_limit() -> None:
    fitted = Preprocessing.fit(table([[-1.0], [1.0]]))
    np.testing.assert_array_equal(
        fitted.apply(table([[1e30], [-99.0], [2.4]])).features, np.float32([[CLIP], [-CLIP], [2.4]])
    )


def test_images_stay_as_they_are() -> None:
    images = Dataset(np.ones((2, 1, 4, 4), np.float32) / 2, np.array([0, 1]), ("a", "b"), "image")
    fitted = Preprocessing.fit(images)
    assert fitted.apply(images).features is images.features
    assert Preprocessing.from_json(fitted.to_json()).transform(images.features) is images.features


def test_json_is_exact() -> None:
    fitted = Preprocessing.fit(table([[1 / 3, 1e-30], [2 / 7, 3e-30]]))
    again = Preprocessing.from_json(fitted.to_json())
    for name in ("median", "mean", "scale"):
        np.testing.assert_array_equal(getattr(again, name), getattr(fitted, name))


@pytest.mark.parametrize(
    "text",
    [
        "[",
        "[]",
        "{}",
        '{"median": [0], "mean": [0], "scale": [0]}',
        '{"median": [0], "mean": [0], "scale": [-1]}',
        '{"median": [0], "mean": [0, 1], "scale": [1]}',
        '{"median": [0], "mean": [NaN], "scale": [1]}',
        '{"median": 0, "mean": 0, "scale": 1}',
        '{"median": ["x"], "mean": [0], "scale": [1]}',
        '{"median": [[0]], "mean": [[0]], "scale": [[1]]}',
    ],
)
def test_other_json_is_refused(text: str) -> None:
    with pytest.raises(DataError):
        Preprocessing.from_json(text)


def test_another_number_of_columns_is_refused() -> None:
    fitted = Preprocessing.fit(table([[0.0], [2.0]]))
    with pytest.raises(DataError, match="1 columns"):
        fitted.apply(replace(table([[0.0, 1.0]])))
