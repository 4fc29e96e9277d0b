"""A backup holds all of a participant; what comes out of an archive is compared and contained."""

import io
import json
import shutil
import sqlite3
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mithridate.errors import MithridateError, RunError
from mithridate.operation.backup import back_up
from mithridate.operation.restore import restore
from mithridate.provisioning.consortium import Role
from mithridate.provisioning.settings import ParticipantSettings, commented


@pytest.fixture
def participant(tmp_path: Path) -> Path:
    """A folder with kit, keys and state, as far as a backup looks at them."""
    folder = tmp_path / "hospital-0"
    for name in ("kit/startup", "kit/local", "keys", "state/models"):
        (folder / name).mkdir(parents=True)
    text = commented(ParticipantSettings(), "hospital-0", Role.HOSPITAL)
    (folder / "kit/local/participant.toml").write_text(text, encoding="utf-8")
    (folder / "kit/start.sh").write_text("#!/bin/sh\n", encoding="utf-8")
    (folder / "kit/start.sh").chmod(0o755)
    (folder / "kit/lock").touch()
    (folder / "secret-in-memory").write_text("a key in the clear", encoding="utf-8")
    (folder / "kit/startup/client.key").symlink_to(folder / "secret-in-memory")
    (folder / "keys/tls.p12").write_bytes(b"encrypted")
    (folder / "keys/tls.p12").chmod(0o600)
    (folder / "state/models/abc.safetensors").write_bytes(bytes(5000))
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_comes_back_is_what_went_in(participant: Path, tmp_path: Path) -> None:
    copied = back_up(participant / "kit", tmp_path / "a.backup")
    assert (tmp_path / "a.backup").stat().st_mode & 0o077 == 0
    restored = restore(tmp_path / "a.backup", tmp_path / "new")
    before, after = contents(participant), contents(tmp_path / "new")
    assert set(before) - set(after) == {"kit/lock", "kit/startup/client.key", "secret-in-memory"}
    assert after == {name: before[name] for name in after}
    assert copied.files == restored.files == len(after)
    assert copied.size == restored.size == sum(map(len, after.values()))
    assert (tmp_path / "new/keys/tls.p12").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "new/kit/start.sh").stat().st_mode & 0o700 == 0o700
    assert not (tmp_path / "new/kit/startup/client.key").exists()


def test_what_the_own_node_fetched_is_left_out(participant: Path, tmp_path: Path) -> None:
    for name in ("state/node", "state/models/node"):
        (participant / name).mkdir()
        (participant / name / "block").write_bytes(bytes(10))
    back_up(participant / "kit", tmp_path / "a.backup")
    restore(tmp_path / "a.backup", tmp_path / "new")
    after = contents(tmp_path / "new")
    assert "state/node/block" not in after
    assert "state/models/node/block" in after


