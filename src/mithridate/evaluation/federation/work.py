"""What one arm spent on one round's aggregation, and what more hospitals would cost it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.workload import Workload

OURS, FEDAVG, SECAGG, SECAGG_LEAST = "Mithridate", "FedAvg", "SecAgg+", "SecAgg+, 3 shares"
LEDGERS = {"clique": "Mithridate on Clique", "ibft": "Mithridate on IBFT"}
"""Network of the ledger to the arm that plays rounds on it."""


@dataclass(frozen=True)
class Work:
    """Of one arm at one size.

    Args:
        arm: whose.
        hospitals: n who begin.
        parameters: d.
        dropped: whether a tenth drops out.
        hospital: processor seconds of one hospital that stays, mean.
        servers: processor seconds of all servers together.
        parts: what `servers` consists of, and what stands beside it.
        up: bytes that one hospital sends.
        down: bytes that one hospital receives.
        error: largest difference from the mean in float64; None where extrapolated.
        extrapolated_from: n of the measured sizes; empty where measured.
    """

    arm: str
    hospitals: int
    parameters: int
    dropped: bool
    hospital: float
    servers: float
    parts: Mapping[str, float]
    up: float
    down: float
    error: float | None
    extrapolated_from: tuple[int, ...] = ()

    @property
    def size(self) -> tuple[int, int, bool]:
        """What arms are compared at."""
        return self.hospitals, self.parameters, self.dropped

    @property
    def workload(self) -> Workload:
        """What was aggregated."""
        return Workload(*self.size)

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {**asdict(self), "parts": dict(self.parts)}

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> "Work":
        """The inverse of `to_dict`."""
        return cls(**{**document, "extrapolated_from": tuple(document["extrapolated_from"])})


def extrapolate(low: Work, high: Work, hospitals: int) -> Work:
    """What an arm would spend on n hospitals, on the straight line through two measured numbers of them.

    A client's own part does not change with n while its neighbours are as many: `high`'s stands.

    Args:
        low: measured with fewer hospitals than `high`, otherwise the same, SecAgg+'s number of shares included.
        high: measured.
        hospitals: n, above both.

    Raises:
        BenchmarkError: the two are not of one arm, model and share of drop-outs, or in another order.
    """
    if (low.arm, low.parameters, low.dropped) != (high.arm, high.parameters, high.dropped):
        raise BenchmarkError("an extrapolation takes two measurements of one arm with the same model")
    if not low.hospitals < high.hospitals < hospitals:
        raise BenchmarkError(f"{hospitals} hospitals do not lie beyond {low.hospitals} and {high.hospitals}")

    def line(first: float, second: float) -> float:
        return first + (second - first) * (hospitals - low.hospitals) / (high.hospitals - low.hospitals)

    return replace(
        high,
        hospitals=hospitals,
        servers=line(low.servers, high.servers),
        parts={name: line(low.parts[name], high.parts[name]) for name in high.parts},
        error=None,
        extrapolated_from=(low.hospitals, high.hospitals),
    )


def exponents(works: list[Work]) -> tuple[float, float]:
    """(a, b) of servers' seconds ~ n^a d^b, by least squares over the logarithms.

    Raises:
        BenchmarkError: the sizes do not differ in both n and d.
    """
    rows = np.array([[1.0, np.log(work.hospitals), np.log(work.parameters)] for work in works])
    if len(works) < 3 or np.linalg.matrix_rank(rows) < 3:
        raise BenchmarkError("exponents need sizes that differ in hospitals and in parameters")
    seconds = np.log([work.servers for work in works])
    solution, *_ = np.linalg.lstsq(rows, seconds, rcond=None)
    return float(solution[1]), float(solution[2])
