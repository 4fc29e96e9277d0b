"""The procedure from end to end: record, choose, choose the curator's weight, check on fresh seeds."""

import hashlib
import os
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from multiprocessing import get_context
from pathlib import Path
from typing import TypeVar

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from mithridate.errors import BenchmarkError
from mithridate.evaluation.calibration import choice, recording
from mithridate.evaluation.calibration.check import Outcome, accuracy, outcomes
from mithridate.evaluation.calibration.choice import Caught, Point
from mithridate.evaluation.calibration.rates import People, harms_of
from mithridate.evaluation.calibration.recording import Recording, joined, record
from mithridate.evaluation.calibration.studies import Plan, study_of
from mithridate.evaluation.calibration.thresholds import CURATOR_WEIGHTS, GATES, MARGIN_CAPS, STANDARD_ERRORS
from mithridate.evaluation.detection.cells import Cell
from mithridate.evaluation.detection.harm import StudyKey
from mithridate.evaluation.detection.store import code_fingerprint
from mithridate.verification.settings import DefenceSettings

LEAST_GAIN = 0.0025
"""Accuracy that a larger weight of the curator must gain."""
_WEIGHED, _FAR_APART = 3, ("iid", "dirichlet-0.1")
"""Studies of each group that the curator's weight is chosen by: the one without an attack, and two more; partitions."""

_T = TypeVar("_T")


@dataclass(frozen=True)
class Calibration:
    """What the procedure came to.

    Args:
        plans: the studies.
        error: the share of honest hospitals that may be suspended.
        recordings: what was seen in the studies that thresholds were chosen by.
        people: their hospitals.
        harms: the studies that are harmful.
        gates: setting -> its value, and who is flagged by it in some round.
        default: the settings as the code has them, replayed.
        chosen: the calibrated ones, replayed.
        grid: all that were tried of the evidence.
        lost: dataset -> share of honest rounds lost to quarantine, as replayed.
        weights: weight of the curator -> mean accuracy.
        checked: "default" and "calibrated" -> what fresh studies came to under them.
    """

    plans: tuple[Plan, ...]
    error: float
    recordings: tuple[Recording, ...]
    people: People
    harms: frozenset[StudyKey]
    gates: dict[str, tuple[float, Caught]]
    default: Point
    chosen: Point
    grid: tuple[Point, ...]
    lost: dict[str, float]
    weights: dict[float, float]
    checked: dict[str, list[Outcome]]


@dataclass(frozen=True)
class Workers:
    """Processes that play studies, and a folder that keeps what they recorded.

    Args:
        count: of processes; one a core if None.
        folder: of the recordings.
        console: for the progress.
    """

    count: int | None
    folder: Path
    console: Console

    def each(self, title: str, function: Callable[..., _T], jobs: Sequence[tuple[object, ...]]) -> list[_T]:
        """`function(*job)` for every job, in their order.

        Raises:
            DataError: data files are missing.
            BenchmarkError: a worker died.
        """
        columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
        context = get_context("spawn")
        pool = ProcessPoolExecutor(self.count or os.cpu_count() or 1, mp_context=context, initializer=_one_thread)
        try:
            with Progress(*columns, TextColumn("left"), TimeRemainingColumn(), console=self.console) as progress:
                task = progress.add_task(title, total=len(jobs))
                futures = [pool.submit(function, *job) for job in jobs]
                for future in as_completed(futures):
                    future.result()
                    progress.advance(task)
        except BrokenProcessPool as error:
            raise BenchmarkError("a worker process died: see the system's log, or free memory") from error
        finally:
            pool.shutdown(wait=True, cancel_futures=True)
        return [future.result() for future in futures]

    def recorded(self, groups: Sequence[tuple[Cell, ...]]) -> list[Recording]:
        """The groups of studies, played as far as the folder does not hold them of the same code."""
        values = map(repr, (GATES, MARGIN_CAPS, STANDARD_ERRORS))
        code = code_fingerprint((*values, Path(recording.__file__).read_text(encoding="utf-8")))
        paths = [self.folder / f"{_key(code, group)}.npz" for group in groups]
        missing = [(group, path) for group, path in zip(groups, paths, strict=True) if not path.exists()]
        self.each("groups of studies recorded", _record, missing)
        return [Recording.load(group, path) for group, path in zip(groups, paths, strict=True)]

    def played(
        self, title: str, groups: Sequence[tuple[Cell, ...]], settings: Sequence[DefenceSettings]
    ) -> list[list[Outcome]]:
        """What the groups of studies come to, for each of the settings."""
        found = self.each(title, outcomes, [(group, each) for each in settings for group in groups])
        parts = [found[start : start + len(groups)] for start in range(0, len(found), len(groups))]
        return [[one for group in part for one in group] for part in parts]


def calibrate(plans: Sequence[Plan], error: float, workers: Workers) -> Calibration:
    """Runs the whole procedure.

    Args:
        plans: the studies; some of their attacks must turn out harmful.
        error: share of honest hospitals that may be suspended in a study, in (0, 1).
        workers: who plays them.

    Raises:
        DataError: data files are missing.
        BenchmarkError: a worker died, or no attack was harmful.
    """
    groups = [group for plan in plans for group in plan.groups(plan.seeds)]
    recordings = joined(workers.recorded(groups))
    people, default = People.of(recordings), DefenceSettings()
    with workers.console.status("thresholds of the gates, then of the evidence"):
        gates = choice.gates(recordings, people, error)
        base = default.model_copy(update={name: value for name, (value, _) in gates.items()})
        chosen, grid = choice.evidence(recordings, people, base, error)
    first = [
        group[:_WEIGHED] for plan in plans for group in replace(plan, partitions=_FAR_APART).groups(plan.seeds[:1])
    ]
    tried = [_weighing(chosen.settings, weight) for weight in CURATOR_WEIGHTS]
    reached = map(accuracy, workers.played("studies for the curator's weight", first, tried))
    weights = dict(zip(CURATOR_WEIGHTS, reached, strict=True))
    settings = _weighing(chosen.settings, _least(weights))
    fresh = [group for plan in plans for group in plan.groups(plan.fresh)]
    checked = workers.played("fresh studies, by default and calibrated", fresh, (default, settings))
    return Calibration(
        plans=tuple(plans),
        error=error,
        recordings=tuple(recordings),
        people=people,
        harms=harms_of(recordings),
        gates=gates,
        default=choice.replay_of(recordings, people, default),
        chosen=Point(settings, chosen.caught),
        grid=tuple(grid),
        lost=choice.rounds_lost(recordings, people, settings),
        weights=weights,
        checked=dict(zip(("default", "calibrated"), checked, strict=True)),
    )


def _weighing(settings: DefenceSettings, weight: float) -> DefenceSettings:
    return settings.model_copy(update={"curator_weight": weight})


def _least(weights: dict[float, float]) -> float:
    """The smallest weight whose accuracy is within `LEAST_GAIN` of the best."""
    best = max(weights.values())
    return min(weight for weight, reached in weights.items() if reached >= best - LEAST_GAIN)


def _key(code: str, group: tuple[Cell, ...]) -> str:
    studies = [study_of(cell, DefenceSettings()).model_dump_json() for cell in group]
    return hashlib.sha256("\n".join((code, *studies)).encode()).hexdigest()[:16]


def _record(cells: tuple[Cell, ...], path: Path) -> None:
    record(cells).save(path)


def _one_thread() -> None:
    import torch
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    torch.set_num_threads(1)
    threadpool_limits(1, "blas")
