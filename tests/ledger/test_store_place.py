"""Where objects lie: durable folders, URLs, and servers that lie or fail."""

import hashlib
import os
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import fsspec
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from safetensors.numpy import save

from mithridate.errors import InputError, ModelAltered, StoreError
from mithridate.ledger.store import SUFFIX, ModelStore
from mithridate.ledger.store_place import open_place
from mithridate.ledger.store_url import check_url

DATA = save({"weights": np.arange(250, dtype="<f4")})
DIGEST = hashlib.sha256(DATA).hexdigest()


def test_a_write_that_fails_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(StoreError, match=r"No space .* has room"):
        ModelStore(tmp_path / "models").put(DATA)
    assert list((tmp_path / "models").iterdir()) == []


def test_a_model_appears_whole_and_on_the_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str | bytes] = []
    replace = Path.replace

    def renamed(draft: Path, target: Path) -> Path:
        steps.append(draft.read_bytes())
        return replace(draft, target)

    monkeypatch.setattr(os, "fsync", lambda handle: steps.append("fsync"))
    monkeypatch.setattr(Path, "replace", renamed)
    ModelStore(tmp_path).put(DATA)
    assert steps == ["fsync", DATA, "fsync"]


def test_a_model_stored_again_counts_as_new(tmp_path: Path) -> None:
    """Else a collection could take a model that an attempt has just made again."""
    store = ModelStore(tmp_path)
    store.put(DATA)
    os.utime(tmp_path / (DIGEST + SUFFIX), (1000, 1000))
    (entry,) = store.entries()
    assert store.modified(entry) == 1000
    store.put(DATA)
    assert (store.modified(entry) or 0) > 1000


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "models").write_text("a file")
    with pytest.raises(StoreError, match="models cannot be written"):
        ModelStore(tmp_path / "models").put(DATA)


@pytest.mark.parametrize("tail", ["", "/"])
def test_a_file_url_is_a_folder(tmp_path: Path, tail: str) -> None:
    ModelStore(f"{tmp_path.as_uri()}/models{tail}").put(DATA)
    assert ModelStore(tmp_path / "models").get(DIGEST) == DATA


@pytest.mark.parametrize(
    "url",
    [
        "models",
        "/srv/models",
        "",
        "s3://",
        "s3:///models",
        "file://models",
        "file:///",
        "memory://",
        "http://example.org/models",
        "simplecache::s3://bucket/models",
        "s3://bucket/models?versionId=1",
        "s3://bucket/models#x",
        "s3://key:secret@bucket/models",
        "sftp://user@host/models",
        "s3://bucket/../other",
        "s3://bucket/./other",
        "file:///srv/..",
        "s3://bucket/mod*els",
        "s3://bucket/mod\nels",
        "s3://bucket/mod\u00e9ls",
        "s3://bucket/" + "a" * 1024,
        "S3://bucket/models",
    ],
)
def test_a_url_that_is_no_place_is_refused(url: str) -> None:
    with pytest.raises(InputError) as refused:
        ModelStore(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "url", ["s3://bucket", "s3://bucket/a b/c.d-e_f=1", "abfs://models@account.example.net/a", "gs://b/c"]
)
def test_a_url_in_plain_letters_is_a_place(url: str) -> None:
    assert check_url(url) == url.partition("://")[0]


@given(st.text(max_size=60), st.sampled_from(["s3://bucket/", "file:///srv/", ""]))
def test_no_accepted_url_leaves_its_folder(tail: str, head: str) -> None:
    try:
        check_url(head + tail)
    except InputError:
        return
    assert ".." not in (head + tail).split("/")
    assert not set(head + tail) & set("?#*[]{}%\\\n\0")
    assert (head + tail).count(":") == 1


def test_a_package_that_is_missing_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(url: str, **options: object) -> None:
        raise ImportError("Install s3fs to access S3")

    monkeypatch.setattr(fsspec, "url_to_fs", missing)
    with pytest.raises(InputError, match=r"install mithridate\[s3\]"):
        ModelStore("s3://bucket")


def test_a_bucket_that_is_missing_is_named(s3: str) -> None:
    store = ModelStore("s3://nowhere/models")
    with pytest.raises(StoreError, match="s3://nowhere/models cannot be written"):
        store.put(DATA)
    with pytest.raises(ModelAltered, match="missing"):
        store.get(DIGEST)


def test_what_another_party_writes_is_seen_at_once(s3: str) -> None:
    store = ModelStore(f"{s3}/seen")
    other = store.put(save({"weights": np.zeros(4, dtype="<f4")}))
    assert [entry.digest for entry in store.entries()] == [other]
    yours = fsspec.filesystem("s3", skip_instance_cache=True)
    yours.pipe_file(f"{s3}/seen/{DIGEST}{SUFFIX}", DATA)
    assert {entry.digest for entry in store.entries()} == {other, DIGEST}
    yours.pipe_file(f"{s3}/seen/{DIGEST}{SUFFIX}", DATA + DATA)
    with pytest.raises(ModelAltered, match="was altered"):
        store.get(DIGEST)


class Liar(BaseHTTPRequestHandler):
    """An S3 server that announces the model's size and then sends without end, whatever range was asked for."""

    sent = 0
    ENDLESS = 2**30

    def do_HEAD(self) -> None:
        self.answer(len(DATA))

    def do_GET(self) -> None:
        self.answer(self.ENDLESS)
        try:
            while self.sent < self.ENDLESS:
                type(self).sent += self.wfile.write(DATA[:100] * 1000)
        except OSError:
            self.close_connection = True

    def answer(self, length: int) -> None:
        self.send_response(200)
        self.send_header("Content-Length", str(length))
        self.send_header("Last-Modified", "Wed, 01 Jan 2025 00:00:00 GMT")
        self.end_headers()

    def log_message(self, *arguments: object) -> None:
        pass


@pytest.fixture
def liar(s3: str) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Liar)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


def test_a_server_that_sends_more_than_it_announced_is_cut_short(liar: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", liar)
    monkeypatch.setitem(fsspec.config.conf, "s3", {"endpoint_url": liar})
    with pytest.raises(ModelAltered, match="was altered"):
        ModelStore("s3://lies").get(DIGEST)
    assert Liar.sent < 2**27


def test_a_server_that_is_not_there_says_nothing_of_the_model(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    quick = {"endpoint_url": "http://127.0.0.1:1", "config_kwargs": {"retries": {"max_attempts": 0}}}
    monkeypatch.setitem(fsspec.config.conf, "s3", quick)
    monkeypatch.setattr("s3fs.core.S3FileSystem.retries", 1)
    with pytest.raises(StoreError, match=r"cannot be read .* reachable"):
        ModelStore("s3://away").get(DIGEST)


def test_a_read_is_never_longer_than_asked_for(tmp_path: Path, s3: str) -> None:
    for place in (tmp_path, "memory://cut", f"{s3}/cut"):
        held = open_place(place)
        held.write("object", DATA)
        assert held.read("object", 10) == DATA[:10]
        assert held.read("object", 0) == b""
        assert held.read("object", len(DATA) + 1) == DATA
