"""Shares of hospitals with exact 95 % intervals, and who the hospitals of some recordings are."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import betaincinv

from mithridate.evaluation.calibration.recording import Recording
from mithridate.evaluation.detection.harm import LOST_POINTS, StudyKey
from mithridate.evaluation.detection.intervals import NOTHING, Estimate

_OUTSIDE = 0.05
Flags = npt.NDArray[np.bool_]


def exact(hits: int, count: int) -> Estimate:
    """hits / count with the exact interval, which assumes nothing but independent trials.

    Source: C. J. Clopper, E. S. Pearson, "The use of confidence or fiducial limits", Biometrika 1934; as quantiles of
    beta distributions.
    """
    if not count:
        return NOTHING
    low = float(betaincinv(hits, count - hits + 1, _OUTSIDE / 2)) if hits else 0.0
    high = float(betaincinv(hits + 1, count - hits, 1 - _OUTSIDE / 2)) if hits < count else 1.0
    return Estimate(hits / count, low, high, count)


@dataclass(frozen=True)
class Trials:
    """Some hospitals, each counted once: what befalls it under one attack tells what befalls it under the next.

    Args:
        weights: (K,), 1 / (count * studies that the hospital is in); 0 for all others.
        count: of different hospitals.
    """

    weights: npt.NDArray[np.float64]
    count: int

    @classmethod
    def of(cls, person: npt.NDArray[np.int64], rows: Flags) -> "Trials":
        """Those `rows`, bool (K,), of persons by number (K,)."""
        _, place, times = np.unique(person[rows], return_inverse=True, return_counts=True)
        weights = np.zeros(len(person))
        weights[rows] = 1.0 / times[place] / max(len(times), 1)
        return cls(weights, len(times))

    def share(self, out: Flags) -> Estimate:
        """The share of them that is `out`, bool (K,); in the interval a part of a trial counts as a whole one."""
        if not self.count:
            return NOTHING
        # Weights add up to one but for rounding.
        share = round(float(self.weights @ out), 12)
        return replace(exact(math.ceil(round(share * self.count, 6)), self.count), value=share)


@dataclass(frozen=True)
class People:
    """K hospitals in studies; the order is that of `flat`.

    Args:
        dataset: (K,).
        partition: (K,).
        person: (K,), a number for each distinct hospital: the same records and seed, whatever the study's attack is.
        malicious: (K,).
        harmful: (K,), malicious in a study whose attack costs 2 points undefended, in the mean over the seeds.
    """

    dataset: npt.NDArray[np.str_]
    partition: npt.NDArray[np.str_]
    person: npt.NDArray[np.int64]
    malicious: Flags
    harmful: Flags

    @classmethod
    def of(cls, recordings: Sequence[Recording]) -> "People":
        """The hospitals of some recordings."""
        harms = harms_of(recordings)
        cells = [cell for recording in recordings for cell in recording.cells for _ in range(cell.hospitals)]
        numbers = [index for recording in recordings for cell in recording.cells for index in range(cell.hospitals)]
        keys = [
            (cell.dataset, cell.partition, cell.hospitals, cell.seed, index)
            for cell, index in zip(cells, numbers, strict=True)
        ]
        known = {key: place for place, key in enumerate(dict.fromkeys(keys))}
        malicious = flat([recording["malicious"] for recording in recordings])
        return cls(
            dataset=np.array([cell.dataset for cell in cells]),
            partition=np.array([cell.partition for cell in cells]),
            person=np.array([known[key] for key in keys]),
            malicious=malicious,
            harmful=malicious & np.array([cell.study in harms for cell in cells]),
        )

    @property
    def datasets(self) -> list[str]:
        """Those there are, sorted."""
        return sorted(set(self.dataset.tolist()))

    @cached_property
    def honest(self) -> dict[str, Trials]:
        """Dataset -> the honest hospitals."""
        return {name: Trials.of(self.person, ~self.malicious & (self.dataset == name)) for name in self.datasets}

    @cached_property
    def everywhere(self) -> Trials:
        """All honest hospitals."""
        return Trials.of(self.person, ~self.malicious)

    @cached_property
    def attackers(self) -> dict[str, Trials]:
        """Dataset -> the attackers in harmful studies, where there are any."""
        rows = {name: self.harmful & (self.dataset == name) for name in self.datasets}
        return {name: Trials.of(self.person, some) for name, some in rows.items() if some.any()}


def flat(arrays: Sequence[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """(K,) of an array (S, n) for each recording."""
    return np.concatenate([array.reshape(-1) for array in arrays])


def harms_of(recordings: Sequence[Recording]) -> frozenset[StudyKey]:
    """The studies (`Cell.study`) whose attack costs 2 points or more undefended, in the mean over the seeds."""
    lost: dict[StudyKey, list[float]] = {}
    for recording in recordings:
        for cell, points in zip(recording.cells, recording["lost"].tolist(), strict=True):
            lost.setdefault(cell.study, []).append(points)
    return frozenset(study for study, points in lost.items() if np.mean(points) >= LOST_POINTS - 1e-9)
