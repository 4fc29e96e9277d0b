"""Imputation and standardisation of tables, with statistics of the reference set only.

The curator publishes these statistics with the study: no hospital can poison them and none leave a hospital.
"""

import json
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.errors import DataError

CLIP = 2.5
"""Standard deviations. A value beyond is taken to this one: what is rarer is an error, or the trigger of a backdoor."""
# Below this share of the column's largest magnitude a spread is rounding noise: the column counts as constant.
CONSTANT = 1e-6


@dataclass(frozen=True)
class Preprocessing:
    """A table's column statistics, float64 (F,) each; F = 0 leaves records as they are (images).

    Args:
        median: what a missing value is replaced by.
        mean: after imputation.
        scale: standard deviation after imputation, 1 for a constant column.
    """

    median: npt.NDArray[np.float64]
    mean: npt.NDArray[np.float64]
    scale: npt.NDArray[np.float64]

    @classmethod
    def fit(cls, reference: Dataset) -> "Preprocessing":
        """The statistics of `reference`; a column that is missing throughout counts as constant 0."""
        if reference.kind == "image":
            return cls(*np.zeros((3, 0)))
        values = reference.features.astype(np.float64)
        observed = np.where(np.isnan(values).all(axis=0), 0.0, values)
        median = np.nanmedian(observed, axis=0)
        imputed = np.where(np.isnan(observed), median, observed)
        spread = imputed.std(axis=0)
        constant = spread <= CONSTANT * np.abs(imputed).max(axis=0)
        return cls(median, imputed.mean(axis=0), np.where(constant, 1.0, spread))

    def transform(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        """(N, F) imputed, standardised and clipped to [-2.5, 2.5]; images unchanged.

        Raises:
            DataError: another number of columns.
        """
        if not len(self.median):
            return features
        if features.ndim != 2 or features.shape[1] != len(self.median):
            raise DataError(f"the study's records have {len(self.median)} columns, these have shape {features.shape}")
        values = np.where(np.isnan(features), self.median, features.astype(np.float64))
        return np.clip((values - self.mean) / self.scale, -CLIP, CLIP).astype(np.float32)

    def apply(self, dataset: Dataset) -> Dataset:
        """`dataset` with transformed features."""
        return replace(dataset, features=self.transform(dataset.features))

    def to_json(self) -> str:
        """The statistics as JSON, exact."""
        return json.dumps({name: getattr(self, name).tolist() for name in ("median", "mean", "scale")})

    @classmethod
    def from_json(cls, text: str) -> "Preprocessing":
        """The inverse of `to_json`.

        Raises:
            DataError: the text is something else.
        """
        try:
            document = json.loads(text)
            arrays = [np.array(document[name], dtype=np.float64) for name in ("median", "mean", "scale")]
        except (ValueError, TypeError, KeyError) as error:
            raise DataError(f"these are no column statistics: {error}") from error
        if len({array.shape for array in arrays}) != 1 or arrays[0].ndim != 1 or not np.isfinite(arrays).all():
            raise DataError("column statistics must be three lists of finite numbers of one length")
        if not (arrays[2] > 0).all():
            raise DataError("column statistics: every scale must be above zero")
        return cls(*arrays)
