"""Where global models lie: safetensors files, each named by the SHA-256 of its bytes, in a folder or behind a URL."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import safetensors

from mithridate.errors import ModelAltered, ModelError
from mithridate.ledger.store_place import DRAFT, open_place

SUFFIX = ".safetensors"
MAX_BYTES = 2**32
MAX_HEADER_BYTES = 2**22
"""Of a file's JSON header: some ten thousand parameters with their names."""

_LENGTH_BYTES = 8
_DIGEST = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Entry:
    """One object of a store.

    Args:
        name: within the store.
        size: in bytes, as the store tells it.
    """

    name: str
    size: int

    @property
    def digest(self) -> str | None:
        """The model's hash in hexadecimal, None for what is no model."""
        digest = self.name.removesuffix(SUFFIX)
        return digest if self.name.endswith(SUFFIX) and _DIGEST.fullmatch(digest) else None

    @property
    def is_draft(self) -> bool:
        """Whether a write that was cut short left it."""
        return self.name.startswith(DRAFT)


class ModelStore:
    """A content-addressed store. What it returns has been hashed again, whoever holds the files.

    Threads and processes may use one store at once: a model appears whole or not at all, and writing it twice is
    harmless.

    Args:
        place: a folder, made when the first model is stored, or a URL (`store_url.check_url`).
        max_bytes: larger models are refused, unread.

    Raises:
        InputError: no such URL, or a package that it needs is not installed.
    """

    def __init__(self, place: Path | str, max_bytes: int = MAX_BYTES) -> None:
        self._place = open_place(place)
        self._max_bytes = max_bytes

    def __str__(self) -> str:
        return str(self._place)

    def put(self, data: bytes) -> str:
        """Stores a model, whole or not at all, and returns its SHA-256 in hexadecimal.

        One that is there already counts as new again, so that no collection under way takes it.

        Raises:
            ModelError: it has more than `max_bytes`, or is no safetensors file.
            StoreError: the store cannot be written.
        """
        if len(data) > self._max_bytes:
            raise ModelError(f"the model has {len(data)} bytes, the store takes {self._max_bytes} at most")
        if problem := _unlike_safetensors(data):
            raise ModelError(f"only safetensors files are stored as models: {problem}")
        digest = hashlib.sha256(data).hexdigest()
        self._place.write(digest + SUFFIX, data)
        return digest

    def get(self, digest: str) -> bytes:
        """The model of a hash.

        Raises:
            ModelAltered: this is no hash, or the model is missing, too large, has another hash, or is no safetensors
                file.
            StoreError: the store cannot be read.
        """
        name = name_of(digest)
        try:
            size = self._place.size(name)
            if size > self._max_bytes:
                raise ModelAltered(f"model {digest} has more than {self._max_bytes} bytes: it is not the one attested")
            data = self._place.read(name, size)
        except FileNotFoundError:
            raise ModelAltered(f"model {digest} is missing from {self}: put it there from another copy") from None
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise ModelAltered(
                f"model {digest} was altered: the file's bytes have the hash {found}; put another copy into {self}"
            )
        if problem := _unlike_safetensors(data):
            raise ModelAltered(f"model {digest} has its hash but {problem}: the hash was attested for something else")
        return data

    def entries(self) -> Iterator[Entry]:
        """Every object in the store by name, models or not; sizes and names are the store's word.

        Raises:
            StoreError: the store cannot be read.
        """
        for name, size in sorted(self._place.names()):
            yield Entry(name, size)

    def modified(self, entry: Entry) -> float | None:
        """When an object was last written, in seconds since 1970; None if it is gone.

        Raises:
            StoreError: the store cannot be read, or keeps no times.
        """
        try:
            return self._place.modified(entry.name)
        except FileNotFoundError:
            return None

    def remove(self, entry: Entry, *, before: float) -> bool:
        """Removes a model or draft last written before a time, in seconds since 1970; whether it did.

        In a folder no `put` can come between the look at the time and the removal. Object stores offer no such
        lock: there the two are one request apart.

        Raises:
            StoreError: the store cannot be read or written.
        """
        if entry.digest is None and not entry.is_draft:
            return False
        return self._place.remove(entry.name, before)


def study_store(url: str, folder: Path, study_id: bytes) -> ModelStore:
    """The store of one study alone, so that collecting its garbage takes nothing of another's.

    Args:
        url: what the study file names; below it, a folder with the study's identifier for a name.
        folder: where models lie if the study file names no URL.
        study_id: the ledger's, or the configuration's hash where there is no ledger.

    Raises:
        InputError: no such URL, or a package that it needs is not installed.
    """
    return ModelStore(f"{url.rstrip('/')}/{study_id.hex()}" if url else folder)


def name_of(digest: str) -> str:
    """The name of a model in a store; raises ModelAltered for what is no SHA-256 in lower-case hexadecimal."""
    if not _DIGEST.fullmatch(digest):
        raise ModelAltered(f"{digest[:80]!r} is no SHA-256 in hexadecimal")
    return digest + SUFFIX


def _unlike_safetensors(data: bytes) -> str | None:
    """What about the bytes is unlike a safetensors file, or None; header, offsets and lengths must account for each."""
    header = int.from_bytes(data[:_LENGTH_BYTES], "little")
    if len(data) < _LENGTH_BYTES or header > len(data) - _LENGTH_BYTES:
        return f"its {len(data)} bytes do not begin as a safetensors file does"
    if header > MAX_HEADER_BYTES:
        return f"its header claims {header} bytes, of at most {MAX_HEADER_BYTES}"
    try:
        safetensors.deserialize(data)  # type: ignore[no-untyped-call]
    except safetensors.SafetensorError as error:
        return f"it is no safetensors file ({error})"
    return None
