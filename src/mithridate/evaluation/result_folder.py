"""Where a benchmark leaves what it found."""

from datetime import UTC, datetime
from pathlib import Path

from mithridate.errors import InputError


def result_folder(name: str, out: Path | None) -> Path:
    """A new folder: `out`, or one below `runs/` with the benchmark's name and the date.

    Raises:
        InputError: it holds something.
    """
    folder = out or Path("runs") / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
    if folder.exists() and any(folder.iterdir()):
        raise InputError(f"{folder} holds something: choose a new folder with --out")
    folder.mkdir(parents=True, exist_ok=True)
    return folder
