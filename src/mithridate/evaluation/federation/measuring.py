"""Measures every arm at every size of a profile, one after another."""

import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from mithridate.evaluation.federation import ours
from mithridate.evaluation.federation.flower import FlowerWorker
from mithridate.evaluation.federation.profiles import LINE, MEASURED, Profile, neighbourhood
from mithridate.evaluation.federation.work import FEDAVG, OURS, SECAGG, SECAGG_LEAST, Work, extrapolate
from mithridate.evaluation.federation.workload import Workload
from mithridate.mpc.linear import gram
from mithridate.mpc.shares import ReplicatedShare

LEAST_SHARES = (3, 2)
"""Of Flower's own example, flower-secure-aggregation: the cheapest; a client's two neighbours together unmask it."""
Measure = Callable[[str, Workload, tuple[int, int]], Work]
"""(arm, workload, SecAgg+'s (shares, threshold)) to what was spent."""


def measurer(worker: FlowerWorker) -> Measure:
    """Measures one arm at one size: ours in this process, Flower's in its own interpreter.

    The function it returns raises BenchmarkError where an aggregate is wrong or Flower's part failed.
    """

    def measure(arm: str, workload: Workload, shares: tuple[int, int]) -> Work:
        if arm == OURS:
            # As Flower's arms do, a small round first, which loads everything.
            ours.measure(Workload(5, workload.parameters, dropped=False))
            return ours.measure(workload)
        job = {"arm": arm, **asdict(workload), "shares": shares[0], "threshold": shares[1]}
        return Work.from_dict(worker.measure(job))

    return measure


def measure_all(profile: Profile, measure: Measure) -> Iterator[Work]:
    """Every arm at every size, without and with drop-outs; without only where shares are three.

    With three shares two drop-outs beside one client halt SecAgg+.

    Args:
        profile: of the benchmark.
        measure: one arm at one size.
    """
    for hospitals, parameters in profile.sizes:
        for arm in (OURS, FEDAVG, SECAGG, SECAGG_LEAST):
            yield _one(arm, Workload(hospitals, parameters, dropped=False), measure)
    for hospitals, parameters in profile.dropped:
        for arm in (OURS, FEDAVG, SECAGG):
            yield _one(arm, Workload(hospitals, parameters, dropped=True), measure)


def line_errors(works: list[Work], measure: Measure) -> dict[str, float]:
    """The line through two numbers of hospitals over what was measured, for SecAgg+ at the most that were measured.

    Args:
        works: of a profile; empty result where nothing in it was extrapolated.
        measure: as of `measure_all`.
    """
    if not any(work.extrapolated_from for work in works):
        return {}
    measured = [w for w in works if w.arm == SECAGG and not w.dropped and not w.extrapolated_from]
    most = max(measured, key=lambda work: (work.hospitals, -work.parameters))
    guess = _on_line(SECAGG, most.workload, measure)
    return {"a hospital": guess.hospital / most.hospital, "servers": guess.servers / most.servers}


def _one(arm: str, workload: Workload, measure: Measure) -> Work:
    if arm != OURS and workload.hospitals > MEASURED:
        return _on_line(arm, workload, measure)
    return measure(arm, workload, _shares(arm, workload.hospitals))


def _on_line(arm: str, workload: Workload, measure: Measure) -> Work:
    shares = _shares(arm, workload.hospitals)
    low, high = (measure(arm, replace(workload, hospitals=hospitals), shares) for hospitals in LINE)
    return extrapolate(low, high, workload.hospitals)


def _shares(arm: str, hospitals: int) -> tuple[int, int]:
    return LEAST_SHARES if arm == SECAGG_LEAST else neighbourhood(hospitals)


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
