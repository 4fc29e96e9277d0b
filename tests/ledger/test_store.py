"""The model store over a folder, a file system in memory and an S3 server: the same promises everywhere."""

import hashlib
import json
import pickle
import threading
import uuid
from collections.abc import Callable
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from mithridate.errors import ModelAltered, ModelError
from mithridate.ledger.store import MAX_HEADER_BYTES, SUFFIX, ModelStore, study_store

DATA = save({"bias": np.arange(3, dtype="<f4"), "weights": np.arange(250, dtype="<f4")})
DIGEST = hashlib.sha256(DATA).hexdigest()
HEADER = int.from_bytes(DATA[:8], "little")
PLACES = ["folder", "memory", "s3"]


class Held:
    """A store, and its objects for a test to alter behind its back."""

    def __init__(self, place: Path | str, **options: int) -> None:
        self.store = ModelStore(place, **options)
        self.url = place.as_uri() if isinstance(place, Path) else place

    def write(self, data: bytes, name: str = DIGEST + SUFFIX) -> None:
        files, root = fsspec.url_to_fs(self.url)
        files.makedirs(root, exist_ok=True)
        files.pipe_file(f"{root}/{name}", data)

    def names(self) -> list[str]:
        return [entry.name for entry in self.store.entries()]


@pytest.fixture(params=PLACES)
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | str:
    if request.param == "folder":
        return tmp_path / "models"
    if request.param == "memory":
        return f"memory://{uuid.uuid4().hex}"
    return f"{request.getfixturevalue('s3')}/{uuid.uuid4().hex}"


@pytest.fixture
def held(place: Path | str) -> Held:
    return Held(place)


def header_of(entries: object) -> bytes:
    text = json.dumps(entries).encode()
    return len(text).to_bytes(8, "little") + text


def test_what_is_put_is_got_by_its_hash(held: Held) -> None:
    other = save({"weights": np.zeros(4, dtype="<f4")})
    assert held.store.put(DATA) == DIGEST
    assert held.store.get(DIGEST) == DATA
    assert held.store.put(DATA) == DIGEST
    assert held.store.put(other) == hashlib.sha256(other).hexdigest()
    assert sorted(held.names()) == sorted([DIGEST + SUFFIX, hashlib.sha256(other).hexdigest() + SUFFIX])


@settings(max_examples=40, deadline=None)
@given(
    arrays=st.dictionaries(
        st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(lambda name: name != "__metadata__"),
        st.lists(st.integers(0, 2**32 - 1), max_size=20),
        max_size=4,
    )
)
def test_any_model_comes_back_to_the_bit(arrays: dict[str, list[int]]) -> None:
    data = save({name: np.array(bits, dtype="<u4").view("<f4") for name, bits in arrays.items()})
    store = ModelStore("memory://any")
    assert store.get(store.put(data)) == data


