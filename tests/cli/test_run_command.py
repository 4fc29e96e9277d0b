import json
import os
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

Command = Callable[..., int]


def test_a_line_a_round_and_the_report_go_to_stdout(
    mithridate: Command, runtime: ModuleType, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("run", study_file, "--out", "there") == 0
    lines = capsys.readouterr().out.splitlines()
    assert "[ROUND 0/3] initial model | accuracy 0.400" in lines
    assert (
        "[ROUND 3/3] train 5/5 | verify: 3 accepted, 2 rejected (hospital-1: validation loss; "
        "hospital-4: validation loss) | accuracy 0.950 | attested 3/3, block 3"
    ) in lines
    assert lines[-1] == "report there/report.html"
    assert "Run: small study/1" in Path("there/report.html").read_text()


def test_the_folder_is_named_after_the_study(
    mithridate: Command, runtime: ModuleType, study_file: Path, tmp_path: Path
) -> None:
    assert mithridate("run", study_file) == 0
    assert (tmp_path / "runs" / "small-study-1" / "study.json").is_file()


def test_settings_reach_the_study(mithridate: Command, runtime: ModuleType, study_file: Path, tmp_path: Path) -> None:
    words = ["--set", "training.rounds=2", "--set", "runtime.secure=false", "--out", "there"]
    assert mithridate("run", study_file, *words) == 0
    study = json.loads((tmp_path / "there" / "study.json").read_text())
    assert (study["training"]["rounds"], study["runtime"]["secure"]) == (2, False)


def test_a_used_folder_is_refused_unless_the_run_is_resumed(
    mithridate: Command, runtime: ModuleType, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("run", study_file) == 0
    assert mithridate("run", study_file) == 2
    assert "--resume" in capsys.readouterr().err
    asked: list[bool] = []
    real = runtime.run_study

    def remember(*words: object, resume: bool, **named: object) -> object:
        asked.append(resume)
        return real(*words, resume=resume, **named)

    runtime.run_study = remember  # type: ignore[attr-defined]
    assert mithridate("run", study_file, "--resume") == 0
    assert asked == [True]


def test_a_file_is_no_folder(
    mithridate: Command, runtime: ModuleType, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("run", study_file, "--out", study_file) == 2
    assert "is a file" in capsys.readouterr().err


def test_json_is_one_object_and_nothing_else(
    mithridate: Command, runtime: ModuleType, study_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    real = runtime.run_study

    def noisy(*words: object, **named: object) -> object:
        os.write(1, b"below Python\n")
        return real(*words, **named)

    runtime.run_study = noisy  # type: ignore[attr-defined]
    assert mithridate("run", study_file, "--json", "--out", "there") == 0
    output = capfd.readouterr()
    answer = json.loads(output.out)
    assert answer["accuracy"] == 0.95
    assert answer["rounds"] == 3
    assert answer["model_hash"] == "ab" * 32
    assert answer["verdicts"]["hospital-4"] == {"validation loss": 3}
    assert answer["run"] == "there"
    assert "below Python" in output.err
    assert "a library's notice" in output.err


def test_stdout_works_again_after_a_failure(
    mithridate: Command, runtime: ModuleType, study_file: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise ValueError("no")

    runtime.run_study = fail  # type: ignore[attr-defined]
    assert mithridate("run", study_file, "--json") == 1
    os.write(1, b"still here\n")
    assert capfd.readouterr().out == "still here\n"
