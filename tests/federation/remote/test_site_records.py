"""A site's own records: as the study's inputs say, or refused with what is wrong with the file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mithridate.cli import app
from mithridate.data.split import load_split
from mithridate.errors import DataError, EnrolmentError
from mithridate.federation.remote.records import hospital_records, read_records, reference_records, study_inputs
from mithridate.provisioning.study_inputs import StudyInputs, read_inputs_file
from mithridate.study import Study

CSV = "age,pressure,smoker,sick\n" + "\n".join(
    f"{30 + i},{110 + 3 * (i % 7)},{'yes' if i % 3 else 'no'},{'ill' if i % 2 else 'well'}" for i in range(40)
)


def table_study(path: Path) -> Study:
    data = {"name": "csv", "path": str(path), "label": "sick", "reference_per_class": 5}
    return Study.model_validate({"name": "table", "data": data})


@pytest.fixture
def curated(tmp_path: Path) -> tuple[Study, StudyInputs, Path]:
    file = tmp_path / "reference.csv"
    file.write_text(CSV)
    study = table_study(file)
    return study, study_inputs(study, file), tmp_path


def test_a_hospitals_csv_is_read_by_the_curators_statistics(curated: Any) -> None:
    study, inputs, folder = curated
    own = folder / "own.csv"
    own.write_text("sick,smoker,pressure,age,ward\nill,yes,140,51,7\nwell,no,,20,8\n")
    records = hospital_records(study, inputs.model, own, 0)
    assert inputs.model.classes == ("ill", "well")
    assert records.labels.tolist() == [0, 1]
    expected = inputs.model.preprocessing.transform(
        np.array(
            [[{"age": 51, "pressure": 140}.get(c, float(c == "smoker=yes")) for c in inputs.model.columns]], np.float32
        )
    )
    np.testing.assert_array_equal(records.features[:1], expected)
    assert np.isfinite(records.features).all()


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("age,pressure,sick\n50,120,ill\n", "smoker"),
        ("age,pressure,smoker,sick\n50,120,yes,dead\n", "dead"),
        ("age,pressure,smoker,sick\n", "no record"),
        ("age,pressure,smoker\n50,120,yes\n", "sick"),
    ],
)
def test_a_csv_that_does_not_fit_is_refused_by_name(curated: Any, content: str, told: str) -> None:
    study, inputs, folder = curated
    file = folder / "own.csv"
    file.write_text(content)
    with pytest.raises(DataError, match=told):
        read_records(file, study, inputs.model)


def test_a_missing_file_is_named(curated: Any) -> None:
    study, inputs, folder = curated
    with pytest.raises(DataError, match=r"nowhere\.csv"):
        read_records(folder / "nowhere.csv", study, inputs.model)


def images(place: Path, count: int = 12, **changes: Any) -> Path:
    rng = np.random.default_rng(3)
    arrays = {
        "features": rng.random((count, 1, 8, 8)).astype(np.float32),
        "labels": np.arange(count) % 3,
    } | changes
    np.savez(place, **arrays)
    return place


def test_images_come_from_an_npz_file(tmp_path: Path) -> None:
    study = Study.model_validate({"name": "images", "data": {"name": "digits"}})
    inputs = study_inputs(study, images(tmp_path / "reference.npz"))
    assert (inputs.model.kind, inputs.model.shape, inputs.model.classes) == ("image", (1, 8, 8), ("0", "1", "2"))
    records = reference_records(study, inputs.model, images(tmp_path / "reference.npz"))
    assert len(records) == inputs.reference_records == 12


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"features": np.zeros((12, 1, 9, 8), np.float32)}, "shape"),
        ({"features": np.zeros((12, 1, 8, 8))}, "float32"),
        ({"features": np.full((12, 1, 8, 8), 2, np.float32)}, "between 0 and 1"),
        ({"features": np.full((12, 1, 8, 8), np.nan, np.float32)}, "between 0 and 1"),
        ({"labels": np.full(12, 3)}, "below 3"),
        ({"labels": np.full(12, -1)}, "below 3"),
        ({"labels": np.zeros(11, int)}, "one whole number"),
        ({"labels": np.array([{}] * 12, object)}, "npz"),
    ],
)
def test_images_that_do_not_fit_are_refused(tmp_path: Path, changes: dict[str, Any], told: str) -> None:
    study = Study.model_validate({"name": "images", "data": {"name": "digits"}})
    inputs = study_inputs(study, images(tmp_path / "reference.npz"))
    with pytest.raises(DataError, match=told):
        read_records(images(tmp_path / "own.npz", **changes), study, inputs.model)


def test_what_is_no_archive_is_refused(tmp_path: Path) -> None:
    study = Study.model_validate({"name": "images", "data": {"name": "digits"}})
    inputs = study_inputs(study, images(tmp_path / "reference.npz"))
    (tmp_path / "own.npz").write_bytes(b"\x80\x04no archive")
    with pytest.raises(DataError, match="npz"):
        read_records(tmp_path / "own.npz", study, inputs.model)


def test_without_a_file_a_site_takes_its_part_of_the_studys_data() -> None:
    study = Study.model_validate({"name": "simulated", "hospitals": {"count": 4}})
    inputs, split = study_inputs(study, None), load_split(study)
    assert inputs.reference_records == len(split.reference)
    for index in range(4):
        found = hospital_records(study, inputs.model, None, index)
        np.testing.assert_array_equal(found.features, split.hospitals[index].features)
    with pytest.raises(DataError, match="number 4"):
        hospital_records(study, inputs.model, None, 4)


def test_the_command_writes_inputs_that_hold_no_record(curated: Any) -> None:
    _, inputs, folder = curated
    study_file = folder / "study.toml"
    study_file.write_text(
        f'name = "table"\n[data]\nname = "csv"\npath = "{folder}/reference.csv"\nlabel = "sick"\n'
        "reference_per_class = 5\n"
    )
    out = folder / "inputs.json"
    arguments = ["study", "inputs", str(study_file), "--records", str(folder / "reference.csv"), "--out", str(out)]
    answer = CliRunner().invoke(app, arguments)
    assert answer.exit_code == 0, answer.output
    assert read_inputs_file(out).to_json() == inputs.to_json()
    assert CliRunner().invoke(app, arguments).exit_code != 0


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"reference_records": 0}', '{"reference_records": 3, "kind": "x"}'])
def test_damaged_inputs_are_refused(text: str) -> None:
    with pytest.raises(EnrolmentError, match="inputs"):
        StudyInputs.from_json(text)
