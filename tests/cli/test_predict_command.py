import csv
import hashlib
import io
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from mithridate.data.dataset import Dataset
from mithridate.data.preprocessing import Preprocessing
from mithridate.evaluation.prediction import ModelInputs
from mithridate.models.build import build_model
from mithridate.models.files import to_safetensors
from mithridate.models.parameters import layout_of, to_vector
from mithridate.study import load_study

Command = Callable[..., int]
RNG = np.random.default_rng(5)
TABLE = Dataset(
    features=RNG.normal(3.0, 2.0, (40, 3)).astype(np.float32),
    labels=RNG.integers(0, 2, 40),
    classes=("benign", "malignant"),
    kind="table",
    columns=("radius", "texture", "area"),
)
PREPROCESSING = Preprocessing.fit(TABLE)


@pytest.fixture
def run(tmp_path: Path, study_file: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder with a model, of which the ledger is said to name the model."""
    study = load_study(study_file, ["model.name=logistic"])
    module = build_model("logistic", (3,), 2, seed=study.seed + 1)
    data = to_safetensors(to_vector(module), layout_of(module))
    model_hash = hashlib.sha256(data).hexdigest()
    folder = tmp_path / "run"
    (folder / "models").mkdir(parents=True)
    (folder / "models" / f"{model_hash}.safetensors").write_bytes(data)
    (folder / "study.json").write_text(study.to_json())
    (folder / "preprocessing.json").write_text(ModelInputs.of(TABLE, PREPROCESSING).to_json())
    (folder / "ledger.sqlite").write_bytes(b"")
    monkeypatch.setattr("mithridate.evaluation.prediction._current_model", lambda run: (model_hash, bytes(32)))
    return folder


def table_file(folder: Path, columns: tuple[str, ...], rows: list[list[str]]) -> Path:
    path = folder / "records.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([list(columns), *rows])
    return path


def rows_of(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text)))


def test_probabilities_are_the_models(
    run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    values = TABLE.features[:7]
    shuffled = [[str(row[2]), "ignored", str(row[0]), str(row[1])] for row in values]
    records = table_file(tmp_path, ("area", "name", "radius", "texture"), shuffled)
    assert mithridate("predict", run, "--csv", records) == 0
    header, *rows = rows_of(capsys.readouterr().out)
    module = build_model("logistic", (3,), 2, seed=4).eval()
    with torch.no_grad():
        expected = module(torch.from_numpy(PREPROCESSING.transform(values))).softmax(dim=1).numpy()
    assert header == ["benign", "malignant"]
    np.testing.assert_allclose(np.array(rows, dtype=float), expected, atol=1e-6)


def test_a_missing_value_is_imputed(
    run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    median = [str(value) for value in PREPROCESSING.median]
    records = table_file(tmp_path, TABLE.columns, [["", "", ""], median])
    assert mithridate("predict", run, "--csv", records) == 0
    _, missing, imputed = rows_of(capsys.readouterr().out)
    assert missing == imputed


def test_the_answer_goes_to_a_file(
    run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    records = table_file(tmp_path, TABLE.columns, [["1", "2", "3"]])
    assert mithridate("predict", run, "--csv", records, "--out", tmp_path / "answer.csv") == 0
    assert capsys.readouterr().out == ""
    assert len(rows_of((tmp_path / "answer.csv").read_text())) == 2


def test_columns_that_are_missing_are_named(
    run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("predict", run, "--csv", table_file(tmp_path, ("texture",), [["1"]])) == 2
    message = capsys.readouterr().err
    assert "radius" in message
    assert "area" in message


def test_a_model_that_was_altered_is_refused(
    run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (model,) = (run / "models").iterdir()
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    assert mithridate("predict", run, "--csv", table_file(tmp_path, TABLE.columns, [["1", "2", "3"]])) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert model.stem in output.err


def test_images_are_refused(run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    images = replace(TABLE, features=np.zeros((40, 1, 8, 8), np.float32), kind="image", columns=())
    (run / "preprocessing.json").write_text(ModelInputs.of(images, Preprocessing.fit(images)).to_json())
    assert mithridate("predict", run, "--csv", table_file(tmp_path, TABLE.columns, [["1", "2", "3"]])) == 2
    assert "(1, 8, 8)" in capsys.readouterr().err


@pytest.mark.parametrize("name", ["study.json", "preprocessing.json", "ledger.sqlite"])
def test_an_incomplete_run_is_refused(
    name: str, run: Path, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / name).unlink()
    assert mithridate("predict", run, "--csv", table_file(tmp_path, TABLE.columns, [["1", "2", "3"]])) == 2
    assert name in capsys.readouterr().err


def test_a_file_of_records_that_is_not_there_is_named(
    run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("predict", run, "--csv", "absent.csv") == 2
    assert "absent.csv" in capsys.readouterr().err
