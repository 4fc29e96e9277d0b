import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import ClassVar

import pytest

from mithridate.errors import JournalAltered

Command = Callable[..., int]
CURRENT, STABLE = "cd" * 32, "ab" * 32
HISTORY = [
    {
        "round": 1,
        "attempt": 0,
        "phase": "ROLLED_BACK",
        "submissions": {"hospital-0": "ef" * 32, "hospital-1": "ef" * 32, "hospital-2": "ef" * 32},
        "verdicts": {"hospital-0": "accepted", "hospital-1": "norm", "hospital-2": "accepted"},
        "model_hash": CURRENT,
        "void_reason": None,
    }
]


class Ledger:
    """Answers as a ledger opened from a journal does."""

    opened: ClassVar[list[Path]] = []
    closed: ClassVar[int] = 0

    @classmethod
    def open(cls, path: Path) -> "Ledger":
        cls.opened.append(path)
        return cls()

    def current_model(self) -> bytes:
        return bytes.fromhex(CURRENT)

    def stable_model(self) -> bytes:
        return bytes.fromhex(STABLE)

    def height(self) -> int:
        return 7

    def close(self) -> None:
        Ledger.closed += 1


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A run folder whose ledger answers from memory, so that the commands alone are tested."""
    embedded, verify = ModuleType("mithridate.ledger.embedded"), ModuleType("mithridate.ledger.verify")
    embedded.EmbeddedLedger = Ledger  # type: ignore[attr-defined]
    verify.history = lambda ledger: HISTORY  # type: ignore[attr-defined]
    verify.verify_run = lambda run: ["journal: 7 blocks", "models: 2 files"]  # type: ignore[attr-defined]
    for module in (embedded, verify):
        monkeypatch.setitem(sys.modules, module.__name__, module)
    (tmp_path / "study.json").write_text("{}")
    (tmp_path / "ledger.sqlite").write_bytes(b"")
    return tmp_path


def test_show_prints_the_state_and_each_attempt(
    run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    closed = Ledger.closed
    assert mithridate("ledger", "show", run) == 0
    output = capsys.readouterr().out
    assert f"current  {CURRENT}\nstable   {STABLE}\nheight   7\n" in output
    assert "2 accepted; hospital-1: norm" in output
    assert CURRENT[:12] in output
    assert Ledger.opened[-1] == run / "ledger.sqlite"
    assert Ledger.closed == closed + 1


def test_show_json_holds_everything(run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert mithridate("ledger", "show", run, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": str(run),
        "current": CURRENT,
        "stable": STABLE,
        "height": 7,
        "attempts": HISTORY,
    }


def test_verify_says_what_it_checked(run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert mithridate("ledger", "verify", run) == 0
    assert capsys.readouterr().out.splitlines()[:2] == ["journal: 7 blocks", "models: 2 files"]
    assert mithridate("ledger", "verify", run, "--json") == 0
    assert json.loads(capsys.readouterr().out)["verified"] is True


def test_verify_names_the_mismatch_and_exits_with_1(
    run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    def altered(run: Path) -> list[str]:
        raise JournalAltered("row 12 of blocks differs")

    sys.modules["mithridate.ledger.verify"].verify_run = altered  # type: ignore[attr-defined]
    assert mithridate("ledger", "verify", run, "--json") == 1
    output = capsys.readouterr()
    assert output.out == ""
    assert "row 12 of blocks differs" in output.err


@pytest.mark.parametrize("command", [["ledger", "show"], ["ledger", "verify"]])
def test_a_plain_run_has_no_ledger(
    command: list[str], run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    (run / "ledger.sqlite").unlink()
    assert mithridate(*command, run) == 2
    assert "runtime.secure" in capsys.readouterr().err
