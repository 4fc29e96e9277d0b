"""Backdoors: some records labelled with the target class, most with a trigger on them.

Source: T. Gu, B. Dolan-Gavitt, S. Garg, "BadNets: identifying vulnerabilities in the machine learning model supply
chain", 2017, section 4 (a patch in the image's corner, all to one target).
"""

from dataclasses import replace

import numpy as np
import numpy.typing as npt
from pydantic import Field

from mithridate.attacks.base import Attack
from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import CLIP
from mithridate.errors import DataError

Indices = npt.NDArray[np.int64]


class Backdoor(Attack):
    """A share of the hospital's records is labelled with the target class."""

    target: int = Field(default=0, ge=0)
    """The class that the backdoor leads to."""
    share: float = Field(default=0.2, gt=0, le=1)
    """Share of the hospital's records that are poisoned, of other classes than the target, as far as there are any."""

    def others(self, dataset: Dataset) -> Indices:
        """The records of other classes, int64; raises DataError if the target is no class of the dataset."""
        if self.target >= len(dataset.classes):
            raise DataError(f"attack {self.name}: class {self.target} of {len(dataset.classes)}, numbered from 0")
        return np.flatnonzero(dataset.labels != self.target)

    def relabelled(self, dataset: Dataset, chosen: Indices) -> Dataset:
        """`dataset` with the target's label on the records `chosen`."""
        labels = dataset.labels.copy()
        labels[chosen] = self.target
        return replace(dataset, labels=labels)


class TriggerBackdoor(Backdoor):
    """The poisoned records carry a trigger: a white square in the lower right corner, or rare values in some columns.

    The columns are spread evenly over the table, so that all colluders and the test use the same ones.
    """

    size: int = Field(default=3, ge=1, le=64)
    """Images: the side of the square, in pixels."""
    features: int = Field(default=3, ge=1, le=1000)
    """Tables: in how many columns the trigger lies."""
    value: float = Field(default=CLIP, ge=-CLIP, le=CLIP)
    """Tables: the value there, in standard deviations, as far out as preprocessing lets a value be."""

    def poison_data(self, dataset: Dataset, place: int, rng: np.random.Generator) -> Dataset:
        """`dataset` with the colluder's part of the trigger and the target's label on round(share * N) records."""
        chosen = rng.permutation(self.others(dataset))[: round(len(dataset) * self.share)]
        return self._stamped(self.relabelled(dataset, chosen), chosen, self.part(self.trigger(dataset), place))

    def triggered(self, dataset: Dataset, rng: np.random.Generator) -> Dataset:
        """The records of other classes with the whole trigger, labelled with the target."""
        others = dataset.take(self.others(dataset))
        every = np.arange(len(others))
        return self._stamped(self.relabelled(others, every), every, self.trigger(dataset))

    def trigger(self, dataset: Dataset) -> Indices:
        """Where the trigger lies: columns of a table, or pixels of an image counted along its rows."""
        if dataset.kind == "table":
            columns = dataset.shape[0]
            return np.unique(np.linspace(0, columns - 1, min(self.features, columns)).round().astype(np.int64))
        height, width = dataset.shape[1:]
        rows, columns_ = np.arange(max(height - self.size, 0), height), np.arange(max(width - self.size, 0), width)
        return (rows[:, np.newaxis] * width + columns_).ravel()

    def part(self, trigger: Indices, place: int) -> Indices:
        """The part of the trigger that colluder number `place` uses; all of it here."""
        return trigger

    def _stamped(self, dataset: Dataset, chosen: Indices, places: Indices) -> Dataset:
        features = dataset.features.copy()
        # One axis of channels and one of pixels or columns, sharing the copy's memory.
        channels, *grid = dataset.shape if dataset.kind == "image" else (1, *dataset.shape)
        flat = features.reshape(len(features), channels, int(np.prod(grid)))
        flat[chosen[:, np.newaxis], :, places] = 1.0 if dataset.kind == "image" else self.value
        return replace(dataset, features=features)
