"""`mithridate store` on a run folder made by hand around a real ledger."""

import hashlib
import json
import os
import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save

from mithridate.evaluation.records import RoundRecord, append_record
from mithridate.ledger.accounts import new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import Role
from mithridate.ledger.store import SUFFIX, study_store
from mithridate.ledger.store_place import DRAFT

Command = Callable[..., int]
NAMED, RECORDED, UNNAMED = (save({"weights": np.full(4, number, dtype="<f4")}) for number in range(3))


def digest_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def make(folder: Path, store: dict[str, str]) -> Path:
    """A run whose ledger names one model and whose records name another; both, a third and a draft are a day old."""
    folder.mkdir()
    study = json.dumps({"name": "by hand", "store": store}).encode()
    (folder / "study.json").write_bytes(study)
    accounts = [new_account() for _ in range(7)]
    administrator, coordinator, *others = accounts
    configuration, validators = hashlib.sha256(study).digest(), [account.address for account in others[:3]]
    terms = StudyTerms(configuration, coordinator.address, validators, quorum=2, min_accepted=2)
    ledger = EmbeddedLedger.create(folder / "ledger.sqlite", administrator, terms)
    view = ledger.as_party(administrator)
    for account in others[3:]:
        view.enrol(account.address, Role.HOSPITAL, b"\2" + hashlib.sha256(account.key).digest())
        view.admit(account.address, 10)
    for account in others[:3]:
        ledger.as_party(account).register_keys(envelope_key=b"\3" + hashlib.sha256(account.key).digest())
    view.begin(bytes.fromhex(digest_of(NAMED)), bytes(31) + b"\1")
    models = study_store(store.get("url", ""), folder / "models", view.study_id())
    ledger.close()
    for data in (NAMED, RECORDED, UNNAMED):
        models.put(data)
    append_record(folder, RoundRecord(round=0, model_hash=digest_of(RECORDED), status="initial"))
    place = Path(str(models).removeprefix("file://"))
    (place / f"{DRAFT}crash").write_bytes(b"part")
    (place / "notes.txt").write_text("ours")
    for path in place.iterdir():
        os.utime(path, (1e9, 1e9))
    return folder


@pytest.fixture(params=["folder", "url"])
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    store = {} if request.param == "folder" else {"url": (tmp_path / "elsewhere").as_uri()}
    return make(tmp_path / "run", store)


def names(run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> dict[str, str]:
    assert mithridate("store", "list", run, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["missing"] == []
    return {entry["name"]: entry["state"] for entry in answer["objects"]}


def test_gc_removes_what_neither_ledger_nor_records_name(
    run: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = {digest_of(NAMED) + SUFFIX: "named", digest_of(RECORDED) + SUFFIX: "named", "notes.txt": "foreign"}
    rest = {digest_of(UNNAMED) + SUFFIX: "unnamed", f"{DRAFT}crash": "draft"}
    assert names(run, mithridate, capsys) == kept | rest
    assert mithridate("store", "gc", run, "--dry-run") == 0
    assert f"would remove {digest_of(UNNAMED)}" in capsys.readouterr().out
    assert names(run, mithridate, capsys) == kept | rest
    assert mithridate("store", "gc", run, "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert sorted(answer["removed"]) == sorted(rest)
    assert (answer["kept"], answer["young"], answer["foreign"], answer["dry_run"]) == (2, 0, 1, False)
    assert names(run, mithridate, capsys) == kept


def test_gc_leaves_what_is_younger_than_it_was_told(
    tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(tmp_path / "run", {})
    path = run / "models" / (digest_of(UNNAMED) + SUFFIX)
    os.utime(path)
    assert mithridate("store", "gc", run, "--older-than", 1) == 0
    assert "1 removed, 4 bytes; 2 kept, 1 too young" in capsys.readouterr().out
    assert path.exists()
    assert mithridate("store", "gc", run, "--older-than", 0.5) == 2


def test_list_names_what_is_missing(tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    run = make(tmp_path / "run", {})
    (run / "models" / (digest_of(NAMED) + SUFFIX)).unlink()
    assert mithridate("store", "list", run) == 0
    assert f"missing               {digest_of(NAMED)}" in capsys.readouterr().out


@pytest.mark.parametrize("what", ["journal", "study", "records", "plain"])
def test_a_run_that_is_not_what_was_written_loses_no_model(
    what: str, tmp_path: Path, mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    run = make(tmp_path / "run", {})
    if what == "journal":
        with closing(sqlite3.connect(run / "ledger.sqlite")) as database:
            database.execute("UPDATE blocks SET number = number + 1000 WHERE number = 3")
            database.commit()
    elif what == "study":
        # An altered study could lead the collection to another study's models.
        (run / "study.json").write_text(json.dumps({"name": "by hand", "store": {"url": tmp_path.as_uri()}}))
    elif what == "records":
        (run / "rounds.jsonl").write_text("{}\n")
    else:
        (run / "ledger.sqlite").unlink()
    before = sorted(path.name for path in (run / "models").iterdir())
    assert mithridate("store", "gc", run) != 0
    assert "error: " in capsys.readouterr().err
    assert sorted(path.name for path in (run / "models").iterdir()) == before
