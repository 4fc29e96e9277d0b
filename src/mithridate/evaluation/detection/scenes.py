"""From a cell of the benchmark to a simulated study, and from what it came to back to a result."""

import os
import time
from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import nan
from pathlib import Path
from typing import Any

import numpy as np

from mithridate.attacks import Conspiracy, parse_attack
from mithridate.data.dataset import Dataset
from mithridate.data.locate import DATA_VARIABLE
from mithridate.errors import InputError
from mithridate.evaluation.detection.cells import NO_ATTACK, ORACLE, OURS, UNDEFENDED, Cell, Result, malicious
from mithridate.evaluation.detection.defences import Defence, PipelineDefence, RuleDefence
from mithridate.evaluation.detection.labels import Scene, attack_entries
from mithridate.evaluation.detection.simulator import Play, play
from mithridate.federation.prepared import Prepared
from mithridate.seeds import derive_seed
from mithridate.study import Study
from mithridate.training.evaluate import evaluate

Table = dict[str, Any]

_SITES = ("cleveland", "hungarian", "switzerland", "va")
_HEART_COLUMNS = (
    *("age", "sex", "cp", "trestbps", "chol", "fbs", "restecg", "thalach", "exang", "oldpeak", "slope", "ca", "thal"),
    "num",
)
_HEART = {
    "name": "csv",
    "path": [f"heart_disease_4hospitals/processed.{site}.data" for site in _SITES],
    "columns": list(_HEART_COLUMNS),
    "label": "num",
    "positive": ["1", "2", "3", "4"],
    "missing": ["?"],
    "zero_missing": ["chol", "trestbps"],
    "column": "file",
}
_PIMA = {
    "name": "csv",
    "path": "pima_diabetes/pima-indians-diabetes.csv",
    "columns": ["pregnancies", "glucose", "bp", "skin", "insulin", "bmi", "pedigree", "age", "outcome"],
    "label": "outcome",
    "positive": ["1"],
    "zero_missing": ["glucose", "bp", "skin", "insulin", "bmi"],
}

SETTINGS: Mapping[str, Table] = {
    "breast_cancer": {"data": {"name": "breast_cancer"}, "training": {"rounds": 10}},
    "heart_disease": {"data": _HEART, "training": {"rounds": 10, "local_epochs": 2}},
    "pima_diabetes": {"data": _PIMA, "training": {"rounds": 10}},
    "digits": {"data": {"name": "digits"}, "training": {"rounds": 12, "learning_rate": 0.003}},
    "mnist": {"data": {"name": "mnist", "max_records": 2000}, "training": {"rounds": 10}},
    "pneumoniamnist": {
        "data": {"name": "pneumoniamnist", "max_records": 1200},
        "model": {"name": "cnn"},
        "training": {"rounds": 8, "local_epochs": 2, "batch_size": 16, "learning_rate": 0.003},
    },
}
"""Dataset -> the sections of its study file that differ from the defaults; the model is "mlp" where none is named."""


def partition_table(partition: str) -> Table:
    """The keys of [data] that a partition of the benchmark stands for."""
    if partition == "natural":
        return {"partition": "column"}
    name, _, alpha = partition.partition("-")
    return {"partition": name, "alpha": float(alpha)} if alpha else {"partition": name}


@lru_cache(maxsize=64)
def prepared(dataset: str, partition: str, hospitals: int, seed: int) -> Prepared:
    """The study of one dataset, partition, number of hospitals and seed, without attacks.

    Raises:
        InputError: there are no settings for the dataset.
        DataError: its files are missing, or cannot be divided like this.
    """
    if dataset not in SETTINGS:
        raise InputError(f"unknown dataset {dataset!r}: one of {', '.join(SETTINGS)}")
    table = SETTINGS[dataset]
    study = Study.model_validate(
        {
            "name": f"{dataset} {partition}",
            "seed": seed,
            "model": {"name": "mlp"},
            **table,
            "data": {**table["data"], **partition_table(partition)},
            "hospitals": {"count": hospitals},
        }
    )
    return Prepared.of(study)


def conspiracy(cell: Cell) -> Conspiracy:
    """The attacks of a cell."""
    if cell.attack == NO_ATTACK:
        return Conspiracy((), cell.seed)
    scene = Scene(cell.dataset, cell.hospitals, _study(cell).study.training.rounds, malicious(cell))
    return Conspiracy(tuple(parse_attack(entry) for entry in attack_entries(cell.attack, scene)), cell.seed)


