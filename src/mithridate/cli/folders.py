"""Which folder a command reads or writes."""

import re
from pathlib import Path

from mithridate.errors import RunError

RUNS = Path("runs")
LEDGER_FILES = ("ledger.sqlite", "deployment.json")
"""A journal, or where on a network the contracts lie."""


def default_folder(study: str) -> Path:
    """`runs/NAME`, the study's name reduced to letters, digits, dots, dashes and underscores."""
    return RUNS / (re.sub(r"[^\w.-]+", "-", study).strip(".-") or "study")


def fresh_folder(name: str) -> Path:
    """`runs/NAME`, or the first of `runs/NAME-2`, `runs/NAME-3` ... that does not exist yet."""
    folder, number = RUNS / name, 1
    while folder.exists():
        number += 1
        folder = RUNS / f"{name}-{number}"
    return folder


def refuse_used(folder: Path) -> None:
    """Refuse a folder that cannot take a new run.

    Raises:
        RunError: it is a file, or holds something already.
    """
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder} is a file: give a folder with --out")
    if folder.is_dir() and any(folder.iterdir()):
        raise RunError(f"{folder} is not empty: go on with its run by --resume, or give another folder with --out")


def run_folder(folder: Path) -> Path:
    """The folder of a run that exists.

    Raises:
        RunError: there is no such folder, or it holds no run.
    """
    if not folder.is_dir():
        raise RunError(f"no run at {folder}: give the folder that `mithridate run` named")
    if not (folder / "study.json").is_file():
        raise RunError(f"{folder} holds no run (study.json is missing): give the folder that `mithridate run` named")
    return folder


def require_ledger(run: Path, *, study: bool = True) -> None:
    """Refuse a run without a ledger.

    Args:
        run: the folder.
        study: whether study.json must be there, too.

    Raises:
        RunError: there is no run, or it is a plain one, which has no ledger.
    """
    folder = run_folder(run) if study else run
    if not any((folder / name).is_file() for name in LEDGER_FILES):
        raise RunError(f"{run} has no ledger: it was run with runtime.secure = false, or its ledger.sqlite was removed")
