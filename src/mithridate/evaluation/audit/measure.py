"""The current model on the auditor's own records, and whether it meets the study's standards."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mithridate.data.dataset import Dataset
from mithridate.errors import DataError
from mithridate.evaluation.prediction import ModelInputs

if TYPE_CHECKING:
    from mithridate.study import Study

ARCHIVE = ".npz"
COPIES = 4
"""Probes a record."""
DEFAULT_LABEL = "label"


@dataclass(frozen=True)
class Measured:
    """A model on the auditor's records.

    Attributes:
        records: how many.
        accuracy: share of them that it gets right.
        worst_class: recall of the class that it finds least, among those that have records.
        recalls: class name to recall, None for a class without records.
        probes: accuracy on `COPIES` copies of each record with random triggers.
        probes_worst_class: worst recall on these.
        seed: of the triggers, drawn by the auditor after the model was made.
    """

    records: int
    accuracy: float
    worst_class: float
    recalls: dict[str, float | None]
    probes: float
    probes_worst_class: float
    seed: int


@dataclass(frozen=True)
class Standard:
    """One requirement; `required` is None where the study has none, and then it is met."""

    name: str
    required: float | None
    measured: float

    @property
    def met(self) -> bool:
        """Whether the model meets it."""
        return self.required is None or self.measured >= self.required


def read_records(path: Path, inputs: ModelInputs, study: "Study", label: str | None = None) -> Dataset:
    """The auditor's records, preprocessed as the model expects.

    Args:
        path: a CSV file with the columns of the training data and one of labels, or an `.npz` archive of images.
        inputs: of the model.
        study: names the label column of a CSV study.
        label: the label column, in place of the study's; "label" if neither names one.

    Raises:
        DataError: the file is unreadable, of another kind or shape, or holds a label that is no class of the model.
    """
    from mithridate.data.csv_table import places, read_features, read_labels
    from mithridate.data.medmnist import read_archive

    if inputs.kind == "image":
        found = read_archive(path)
        if found.shape != inputs.shape:
            raise DataError(f"{path} holds images of shape {found.shape}, the model takes {inputs.shape}")
        labels = places(np.array(found.classes)[found.labels], inputs.classes)
        return replace(found, labels=labels, classes=inputs.classes)
    if path.suffix == ARCHIVE:
        raise DataError(f"{path} is an archive of images, the model takes a table: give a CSV file")
    column = label or study.data.label or DEFAULT_LABEL
    return Dataset(
        features=inputs.preprocessing.transform(read_features(path, inputs.columns, study.data)),
        labels=read_labels(path, column, inputs.classes, study.data),
        classes=inputs.classes,
        kind="table",
        columns=inputs.columns,
    )


def measure(study: "Study", inputs: ModelInputs, model: bytes, records: Dataset, seed: int) -> Measured:
    """A model file measured on records and on probes made of them.

    Args:
        study: names the model's architecture.
        inputs: of the model.
        model: the bytes of its safetensors file.
        records: preprocessed.
        seed: of the probes' triggers.
    """
    from mithridate.models.build import build_model
    from mithridate.models.files import from_safetensors
    from mithridate.models.parameters import layout_of
    from mithridate.training.evaluate import evaluate
    from mithridate.verification.probes import probes

    module = build_model(study.model.name, inputs.shape, len(inputs.classes), seed=study.seed)
    vector = from_safetensors(model, layout_of(module))
    plain = evaluate(module, vector, records)
    copied = records.take(np.tile(np.arange(len(records)), COPIES))
    probed = evaluate(module, vector, probes(copied, np.random.default_rng(seed)))
    recalls = [None if np.isnan(recall) else recall for recall in plain.per_class_recall]
    return Measured(
        records=len(records),
        accuracy=plain.accuracy,
        worst_class=plain.worst_class_recall,
        recalls=dict(zip(inputs.classes, recalls, strict=True)),
        probes=probed.accuracy,
        probes_worst_class=probed.worst_class_recall,
        seed=seed,
    )


def standards(study: "Study", measured: Measured) -> list[Standard]:
    """The study's standards against what was measured."""
    names = ("accuracy", "worst_class", "probes")
    return [Standard(name, getattr(study.standards, name), getattr(measured, name)) for name in names]
