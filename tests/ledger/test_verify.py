"""A small run folder made by hand, whole and altered."""

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError, ModelAltered
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import Phase
from mithridate.ledger.store import ModelStore
from mithridate.ledger.verify import JOURNAL_FILE, MODELS_FOLDER, STUDY_FILE, attempts, history, verify_run

Scene = Any


@pytest.fixture
def run(finished: Scene, tmp_path: Path) -> Path:
    shutil.copy(finished.path, tmp_path / JOURNAL_FILE)
    store = ModelStore(tmp_path / MODELS_FOLDER)
    for data in finished.files():
        store.put(data)
    # The conftest's configuration is the hash of these bytes.
    (tmp_path / STUDY_FILE).write_bytes(b'{"name":"study"}')
    return tmp_path


def stored(run: Path) -> list[Path]:
    return sorted((run / MODELS_FOLDER).iterdir())


def test_a_run_as_it_was_written_is_checked_line_by_line(run: Path, finished: Scene) -> None:
    lines = verify_run(run)
    assert lines[0].startswith("journal: ")
    assert [line.split(":")[0] for line in lines[1:]] == ["study", "initial", "round 1", "round 2"]
    assert finished.model(2, 1).hex() in lines[-1]


def test_an_altered_study_is_named(run: Path) -> None:
    (run / STUDY_FILE).write_bytes(b"study!")
    with pytest.raises(LedgerError, match=r"study\.json was altered"):
        verify_run(run)
    (run / STUDY_FILE).unlink()
    with pytest.raises(LedgerError, match=r"study\.json cannot be read"):
        verify_run(run)


@pytest.mark.parametrize("which", range(3))
def test_an_altered_model_is_named(run: Path, which: int) -> None:
    path = stored(run)[which]
    path.write_bytes(path.read_bytes() + b".")
    with pytest.raises(ModelAltered, match=path.stem):
        verify_run(run)


@pytest.mark.parametrize("which", range(3))
def test_a_missing_model_is_named(run: Path, which: int) -> None:
    path = stored(run)[which]
    path.unlink()
    with pytest.raises(ModelAltered, match=path.stem):
        verify_run(run)


def test_two_swapped_models_are_noticed(run: Path) -> None:
    first, second, _ = stored(run)
    data = first.read_bytes(), second.read_bytes()
    second.write_bytes(data[0])
    first.write_bytes(data[1])
    with pytest.raises(ModelAltered):
        verify_run(run)


def test_a_file_that_the_ledger_does_not_name_is_not_checked(run: Path) -> None:
    (run / MODELS_FOLDER / f"{'ab' * 32}.safetensors").write_bytes(b"another")
    verify_run(run)


def test_an_altered_journal_is_named(run: Path) -> None:
    with closing(sqlite3.connect(run / JOURNAL_FILE)) as database:
        database.execute("UPDATE blocks SET header = zeroblob(9) WHERE number = 9")
        database.commit()
    with pytest.raises(JournalAltered, match=r"^block 9:"):
        verify_run(run)


def test_a_folder_without_a_ledger_is_no_secure_run(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="no folder of a secure run"):
        verify_run(tmp_path)


def test_history_tells_every_attempt_in_plain_values(run: Path, finished: Scene) -> None:
    ledger = EmbeddedLedger.open(run / JOURNAL_FILE)
    told = history(ledger)
    states = list(attempts(ledger.reader))
    ledger.close()
    assert json.loads(json.dumps(told)) == told
    assert [(entry["round"], entry["attempt"], entry["phase"]) for entry in told] == [
        (1, 0, "released"),
        (2, 0, "void"),
        (2, 1, "released"),
    ]
    assert [state.phase for state in states] == [Phase.RELEASED, Phase.VOID, Phase.RELEASED]
    first, void, last = told
    assert first["verdicts"] == {f"hospital-{i}": "absent" if i == 2 else "accepted" for i in range(4)}
    assert (first["submissions"], first["attested"], first["model"]) == (3, 2, finished.model(1).hex())
    assert (void["reason"], void["verdicts"], void["attested"], void["model"]) == ("no agreement", {}, 0, None)
    assert (last["base"], last["reason"]) == (finished.model(1).hex(), None)


def test_history_names_a_verdict_without_a_rule(scene: Scene) -> None:
    scene.to("drawn")
    scene.bind(verdicts=b"\0\0\1\xc8")
    assert history(scene.chain)[0]["verdicts"]["hospital-3"] == "rule 200"


def test_a_ledger_without_rounds_has_no_history(scene: Scene) -> None:
    scene.to("begun")
    assert history(scene.chain) == []
