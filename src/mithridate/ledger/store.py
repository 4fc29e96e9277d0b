"""Where global models lie: a folder of files named by the SHA-256 of their bytes."""

import hashlib
import os
import re
import tempfile
from pathlib import Path

from mithridate.errors import ModelAltered

SUFFIX = ".safetensors"
MAX_BYTES = 2**32


class ModelStore:
    """A content-addressed folder. What it returns has been hashed again.

    Args:
        folder: made when the first file is stored.
        max_bytes: files larger than this are refused unread.
    """

    def __init__(self, folder: Path, max_bytes: int = MAX_BYTES) -> None:
        self._folder = folder
        self._max_bytes = max_bytes

    def put(self, data: bytes) -> str:
        """Stores a file, whole or not at all, and returns its SHA-256 in hexadecimal."""
        digest = hashlib.sha256(data).hexdigest()
        path = self.path(digest)
        if path.exists() and path.stat().st_size == len(data) and path.read_bytes() == data:
            return digest
        self._folder.mkdir(parents=True, exist_ok=True)
        handle, draft = tempfile.mkstemp(dir=self._folder)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(draft).replace(path)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
        return digest

    def get(self, digest: str) -> bytes:
        """The file of a hash.

        Raises:
            ModelAltered: it is missing, too large, or its bytes have another hash.
        """
        path = self.path(digest)
        try:
            if path.stat().st_size > self._max_bytes:
                raise ModelAltered(f"model {digest} has more than {self._max_bytes} bytes: it is not the one attested")
            data = path.read_bytes()
        except OSError as error:
            raise ModelAltered(f"model {digest} cannot be read from {path.parent}: {error.strerror}") from error
        found = hashlib.sha256(data).hexdigest()
        if found != digest:
            raise ModelAltered(f"model {digest} was altered: the file's bytes have the hash {found}")
        return data

    def path(self, digest: str) -> Path:
        """Where the file of a hash lies; raises ModelAltered for what is no hash."""
        if not re.fullmatch(r"[0-9a-f]{64}", digest):
            raise ModelAltered(f"{digest[:80]!r} is no SHA-256 in hexadecimal")
        return self._folder / (digest + SUFFIX)
