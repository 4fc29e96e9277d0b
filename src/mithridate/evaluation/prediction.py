"""Predictions with a run's current model: the one the ledger names, whose file has the hash the ledger holds."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt

from mithridate.data.preprocessing import Preprocessing
from mithridate.errors import InputError, ModelRefused, RunError
from mithridate.evaluation.records import STUDY_FILE

if TYPE_CHECKING:
    from mithridate.data.dataset import Dataset
    from mithridate.ledger.interface import Ledger
    from mithridate.study import Study

INPUTS_FILE = "preprocessing.json"
BATCH = 4096


@dataclass(frozen=True)
class ModelInputs:
    """What a run's model takes and gives; `preprocessing.json` of the run folder.

    Args:
        kind: of the records.
        shape: of one record.
        classes: names, in the order of the logits.
        columns: a table's F feature names, in order; none for images.
        preprocessing: what the records go through first.
    """

    kind: Literal["table", "image"]
    shape: tuple[int, ...]
    classes: tuple[str, ...]
    columns: tuple[str, ...]
    preprocessing: Preprocessing

    @classmethod
    def of(cls, dataset: "Dataset", preprocessing: Preprocessing) -> "ModelInputs":
        """What a model trained on `dataset` takes."""
        return cls(dataset.kind, dataset.shape, dataset.classes, dataset.columns, preprocessing)

    def to_json(self) -> str:
        """One JSON object; the statistics are exact."""
        statistics = json.loads(self.preprocessing.to_json())
        described = {"kind": self.kind, "shape": self.shape, "classes": self.classes, "columns": self.columns}
        return json.dumps({**described, **statistics}, indent=1)

    @classmethod
    def from_json(cls, text: str) -> "ModelInputs":
        """The inverse of `to_json`.

        Raises:
            RunError: the text is something else.
        """
        try:
            found: dict[str, Any] = json.loads(text)
            classes, columns = (tuple(map(str, found[key])) for key in ("classes", "columns"))
            shape, kind = tuple(map(int, found["shape"])), found["kind"]
        except (ValueError, TypeError, KeyError) as error:
            raise RunError(f"{INPUTS_FILE} does not describe a model's inputs: {error!r}") from None
        inputs = cls(kind, shape, classes, columns, Preprocessing.from_json(text))
        if kind not in ("table", "image") or len(classes) < 2 or (kind == "table" and shape != (len(columns),)):
            raise RunError(f"{INPUTS_FILE} contradicts itself: kind {kind}, shape {shape}, {len(columns)} columns")
        return inputs


@dataclass(frozen=True)
class Prediction:
    """Class probabilities of N records.

    Args:
        classes: C names.
        probabilities: float64 (N, C), each row sums to 1.
        model_hash: SHA-256 of the model's file, hex.
    """

    classes: tuple[str, ...]
    probabilities: npt.NDArray[np.float64]
    model_hash: str


def predict(run: Path, records: Path) -> Prediction:
    """Class probabilities of a CSV file's records, by the current model of a run.

    Args:
        run: a run folder with a ledger.
        records: CSV with a header line and at least the columns the model was trained on.

    Raises:
        RunError: the folder is not such a run.
        DataError: the file cannot be read or lacks columns; the message names them.
        JournalAltered, ModelAltered: the ledger or the model's file is not what was written.
        ModelRefused: the ledger does not let the model be used: withdrawn, found against, or not certified.
    """
    from mithridate.data.csv_table import read_features
    from mithridate.ledger.store import study_store

    study, inputs = _load_study(run), _load_inputs(run)
    if inputs.kind != "table":
        raise InputError(f"the model of {run} takes images of shape {inputs.shape}, a CSV file holds a table")
    model_hash, study_id = _current_model(run)
    data = study_store(study.store.url, run / "models", study_id).get(model_hash)
    features = inputs.preprocessing.transform(read_features(records, inputs.columns, study.data))
    return Prediction(inputs.classes, _probabilities(study, inputs, data, features), model_hash)


def _load_study(run: Path) -> "Study":
    from mithridate.study import Study

    return Study.from_json(_read(run / STUDY_FILE))


def _load_inputs(run: Path) -> ModelInputs:
    return ModelInputs.from_json(_read(run / INPUTS_FILE))


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RunError(f"{path} cannot be read: {error}") from None


def _current_model(run: Path) -> tuple[str, bytes]:
    """The hash, in hexadecimal, of the model that the ledger calls current, and the ledger's study identifier."""
    from mithridate.ledger.run_ledger import ledger_of

    ledger = ledger_of(run)
    try:
        view = ledger.reader
        current = view.current_model()
        if not view.may_deploy(current):
            raise ModelRefused(_why_refused(view, current))
        return current.hex(), view.study_id()
    finally:
        ledger.close()


def _why_refused(ledger: "Ledger", model: bytes) -> str:
    from mithridate.ledger.interface import ModelState

    record = ledger.model_record(model)
    if record.findings:
        reason = "an auditor's finding stands against it: see `mithridate audit`"
    elif record.state != ModelState.RELEASED:
        reason = "its round is not finished: resume the study"
    else:
        reason = "the study asks for an auditor's certificate, and none was filed: see `mithridate audit --certify`"
    return f"model {model.hex()} is not to be used for predictions: {reason}"


def _probabilities(
    study: "Study", inputs: ModelInputs, data: bytes, features: npt.NDArray[np.float32]
) -> npt.NDArray[np.float64]:
    """float32 (N, F) to float64 (N, C), by the model whose file is `data`."""
    import torch

    from mithridate.models.build import build_model
    from mithridate.models.files import from_safetensors
    from mithridate.models.parameters import layout_of, load_vector

    module = build_model(study.model.name, inputs.shape, len(inputs.classes), seed=study.seed)
    load_vector(module, from_safetensors(data, layout_of(module)))
    module.eval()
    with torch.no_grad():
        parts = range(0, len(features), BATCH)
        logits = [module(torch.from_numpy(features[start : start + BATCH])).double() for start in parts]
        probabilities: npt.NDArray[np.float64] = torch.cat(logits).softmax(dim=1).numpy()
    return probabilities
