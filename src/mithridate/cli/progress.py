"""Progress of a run: one line a round on stdout, the phase on stderr where that is a terminal."""

import threading
from typing import Self

from rich.console import Console
from rich.status import Status
from rich.text import Text

from mithridate.evaluation.records import RoundRecord


def round_line(record: RoundRecord, rounds: int) -> str:
    """A round's line, such as `[ROUND 3/10] train 10/10 | verify: ... | accuracy 0.958 | attested 3/3, block 41`."""
    attempt = f", attempt {record.attempt + 1}" if record.attempt else ""
    return f"[ROUND {record.round}/{rounds}{attempt}] " + " | ".join(_parts(record))


def _parts(record: RoundRecord) -> list[str]:
    accuracy = [] if record.accuracy is None else [f"accuracy {record.accuracy:.3f}"]
    if record.status == "initial":
        return ["initial model", *accuracy]
    parts = [f"train {record.trained}/{record.hospitals}"]
    if record.validators and record.verdicts:
        parts.append(f"verify: {_verdicts(record)}")
    if record.status != "released":
        parts.append(record.status.replace("_", " ") + (f": {record.reason}" if record.reason else ""))
    parts += accuracy
    if record.validators:
        block = "" if record.height is None else f", block {record.height}"
        parts.append(f"attested {record.attested}/{record.validators}{block}")
    return parts


def _verdicts(record: RoundRecord) -> str:
    words = [f"{record.accepted} accepted"]
    if record.rejected:
        reasons = "; ".join(f"{hospital}: {word}" for hospital, word in record.rejected.items())
        words.append(f"{len(record.rejected)} rejected ({reasons})")
    absent = sum(word == "absent" for word in record.verdicts.values())
    return ", ".join(words + ([f"{absent} absent"] if absent else []))


class RoundProgress:
    """An `Observer` that shows a run to whoever started it; use it as a context manager.

    Args:
        rounds: how many the study has.
        hospitals: how many train in a round.
        label: what to put before the phase, such as the arm of a comparison.
        lines: print the line of each round to stdout (not with --json).
    """

    def __init__(self, rounds: int, hospitals: int, *, label: str = "", lines: bool = True) -> None:
        self._rounds, self._hospitals, self._label, self._lines = rounds, hospitals, label, lines
        self._stdout = Console(highlight=False, soft_wrap=True)
        stderr = Console(stderr=True, highlight=False)
        self._status = Status(Text(f"{label} start".strip()), console=stderr) if stderr.is_terminal else None
        self._trained = 0
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        if self._status is not None:
            self._status.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._status is not None:
            self._status.stop()

    def phase(self, round: int, name: str) -> None:  # noqa: A002 - the protocol's word
        """Show the phase that begins."""
        with self._lock:
            self._trained = 0
            self._show(f"{self._label} round {round}/{self._rounds}: {name}")

    def hospital_done(self, round: int, hospital: str) -> None:  # noqa: A002
        """Count the hospital."""
        with self._lock:
            self._trained += 1
            self._show(f"{self._label} round {round}/{self._rounds}: train {self._trained}/{self._hospitals}")

    def round_done(self, record: RoundRecord) -> None:
        """Print the round's line."""
        if not self._lines:
            return
        with self._lock:
            # Both streams may be one terminal: the status is taken away while the line is written.
            if self._status is not None:
                self._status.stop()
            self._stdout.print(_styled(round_line(record, self._rounds)))
            if self._status is not None:
                self._status.start()

    def _show(self, text: str) -> None:
        if self._status is not None:
            self._status.update(Text(text.strip()))


def _styled(line: str) -> Text:
    text = Text(line)
    text.highlight_regex(r"^\[ROUND [^\]]*\]", "bold")
    text.highlight_regex(r"\d+ rejected \([^)]*\)|void[^|]*|rolled back[^|]*", "yellow")
    return text