def test_a_database_in_use_is_copied_with_what_was_committed(participant: Path, tmp_path: Path) -> None:
    with closing(sqlite3.connect(participant / "state/journal.sqlite", isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("CREATE TABLE entries (text TEXT)")
        database.execute("INSERT INTO entries VALUES ('kept')")
        database.execute("BEGIN IMMEDIATE")
        database.execute("INSERT INTO entries VALUES ('not committed')")
        back_up(participant / "kit", tmp_path / "a.backup")
        database.execute("ROLLBACK")
    restore(tmp_path / "a.backup", tmp_path / "new")
    assert sorted(path.name for path in (tmp_path / "new/state").iterdir()) == ["journal.sqlite", "models"]
    with closing(sqlite3.connect(tmp_path / "new/state/journal.sqlite")) as database:
        assert database.execute("SELECT text FROM entries").fetchall() == [("kept",)]


def test_keys_that_lie_inside_the_kit_are_held_once(participant: Path, tmp_path: Path) -> None:
    shutil.move(participant / "keys", participant / "kit/own")
    file = participant / "kit/local/participant.toml"
    file.write_text(file.read_text(encoding="utf-8").replace('"../keys"', '"own"'), encoding="utf-8")
    back_up(participant / "kit", tmp_path / "a.backup")
    restore(tmp_path / "a.backup", tmp_path / "new")
    assert (tmp_path / "new/keys/tls.p12").read_bytes() == b"encrypted"
    assert not (tmp_path / "new/kit/own").exists()


def test_nothing_is_overwritten(participant: Path, tmp_path: Path) -> None:
    back_up(participant / "kit", tmp_path / "a.backup")
    with pytest.raises(RunError, match="never overwritten"):
        back_up(participant / "kit", tmp_path / "a.backup")
    with pytest.raises(RunError, match="inside what it holds"):
        back_up(participant / "kit", participant / "state/a.backup")
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").touch()
    with pytest.raises(MithridateError, match="holds something"):
        restore(tmp_path / "a.backup", tmp_path / "full")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]


def rewritten(
    source: Path, target: Path, change: Callable[[tarfile.TarInfo, bytes], tuple[tarfile.TarInfo, bytes]]
) -> None:
    with tarfile.open(source) as old, tarfile.open(target, "w") as new:
        for entry in old:
            stream = old.extractfile(entry)
            entry, content = change(entry, stream.read() if stream else b"")
            entry.size = len(content)
            new.addfile(entry, io.BytesIO(content))


def test_an_altered_file_is_found_and_nothing_is_left(participant: Path, tmp_path: Path) -> None:
    back_up(participant / "kit", tmp_path / "a.backup")
    rewritten(
        tmp_path / "a.backup",
        tmp_path / "b.backup",
        lambda entry, content: (entry, content[::-1] if entry.name == "keys/tls.p12" else content),
    )
    with pytest.raises(RunError, match=r"damaged: keys/tls\.p12"):
        restore(tmp_path / "b.backup", tmp_path / "new")
    assert not (tmp_path / "new").exists()


NAMES = (
    "../evil",
    "/evil",
    "kit/../../evil",
    "kit/./evil",
    "kit//evil",
    "other/evil",
    "kit",
    "",
    "kit\\..\\evil",
    "./kit/x",
)


@pytest.mark.parametrize("name", NAMES)
def test_an_archive_cannot_reach_outside(participant: Path, tmp_path: Path, name: str) -> None:
    back_up(participant / "kit", tmp_path / "a.backup")

    def renamed(entry: tarfile.TarInfo, content: bytes) -> tuple[tarfile.TarInfo, bytes]:
        if entry.name == "manifest.json":
            document = json.loads(content)
            document["files"][name] = document["files"].pop("keys/tls.p12")
            return entry, json.dumps(document).encode()
        entry.name = name if entry.name == "keys/tls.p12" else entry.name
        return entry, content

    rewritten(tmp_path / "a.backup", tmp_path / "b.backup", renamed)
    with pytest.raises(RunError):
        restore(tmp_path / "b.backup", tmp_path / "deep/new")
    assert not list(tmp_path.rglob("*evil*"))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE, tarfile.CHRTYPE])
def test_only_plain_files_are_unpacked(tmp_path: Path, kind: bytes) -> None:
    with tarfile.open(tmp_path / "b.backup", "w") as archive:
        entry = tarfile.TarInfo("kit/link")
        entry.type, entry.linkname = kind, "/etc/passwd"
        archive.addfile(entry)
    with pytest.raises(RunError, match="no backup does"):
        restore(tmp_path / "b.backup", tmp_path / "new")


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_damaged_archive_is_refused(participant: Path, tmp_path: Path, data: st.DataObject) -> None:
    whole = tmp_path / "a.backup"
    if not whole.exists():
        back_up(participant / "kit", whole)
    content = whole.read_bytes()
    cut = tmp_path / "cut.backup"
    cut.write_bytes(content[: data.draw(st.integers(0, content.rindex(b"manifest.json")))])
    with pytest.raises(RunError):
        restore(cut, tmp_path / "new")
    assert not (tmp_path / "new").exists()
