"""A study's records: the test and reference sets held out, the rest among the hospitals."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.data.partition import Indices, partition
from mithridate.data.preprocessing import Preprocessing
from mithridate.data.registry import datasets
from mithridate.errors import DataError
from mithridate.seeds import derive_seed

if TYPE_CHECKING:
    from mithridate.study import Study

_LEAST_OF_A_CLASS = 5


@dataclass(frozen=True)
class Split:
    """Disjoint parts of one dataset.

    Args:
        hospitals: one dataset a hospital, none empty.
        reference: the curator's; `reference_per_class` records a class on average, in the classes' own proportions.
        test: held out to measure the global model.
        preprocessing: the reference set's statistics, already applied to all parts.
    """

    hospitals: tuple[Dataset, ...]
    reference: Dataset
    test: Dataset
    preprocessing: Preprocessing


def load_split(study: "Study") -> Split:
    """The study's dataset, loaded and split.

    Raises:
        DataError: as `split`, or the dataset is missing or unreadable.
    """
    return split(datasets.get(study.data.name)(study.data), study)


def split(dataset: Dataset, study: "Study") -> Split:
    """Test and reference sets stratified by class, the rest partitioned; deterministic by `study.seed`.

    Raises:
        DataError: one class only, too few records of a class, or a hospital without records.
    """
    dataset = _limit(dataset, study)
    _require_classes(dataset, study.data.reference_per_class)
    test, reference, rest = _hold_out(dataset, study)
    training = dataset.take(rest)
    parts = partition(training, study.hospitals.count, study.data, _rng(study, "partition"))
    preprocessing = Preprocessing.fit(dataset.take(reference))
    return Split(
        hospitals=tuple(preprocessing.apply(training.take(part)) for part in parts),
        reference=preprocessing.apply(dataset.take(reference)),
        test=preprocessing.apply(dataset.take(test)),
        preprocessing=preprocessing,
    )


def _rng(study: "Study", purpose: str) -> np.random.Generator:
    return np.random.default_rng(derive_seed(study.seed, "data", purpose))


def _limit(dataset: Dataset, study: "Study") -> Dataset:
    """At most `max_records` of the records, of each class its share (rounded)."""
    limit = study.data.max_records
    if limit is None or limit >= len(dataset):
        return dataset
    rng = _rng(study, "limit")
    kept = [
        rng.permutation(np.flatnonzero(dataset.labels == label))[: round(int(number) * limit / len(dataset))]
        for label, number in enumerate(dataset.class_counts())
    ]
    return dataset.take(np.sort(np.concatenate(kept)))


def reference_sizes(counts: npt.NDArray[np.int64], per_class: int) -> npt.NDArray[np.int64]:
    """How many reference records each class gives, int64 (C,): in proportion to its records, but at least five.

    Equal numbers of each class would hide an update that moves the model from one class to another: what it loses on
    the common one it gains on the rare one.

    Args:
        counts: records of each class, (C,).
        per_class: records a class on average.
    """
    least = min(_LEAST_OF_A_CLASS, per_class)
    proportional = np.rint(per_class * len(counts) * counts / counts.sum()).astype(np.int64)
    sizes: npt.NDArray[np.int64] = np.maximum(proportional, least)
    return sizes


def _require_classes(dataset: Dataset, reference_per_class: int) -> None:
    counts = dataset.class_counts()
    if np.count_nonzero(counts) < 2:
        names = [name for name, number in zip(dataset.classes, counts, strict=True) if number]
        raise DataError(f"a study needs records of two classes or more; there are {len(dataset)}, all of {names}")
    sizes = reference_sizes(counts, reference_per_class)
    for name, number, size in zip(dataset.classes, counts, sizes, strict=True):
        if number < size + 2:
            raise DataError(
                f"class {name!r} has {number} records: too few for {size} in the reference set "
                f"(data.reference_per_class = {reference_per_class}) and one each to test and to train on"
            )


def _hold_out(dataset: Dataset, study: "Study") -> tuple[Indices, Indices, Indices]:
    """Ascending indices of the test set, the reference set and the rest; every class is in the first two."""
    rng = _rng(study, "hold out")
    test, reference, rest = [], [], []
    sizes = reference_sizes(dataset.class_counts(), study.data.reference_per_class)
    for label, size in enumerate(sizes.tolist()):
        members = rng.permutation(np.flatnonzero(dataset.labels == label))
        tested = min(max(1, round(len(members) * study.data.test_share)), len(members) - size - 1)
        test.append(members[:tested])
        reference.append(members[tested : tested + size])
        rest.append(members[tested + size :])
    return tuple(np.sort(np.concatenate(part)) for part in (test, reference, rest))  # type: ignore[return-value]
