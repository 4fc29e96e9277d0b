"""The commands on a real secure run, made once by `mithridate run`."""

import csv
import io
import json
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest
from sklearn.datasets import load_breast_cancer

from mithridate.cli import main

Command = Callable[..., int]
STUDY = """
name = "real"
[hospitals]
count = 5
[model]
name = "mlp"
[training]
rounds = 2
local_epochs = 3
learning_rate = 0.005
[[attacks]]
name = "scaling"
hospitals = [4]
gamma = 4.0
"""


def command(*words: object) -> int:
    with pytest.raises(SystemExit) as exit_of:
        main([str(word) for word in words])
    return int(exit_of.value.code or 0)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study file and the run folder beside it."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "study.toml").write_text(STUDY)
    assert command("run", folder / "study.toml", "--out", folder / "run", "--json") == 0
    return folder


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    """A copy that a test may alter."""
    return Path(shutil.copytree(made / "run", tmp_path / "run"))


@pytest.fixture
def patients(tmp_path: Path) -> Path:
    """Three records under their column names."""
    data = load_breast_cancer()
    path = tmp_path / "patients.csv"
    with path.open("w", newline="") as file:
        csv.writer(file).writerows([data.feature_names, *data.data[:3].tolist()])
    return path


def test_the_run_wrote_what_it_should(run: Path) -> None:
    summary = json.loads((run / "summary.json").read_text())
    assert summary["rounds"] == 2
    assert summary["verdicts"]["hospital-4"] == {"norm": 1, "suspended": 1}
    assert summary["accuracy"] > 0.8
    assert (run / "models" / f"{summary['model_hash']}.safetensors").is_file()
    assert "hospital-4" in (run / "report.html").read_text()


def test_show_lists_every_attempt(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ledger", "show", run) == 0
    output = capsys.readouterr().out
    current = json.loads((run / "summary.json").read_text())["model_hash"]
    assert f"current  {current}" in output
    assert "round 1, attempt 0: released, 5 submitted, 4 accepted (hospital-4: norm), 3 attested" in output
    assert command("ledger", "show", run, "--json") == 0
    document = json.loads(capsys.readouterr().out)
    assert [attempt["phase"] for attempt in document["attempts"]] == ["released", "released"]
    assert document["attempts"][1]["model"] == current == document["current"] == document["stable"]


def test_verify_passes_on_what_was_written(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("ledger", "verify", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True


def test_verify_names_an_altered_model(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = sorted((run / "models").iterdir())[1]
    data = bytearray(model.read_bytes())
    data[-1] ^= 1
    model.write_bytes(data)
    assert command("ledger", "verify", run) == 1
    assert model.stem in capsys.readouterr().err


def test_verify_names_an_altered_row_of_the_journal(run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with sqlite3.connect(run / "ledger.sqlite") as database:
        database.execute("UPDATE blocks SET header = zeroblob(9) WHERE number = 4")
    database.close()
    assert command("ledger", "verify", run, "--json") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "block 4" in output.err


def test_predict_gives_probabilities_of_the_ledgers_current_model(
    run: Path, patients: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command("predict", run, "--csv", patients) == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out))
    assert header == ["malignant", "benign"]
    assert all(sum(map(float, row)) == pytest.approx(1.0, abs=1e-5) for row in rows)
    # The data set's first records are malignant.
    assert all(float(row[0]) > 0.5 for row in rows)


def test_predict_refuses_an_altered_model(run: Path, patients: Path, capsys: pytest.CaptureFixture[str]) -> None:
    current = json.loads((run / "summary.json").read_text())["model_hash"]
    model = run / "models" / f"{current}.safetensors"
    model.write_bytes(model.read_bytes()[:-1] + b"\x00")
    assert command("predict", run, "--csv", patients) == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert current in output.err


def test_a_second_run_does_not_overwrite_the_first(made: Path, run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command("run", made / "study.toml", "--out", run) == 2
    assert "--resume" in capsys.readouterr().err
    assert command("run", made / "study.toml", "--out", run, "--resume", "--set", "seed=9") == 2
    assert "another study" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["ledger", "show"], ["ledger", "verify"]])
def test_a_plain_run_has_no_ledger(words: list[str], run: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (run / "ledger.sqlite").unlink()
    assert command(*words, run) == 2
    assert "runtime.secure" in capsys.readouterr().err