def defence_of(cell: Cell) -> Defence:
    """A fresh defence for a cell's study."""
    study = _study(cell)
    if cell.defence == OURS:
        return PipelineDefence.of(study)
    if cell.defence == ORACLE:
        bad = malicious(cell)
        return RuleDefence.of(study, UNDEFENDED, [index for index in range(cell.hospitals) if index not in bad])
    return RuleDefence.of(study, cell.defence)


def play_of(cell: Cell) -> Play:
    """A cell's study, before its first round."""
    return Play(_study(cell), conspiracy(cell), defence_of(cell))


def simulate(cells: Sequence[Cell], folder: Path | None = None) -> list[Result]:
    """What the cells' studies come to, one result a cell in order.

    Args:
        cells: the studies, of one dataset and number of hospitals.
        folder: of the data files; None for where `MITHRIDATE_DATA` says.

    Raises:
        InputError: a cell names what there is not, or they are of several datasets.
        DataError: data files are missing.
    """
    if len({(cell.dataset, cell.hospitals) for cell in cells}) > 1:
        raise InputError("studies of several datasets, or numbers of hospitals, cannot be played side by side")
    if folder is not None:
        os.environ[DATA_VARIABLE] = str(folder)
    if not cells:
        return []
    start = time.perf_counter()
    plays = {cell: play_of(cell) for cell in cells}
    tests = {cell: _triggered(each, cell.seed) for cell, each in plays.items()}
    # A backdoor's success is compared with that of the model trained without an attack.
    compared = {_clean(cell) for cell, records in tests.items() if records is not None}
    everyone = plays | {cell: play_of(cell) for cell in compared if cell not in plays}
    play(list(everyone.values()), plays[cells[0]].prepared.study.training.rounds)
    seconds = (time.perf_counter() - start) / len(cells)
    return [_result(cell, plays[cell], everyone, tests[cell], seconds) for cell in cells]


def _study(cell: Cell) -> Prepared:
    return prepared(cell.dataset, cell.partition, cell.hospitals, cell.seed)


def _clean(cell: Cell) -> Cell:
    return Cell(cell.dataset, cell.partition, cell.hospitals, 0.0, NO_ATTACK, UNDEFENDED, cell.seed)


def _triggered(each: Play, seed: int) -> Dataset | None:
    """The test records of the study's backdoor, None without one."""
    rng, test = np.random.default_rng(derive_seed(seed, "triggered")), each.prepared.split.test
    sets = (attack.triggered(test, rng) for attack in each.conspiracy.attacks)
    return next((records for records in sets if records is not None and len(records)), None)


def _result(cell: Cell, each: Play, everyone: Mapping[Cell, Play], test: Dataset | None, seconds: float) -> Result:
    defence, colluders, rounds = each.defence, malicious(cell), each.prepared.study.training.rounds
    metrics = evaluate(each.prepared.module, each.base, each.prepared.split.test)
    attacked = tuple(
        number for number in range(1, rounds + 1) if any(each.conspiracy.colludes(one, number) for one in colluders)
    )
    return Result(
        cell=cell,
        accuracy=metrics.accuracy,
        worst_class_recall=metrics.worst_class_recall,
        loss=metrics.loss,
        attack_success=_success(each, test),
        clean_success=nan if test is None else _success(everyone[_clean(cell)], test),
        malicious=colluders,
        suspended=tuple(sorted(defence.suspended)),
        quarantined=tuple(sorted(_quarantined(defence) - set(defence.suspended))),
        rejected=tuple(sum(index in out for out in defence.rejected) for index in range(cell.hospitals)),
        first_detected=tuple(_detected(defence, index) for index in colluders),
        neutral=tuple(bool(attacked) and index in defence.rejected[attacked[-1] - 1] for index in colluders),
        attacked=attacked,
        rounds=rounds,
        seconds=seconds,
    )


def _success(each: Play, test: Dataset | None) -> float:
    """The share of `test` that the model puts into the label it has there, the backdoor's target; NaN without one."""
    return nan if test is None else evaluate(each.prepared.module, each.base, test).accuracy


def _quarantined(defence: Defence) -> set[int]:
    if not isinstance(defence, PipelineDefence):
        return set()
    limit = defence.pipeline.settings.quarantine
    return {index for index, evidence in enumerate(defence.standing.evidence) if evidence > limit}


def _detected(defence: Defence, hospital: int) -> int:
    rounds = [times[hospital] for times in (defence.quarantined, defence.suspended) if hospital in times]
    return min(rounds, default=0)
