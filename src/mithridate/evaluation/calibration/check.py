"""Studies played with given settings to their end: what the replay could only estimate."""

from collections.abc import Iterable, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from mithridate.attacks import Conspiracy
from mithridate.evaluation.calibration.rates import Trials, exact
from mithridate.evaluation.calibration.studies import study_of
from mithridate.evaluation.detection.cells import Cell, malicious
from mithridate.evaluation.detection.defences import PipelineDefence
from mithridate.evaluation.detection.harm import StudyKey
from mithridate.evaluation.detection.intervals import Estimate
from mithridate.evaluation.detection.simulator import Play, play
from mithridate.federation.prepared import Prepared
from mithridate.verification.settings import DefenceSettings


@dataclass(frozen=True)
class Outcome:
    """What one study came to.

    Args:
        cell: the study.
        accuracy: of the final model, in [0, 1].
        suspended: hospitals, by number.
    """

    cell: Cell
    accuracy: float
    suspended: frozenset[int]


def outcomes(cells: Sequence[Cell], settings: DefenceSettings) -> list[Outcome]:
    """Plays studies of one dataset, partition, number of hospitals and seed under some settings.

    Raises:
        DataError: the data are missing.
    """
    studies = [study_of(cell, settings) for cell in cells]
    common = Prepared.of(studies[0])
    plays = []
    for study in studies:
        prepared = replace(common, study=study)
        plays.append(Play(prepared, Conspiracy(study.attacks, study.seed), PipelineDefence.of(prepared)))
    play(plays, studies[0].training.rounds)
    return [
        Outcome(cell, float(each.prepared.measure(each.base)["accuracy"]), frozenset(each.defence.suspended))
        for cell, each in zip(cells, plays, strict=True)
    ]


def honest_suspended(found: Iterable[Outcome]) -> Estimate:
    """The share of honest hospitals, each one trial however many attacks it met."""
    rows = [(each, index) for each in found for index in _honest(each.cell)]
    keys = [(each.cell.dataset, each.cell.partition, each.cell.hospitals, each.cell.seed, i) for each, i in rows]
    numbers = {key: place for place, key in enumerate(dict.fromkeys(keys))}
    person = np.array([numbers[key] for key in keys])
    out = np.array([index in each.suspended for each, index in rows])
    return Trials.of(person, np.ones(len(person), dtype=bool)).share(out)


def attackers_suspended(found: Iterable[Outcome], harms: Set[StudyKey]) -> Estimate:
    """The share of attackers in studies that are harmful, by their key; each of a study is a trial."""
    some = [each for each in found if each.cell.study in harms]
    members = [set(malicious(each.cell)) for each in some]
    hits = sum(len(each.suspended & own) for each, own in zip(some, members, strict=True))
    return exact(hits, sum(map(len, members)))


def accuracy(found: Sequence[Outcome]) -> float:
    """The mean accuracy, each dataset counted alike."""
    names = {each.cell.dataset for each in found}
    return float(np.mean([np.mean([each.accuracy for each in found if each.cell.dataset == name]) for name in names]))


def _honest(cell: Cell) -> list[int]:
    return sorted(set(range(cell.hospitals)) - set(malicious(cell)))
