"""The report of one or several runs: a single HTML page that needs nothing else, neither scripts nor the network."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mithridate.errors import RunError
from mithridate.evaluation.pages import render, replace_file
from mithridate.evaluation.plots import accuracy_figure, attempt_label, bytes_figure, format_bytes, time_figure
from mithridate.evaluation.records import (
    BYTE_KEYS,
    STUDY_FILE,
    VERDICT_WORDS,
    RoundRecord,
    RunSummary,
    read_records,
    summarise,
)
from mithridate.evaluation.rejections import attacks_of, honest_rejections, rejection_shares

LETTERS = dict(zip(VERDICT_WORDS, ("·", "–", "E", "G", "T", "P", "H", "R", "N", "S", "V", "D", "X"), strict=True))
"""The sign of each verdict in the matrix, beside its colour."""

MATRIX_ROWS = 50
"""Above this many hospitals those accepted in every attempt are counted, not listed."""


@dataclass(frozen=True)
class Run:
    """A run as the report needs it.

    Args:
        label: what the report calls it, such as "defended".
        study: the study as resolved (`study.json`).
        records: of `rounds.jsonl`, in order.
        summary: what the run came to.
    """

    label: str
    study: Mapping[str, Any]
    records: Sequence[RoundRecord]
    summary: RunSummary

    @property
    def attempts(self) -> list[RoundRecord]:
        """The records without the initial model's."""
        return [record for record in self.records if record.status != "initial"]

    @property
    def judged(self) -> list[RoundRecord]:
        """The attempts in which validators gave verdicts; none in a plain run."""
        return [record for record in self.attempts if record.validators and record.verdicts]


def load_run(folder: Path, label: str, *, seconds: float = 0.0) -> Run:
    """A run from its folder.

    Args:
        folder: of the run.
        label: what the report shall call it.
        seconds: wall time of the run, where it is known.

    Raises:
        RunError: the folder lacks `study.json` or `rounds.jsonl`, or one of them cannot be read.
    """
    path = folder / STUDY_FILE
    try:
        study = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise RunError(f"{path} cannot be read ({error}): give the folder of a run") from None
    records = read_records(folder)
    return Run(label, study, records, summarise(str(study.get("name", label)), records, run=folder, seconds=seconds))


def write_report(path: Path, title: str, runs: Sequence[Run]) -> None:
    """Write the report of `runs` as one HTML file; equal runs give equal bytes.

    Args:
        path: of the file; it is replaced.
        title: of the page.
        runs: at least one, their labels all different; the first is what the others are compared with.

    Raises:
        ValueError: there is no run, or two have the same label.
    """
    if not runs or len({run.label for run in runs}) < len(runs):
        raise ValueError("a report needs at least one run, and labels that differ")
    page = render(
        "report.html",
        {"bytes": format_bytes},
        title=title,
        accuracy_plot=accuracy_figure({run.label: run.records for run in runs}),
        metrics=[_metrics(run) for run in runs],
        # What the validators judged is what the report is for: plain runs come after.
        sections=[_section(run) for run in sorted(runs, key=lambda run: not run.judged)],
        labels=[run.label for run in runs],
        settings=list(_settings(runs)),
    )
    replace_file(path, page.encode())


def _metrics(run: Run) -> dict[str, Any]:
    evaluated = [record for record in run.records if record.accuracy is not None]
    totals = [record.seconds["total"] for record in run.attempts if "total" in record.seconds]
    heights = [record.height for record in run.records if record.height is not None]
    return {
        "label": run.label,
        "accuracy": run.summary.accuracy,
        "recall": evaluated[-1].worst_class_recall if evaluated else None,
        "loss": evaluated[-1].loss if evaluated else None,
        "rounds": run.summary.rounds,
        "rolled_back": sum(record.status == "rolled_back" for record in run.attempts),
        "void": sum(record.status == "void" for record in run.attempts),
        "seconds": median(totals) if totals else None,
        "bytes": _median_bytes(run.attempts),
        "model": run.summary.model_hash,
        **_rejections(run),
        "height": max(heights, default=None),
    }


def _rejections(run: Run) -> dict[str, float | None]:
    attackers = attacks_of(run.study)
    caught = [share for hospital, share in rejection_shares(run.judged).items() if hospital in attackers]
    return {
        "attackers_rejected": sum(caught) / len(caught) if caught else None,
        "honest_rejected": honest_rejections(run.judged, attackers) if run.judged else None,
    }


def _median_bytes(attempts: Sequence[RoundRecord]) -> dict[str, float]:
    given = {key: [record.bytes[key] for record in attempts if key in record.bytes] for key in BYTE_KEYS}
    return {key: median(sizes) for key, sizes in given.items() if sizes}


def _section(run: Run) -> dict[str, Any]:
    return {
        "label": run.label,
        "judged": bool(run.judged),
        "slug": re.sub(r"[^a-z0-9]+", "-", run.label.lower()),
        "attempts": [{"name": attempt_label(record), "record": record} for record in run.attempts],
        "notes": [
            (attempt_label(record), whose, what) for record in run.attempts for whose, what in record.notes.items()
        ],
        "matrix": _matrix(run),
        "time_plot": time_figure(run.label, run.attempts),
        "bytes_plot": bytes_figure(run.label, run.attempts),
    }


def _matrix(run: Run) -> dict[str, Any] | None:
    if not run.judged:
        return None
    attacks = attacks_of(run.study)
    hospitals = sorted({name for record in run.attempts for name in record.verdicts}, key=_by_number)
    rows: list[dict[str, Any]] = [
        {"hospital": name, "attack": attacks.get(name, ""), "cells": [_cell(record, name) for record in run.attempts]}
        for name in hospitals
    ]
    used = {cell["word"] for row in rows for cell in row["cells"]}
    listed = [row for row in rows if len(rows) <= MATRIX_ROWS or not _quiet(row["cells"])]
    return {
        "rows": listed,
        "hidden": len(rows) - len(listed),
        "legend": [{"word": word, **_look(word)} for word in VERDICT_WORDS if word in used],
    }


def _quiet(cells: Sequence[Mapping[str, str]]) -> bool:
    return all(cell["word"] == "accepted" for cell in cells)


def _cell(record: RoundRecord, hospital: str) -> dict[str, str]:
    word = record.verdicts.get(hospital)
    return {"word": "no verdict", "letter": "", "slug": "none"} if word is None else {"word": word, **_look(word)}


def _look(word: str) -> dict[str, str]:
    return {"letter": LETTERS[word], "slug": word.replace(" ", "-")}


def _by_number(hospital: str) -> tuple[int, str]:
    digits = re.search(r"(\d+)$", hospital)
    return (int(digits.group(1)) if digits else -1, hospital)


def _settings(runs: Sequence[Run]) -> Iterator[dict[str, Any]]:
    flat = [dict(_flatten(run.study)) for run in runs]
    for key in dict.fromkeys(key for settings in flat for key in settings):
        values = [settings.get(key, "") for settings in flat]
        yield {"key": key, "values": values, "same": len(set(values)) == 1}


def _flatten(settings: object, key: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(settings, Mapping):
        for name, value in settings.items():
            yield from _flatten(value, f"{key}.{name}" if key else str(name))
    elif isinstance(settings, list) and any(isinstance(item, Mapping) for item in settings):
        for index, item in enumerate(settings):
            yield from _flatten(item, f"{key}[{index}]")
    else:
        yield key, settings if isinstance(settings, str) else json.dumps(settings)
