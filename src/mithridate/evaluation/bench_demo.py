"""The demo over several seeds: what an attack costs undefended, what the defence gives back, whom it rejects."""

import tempfile
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from statistics import mean
from typing import TYPE_CHECKING, Any

from mithridate.evaluation.demo import Comparison, compare_seeds, demo_study
from mithridate.evaluation.records import Observer, SilentObserver

if TYPE_CHECKING:
    from mithridate.study import Study


def run(seeds: int = 5) -> dict[str, Any]:
    """Mean and worst over `seeds` seeds, from the study's own on.

    Returns:
        {"bench": "demo", "figures": [{"name", "value", "unit", "baseline", "ratio"}]}; the baseline of an accuracy is
        the clean runs' mean.
    """
    with tempfile.TemporaryDirectory() as folder, demo_study() as path:
        comparisons = compare_seeds(path, Path(folder), seeds=seeds, watch=_unwatched)
        return {"bench": "demo", "figures": figures(comparisons)}


def _unwatched(arm: str, study: "Study") -> AbstractContextManager[Observer]:
    return nullcontext(SilentObserver())


def figures(comparisons: Sequence[Comparison]) -> list[dict[str, Any]]:
    """The rows of the benchmark's table, from the runs' records alone."""
    clean = mean(c.clean.summary.accuracy for c in comparisons)
    rows = [
        _row("clean accuracy, mean", clean, "share"),
        _row("clean accuracy, worst seed", min(c.clean.summary.accuracy for c in comparisons), "share"),
    ]
    for arm in ("undefended", "defended"):
        accuracies = [getattr(c, arm).summary.accuracy for c in comparisons]
        rows.append(_row(f"{arm} accuracy, mean", mean(accuracies), "share", clean))
        rows.append(_row(f"{arm} accuracy, worst seed", min(accuracies), "share", clean))
    rows += _spread("loss undefended", "points", [_points(c, "undefended") for c in comparisons], min)
    rows += _spread("gap defended", "points", [_points(c, "defended") for c in comparisons], max)
    rows += _spread("rejections of the worst attacker", "share", [_least_caught(c) for c in comparisons], min)
    rows += _spread("rejections of honest verdicts", "share", [c.honest_rejections for c in comparisons], max)
    rows += _spread("rejections of the worst honest hospital", "share", [_most_wronged(c) for c in comparisons], max)
    rows += _spread("defended round over plain round", "times", [c.overhead for c in comparisons], max)
    return rows


def _spread(name: str, unit: str, values: list[float], worst: Callable[[list[float]], float]) -> list[dict[str, Any]]:
    return [_row(f"{name}, mean", mean(values), unit), _row(f"{name}, worst seed", worst(values), unit)]


def _row(name: str, value: float, unit: str, baseline: float | None = None) -> dict[str, Any]:
    ratio = value / baseline if baseline else None
    return {"name": name, "value": value, "unit": unit, "baseline": baseline, "ratio": ratio}


def _points(comparison: Comparison, arm: str) -> float:
    run: float = getattr(comparison, arm).summary.accuracy
    return 100 * (comparison.clean.summary.accuracy - run)


def _least_caught(comparison: Comparison) -> float:
    return min(comparison.rejection_shares.get(hospital, 0.0) for hospital in comparison.attackers)


def _most_wronged(comparison: Comparison) -> float:
    shares = comparison.rejection_shares.items()
    return max((share for hospital, share in shares if hospital not in comparison.attackers), default=0.0)
