"""The detection benchmark's report: a single HTML page that needs nothing else, neither scripts nor the network."""

import platform
from collections.abc import Callable, Iterator, Sequence
from importlib.metadata import version
from math import isfinite, isnan
from pathlib import Path
from typing import Any

from mithridate import __version__
from mithridate.evaluation.detection.cells import ORACLE, OURS, UNDEFENDED, Result
from mithridate.evaluation.detection.figures import Disagreement, Figure, headline
from mithridate.evaluation.detection.heatmaps import heatmap, recovery_grid
from mithridate.evaluation.detection.intervals import Estimate
from mithridate.evaluation.detection.labels import ADAPTIVE
from mithridate.evaluation.detection.metrics import IN_ALL, Evaluation, Summary, adaptive_best, evaluate
from mithridate.evaluation.detection.outcomes import Outcome
from mithridate.evaluation.detection.shortfalls import Shortfall, shortfalls
from mithridate.evaluation.pages import render, replace_file

SHORTFALLS_SHOWN = 30
"""Above this many the rest are folded away."""
SHORTFALLS_LISTED = 500
"""Above this many the rest are counted only."""
NO_BREAK = "\u00a0"
LIBRARIES = ("numpy", "torch", "scikit-learn")

COLUMNS: tuple[tuple[str, Callable[[Summary], Estimate | int], str], ...] = (
    ("harmful cells", lambda s: s.harmful_cells, "count"),
    ("recovery, mean", lambda s: s.recovery_mean, "number"),
    ("recovery, worst", lambda s: s.recovery_worst, "number"),
    ("points below clean, mean", lambda s: s.gap_mean, "points"),
    ("points below clean, worst", lambda s: s.gap_worst, "points"),
    ("worst class's recall, points below clean", lambda s: s.recall_gap, "points"),
    ("harmful attackers suspended", lambda s: s.harmful_attackers_suspended, "share"),
    ("honest suspended", lambda s: s.honest_suspended, "share"),
    ("points lost without attack", lambda s: s.clean_cost_points, "points"),
    ("backdoor above clean, points", lambda s: s.backdoor_success, "points"),
    ("rounds to detect", lambda s: s.rounds_to_detect, "points"),
)
"""Of the table of defences: heading, where it comes from, how it is written."""


def write_report(
    path: Path,
    results: Sequence[Result],
    *,
    profile: str,
    declared: str,
    seconds: float,
    disagreement: Disagreement | None = None,
) -> None:
    """Write the report as one HTML file; equal arguments give equal bytes.

    Args:
        path: of the file; it is replaced.
        results: of the profile's cells, at least one.
        profile: its name.
        declared: what part of the full product it is (`Profile.declared`).
        seconds: wall time of this run; the cells' own is added up from the results.
        disagreement: None where the encrypted pipeline was not run.

    Raises:
        ValueError: there are no results.
    """
    if not results:
        raise ValueError("a report needs results")
    page = render(
        "detection.html",
        {"study": _study},
        title=f"Detection of poisoned hospitals: profile {profile}",
        **_context(evaluate(results), disagreement),
        declared=declared,
        studies=len(results),
        seeds=len({result.cell.seed for result in results}),
        seconds=seconds,
        core_seconds=sum(result.seconds for result in results),
        versions={"mithridate": __version__, "Python": platform.python_version(), **_versions()},
    )
    replace_file(path, page.encode())


def interval(estimate: Estimate, style: str = "number") -> str:
    """An estimate in words, with its interval where it has one; a dash where there is no value."""
    if not estimate.known:
        return "–"
    value = _written(estimate.value, style)
    if isnan(estimate.low) or isnan(estimate.high):
        return value
    # The interval stays on one line, which may be the next.
    bounds = f"[{_written(estimate.low, style)}, {_written(estimate.high, style)}]"
    return f"{value} {bounds.replace(' ', NO_BREAK)}"


def _written(value: float, style: str) -> str:
    if not isfinite(value):
        return "no number" if isnan(value) else "infinite"
    return {"share": f"{100 * value:.2f} %", "points": f"{value:.2f}", "count": f"{value:.0f}"}.get(
        style, f"{value:.3f}"
    )


def _versions() -> dict[str, str]:
    return {name: version(name) for name in LIBRARIES}


def _context(evaluation: Evaluation, disagreement: Disagreement | None) -> dict[str, Any]:
    short = shortfalls(evaluation)
    return {
        "figures": [_figure(figure) for figure in headline(evaluation, disagreement)],
        "differences": [] if disagreement is None else list(disagreement.where),
        "shortfalls": [_shortfall(each) for each in short[:SHORTFALLS_LISTED]],
        "shown": SHORTFALLS_SHOWN,
        "short_in_all": len(short),
        "columns": [heading for heading, _, _ in COLUMNS],
        "scopes": [{"name": scope, "rows": list(_defence_rows(evaluation, scope))} for scope in _scopes(evaluation)],
        "maps": list(_maps(evaluation)),
        "caught": _caught(evaluation),
        "adaptive": [_adaptive(dataset, best) for dataset, best in sorted(adaptive_best(evaluation).items())],
    }


