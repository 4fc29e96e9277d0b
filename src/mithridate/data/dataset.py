"""Labelled records in memory."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import numpy.typing as npt

from mithridate.errors import DataError


@dataclass(frozen=True)
class Dataset:
    """N labelled records of C classes.

    Args:
        features: float32 (N, *shape): (N, F) for a table, (N, channels, height, width) in [0, 1] for images. A table
            may hold NaN for a missing value until it is preprocessed.
        labels: int64 (N,), each in [0, C).
        classes: the C classes' names, in the labels' order.
        kind: what the records are.
        sites: (N,) the site each record comes from, where the source says so.
        columns: a table's F feature names; an indicator of a text value is called "column=value".

    Raises:
        DataError: the arrays do not belong together.
    """

    features: npt.NDArray[np.float32]
    labels: npt.NDArray[np.int64]
    classes: tuple[str, ...]
    kind: Literal["table", "image"]
    sites: npt.NDArray[np.str_] | None = None
    columns: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.features.dtype != np.float32 or self.labels.dtype != np.int64:
            raise DataError(f"features must be float32, labels int64; got {self.features.dtype}, {self.labels.dtype}")
        if self.features.ndim != {"table": 2, "image": 4}[self.kind]:
            raise DataError(f"a record of kind {self.kind} cannot have shape {self.shape}")
        if self.labels.shape != (len(self.features),) or (self.sites is not None and len(self.sites) != len(self)):
            raise DataError(f"{len(self.features)} records, but labels or sites of another number")
        if len(self) and not 0 <= int(self.labels.min()) <= int(self.labels.max()) < len(self.classes):
            raise DataError(f"labels must lie in [0, {len(self.classes)}), the number of classes")

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of one record, without the axis of records."""
        return self.features.shape[1:]

    def class_counts(self) -> npt.NDArray[np.int64]:
        """Records of each class, int64 (C,)."""
        return np.bincount(self.labels, minlength=len(self.classes)).astype(np.int64)

    def take(self, indices: Sequence[int] | npt.NDArray[np.int64]) -> "Dataset":
        """The records at `indices`, in their order, as a copy."""
        chosen = np.asarray(indices, dtype=np.int64)
        sites = None if self.sites is None else self.sites[chosen]
        return replace(self, features=self.features[chosen], labels=self.labels[chosen], sites=sites)
