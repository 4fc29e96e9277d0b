"""Runs made up for the report: the numbers mean nothing, their shapes are those of real runs."""

import hashlib
from collections.abc import Callable
from pathlib import Path

import pytest

from mithridate.evaluation.records import RoundRecord, summarise
from mithridate.evaluation.report import Run

MakeRun = Callable[..., Run]


def file_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _initial(label: str) -> RoundRecord:
    return RoundRecord(
        round=0, model_hash=file_hash(label), status="initial", accuracy=0.4, loss=0.7, worst_class_recall=0.1
    )


def _plain(label: str, number: int, hospitals: int) -> RoundRecord:
    return RoundRecord(
        round=number,
        model_hash=file_hash(f"{label} {number}"),
        status="released",
        hospitals=hospitals,
        trained=hospitals,
        submitted=hospitals,
        verdicts={f"hospital-{index}": "accepted" for index in range(hospitals)},
        accuracy=0.9,
        loss=0.2,
        worst_class_recall=0.8,
        seconds={"train": 0.5, "total": 0.6},
        bytes={"hospital_upload": 17_000},
    )


def _secure(label: str, number: int, hospitals: int) -> RoundRecord:
    plain = _plain(label, number, hospitals)
    return plain.model_copy(
        update={
            "verdicts": {**plain.verdicts, "hospital-2": "validation loss", "hospital-3": "norm"},
            "seconds": {"train": 0.5, "share": 0.1, "verify": 2.0, "ledger": 0.2, "total": 3.0},
            "bytes": {"hospital_upload": 34_000, "validators": 1e5, "mpc": 2.5e8},
            "attested": 3,
            "validators": 3,
            "height": 10 * number,
        }
    )


@pytest.fixture
def make_run() -> MakeRun:
    def make(label: str = "defended", *, secure: bool = True, rounds: int = 3, hospitals: int = 5) -> Run:
        record = _secure if secure else _plain
        records = [_initial(label), *(record(label, number, hospitals) for number in range(1, rounds + 1))]
        study = {
            "name": "made up",
            "seed": 1,
            "training": {"rounds": rounds},
            "attacks": [{"name": "label_flip", "hospitals": [2]}, {"name": "scaling", "hospitals": [3], "gamma": 10.0}],
            "runtime": {"secure": secure},
        }
        return Run(label, study, records, summarise("made up", records, run=Path("runs/made-up"), seconds=9.0))

    return make
