"""A participant's own records: a file beside it, or its part of the study's data where a study simulates its sites."""

import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt

from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import Preprocessing
from mithridate.data.registry import datasets
from mithridate.data.split import load_split
from mithridate.errors import DataError
from mithridate.evaluation.prediction import ModelInputs
from mithridate.provisioning.study_inputs import StudyInputs
from mithridate.study import Study

MAX_BYTES = 2**34
FEATURES, LABELS = "features", "labels"


def study_inputs(study: Study, place: Path | None) -> StudyInputs:
    """What the curator publishes of its records: their form and their statistics.

    Args:
        study: which.
        place: a CSV file of a table, or an .npz file of images; None takes the reference part of the study's data.

    Raises:
        DataError: the file cannot be used.
    """
    if place is None:
        split = load_split(study)
        return StudyInputs(ModelInputs.of(split.reference, split.preprocessing), len(split.reference))
    if place.suffix == ".npz":
        features, labels = _arrays(place)
        classes = tuple(str(number) for number in range(int(labels.max(initial=0)) + 1))
        records = Dataset(features, labels.astype(np.int64), classes, "image")
    else:
        records = datasets.get("csv")(study.data.model_copy(update={"path": str(place)}))
    return StudyInputs(ModelInputs.of(records, Preprocessing.fit(records)), len(records))


def hospital_records(study: Study, inputs: ModelInputs, place: Path | None, index: int) -> Dataset:
    """A hospital's records, preprocessed.

    Args:
        study: which.
        inputs: what the model takes.
        place: a CSV file of a table, or an .npz file of images; None takes the hospital's part of the study's data.
        index: the hospital's, in the roster.

    Raises:
        DataError: the file cannot be used; the message says what is wrong with it.
    """
    if place is not None:
        return read_records(place, study, inputs)
    parts = load_split(study).hospitals
    if index >= len(parts):
        raise DataError(f"the study divides its data among {len(parts)} hospitals, this is number {index}")
    return parts[index]


def reference_records(study: Study, inputs: ModelInputs, place: Path | None) -> Dataset:
    """The curator's records, preprocessed; see `hospital_records`."""
    return load_split(study).reference if place is None else read_records(place, study, inputs)


def read_records(place: Path, study: Study, inputs: ModelInputs) -> Dataset:
    """The records of a file, preprocessed.

    A CSV file has a header line, the columns that the model takes, and the study's label column. An .npz file has
    `features`, float32 (N, channels, height, width) in [0, 1], and `labels`, whole numbers below the number of classes.

    Raises:
        DataError: the file is missing, of another kind, or does not fit the study.
    """
    if not place.is_file():
        raise DataError(f"{place}: there is no such file of records")
    if inputs.kind == "table":
        features, labels = _table(place, study, inputs)
    else:
        features, labels = _images(place, inputs)
    if not len(labels):
        raise DataError(f"{place} holds no record")
    return Dataset(inputs.preprocessing.transform(features), labels, inputs.classes, inputs.kind, None, inputs.columns)


def _table(place: Path, study: Study, inputs: ModelInputs) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    from mithridate.data.csv_table import read_features, read_labels

    label = study.data.label
    if label is None:
        raise DataError("the study names no label column (data.label), so records cannot come from CSV files")
    features = read_features(place, inputs.columns, study.data)
    return features, read_labels(place, label, inputs.classes, study.data)


def _images(place: Path, inputs: ModelInputs) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    features, labels = _arrays(place)
    if features.dtype != np.float32 or features.shape[1:] != inputs.shape or features.ndim != 1 + len(inputs.shape):
        raise DataError(f"{place}: features should be float32 of shape (N, {inputs.shape}), not {features.shape}")
    if labels.shape != features.shape[:1] or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{place}: labels should be one whole number a record")
    if len(labels) and not (np.isfinite(features).all() and features.min() >= 0 and features.max() <= 1):
        raise DataError(f"{place}: pixels should lie between 0 and 1")
    if len(labels) and not 0 <= int(labels.min()) <= int(labels.max()) < len(inputs.classes):
        raise DataError(f"{place}: labels should lie below {len(inputs.classes)}, the number of classes")
    return features, labels.astype(np.int64)


def _arrays(place: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    if place.stat().st_size > MAX_BYTES:
        raise DataError(f"{place} has more than {MAX_BYTES} bytes")
    try:
        with np.load(place, allow_pickle=False) as arrays:
            return arrays[FEATURES], arrays[LABELS]
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise DataError(f"{place} should be an .npz file with {FEATURES} and {LABELS}: {error}") from error