def _figure(figure: Figure) -> dict[str, Any]:
    style = {"share": "share", "points": "points", "rounds": "points", "cells": "count"}.get(figure.unit, "number")
    verdict = {True: "met", False: "fell short", None: "not measured" if figure.goal else ""}[figure.met]
    written = interval(figure.estimate, style)
    return {"name": figure.name, "meaning": figure.meaning, "value": written, "goal": figure.goal, "verdict": verdict}


def _shortfall(each: Shortfall) -> dict[str, Any]:
    recovery = "–" if isnan(each.recovery) else f"{each.recovery:.2f}"
    gap = "–" if isnan(each.gap) else f"{each.gap:.1f}"
    return {"study": each.study, "recovery": recovery, "gap": gap, "reasons": "; ".join(each.reasons)}


def _study(study: tuple[str, str, int, float, str]) -> list[str]:
    dataset, partition, hospitals, share, attack = study
    return [dataset, partition, str(hospitals), f"{100 * share:.0f} %", attack]


def _scopes(evaluation: Evaluation) -> list[str]:
    return [IN_ALL, *evaluation.table.datasets]


def _order(evaluation: Evaluation) -> list[str]:
    """Ours, the baselines from the best, then what they are measured by."""
    first, known = [OURS, *evaluation.baselines], evaluation.table.defences
    rest = [name for name in known if name not in (*first, UNDEFENDED, ORACLE)]
    return [name for name in (*first, *rest, UNDEFENDED, ORACLE) if name in known]


def _defence_rows(evaluation: Evaluation, scope: str) -> Iterator[dict[str, Any]]:
    for defence in _order(evaluation):
        summary = evaluation.summaries[defence, scope]
        yield {"defence": defence, "ours": defence == OURS, "cells": list(_cells(summary))}


def _cells(summary: Summary) -> Iterator[str]:
    for _, of, style in COLUMNS:
        value = of(summary)
        yield interval(value, style) if isinstance(value, Estimate) else str(value)


def _maps(evaluation: Evaluation) -> Iterator[dict[str, Any]]:
    for dataset in evaluation.table.datasets:
        harmful = [study for study, harm in evaluation.harms.items() if harm.harmful and study[0] == dataset]
        attacks = list(dict.fromkeys(study[4] for study in sorted(harmful, key=lambda study: study[4])))
        partitions = list(dict.fromkeys(study[1] for study in sorted(harmful, key=lambda study: study[1])))
        for defence in _order(evaluation) if harmful else ():
            chosen = [outcome for outcome in evaluation.outcomes[defence] if outcome.study[0] == dataset]
            if defence == UNDEFENDED or not any(outcome.recoveries for outcome in chosen):
                continue
            title = f"{defence} on {dataset}"
            drawing = heatmap(title, recovery_grid(chosen, attacks, partitions), attacks, partitions)
            yield {"title": title, "open": defence == OURS, "drawing": drawing}


def _caught(evaluation: Evaluation) -> dict[str, Any]:
    """Attack by dataset: caught and present among the attackers of harmful cells, under our pipeline."""
    counts: dict[tuple[str, str], list[tuple[int, int]]] = {}
    for outcome in evaluation.outcomes.get(OURS, ()):
        if outcome.harmful:
            counts.setdefault((outcome.study[4], outcome.study[0]), []).append(outcome.caught)
    attacks = sorted({attack for attack, _ in counts})
    datasets = sorted({dataset for _, dataset in counts})
    rows = [
        {"attack": each, "cells": [_caught_cell(counts.get((each, name), [])) for name in datasets]} for each in attacks
    ]
    return {"datasets": datasets, "rows": rows}


def _caught_cell(counts: Sequence[tuple[int, int]]) -> dict[str, str]:
    found, of = sum(each for each, _ in counts), sum(each for _, each in counts)
    if not of:
        return {"text": "–", "look": "none"}
    look = "all" if found == of else "most" if found >= 0.99 * of else "few"
    return {"text": f"{found} of {of}", "look": look}


def _adaptive(dataset: str, best: Outcome) -> dict[str, str]:
    found, of = best.caught
    return {
        "dataset": dataset,
        "where": ", ".join(part for part in _study(best.study)[1:] if part != ADAPTIVE),
        "loss": _written(best.excess_loss, "number"),
        "gap": f"{best.gap:.2f}",
        "caught": f"{found} of {of}",
    }
