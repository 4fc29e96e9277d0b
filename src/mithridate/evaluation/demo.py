"""What Mithridate is for, on one study: clean, attacked without a defence, attacked with it, from the same seed."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

from mithridate.errors import InputError
from mithridate.evaluation.records import Observer, RoundRecord
from mithridate.evaluation.rejections import attacks_of, honest_rejections, mostly_rejected, rejection_shares
from mithridate.evaluation.report import Run, load_run, write_report

if TYPE_CHECKING:
    from mithridate.study import Study

DEMO_STUDY = "breast_cancer.toml"
ARMS: dict[str, tuple[str, ...]] = {
    "clean": ("attacks=[]", "runtime.secure=false"),
    "undefended": ("runtime.secure=false",),
    "defended": ("runtime.secure=true",),
}
"""Arm -> the settings in which it differs from the study file."""

Watch = Callable[[str, "Study"], AbstractContextManager[Observer]]
"""Arm and its study -> the observer of its run."""


@dataclass(frozen=True)
class Comparison:
    """The three arms of one seed.

    Args:
        seed: of the study.
        clean, undefended, defended: the runs.
        attackers: the hospitals that attack, by number.
        seconds: wall time of all three.
        report: the page that compares them.
    """

    seed: int
    clean: Run
    undefended: Run
    defended: Run
    attackers: tuple[str, ...]
    seconds: float
    report: Path

    @property
    def overhead(self) -> float:
        """Median time of a defended round over the median of a plain one."""
        plain = median_seconds([*self.clean.attempts, *self.undefended.attempts])
        return median_seconds(self.defended.attempts) / plain

    @property
    def honest_rejections(self) -> float:
        """Share of the verdicts on honest hospitals that are rejections, 0 to 1."""
        return honest_rejections(self.defended.judged, self.attackers)

    @property
    def rejection_shares(self) -> dict[str, float]:
        """Hospital -> share of its verdicts that are rejections, 0 to 1."""
        return rejection_shares(self.defended.judged)

    @property
    def rejected(self) -> dict[str, str]:
        """Hospital rejected in most rounds -> the rule that rejected it most often."""
        return mostly_rejected(self.defended.judged)


def median_seconds(records: Sequence[RoundRecord]) -> float:
    """Median wall time of the attempts that were not void.

    Raises:
        InputError: none of them was timed.
    """
    totals = [record.seconds["total"] for record in records if record.status != "void" and "total" in record.seconds]
    if not totals:
        raise InputError("no round of the run was finished: there is no time to compare")
    return median(totals)


def demo_study() -> AbstractContextManager[Path]:
    """The demo's study file: what the package carries, or in a checkout the one in `studies/`."""
    packaged = files("mithridate") / "studies" / DEMO_STUDY
    if packaged.is_file():
        return as_file(packaged)
    return as_file(Path(__file__).parents[3] / "studies" / DEMO_STUDY)


def compare(study_file: Path, out: Path, *, seed: int | None = None, watch: Watch) -> Comparison:
    """Run the three arms of a study and write their report.

    Args:
        study_file: with attacks; its `runtime.secure` is overruled.
        out: folder of the three run folders and the report; it is made.
        seed: in place of the study's own.
        watch: gives the observer of each arm.

    Raises:
        InputError: the study names no attack, or cannot be run.
    """
    from mithridate.study import load_study

    started = time.monotonic()
    seeded = [] if seed is None else [f"seed={seed}"]
    studies = {arm: load_study(study_file, [*settings, *seeded]) for arm, settings in ARMS.items()}
    attacked = studies["defended"].model_dump(mode="json")
    if not attacks_of(attacked):
        raise InputError(f"{study_file} names no attack: there is nothing to compare")
    runs = {arm: _run_arm(arm, study, out, watch) for arm, study in studies.items()}
    report = out / "report.html"
    write_report(report, f"{attacked['name']}: clean, attacked, attacked and defended", list(runs.values()))
    return Comparison(
        **runs,
        seed=studies["defended"].seed,
        attackers=tuple(attacks_of(attacked)),
        seconds=time.monotonic() - started,
        report=report,
    )


def compare_seeds(study_file: Path, out: Path, *, seeds: int, watch: Watch) -> list[Comparison]:
    """`compare` at `seeds` seeds, from the study's own on; more than one get a folder each."""
    if seeds == 1:
        return [compare(study_file, out, watch=watch)]
    from mithridate.study import load_study

    first = load_study(study_file, []).seed
    return [compare(study_file, out / f"seed-{seed}", seed=seed, watch=watch) for seed in range(first, first + seeds)]


def _run_arm(arm: str, study: "Study", out: Path, watch: Watch) -> Run:
    from mithridate.federation.local import run_study

    with watch(arm, study) as observer:
        summary = run_study(study, out / arm, observer=observer)
    return load_run(out / arm, arm, seconds=summary.seconds)