def test_reading_makes_no_folder(tmp_path: Path) -> None:
    store = ModelStore(tmp_path / "models")
    with pytest.raises(ModelAltered, match="missing"):
        store.get(DIGEST)
    assert list(store.entries()) == []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("offset", [0, 4, 7, 8, 8 + HEADER // 2, 7 + HEADER, 8 + HEADER, len(DATA) // 2, len(DATA) - 1])
def test_one_altered_byte_is_noticed(held: Held, offset: int) -> None:
    held.store.put(DATA)
    held.write(DATA[:offset] + bytes([DATA[offset] ^ 1]) + DATA[offset + 1 :])
    with pytest.raises(ModelAltered, match=f"model {DIGEST} was altered"):
        held.store.get(DIGEST)


def test_every_altered_bit_of_a_small_model_is_noticed() -> None:
    data = save({"w": np.ones(2, dtype="<f4")})
    held = Held("memory://bits")
    digest = held.store.put(data)
    for bit in range(8 * len(data)):
        altered = bytearray(data)
        altered[bit // 8] ^= 1 << bit % 8
        held.write(bytes(altered), digest + SUFFIX)
        with pytest.raises(ModelAltered, match="was altered"):
            held.store.get(digest)


@pytest.mark.parametrize("data", [b"", DATA[:7], DATA[: 8 + HEADER], DATA[:-1], DATA + b"\0", DATA + DATA])
def test_another_length_is_noticed(held: Held, data: bytes) -> None:
    held.store.put(DATA)
    held.write(data)
    with pytest.raises(ModelAltered, match="was altered"):
        held.store.get(DIGEST)


def test_storing_again_mends_an_altered_file(held: Held) -> None:
    held.store.put(DATA)
    held.write(DATA[:-1] + b"x")
    held.store.put(DATA)
    assert held.store.get(DIGEST) == DATA


def test_a_missing_model_is_named(held: Held) -> None:
    with pytest.raises(ModelAltered, match=f"{DIGEST} is missing .* another copy"):
        held.store.get(DIGEST)


def test_a_model_too_large_is_refused_unread(place: Path | str, monkeypatch: pytest.MonkeyPatch) -> None:
    Held(place).store.put(DATA)
    assert ModelStore(place, max_bytes=len(DATA)).get(DIGEST) == DATA
    small = ModelStore(place, max_bytes=len(DATA) - 1)
    monkeypatch.setattr(type(small._place), "read", lambda *_: pytest.fail("it was read"))
    with pytest.raises(ModelAltered, match=f"more than {len(DATA) - 1} bytes"):
        small.get(DIGEST)
    with pytest.raises(ModelError, match="at most"):
        small.put(DATA)


NOT_SAFETENSORS = {
    "nothing": b"",
    "shorter than a header's length": b"\0" * 7,
    "a pickle": pickle.dumps({"weights": [1.0]}),
    "a zip file, as torch.save writes": b"PK\3\4" + bytes(100),
    "a header longer than the file": (2**40).to_bytes(8, "little") + b"{}",
    "a header one byte longer than the file": (3).to_bytes(8, "little") + b"{}",
    "a header that is no JSON": (4).to_bytes(8, "little") + b"{..}",
    "a header that is no object": header_of([]),
    "an unknown data type": header_of({"w": {"dtype": "O64", "shape": [1], "data_offsets": [0, 8]}}) + bytes(8),
    "a shape of another size": header_of({"w": {"dtype": "F32", "shape": [3], "data_offsets": [0, 8]}}) + bytes(8),
    "offsets beyond the end": header_of({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}) + bytes(7),
    "bytes of no parameter": header_of({"w": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}) + bytes(9),
    "a hole": header_of({"w": {"dtype": "F32", "shape": [1], "data_offsets": [4, 8]}}) + bytes(8),
}


@pytest.mark.parametrize("what", NOT_SAFETENSORS)
def test_only_safetensors_files_are_taken_or_given(what: str) -> None:
    data = NOT_SAFETENSORS[what]
    held = Held(f"memory://{uuid.uuid4().hex}")
    with pytest.raises(ModelError, match="only safetensors"):
        held.store.put(data)
    assert held.names() == []
    digest = hashlib.sha256(data).hexdigest()
    held.write(data, digest + SUFFIX)
    with pytest.raises(ModelAltered, match=f"model {digest} has its hash but"):
        held.store.get(digest)


def test_a_header_beyond_the_bound_is_not_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    data = (MAX_HEADER_BYTES + 1).to_bytes(8, "little") + bytes(MAX_HEADER_BYTES + 1)
    monkeypatch.setattr("safetensors.deserialize", lambda data: pytest.fail("it was parsed"))
    with pytest.raises(ModelError, match="header claims"):
        ModelStore("memory://header").put(data)


@given(st.text(max_size=80))
def test_what_is_no_hash_names_no_file(name: str) -> None:
    with pytest.raises(ModelAltered, match="no SHA-256"):
        ModelStore(Path("nowhere")).get(name)


@pytest.mark.parametrize(
    "name",
    ["../" * 8 + "etc/passwd", "/etc/passwd", DIGEST.upper(), DIGEST + "\n", DIGEST[:-1], DIGEST + "0", "\u0660" * 64],
)
def test_a_name_close_to_a_hash_is_none(held: Held, name: str) -> None:
    with pytest.raises(ModelAltered, match="no SHA-256"):
        held.store.get(name)


def test_a_folder_in_a_models_place_is_no_model(tmp_path: Path) -> None:
    (tmp_path / (DIGEST + SUFFIX)).mkdir()
    with pytest.raises(Exception, match="is a directory"):
        ModelStore(tmp_path).get(DIGEST)


def test_writers_and_readers_of_one_model_do_not_disturb_each_other(place: Path | str) -> None:
    """Whoever reads while others write finds the whole model or none, never a part."""
    data = save({"weights": np.arange(2**16, dtype="<f4")})
    digest = hashlib.sha256(data).hexdigest()
    start, problems = threading.Barrier(6), []

    def repeat(act: Callable[[ModelStore], object]) -> None:
        store = ModelStore(place)
        start.wait()
        for _ in range(8):
            try:
                act(store)
            except ModelAltered as error:
                if "missing" not in str(error):
                    problems.append(error)
            except Exception as error:
                problems.append(error)

    acts: list[Callable[[ModelStore], object]] = [lambda store: store.put(data), lambda store: store.get(digest)]
    threads = [threading.Thread(target=repeat, args=(act,)) for act in acts * 3]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert problems == []
    assert ModelStore(place).get(digest) == data
    assert Held(place).names() == [digest + SUFFIX]


def test_each_study_has_a_folder_of_its_own_below_a_url(tmp_path: Path) -> None:
    first, second = (study_store(tmp_path.as_uri() + "/", tmp_path / "unused", bytes([n]) * 32) for n in (1, 2))
    first.put(DATA)
    assert (tmp_path / ("01" * 32) / (DIGEST + SUFFIX)).is_file()
    assert list(second.entries()) == []
    study_store("", tmp_path / "own", bytes(32)).put(DATA)
    assert (tmp_path / "own" / (DIGEST + SUFFIX)).is_file()
