"""Chooses the thresholds by what was recorded.

A gate takes its strictest value with which at most its part of the honest error is flagged even once in a study. The
evidence takes, of all combinations that suspend few enough honest hospitals, the one that suspends most of the harmful
attackers.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from mithridate.errors import BenchmarkError
from mithridate.evaluation.calibration.rates import People, flat
from mithridate.evaluation.calibration.recording import Recording, inference_at
from mithridate.evaluation.calibration.replay import replayed
from mithridate.evaluation.calibration.thresholds import (
    EVIDENCE,
    GATES,
    MARGIN_CAPS,
    QUARANTINES,
    STANDARD_ERRORS,
    SUSPENSIONS,
)
from mithridate.evaluation.detection.intervals import Estimate
from mithridate.verification.settings import DefenceSettings

ROUNDS_LOST = 0.05
"""Of honest hospitals' rounds, to quarantine, in every dataset."""
CHECKS = len(GATES) + 1
"""Detectors that judge a round by itself; each may take an equal part of the honest error."""
_PASSES = 2
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Caught:
    """Who is out under some settings.

    Args:
        honest: dataset -> share of the honest hospitals.
        everywhere: share of all honest hospitals.
        harmful: dataset -> share of the attackers in harmful studies.
    """

    honest: dict[str, Estimate]
    everywhere: Estimate
    harmful: dict[str, Estimate]

    @classmethod
    def of(cls, people: People, out: Flags) -> "Caught":
        """Of hospitals that are `out`, bool (K,)."""
        honest = {name: trials.share(out) for name, trials in people.honest.items()}
        harmful = {name: trials.share(out) for name, trials in people.attackers.items()}
        return cls(honest, people.everywhere.share(out), harmful)

    def allowed(self, error: float) -> bool:
        """Whether at most `error` of the honest are out: in every dataset, and overall with its whole interval."""
        return self.everywhere.high <= error and self.worst <= error

    @property
    def worst(self) -> float:
        """Of the honest, the largest share in a dataset."""
        return max(share.value for share in self.honest.values())

    @property
    def mean(self) -> float:
        """Of harmful attackers, over the datasets."""
        return float(np.mean([share.value for share in self.harmful.values()])) if self.harmful else 0.0


@dataclass(frozen=True)
class Point:
    """Some settings and who is suspended by them, as replayed."""

    settings: DefenceSettings
    caught: Caught


def gates(recordings: Sequence[Recording], people: People, error: float) -> dict[str, tuple[float, Caught]]:
    """Setting -> its value, and who is flagged by it in some round; `margin_cap` is chosen with `standard_errors`.

    Args:
        recordings: of the studies.
        people: their hospitals.
        error: of honest hospitals flagged by any of the detectors; each may take an equal part of it.
    """
    chosen = {}
    for gate in GATES:
        place, caught = _strictest(recordings, people, gate.setting, len(gate.values), error / CHECKS)
        chosen[gate.setting] = gate.values[place], caught
    found = {}
    for cap in MARGIN_CAPS:
        place, caught = _strictest(recordings, people, inference_at(cap), len(STANDARD_ERRORS), error / CHECKS)
        found[cap] = STANDARD_ERRORS[place], caught
    # Of equal ones the first, the smallest.
    cap = max(found, key=lambda each: _worth(found[each][1], error / CHECKS))
    return {**chosen, "standard_errors": found[cap], "margin_cap": (cap, found[cap][1])}


def _worth(caught: Caught, error: float) -> tuple[bool, float]:
    """Larger is better: attackers flagged, if few enough honest hospitals are; else fewest of these."""
    return (True, caught.mean) if caught.worst <= error else (False, -caught.worst)


def _strictest(
    recordings: Sequence[Recording], people: People, name: str, values: int, error: float
) -> tuple[int, Caught]:
    """The place of the strictest value that flags at most `error` of the honest in any round, in every dataset.

    The loosest where none does.
    """
    earliest = flat([recording[name].min(axis=1) for recording in recordings])
    place, caught = 0, Caught.of(people, earliest <= 0)
    for stricter in range(1, values):
        tried = Caught.of(people, earliest <= stricter)
        if tried.worst > error:
            break
        place, caught = stricter, tried
    return place, caught


def points(recordings: Sequence[Recording], people: People, base: DefenceSettings) -> Iterator[Point]:
    """Every combination of the evidence's settings with every suspension, with all else as in `base`."""
    for values in product(*EVIDENCE.values()):
        settings = base.model_copy(update=dict(zip(EVIDENCE, values, strict=True)))
        most = highest(recordings, settings)
        for level in SUSPENSIONS:
            if level > base.quarantine:
                yield Point(settings.model_copy(update={"suspension": level}), Caught.of(people, most >= level))


def highest(recordings: Sequence[Recording], settings: DefenceSettings) -> npt.NDArray[np.float64]:
    """(K,): the most evidence that each hospital has in any round, as replayed."""
    return flat([replayed(recording, settings).max(axis=1) for recording in recordings])


def rounds_lost(recordings: Sequence[Recording], people: People, settings: DefenceSettings) -> dict[str, float]:
    """Dataset -> share of the honest hospitals' rounds with evidence above the quarantine, as replayed."""
    lost = flat([(replayed(each, settings) > settings.quarantine).mean(axis=1) for each in recordings])
    return {name: float(lost[~people.malicious & (people.dataset == name)].mean()) for name in people.datasets}


def quarantined(
    recordings: Sequence[Recording], people: People, settings: DefenceSettings, error: float
) -> DefenceSettings:
    """`settings` with the best of the quarantines that cost the honest few enough rounds, of equal ones the lowest.

    A hospital in quarantine is not checked by encrypted inference, so that a low one may suspend fewer attackers. Where
    all cost too many rounds, the highest.
    """
    levels = [level for level in QUARANTINES if level < settings.suspension]
    tried = [settings.model_copy(update={"quarantine": level}) for level in levels]
    spared = [each for each in tried if max(rounds_lost(recordings, people, each).values()) <= ROUNDS_LOST]
    points = [replay_of(recordings, people, each) for each in spared or tried[-1:]]
    return max(points, key=lambda point: _rank(point, error)).settings


def replay_of(recordings: Sequence[Recording], people: People, settings: DefenceSettings) -> Point:
    """Who is suspended by some settings."""
    return Point(settings, Caught.of(people, highest(recordings, settings) >= settings.suspension))


def evidence(
    recordings: Sequence[Recording], people: People, base: DefenceSettings, error: float
) -> tuple[Point, list[Point]]:
    """The best settings of the evidence, and the grid that they were chosen from.

    The quarantine decides who is left to encrypted inference, and so a little of the evidence: the grid is replayed
    again with the quarantine that the first choice led to.

    Raises:
        BenchmarkError: no attack is harmful.
    """
    if not people.harmful.any():
        raise BenchmarkError("no attack is harmful in these studies: there is nothing to calibrate for")
    for _ in range(_PASSES):
        grid = list(points(recordings, people, base))
        best = max(grid, key=lambda point: _rank(point, error))
        base = quarantined(recordings, people, best.settings, error)
    return replay_of(recordings, people, base), grid


def _rank(point: Point, error: float) -> tuple[float, ...]:
    """Larger is better: attackers suspended, if few enough honest hospitals are; else fewest of these."""
    honest, harmful = point.caught.everywhere.value, round(point.caught.mean, 4)
    if point.caught.allowed(error):
        return (1.0, harmful, -honest, point.settings.suspension)
    return (0.0, -round(point.caught.worst, 4), harmful)
