"""A round beside Flower's FedAvg and SecAgg+: processor time and bytes at 10 to 1,000 hospitals, seconds over loopback.

Flower runs in an environment of its own (`make flower`). Every arm's aggregate is checked before its time counts.
"""

import json
from pathlib import Path
from typing import Any

from mithridate.evaluation.federation.figures import (
    FACTS,
    Figure,
    figure,
    growth_figures,
    round_figures,
    shortfalls,
    work_figures,
)
from mithridate.evaluation.federation.flower import FlowerWorker, flower_python
from mithridate.evaluation.federation.measuring import gram_seconds, line_errors, machine, measure_all, measurer
from mithridate.evaluation.federation.plot import draw
from mithridate.evaluation.federation.profiles import Profile, profile_of
from mithridate.evaluation.federation.round_time import RoundTime, round_times
from mithridate.evaluation.result_folder import result_folder

RESULT, WORKS, PLOT = "federation.json", "work.json", "federation.svg"


def run(profile: str = "smoke", out: Path | None = None) -> dict[str, Any]:
    """Measures a profile; minutes to an hour, on two cores that have nothing else to do.

    Args:
        profile: smoke (work and bytes at small sizes), work (at all sizes), rounds (over loopback) or full (both).
        out: a new folder for the result, the plot and, with rounds over loopback, everybody's files; one below `runs/`
            if left out.

    Returns:
        {"bench": "federation", "shortfalls": [...], "facts": [...], "figures": [Figure, ...], ...}.

    Raises:
        InputError: no such profile, no Flower, or the folder holds something.
        BenchmarkError: an aggregate is wrong, or a runtime failed.
    """
    chosen = profile_of(profile)
    flower_python()
    folder = result_folder("federation", out)
    times = round_times(folder / "rounds", chosen.rounds) if chosen.rounds else {}
    with FlowerWorker() as worker:
        works = list(measure_all(chosen, measurer(worker)))
        line = line_errors(works, measurer(worker))
    (folder / WORKS).write_text(json.dumps([work.to_dict() for work in works], indent=1), encoding="utf-8")
    if works:
        draw(folder / PLOT, works)
    figures = [*_apart(chosen), *growth_figures(works), *_line(line), *work_figures(works)]
    result = {
        "bench": "federation",
        "profile": profile,
        "machine": machine(),
        "shortfalls": shortfalls(works, times),
        "facts": list(FACTS),
        "figures": [*_rounds(times), *figures],
        "works": [work.to_dict() for work in works],
        "rounds": {arm: time.to_dict() for arm, time in times.items()},
        "report": str(folder / RESULT),
    }
    (folder / RESULT).write_text(json.dumps(result, indent=1), encoding="utf-8")
    return result


def _rounds(times: dict[str, RoundTime]) -> list[Figure]:
    return round_figures(times) if times else []


def _apart(profile: Profile) -> list[Figure]:
    name = "verification apart, its n x n part at one validator"
    return [figure(f"{name}, {n} x {d / 1000:g}k", gram_seconds(n, d) * 1e3, "ms") for n, d in profile.gram]


def _line(errors: dict[str, float]) -> list[Figure]:
    return [figure(f"SecAgg+ on the line over SecAgg+ measured, {who}", ratio, "") for who, ratio in errors.items()]
