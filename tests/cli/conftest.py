"""A runtime that takes no time: `run_study` writes made-up records, so that the commands alone are tested."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from mithridate.cli import main
from mithridate.evaluation.records import Observer, RoundRecord, RunSummary, append_record, summarise
from mithridate.study import Study

HASH = "ab" * 32
Command = Callable[..., int]


def _verdicts(study: Study) -> dict[str, str]:
    words = {f"hospital-{index}": "accepted" for index in range(study.hospitals.count)}
    if study.runtime.secure:
        words |= {f"hospital-{index}": "validation loss" for index in study.malicious}
    return words


def _record(study: Study, number: int) -> RoundRecord:
    secure, count = study.runtime.secure, study.hospitals.count
    harmed = study.malicious and not secure
    return RoundRecord(
        round=number,
        model_hash=HASH,
        status="released",
        hospitals=count,
        trained=count,
        submitted=count,
        verdicts=_verdicts(study),
        accuracy=0.6 if harmed else 0.95,
        loss=0.1,
        worst_class_recall=0.5,
        seconds={"train": 0.1, "total": 1.2 if secure else 0.4},
        attested=3 if secure else 0,
        validators=3 if secure else 0,
        height=number if secure else None,
    )


def run_study(study: Study, out: Path, *, resume: bool = False, observer: Observer | None = None) -> RunSummary:
    """Write a run folder at once; print to stdout as a library might."""
    sys.stdout.write("a library's notice\n")
    out.mkdir(parents=True, exist_ok=True)
    (out / "study.json").write_text(study.to_json())
    records = [
        RoundRecord(round=0, model_hash=HASH, status="initial", accuracy=0.4, loss=0.7, worst_class_recall=0.1),
        *(_record(study, number) for number in range(1, study.training.rounds + 1)),
    ]
    for record in records:
        append_record(out, record)
        if observer is not None:
            observer.phase(record.round, "train")
            observer.hospital_done(record.round, "hospital-0")
            observer.round_done(record)
    return summarise(study.name, records, run=out, seconds=1.0)


@pytest.fixture
def runtime(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    """The made-up runtime in place of the local one, in an empty working directory."""
    module = ModuleType("mithridate.federation.local")
    module.run_study = run_study  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "mithridate.federation.local", module)
    monkeypatch.chdir(tmp_path)
    return module


@pytest.fixture
def mithridate() -> Command:
    """Run the command with the given words; the exit code."""

    def command(*words: object) -> int:
        with pytest.raises(SystemExit) as exit_of:
            main([str(word) for word in words])
        code = exit_of.value.code
        return code if isinstance(code, int) else 0

    return command


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """Three rounds of five hospitals, two of them malicious."""
    path = tmp_path / "study.toml"
    path.write_text(
        'name = "small study/1"\nseed = 3\n[hospitals]\ncount = 5\n[training]\nrounds = 3\n'
        '[[attacks]]\nname = "label_flip"\nhospitals = [1, 4]\n'
    )
    return path
