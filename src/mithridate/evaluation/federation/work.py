"""What one arm spent on one round's aggregation, and what a larger model would cost it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.workload import Workload

OURS, FEDAVG, SECAGG, SECAGG_LEAST = "Mithridate", "FedAvg", "SecAgg+", "SecAgg+, 3 shares"


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
        extrapolated_from: d of the measured sizes; empty where measured.
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


def extrapolate(low: Work, high: Work, parameters: int) -> Work:
    """What an arm would spend at `parameters`, on the straight line through two measured sizes.

    Args:
        low: measured at fewer parameters than `high`, otherwise the same.
        high: measured.
        parameters: d, above both.

    Raises:
        BenchmarkError: the two are not of one arm, one n and one share of drop-outs, or in another order.
    """
    if (low.arm, low.hospitals, low.dropped) != (high.arm, high.hospitals, high.dropped):
        raise BenchmarkError("an extrapolation takes two sizes of one arm with the same hospitals")
    if not low.parameters < high.parameters < parameters:
        raise BenchmarkError(f"{parameters} parameters do not lie beyond {low.parameters} and {high.parameters}")

    def line(first: float, second: float) -> float:
        return first + (second - first) * (parameters - low.parameters) / (high.parameters - low.parameters)

    return replace(
        high,
        parameters=parameters,
        hospital=line(low.hospital, high.hospital),
        servers=line(low.servers, high.servers),
        parts={name: line(low.parts[name], high.parts[name]) for name in high.parts},
        up=line(low.up, high.up),
        down=line(low.down, high.down),
        error=None,
        extrapolated_from=(low.parameters, high.parameters),
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
