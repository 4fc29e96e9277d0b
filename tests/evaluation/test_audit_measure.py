"""The auditor's own records: read as the model takes them, measured, and held against the standards."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import Preprocessing
from mithridate.errors import DataError
from mithridate.evaluation.audit.measure import COPIES, Measured, measure, read_records, standards
from mithridate.evaluation.plots import MAX_LINES, reputation_figure
from mithridate.evaluation.prediction import ModelInputs
from mithridate.models.build import build_model
from mithridate.models.files import to_safetensors
from mithridate.models.parameters import layout_of, to_vector
from mithridate.study import Study

RNG = np.random.default_rng(3)
IMAGES = Dataset(RNG.random((12, 1, 4, 4)).astype(np.float32), np.arange(12) % 3, ("0", "1", "7"), "image")
TABLE = Dataset(
    RNG.normal(size=(30, 2)).astype(np.float32), np.arange(30) % 2, ("well", "ill"), "table", columns=("age", "dose")
)


def inputs_of(dataset: Dataset) -> ModelInputs:
    return ModelInputs.of(dataset, Preprocessing.fit(dataset))


def study_of(**tables: Any) -> Study:
    return Study.model_validate({"name": "measured", "model": {"name": "logistic"}, **tables})


def archive(path: Path, labels: list[int], side: int = 4) -> Path:
    images = RNG.integers(0, 256, (len(labels), side, side), dtype=np.uint8)
    np.savez(path, x_train=images, y_train=np.array(labels))
    return path


def test_labels_of_an_archive_are_the_models_even_where_a_class_is_missing(tmp_path: Path) -> None:
    records = read_records(archive(tmp_path / "own.npz", [7, 1, 7]), inputs_of(IMAGES), study_of())
    assert records.labels.tolist() == [2, 1, 2]
    assert records.classes == ("0", "1", "7")


def test_an_archive_of_other_images_or_labels_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'5' is none of the classes"):
        read_records(archive(tmp_path / "labels.npz", [7, 5]), inputs_of(IMAGES), study_of())
    with pytest.raises(DataError, match=r"shape \(1, 6, 6\)"):
        read_records(archive(tmp_path / "shape.npz", [7, 1], side=6), inputs_of(IMAGES), study_of())
    with pytest.raises(DataError, match="takes a table"):
        read_records(archive(tmp_path / "table.npz", [7, 1]), inputs_of(TABLE), study_of())


@pytest.mark.parametrize(("label", "column"), [(None, "label"), ("state", "state")])
def test_a_tables_labels_are_read_by_name(tmp_path: Path, label: str | None, column: str) -> None:
    (tmp_path / "own.csv").write_text(f"dose,{column},age,more\n1,ill,2,x\n,well,3,y\n")
    inputs = inputs_of(TABLE)
    records = read_records(tmp_path / "own.csv", inputs, study_of(), label)
    assert records.labels.tolist() == [1, 0]
    expected = inputs.preprocessing.transform(np.array([[2, 1], [3, np.nan]], dtype=np.float32))
    np.testing.assert_array_equal(records.features, expected)


def test_positive_labels_are_those_that_the_study_names(tmp_path: Path) -> None:
    (tmp_path / "own.csv").write_text("age,dose,num\n1,2,0\n1,2,3\n1,2,4\n")
    study = study_of(data={"name": "csv", "path": "a.csv", "label": "num", "positive": ["1", "2", "3", "4"]})
    assert read_records(tmp_path / "own.csv", inputs_of(TABLE), study).labels.tolist() == [0, 1, 1]


@pytest.mark.parametrize("text", ["age,dose\n1,2\n", "age,dose,label\n1,2,\n", "age,label\n1,ill\n"])
def test_a_table_without_labels_or_columns_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(DataError):
        read_records(tmp_path / "own.csv", inputs_of(TABLE), study_of())


def test_a_model_that_always_says_one_class_is_measured_as_such() -> None:
    module = build_model("logistic", TABLE.shape, 2, seed=1)
    layout = layout_of(module)
    vector = np.zeros_like(to_vector(module))
    vector[-2] = 1.0
    found = measure(study_of(), inputs_of(TABLE), to_safetensors(vector, layout), TABLE, seed=5)
    assert (found.records, found.accuracy, found.worst_class, found.probes) == (30, 0.5, 0.0, 0.5)
    assert found.recalls == {"well": 1.0, "ill": 0.0}
    only = measure(study_of(), inputs_of(TABLE), to_safetensors(vector, layout), TABLE.take([0, 2]), seed=5)
    assert only.recalls == {"well": 1.0, "ill": None}
    assert COPIES == 4


def test_standards_are_met_at_their_bound_and_where_there_are_none() -> None:
    found = Measured(10, 0.9, 0.5, {}, 0.7, 0.4, 1)
    met = {s.name: s.met for s in standards(study_of(standards={"accuracy": 0.9, "worst_class": 0.51}), found)}
    assert met == {"accuracy": True, "worst_class": False, "probes": True}


def test_the_figure_draws_the_hospitals_that_end_lowest() -> None:
    series = [(str(number), [0.5 + index / 100 for index in range(20)]) for number in (1, 2)]
    drawing = reputation_figure(series)
    assert drawing is not None
    assert "hospital-0<" in drawing
    assert f"hospital-{MAX_LINES}<" not in drawing
    assert reputation_figure(series) == drawing
    assert reputation_figure([]) is None
