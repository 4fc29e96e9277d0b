import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mithridate.errors import InputError, LedgerError

Command = Callable[..., int]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (["run", "absent.toml"], "absent.toml"),
        (["run", "study.toml", "--set", "hospitals.cuont=3"], "hospitals.cuont"),
        (["run", "study.toml", "--set", "hospitals.count=3"], "hospitals.count"),
        (["run"], "STUDY.toml"),
        (["run", "study.toml", "--colour"], "--colour"),
        (["teleport"], "teleport"),
        (["bench", "teleport"], "aggregation, demo"),
        (["ledger", "show", "absent"], "absent"),
        (["ledger", "verify", "absent"], "absent"),
        (["ledger", "show", "."], "study.json"),
        (["predict", "absent", "--csv", "x.csv"], "absent"),
        (["predict", "."], "--csv"),
        (["demo", "--seeds", "0"], "seeds"),
    ],
)
def test_bad_input_is_named_and_exits_with_2(
    words: list[str],
    named: str,
    mithridate: Command,
    runtime: ModuleType,
    study_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert mithridate(*words) == 2
    output = capsys.readouterr()
    assert named in output.err
    assert "Traceback" not in output.err
    assert output.out == ""


@pytest.mark.parametrize(
    ("raised", "code"),
    [(LedgerError("the ledger is on fire"), 1), (InputError("no such thing"), 2), (ValueError("a bug"), 1)],
)
@pytest.mark.parametrize("debug", [False, True])
def test_an_error_has_its_code_and_a_traceback_only_with_debug(
    raised: Exception,
    code: int,
    debug: bool,
    mithridate: Command,
    runtime: ModuleType,
    study_file: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise raised

    runtime.run_study = fail  # type: ignore[attr-defined]
    assert mithridate("run", study_file, *(["--debug"] if debug else [])) == code
    message = capsys.readouterr().err
    assert str(raised) in message
    assert ("Traceback" in message) == debug
    if not debug:
        assert len(message.strip().splitlines()) == 1


def test_an_interrupt_exits_with_130(mithridate: Command, runtime: ModuleType, study_file: Path) -> None:
    def interrupt(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    runtime.run_study = interrupt  # type: ignore[attr-defined]
    assert mithridate("run", study_file) == 130


def test_a_missing_extra_is_named(
    mithridate: Command, runtime: ModuleType, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def lack(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'spu'", name="spu")

    runtime.run_study = lack  # type: ignore[attr-defined]
    assert mithridate("run", study_file) == 1
    assert "mithridate[all]" in capsys.readouterr().err


def test_markup_in_a_message_is_text(
    mithridate: Command, runtime: ModuleType, study_file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise InputError("[red]not markup[/red] [/]")

    runtime.run_study = fail  # type: ignore[attr-defined]
    assert mithridate("run", study_file) == 2
    assert "[red]not markup[/red] [/]" in capsys.readouterr().err


def test_help_and_version_exit_with_0(mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert mithridate("--help") == 0
    assert "predict" in capsys.readouterr().out
    assert mithridate("--version") == 0
    assert capsys.readouterr().out.startswith("mithridate 0.")


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys\nfrom mithridate.cli import main\n"
        "try:\n    main(['--help'])\nexcept SystemExit:\n    pass\n"
        "heavy = {'torch', 'spu', 'jax', 'web3', 'pandas', 'sklearn', 'matplotlib', 'numpy'} & set(sys.modules)\n"
        "sys.exit(f'imported {heavy}' if heavy else 0)"
    )
    finished = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert finished.returncode == 0, finished.stderr
