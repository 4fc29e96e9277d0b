"""The same hospitals for every arm of the benchmark: their updates, weights, and who drops out."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mithridate.errors import BenchmarkError

LEAST_WEIGHT = 500
WEIGHTS = 500
"""Different weights; the largest is below Flower's `max_weight` of 1,000."""
DROPS = 5
"""Which of ten drops out, where a tenth does."""
SCALE = 0.01
"""Standard deviation of an update's entries: far within what SecAgg+ clips to."""


@dataclass(frozen=True)
class Workload:
    """One round to aggregate.

    Args:
        hospitals: n who begin the round.
        parameters: d of each update.
        dropped: whether every tenth hospital is gone before it hands its update in.
    """

    hospitals: int
    parameters: int
    dropped: bool

    @property
    def present(self) -> list[int]:
        """Indices of the hospitals that hand in."""
        return [index for index in range(self.hospitals) if not (self.dropped and index % 10 == DROPS)]

    def update(self, hospital: int) -> NDArray[np.float32]:
        """What a hospital trained, (d,) float32; the same at every call and in every process."""
        random = np.random.default_rng([self.parameters, hospital])
        return random.standard_normal(self.parameters, dtype=np.float32) * np.float32(SCALE)

    def weight(self, hospital: int) -> int:
        """How many records a hospital trained on."""
        return LEAST_WEIGHT + hospital % WEIGHTS

    def mean(self) -> NDArray[np.float64]:
        """The weighted mean of the updates of those present, (d,), summed in float64."""
        total = np.zeros(self.parameters)
        for hospital in self.present:
            total += self.weight(hospital) * self.update(hospital).astype(np.float64)
        return total / sum(map(self.weight, self.present))

    def check(self, arm: str, aggregate: NDArray[np.float32] | NDArray[np.float64], tolerance: float) -> float:
        """Largest difference between an arm's aggregate and the mean.

        Raises:
            BenchmarkError: it is above the tolerance, or the aggregate is of another shape.
        """
        found = np.asarray(aggregate, dtype=np.float64)
        if found.shape != (self.parameters,):
            raise BenchmarkError(f"{arm}: an aggregate of shape {found.shape} for {self.parameters} parameters")
        error = float(np.max(np.abs(found - self.mean())))
        if not error <= tolerance:
            raise BenchmarkError(
                f"{arm}: the aggregate is off by {error:.3g}, more than {tolerance:.3g}: its figures mean nothing"
            )
        return error
