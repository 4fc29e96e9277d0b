"""The cheap gates of the cascade, as one program on projections and Gram matrix.

The same program runs on shares inside the encrypted runtime and on plain numpy arrays, against which it is tested.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from mithridate.verification.registry import Array, Bounds, Statistics, update_detectors
from mithridate.verification.settings import INFERENCE, DefenceSettings
from mithridate.verification.verdict import Rule


@dataclass(frozen=True)
class UpdateGates:
    """Maps projections (n, k) and Gram matrix (n, n), int64, to a code an update: the first rule to reject it, or 0.

    Args:
        settings: the study's defence.
        bounds: of honest updates.
    """

    settings: DefenceSettings
    bounds: Bounds

    @property
    def names(self) -> tuple[str, ...]:
        """The detectors that run, in the order in which a rejection is attributed."""
        return tuple(name for name in self.settings.active if name != INFERENCE)

    def __call__(self, projected: Array, gram: Array) -> Array:
        """int64 (n,): the `Rule` that rejects each update, or 0."""
        statistics = Statistics(projected, gram, self.bounds)
        codes = gram.diagonal() * 0
        for name in reversed(self.names):
            detector = update_detectors.get(name)
            flags = detector.flags(statistics, self.settings)
            codes = flags * int(detector.rule) + ~flags * codes
        return codes


def rules_in_plaintext(
    gates: UpdateGates, updates: npt.NDArray[np.int64], rows: npt.NDArray[np.int64]
) -> tuple[Rule, ...]:
    """What the gates say of updates in the clear: the reference for the encrypted verdicts.

    Args:
        gates: the program.
        updates: int64 (n, d) in fixed point.
        rows: int64 (k, d), the projection.
    """
    codes = gates(updates @ rows.T, updates @ updates.T)
    return tuple(Rule(int(code)) for code in codes)
