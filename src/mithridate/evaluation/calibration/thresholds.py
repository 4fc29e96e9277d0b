"""The settings that are calibrated, and the values among which each is chosen."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mithridate.verification.settings import DefenceSettings

Knobs = dict[str, float]
"""Setting -> its value."""


@dataclass(frozen=True)
class Gate:
    """A threshold of a detector that judges each round by itself.

    Args:
        setting: of the [defence] section.
        detector: that reads it.
        values: the loosest first; a detector flags with each all that it flags with those before.
        apart: settings under which the detector has no other reason to flag.
    """

    setting: str
    detector: str
    values: tuple[float, ...]
    apart: Knobs = field(default_factory=dict)


GATES = (
    Gate("norm_multiple", "norm", (20.0, 15.0, 12.0, 10.0, 8.0, 7.0, 6.0, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0, 1.5)),
    Gate("copy_cosine", "similarity", (1.0, 0.999, 0.995, 0.99, 0.98, 0.97, 0.95, 0.9, 0.85), {"noise_cosine": 0.0}),
    Gate("noise_cosine", "similarity", (0.0, 0.01, 0.02, 0.03, 0.04, 0.05, 0.07, 0.1, 0.15), {"copy_cosine": 1.0}),
)
STANDARD_ERRORS = (10.0, 9.0, 8.0, 7.0, 6.0, 5.5, 5.0, 4.5, 4.0, 3.5, 3.0, 2.5, 2.0)
"""The loosest first, as those of a gate: encrypted inference is one more."""
MARGIN_CAPS = (2.0, 5.0, 10.0)
EVIDENCE: Mapping[str, tuple[float, ...]] = {
    "score_floor": (-0.4, -0.3, -0.2, -0.15, -0.1, -0.05, 0.0, 0.05),
    "score_share": (0.0, 0.15, 0.3, 0.5),
    "score_slope": (1.0, 2.0, 4.0, 8.0),
    "forgiveness": (0.05, 0.1, 0.2, 0.3, 0.5),
}
"""Settings of the evidence -> values; all combinations are tried, each with every suspension."""
SUSPENSIONS = tuple(level / 4 for level in range(4, 33))
QUARANTINES = tuple(level / 10 for level in range(1, 31))
CURATOR_WEIGHTS = (0.0, 0.1, 0.3, 0.5)

CALIBRATED = (
    *(gate.setting for gate in GATES),
    "standard_errors",
    "margin_cap",
    *EVIDENCE,
    "quarantine",
    "suspension",
    "curator_weight",
)
"""The settings that the procedure chooses, in the order of its tables."""

WATCHED = 100.0
"""A suspension that no evidence reaches: nobody leaves, everybody is watched to the end."""


def knobs(settings: DefenceSettings) -> Knobs:
    """All numbers among the settings, chosen here or not."""
    return {name: value for name, value in settings.model_dump().items() if isinstance(value, float)}
