"""A participant's kit, keys and state into one archive; see `archive`."""

import os
import shutil
import sqlite3
import stat
import tarfile
import tempfile
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from io import BytesIO
from pathlib import Path

from mithridate.errors import EnrolmentError, RunError
from mithridate.ledger.node.software import NODE_FOLDER
from mithridate.operation.archive import KEYS, KIT, MANIFEST, STATE, VERSION, Copied, Manifest, digest
from mithridate.provisioning.manifest import KEY_LINKS, STARTUP
from mithridate.provisioning.opened_kit import LOCK_FILE
from mithridate.provisioning.private_files import PRIVATE
from mithridate.provisioning.settings import read_settings

_SQLITE_MAGIC = b"SQLite format 3\x00"
_SQLITE_BESIDE = ("-wal", "-shm", "-journal")


def back_up(kit: Path, archive: Path) -> Copied:
    """Writes a participant's kit, keys and state to a new archive; the participant may run meanwhile.

    Each SQLite file is copied by SQLite itself, as of one moment; the others are written once and then kept, or
    replaced whole. What is gone or incomplete when its turn comes was scratch, and is left out.

    Raises:
        EnrolmentError: the folder is no kit, or a file cannot be read.
        RunError: the archive exists, would lie inside what it holds, or cannot be written.
    """
    folders = _folders(kit)
    place = archive.resolve()
    if any(place.is_relative_to(folder) for folder in folders.values()):
        raise RunError(f"{archive} would lie inside what it holds: choose another folder")
    made = int(datetime.now(UTC).timestamp())
    try:
        os.close(os.open(place, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE))
    except FileExistsError:
        raise RunError(f"{archive} exists and is never overwritten: choose another name") from None
    except OSError as error:
        raise RunError(f"{archive} cannot be written ({error.strerror})") from error
    try:
        with tempfile.TemporaryDirectory(prefix=f".{place.name}-", dir=place.parent) as draft:
            whole = Path(draft) / "archive"
            size, files = _write(whole, folders, Path(draft) / "file", made)
            whole.replace(place)
    except BaseException as error:
        place.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise RunError(f"{archive} cannot be written ({error.strerror or error})") from error
        raise
    return Copied(files, size, {name: str(folder) for name, folder in folders.items()}, made)


def _folders(kit: Path) -> dict[str, Path]:
    kit = kit.resolve()
    settings = read_settings(kit)
    folders = {KIT: kit, KEYS: (kit / settings.keys).resolve(), STATE: (kit / settings.state).resolve()}
    for name in (KIT, KEYS):
        if not folders[name].is_dir():
            raise EnrolmentError(f"{folders[name]} is no folder: local/participant.toml says where the {name} lie")
    return folders


def _write(whole: Path, folders: dict[str, Path], copy: Path, made: int) -> tuple[int, int]:
    digests: dict[str, str] = {}
    size = 0
    handle = os.open(whole, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
    with os.fdopen(handle, "wb") as stream, tarfile.open(fileobj=stream, mode="w", format=tarfile.PAX_FORMAT) as target:
        for name, path in _listed(folders):
            if not _copy(path, copy):
                continue
            digests[name] = digest(copy)
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = copy.stat().st_size, stat.S_IMODE(path.stat().st_mode) & 0o700
            with copy.open("rb") as content:
                target.addfile(entry, content)
            size += entry.size
            copy.unlink()
        places = {name: str(folder) for name, folder in folders.items()}
        manifest = Manifest(version=VERSION, made=made, folders=places, files=digests).model_dump_json(indent=1)
        entry = tarfile.TarInfo(MANIFEST)
        entry.size, entry.mode = len(manifest.encode()), PRIVATE
        target.addfile(entry, BytesIO(manifest.encode()))
    return size, len(digests)


def _listed(folders: dict[str, Path]) -> Iterator[tuple[str, Path]]:
    """Name in the archive and file, for every regular file that is worth keeping."""
    for name, folder in folders.items():
        others = [other for other in folders.values() if other != folder and other.is_relative_to(folder)]
        for place, below, files in os.walk(folder):
            below[:] = sorted(each for each in below if Path(place, each) not in others)
            if name == STATE and Path(place) == folder and NODE_FOLDER in below:
                below.remove(NODE_FOLDER)
            for file in sorted(files):
                path = Path(place, file)
                if path.is_file() and not path.is_symlink() and not _is_scratch(path, folder):
                    yield f"{name}/{path.relative_to(folder).as_posix()}", path


def _is_scratch(path: Path, folder: Path) -> bool:
    inside = path.relative_to(folder).as_posix()
    if inside in (LOCK_FILE, *(f"{STARTUP}/{name}" for name in KEY_LINKS)):
        return True
    main = next((path.name.removesuffix(end) for end in _SQLITE_BESIDE if path.name.endswith(end)), None)
    # SQLite's own copy holds what lies in the files beside the main one.
    return path.suffix == ".draft" or (main is not None and _is_sqlite(path.with_name(main)))


def _is_sqlite(path: Path) -> bool:
    try:
        with path.open("rb") as stream:
            return stream.read(len(_SQLITE_MAGIC)) == _SQLITE_MAGIC
    except FileNotFoundError:
        return False


def _copy(path: Path, to: Path) -> bool:
    """Whether the file was still there."""
    try:
        if _is_sqlite(path):
            _copy_database(path, to)
        else:
            shutil.copyfile(path, to)
    except FileNotFoundError:
        return False
    except PermissionError as error:
        raise EnrolmentError(f"{path} cannot be read ({error.strerror}): run this as the participant's user") from error
    except sqlite3.Error as error:
        raise EnrolmentError(f"{path} cannot be copied ({error}): stop the participant, then try again") from error
    return True


def _copy_database(path: Path, to: Path) -> None:
    with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as source, closing(sqlite3.connect(to)) as copy:
        source.backup(copy)
