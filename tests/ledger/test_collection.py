"""What garbage collection takes and leaves, on every kind of store."""

import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mithridate.errors import InputError, ModelAltered, RuleViolation
from mithridate.ledger.collection import YOUNGEST_S, collect, named_models
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.store import SUFFIX, Entry, ModelStore
from mithridate.ledger.store_place import DRAFT, Folder

Scene = Any
DAY = 86_400.0


def model(number: int) -> bytes:
    return save({"weights": np.full(4, number, dtype="<f4")})


def later() -> float:
    return time.time() + 2 * DAY


@pytest.fixture(params=["folder", "memory", "s3"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "folder":
        return (tmp_path / "models").as_uri()
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    return f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"


def put_beside(place: str, name: str) -> None:
    files, root = fsspec.url_to_fs(place)
    files.pipe_file(f"{root}/{name}", b"not whole")


def test_what_nothing_names_and_drafts_are_removed_and_the_rest_stays(place: str) -> None:
    store = ModelStore(place)
    kept, *others = (store.put(model(number)) for number in range(4))
    strangers = ["notes.txt", f"{others[0]}.bin", f"{others[0].upper()}{SUFFIX}", f"{others[0]}{SUFFIX}.old"]
    for name in (DRAFT + "crash", *strangers):
        put_beside(place, name)
    done = collect(store, [kept], older_than=DAY, now=later())
    assert sorted(done.removed) == sorted([DRAFT + "crash", *(digest + SUFFIX for digest in others)])
    assert done.removed_bytes == 3 * len(model(0)) + len(b"not whole")
    assert (done.kept, done.young, done.foreign) == (1, 0, 4)
    assert {entry.name for entry in store.entries()} == {kept + SUFFIX, *strangers}
    assert store.get(kept) == model(0)


CRASH = """
import os, signal, sys
from pathlib import Path
from mithridate.ledger.store import ModelStore
os.fsync = lambda handle: os.kill(os.getpid(), signal.SIGKILL)
ModelStore(Path(sys.argv[1])).put(Path(sys.argv[2]).read_bytes())
"""


def test_what_a_killed_write_leaves_is_a_draft_and_collected(tmp_path: Path) -> None:
    (tmp_path / "data").write_bytes(model(1))
    store = ModelStore(tmp_path / "models")
    kept = store.put(model(0))
    killed = subprocess.run(
        [sys.executable, "-c", CRASH, str(tmp_path / "models"), str(tmp_path / "data")], check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert sorted((entry.digest, entry.is_draft) for entry in store.entries() if entry.digest) == [(kept, False)]
    assert sum(entry.is_draft for entry in store.entries()) == 1
    assert len(collect(store, [kept], older_than=DAY, now=later()).removed) == 1
    assert [entry.digest for entry in store.entries()] == [kept]


def test_what_is_young_stays(place: str) -> None:
    store = ModelStore(place)
    kept, young = store.put(model(0)), store.put(model(1))
    put_beside(place, DRAFT + "being-written")
    done = collect(store, [kept], older_than=YOUNGEST_S)
    assert (done.removed, done.kept, done.young) == ((), 1, 2)
    assert store.get(young) == model(1)


def test_a_dry_run_tells_the_same_and_removes_nothing(place: str) -> None:
    store = ModelStore(place)
    digests = [store.put(model(number)) for number in range(3)]
    told = collect(store, digests[:1], older_than=DAY, now=later(), dry_run=True)
    assert [store.get(digest) for digest in digests] == [model(number) for number in range(3)]
    assert collect(store, digests[:1], older_than=DAY, now=later()) == told
    assert len(told.removed) == 2


@settings(max_examples=50, deadline=None)
@given(st.sets(st.integers(0, 9)), st.sets(st.integers(0, 9), min_size=1))
def test_whatever_is_stored_no_named_model_is_lost(stored: set[int], named: set[int]) -> None:
    store = ModelStore(f"memory://{uuid.uuid4().hex}")
    digests = {number: store.put(model(number)) for number in stored}
    names = ModelStore(f"memory://{uuid.uuid4().hex}")
    done = collect(store, [names.put(model(number)) for number in named], older_than=DAY, now=later())
    assert {entry.digest for entry in store.entries()} == {digests[number] for number in stored & named}
    assert (len(done.removed), done.kept) == (len(stored - named), len(stored & named))


def test_a_model_made_again_between_the_listing_and_the_removal_stays(tmp_path: Path) -> None:
    store = ModelStore(tmp_path)
    kept, again = store.put(model(0)), store.put(model(1))
    for path in tmp_path.iterdir():
        os.utime(path, (1000, 1000))
    entries = list(store.entries())
    store.put(model(1))
    assert [store.remove(entry, before=time.time() - DAY) for entry in entries if entry.digest == again] == [False]
    assert collect(store, [kept], older_than=DAY).removed == ()
    assert store.get(again) == model(1)


def test_a_put_waits_for_a_removal_and_writes_the_model_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the look at the time and the removal no put may find the model still there."""
    store = ModelStore(tmp_path)
    digest = store.put(model(1))
    os.utime(tmp_path / (digest + SUFFIX), (1000, 1000))
    putting = threading.Thread(target=store.put, args=(model(1),))
    modified = Folder.modified

    def looked(folder: Folder, name: str) -> float:
        found = modified(folder, name)
        putting.start()
        putting.join(timeout=0.3)
        assert putting.is_alive()
        return found

    monkeypatch.setattr(Folder, "modified", looked)
    (entry,) = store.entries()
    assert store.remove(entry, before=time.time() - DAY)
    putting.join()
    assert store.get(digest) == model(1)


def test_what_is_gone_meanwhile_is_no_error(place: str) -> None:
    store = ModelStore(place)
    store.put(model(0))
    (entry,) = store.entries()
    assert store.remove(entry, before=later())
    assert not store.remove(entry, before=later())
    assert store.modified(entry) is None


def test_only_names_of_the_stores_own_are_ever_removed(tmp_path: Path) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "ledger.sqlite").write_bytes(b"journal")
    store = ModelStore(tmp_path / "models")
    for name in ("../ledger.sqlite", "notes.txt", ""):
        assert not store.remove(Entry(name, 7), before=later())
    assert (tmp_path / "ledger.sqlite").exists()


@pytest.mark.parametrize("older_than", [0.0, -1.0, YOUNGEST_S - 1, float("nan")])
def test_an_age_too_short_is_refused(older_than: float) -> None:
    with pytest.raises(InputError, match="before it is attested"):
        collect(ModelStore("memory://age"), ["ab" * 32], older_than=older_than)


def test_keeping_nothing_or_what_is_no_hash_is_refused() -> None:
    store = ModelStore("memory://keeping")
    digest = store.put(model(0))
    with pytest.raises(InputError, match="empty the store"):
        collect(store, [], older_than=DAY, now=later())
    with pytest.raises(ModelAltered, match="no SHA-256"):
        collect(store, [digest.upper()], older_than=DAY, now=later())
    assert store.get(digest) == model(0)


def test_a_ledger_names_every_model_that_anybody_attested(finished: Scene, tmp_path: Path) -> None:
    shutil.copy(finished.path, tmp_path / "ledger.sqlite")
    ledger = EmbeddedLedger.open(tmp_path / "ledger.sqlite")
    named = named_models(ledger.reader)
    ledger.close()
    store = ModelStore(tmp_path / "models")
    assert named == {store.put(data) for data in finished.files()}
    store.put(model(0))
    assert len(collect(store, named, older_than=DAY, now=later()).removed) == 1
    assert {entry.digest for entry in store.entries()} == named


def test_a_model_that_one_validator_attested_or_that_was_rolled_back_is_named(scene: Scene) -> None:
    scene.to("begun")
    scene.attempt_to("final")
    scene.release(passed=False)
    scene.attempt_to("bound", 2)
    scene.validators[0].attest_model(2, 0, b"\xab" * 32)
    named = named_models(scene.chain.reader)
    assert scene.chain.current_model() == scene.chain.stable_model()
    assert {scene.model(1).hex(), "ab" * 32, scene.chain.stable_model().hex()} <= named


def test_a_study_that_has_not_begun_names_nothing(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene()
    with pytest.raises(RuleViolation):
        named_models(scene.chain.reader)
    scene.chain.close()
