import hashlib
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.errors import ModelAltered
from mithridate.ledger.store import ModelStore

DATA = b"parameters" * 100
DIGEST = hashlib.sha256(DATA).hexdigest()


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore(tmp_path / "models")


def test_what_is_put_is_got_by_its_hash(store: ModelStore, tmp_path: Path) -> None:
    assert store.put(DATA) == DIGEST
    assert store.get(DIGEST) == DATA
    assert store.put(DATA) == DIGEST
    assert store.put(b"") == hashlib.sha256(b"").hexdigest()
    assert len(list((tmp_path / "models").iterdir())) == 2


def test_reading_makes_no_folder(store: ModelStore, tmp_path: Path) -> None:
    with pytest.raises(ModelAltered):
        store.get(DIGEST)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("place", [0, 500, 999])
def test_one_altered_byte_is_noticed(store: ModelStore, place: int) -> None:
    store.put(DATA)
    store.path(DIGEST).write_bytes(DATA[:place] + bytes([DATA[place] ^ 1]) + DATA[place + 1 :])
    with pytest.raises(ModelAltered, match=f"model {DIGEST} was altered"):
        store.get(DIGEST)


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\0"])
def test_another_length_is_noticed(store: ModelStore, data: bytes) -> None:
    store.put(DATA)
    store.path(DIGEST).write_bytes(data)
    with pytest.raises(ModelAltered, match="was altered"):
        store.get(DIGEST)


def test_storing_again_mends_an_altered_file(store: ModelStore) -> None:
    store.put(DATA)
    store.path(DIGEST).write_bytes(DATA[:-1] + b"x")
    store.put(DATA)
    assert store.get(DIGEST) == DATA


def test_a_missing_model_is_named(store: ModelStore) -> None:
    with pytest.raises(ModelAltered, match=DIGEST):
        store.get(DIGEST)


def test_a_file_too_large_is_refused_unread(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    ModelStore(tmp_path).put(DATA)
    assert ModelStore(tmp_path, max_bytes=len(DATA)).get(DIGEST) == DATA
    monkeypatch.setattr(Path, "read_bytes", lambda path: pytest.fail("it was read"))
    with pytest.raises(ModelAltered, match="more than 999 bytes"):
        ModelStore(tmp_path, max_bytes=999).get(DIGEST)


@given(st.text(max_size=80))
def test_what_is_no_hash_names_no_file(name: str) -> None:
    with pytest.raises(ModelAltered, match="no SHA-256"):
        ModelStore(Path("nowhere")).path(name)


@pytest.mark.parametrize("name", ["../" * 8 + "etc/passwd", DIGEST.upper(), DIGEST + "\n", DIGEST[:-1], DIGEST + "0"])
def test_a_name_close_to_a_hash_is_none(store: ModelStore, name: str) -> None:
    with pytest.raises(ModelAltered, match="no SHA-256"):
        store.get(name)


def test_a_write_that_fails_leaves_nothing(store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="No space"):
        store.put(DATA)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_appears_whole_and_on_the_disk(store: ModelStore, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str | bytes] = []
    replace = Path.replace

    def renamed(draft: Path, target: Path) -> Path:
        steps.append(draft.read_bytes())
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", lambda handle: steps.append("fsync"))
    monkeypatch.setattr(Path, "replace", renamed)
    store.put(DATA)
    assert steps == ["fsync", DATA]
