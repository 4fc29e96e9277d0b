"""Measures every arm at every size of a profile, one after another."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from mithridate.evaluation.federation import ours
from mithridate.evaluation.federation.flower import measure_in_flower
from mithridate.evaluation.federation.profiles import LARGEST, LINE, Profile, neighbourhood
from mithridate.evaluation.federation.work import FEDAVG, OURS, SECAGG, SECAGG_LEAST, Work, extrapolate
from mithridate.evaluation.federation.workload import Workload
from mithridate.mpc.linear import gram
from mithridate.mpc.shares import ReplicatedShare

LEAST_SHARES = (3, 2)
"""Of Flower's own example (examples/flower-secure-aggregation): cheapest, and a client's two neighbours can unmask it."""
Measure = Callable[[str, Workload], Work]


def measure(arm: str, workload: Workload) -> Work:
    """One arm at one size: ours in this process, Flower's in its own interpreter.

    Raises:
        BenchmarkError: an aggregate is wrong, or Flower's part failed.
    """
    if arm == OURS:
        ours.measure(Workload(5, 10_000, dropped=False))
        return ours.measure(workload)
    shares, threshold = LEAST_SHARES if arm == SECAGG_LEAST else neighbourhood(workload.hospitals)
    job = {
        "arm": arm,
        "hospitals": workload.hospitals,
        "parameters": workload.parameters,
        "dropped": workload.dropped,
        "shares": shares,
        "threshold": threshold,
    }
    return Work.from_dict(measure_in_flower(job))


def measure_all(profile: Profile, measure_one: Measure = measure) -> Iterator[Work]:
    """Every arm at every size, without and with drop-outs; with three shares SecAgg+ does not survive drop-outs."""
    for hospitals, parameters in profile.sizes:
        for dropped in (False, True):
            workload = Workload(hospitals, parameters, dropped)
            arms = (OURS, FEDAVG, SECAGG) if dropped else (OURS, FEDAVG, SECAGG, SECAGG_LEAST)
            for arm in arms:
                yield _one(arm, workload, measure_one)


def extrapolation_errors(works: list[Work], measure_one: Measure = measure) -> dict[str, float]:
    """How far the line through two smaller models is from what was measured at the largest one that was, as a ratio.

    Args:
        works: of a profile; empty result where nothing in it was extrapolated.
        measure_one: as of `measure_all`.
    """
    if not any(work.extrapolated_from for work in works):
        return {}
    measured = [w for w in works if w.arm == SECAGG and not w.dropped and not w.extrapolated_from]
    largest = max(measured, key=lambda work: (work.parameters, work.hospitals))
    guess = _on_line(SECAGG, largest.workload, measure_one)
    return {"hospital": guess.hospital / largest.hospital, "servers": guess.servers / largest.servers}


def _one(arm: str, workload: Workload, measure_one: Measure) -> Work:
    if arm in (SECAGG, SECAGG_LEAST) and workload.hospitals * workload.parameters > LARGEST:
        return _on_line(arm, workload, measure_one)
    return measure_one(arm, workload)


def _on_line(arm: str, workload: Workload, measure_one: Measure) -> Work:
    low, high = (measure_one(arm, Workload(workload.hospitals, parameters, workload.dropped)) for parameters in LINE)
    return extrapolate(low, high, workload.parameters)


def gram_seconds(hospitals: int, parameters: int) -> float:
    """Processor seconds of verification's n x n part at one validator: the Gram matrix of n updates in shares."""
    random = np.random.default_rng(0)
    high = np.iinfo(np.uint64).max
    rows = [random.integers(0, high, (hospitals, parameters), dtype=np.uint64) for _ in range(2)]
    share = ReplicatedShare(0, *rows)
    start = time.process_time()
    gram(share)
    return time.process_time() - start


def machine() -> dict[str, Any]:
    """What the figures depend on."""
    import os
    import platform

    return {"processors": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
