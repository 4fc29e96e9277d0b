"""Where a model store's objects lie, by fsspec: a local folder, or an object store by its URL."""

import asyncio
import fcntl
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import fsspec
from fsspec.asyn import AsyncFileSystem, sync
from fsspec.implementations.local import LocalFileSystem

from mithridate.errors import InputError, StoreError
from mithridate.ledger.store_url import FOLDERS, check_url

DRAFT = ".draft-"
"""How the name of a file still being written begins."""

_EXTRA = {
    "s3": "mithridate[s3]",
    "s3a": "mithridate[s3]",
    "gs": "gcsfs",
    "gcs": "gcsfs",
    "az": "adlfs",
    "abfs": "adlfs",
    "abfss": "adlfs",
}
_BLOCK = 2**22
_RETRIES = 3
# One S3 request up to its limit of 5 GB: a multipart upload that is cut short would leave its parts behind.
_WRITING: dict[str, dict[str, int]] = {name: {"chunksize": 5 * 2**30} for name in ("s3", "s3a")}


class Place:
    """Objects under one prefix of an object store.

    Every method raises FileNotFoundError for an object that is not there, except where it says otherwise, and
    StoreError for whatever else goes wrong. Names are the caller's to check.

    Args:
        files: the file system.
        root: of the objects, without a slash at its end.
        label: how messages call the place.
        writing: options of the file system's `pipe_file`.
    """

    def __init__(self, files: Any, root: str, label: str, writing: dict[str, int] | None = None) -> None:
        self._files = files
        self._root = root
        self._label = label
        self._writing = writing or {}

    def __str__(self) -> str:
        return self._label

    def size(self, name: str) -> int:
        """Bytes of an object, as the place tells it."""
        with self._call("read"):
            info = self._files.info(self._path(name))
            if info["type"] != "file" or info["size"] is None:
                raise OSError(f"{name} is a {info['type']}")
            return int(info["size"])

    def read(self, name: str, limit: int) -> bytes:
        """The first `limit` bytes of an object, however much the place sends, or all if it has fewer."""
        with self._call("read"):
            if limit == 0:
                return b""
            if _streams(self._files):
                data: bytes = sync(self._files.loop, _stream, self._files, self._path(name), limit)
                return data
            return bytes(self._files.cat_file(self._path(name), start=0, end=limit)[:limit])

    def write(self, name: str, data: bytes) -> None:
        """Writes an object, whole or not at all, in the place of one of that name. Never raises FileNotFoundError."""
        with self._call("written", missing=False):
            self._files.pipe_file(self._path(name), data, **self._writing)

    def names(self) -> list[tuple[str, int]]:
        """Name and size of every object, without folders; empty where nothing was written yet."""
        with self._call("read"):
            try:
                listed = self._files.ls(self._root, detail=True)
            except FileNotFoundError:
                return []
            files = [entry for entry in listed if entry["type"] != "directory"]
            return [(str(entry["name"]).rsplit("/", 1)[-1], int(entry["size"] or 0)) for entry in files]

    def modified(self, name: str) -> float:
        """When an object was last written, in seconds since 1970 by the place's clock."""
        with self._call("read"):
            return float(self._files.modified(self._path(name)).timestamp())

    def remove(self, name: str, before: float) -> bool:
        """Removes an object last written before a time; False if it is younger or gone."""
        with self._call("written"):
            try:
                if self.modified(name) >= before:
                    return False
                self._files.rm_file(self._path(name))
            except FileNotFoundError:
                return False
            return True

    def _path(self, name: str) -> str:
        return f"{self._root}/{name}"

    @contextmanager
    def _call(self, what: str, *, missing: bool = True) -> Iterator[None]:
        # Each file system has errors of its own, of no common kind.
        try:
            yield
        except StoreError:
            raise
        except Exception as error:
            if missing and isinstance(error, FileNotFoundError):
                raise
            why = str(getattr(error, "strerror", None) or error)[:300]
            raise StoreError(
                f"the model store {self._label} cannot be {what} ({type(error).__name__}: {why}): see that it exists, "
                "is reachable, has room, and that this account may use it"
            ) from error


class Folder(Place):
    """A local folder, in which a model is on the disk when `write` returns.

    Args:
        root: made by the first write.
    """

    def __init__(self, root: Path) -> None:
        super().__init__(LocalFileSystem(), str(root.absolute()), str(root))
        self._folder = root

    def write(self, name: str, data: bytes) -> None:
        """See `Place.write`. Bytes that are there already are marked as written now."""
        path = self._folder / name
        with self._call("written", missing=False):
            self._folder.mkdir(parents=True, exist_ok=True)
            with self._locked(fcntl.LOCK_SH):
                if _holds(path, data):
                    os.utime(path)
                else:
                    self._replace(path, data)

    def remove(self, name: str, before: float) -> bool:
        """See `Place.remove`. No write of this folder's comes between the look at the time and the removal."""
        with self._call("written"):
            if not self._folder.is_dir():
                return False
            with self._locked(fcntl.LOCK_EX):
                return super().remove(name, before)

    @contextmanager
    def _locked(self, kind: int) -> Iterator[None]:
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, kind)
            yield
        finally:
            os.close(handle)

    def _replace(self, path: Path, data: bytes) -> None:
        handle, draft = tempfile.mkstemp(prefix=DRAFT, dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        self._sync()

    def _sync(self) -> None:
        # The name is on the disk only when the folder is.
        handle = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def open_place(place: Path | str) -> Place:
    """The place at a folder's path or a URL.

    Raises:
        InputError: no such URL, or its file system's package is not installed.
    """
    if isinstance(place, Path):
        return Folder(place)
    scheme = check_url(place)
    if scheme in FOLDERS:
        return Folder(Path(place.partition("://")[2]))
    url = place.rstrip("/")
    try:
        # A listing kept from earlier would hide what others have written since.
        files, root = fsspec.url_to_fs(url, use_listings_cache=False)
    except ImportError as error:
        mend = _EXTRA.get(scheme, "the package that fsspec names")
        raise InputError(f"{scheme}:// needs another package ({error}): install {mend}") from error
    return Place(files, root.rstrip("/"), url, _WRITING.get(scheme))


def _holds(path: Path, data: bytes) -> bool:
    return path.is_file() and path.stat().st_size == len(data) and path.read_bytes() == data


def _streams(files: Any) -> bool:
    """Whether a file system can hand over an object piece by piece, so that no reply is held whole before it is cut."""
    return isinstance(files, AsyncFileSystem) and type(files).open_async is not AsyncFileSystem.open_async


async def _stream(files: Any, path: str, limit: int) -> bytes:
    for attempt in range(_RETRIES):
        try:
            return await _once(files, path, limit)
        except FileNotFoundError:
            raise
        except Exception:
            # The file system retries requests, but not a reply that breaks off.
            if attempt + 1 == _RETRIES:
                raise
            await asyncio.sleep(0.2 * 2**attempt)
    raise StoreError(f"{path} could not be read")


async def _once(files: Any, path: str, limit: int) -> bytes:
    stream = await files.open_async(path, "rb")
    pieces, left = [], limit
    try:
        while left > 0:
            piece = await stream.read(min(left, _BLOCK))
            if not piece:
                break
            pieces.append(piece[:left])
            left -= len(piece)
    finally:
        reply = getattr(stream, "r", None)
        if left <= 0 and reply is not None:
            reply.close()
    return b"".join(pieces)
