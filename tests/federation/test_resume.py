"""A study killed with SIGKILL at chosen and at random points, and resumed by another process."""

import os
import random
import signal
import sqlite3
import subprocess
import sys
import time

import pytest

from mithridate.errors import RunError
from mithridate.evaluation.records import read_records
from mithridate.federation.local import run_study
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.verify import history, verify_run
from mithridate.study import Study

ROUNDS = 4
# The attacker is far beyond the bound and honest updates are far from every threshold, so that verdicts are the same in
# every run; the evidence against the attacker has it suspended in the third round.
STUDY = {
    "name": "resume",
    "seed": 3,
    "data": {"name": "breast_cancer"},
    "hospitals": {"count": 5},
    "model": {"name": "logistic"},
    "training": {"rounds": ROUNDS, "local_epochs": 1},
    "attacks": [{"name": "scaling", "hospitals": [4], "gamma": 1000.0}],
    "defence": {
        "least_score": -2.0,
        "score_floor": -2.0,
        "score_share": 0.0,
        "noise_cosine": 0.0,
        "standard_errors": 10.0,
        "suspension": 2.5,
    },
}

# Runs or resumes the study; kills itself with SIGKILL at the n-th call of the method named on the command line.
SCRIPT = """
import os, signal, sys
from importlib import import_module
from pathlib import Path
from mithridate.federation.local import run_study
from mithridate.study import Study
study, out, target, count = sys.argv[1:5]
if target:
    module, _, path = target.partition(":")
    *owners, name = path.split(".")
    owner = import_module(module)
    for part in owners:
        owner = getattr(owner, part)
    original, calls = getattr(owner, name), []
    def killing(*args, **kwargs):
        calls.append(1)
        if len(calls) == int(count):
            os.kill(os.getpid(), signal.SIGKILL)
        return original(*args, **kwargs)
    setattr(owner, name, killing)
print("ready", flush=True)
run_study(Study.from_json(Path(study).read_text()), Path(out), resume=True)
"""

POINTS = (
    ("some hospitals have committed", "mithridate.federation.hospital:Hospital.commit", 3),
    ("verdicts found, not attested", "mithridate.federation.validator:Validator.attest_verdicts", 2),
    ("members bound, nothing opened", "mithridate.federation.validator:Validator.aggregate", 1),
    ("aggregate opened, model not attested", "mithridate.federation.validator:Validator.attest_model", 1),
    ("model attested, not released", "mithridate.federation.validator:Validator.vote_release", 1),
    ("round over, not recorded", "mithridate.federation.secure:append_record", 1),
)


@pytest.fixture(scope="module")
def study_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("study") / "study.json"
    file.write_text(Study.model_validate(STUDY).to_json())
    return file


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory):
    return run_study(Study.model_validate(STUDY), tmp_path_factory.mktemp("uninterrupted") / "run")


def start(study_file, out, target="", count=1):
    command = [sys.executable, "-c", SCRIPT, str(study_file), str(out), target, str(count)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def finish(study_file, out):
    process = start(study_file, out)
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors


def check(out, uninterrupted):
    records = [record for record in read_records(out) if record.status != "void"]
    assert [record.round for record in records] == list(range(ROUNDS + 1))
    assert records[-1].model_hash == uninterrupted.model_hash
    assert [record.model_hash for record in records] == [
        record.model_hash for record in read_records(uninterrupted.run) if record.status != "void"
    ]
    verify_run(out)
    words = [record.verdicts["hospital-4"] for record in records[1:]]
    assert words == ["norm", "norm", "suspended", "absent"]
    ledger = EmbeddedLedger.open(out / "ledger.sqlite")
    assert ledger.reader.suspended() == {4}
    ledger.close()
    for rank in range(3):
        with sqlite3.connect(out / "parties" / f"validator-{rank}" / "openings.sqlite") as database:
            rows = database.execute("SELECT round, members FROM openings").fetchall()
        assert sorted(rows) == [(number, "[0, 1, 2, 3]") for number in range(1, ROUNDS + 1)]


@pytest.mark.timeout(900)
def test_killed_at_every_step_of_a_round_the_study_ends_as_if_it_had_not_been(study_file, uninterrupted, tmp_path):
    out = tmp_path / "run"
    for _, target, count in POINTS:
        process = start(study_file, out, target, count)
        _, errors = process.communicate(timeout=120)
        assert process.returncode == -signal.SIGKILL, errors
    finish(study_file, out)
    check(out, uninterrupted)
    ledger = EmbeddedLedger.open(out / "ledger.sqlite")
    phases = [(entry["round"], entry["phase"]) for entry in history(ledger)]
    ledger.close()
    # Before the members are bound an attempt is void; from then on it is finished as it was.
    assert phases[:3] == [(1, "void"), (1, "void"), (1, "released")]
    assert [phase for _, phase in phases[3:]] == ["released"] * (ROUNDS - 1)


def test_killed_at_random_times_the_study_ends_as_if_it_had_not_been(study_file, uninterrupted, tmp_path):
    out, delays = tmp_path / "run", random.Random(os.getpid())
    for _ in range(3):
        process = start(study_file, out)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delays.uniform(0.2, 6))
        process.kill()
        process.communicate()
    finish(study_file, out)
    check(out, uninterrupted)


def test_resuming_a_finished_study_changes_nothing(uninterrupted):
    before = {path: path.read_bytes() for path in sorted(uninterrupted.run.glob("*.jsonl"))}
    again = run_study(Study.model_validate(STUDY), uninterrupted.run, resume=True)
    assert again.model_hash == uninterrupted.model_hash
    assert {path: path.read_bytes() for path in before} == before


def test_another_study_cannot_be_resumed_in_the_folder(uninterrupted):
    with pytest.raises(RunError, match="another study or of other settings"):
        run_study(Study.model_validate({**STUDY, "seed": 4}), uninterrupted.run, resume=True)


def test_a_run_is_not_overwritten_unasked(uninterrupted):
    with pytest.raises(RunError, match="--resume"):
        run_study(Study.model_validate(STUDY), uninterrupted.run)


def test_a_plain_study_resumes_from_its_records(tmp_path):
    plain = Study.model_validate({**STUDY, "runtime": {"secure": False}})
    whole = run_study(plain, tmp_path / "whole")
    cut = tmp_path / "cut"
    run_study(plain, cut)
    lines = (cut / "rounds.jsonl").read_text().splitlines(keepends=True)
    # The last line is what a kill in the midst of writing leaves.
    (cut / "rounds.jsonl").write_text("".join(lines[:2]) + lines[2][:20])
    assert run_study(plain, cut, resume=True).model_hash == whole.model_hash
