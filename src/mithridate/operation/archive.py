"""What a backup's archive holds, and in which form.

A tar file: kit/, keys/ and state/, and at its end a manifest with every file's SHA-256. Keys stay encrypted as they
are; state holds a validator's shares and secrets, so whoever has the archive has what the participant's disk has. The
manifest finds damage, not forgery: an archive is as trustworthy as the place it lay in.
"""

import hashlib
from dataclasses import dataclass
from pathlib import Path

from pydantic import Field

from mithridate.section import Section

KIT, KEYS, STATE = "kit", "keys", "state"
MANIFEST = "manifest.json"
VERSION = 1


class Manifest(Section):
    """What an archive holds."""

    version: int = Field(ge=VERSION, le=VERSION)
    """Of the archive's form."""
    made: int = Field(ge=0)
    """When, in seconds since 1970."""
    folders: dict[str, str]
    """kit, keys and state to where each lay."""
    files: dict[str, str]
    """Path in the archive to SHA-256."""


@dataclass(frozen=True)
class Copied:
    """What a backup or a restoration came to.

    Args:
        files: how many.
        size: their bytes.
        folders: kit, keys and state to where each lay when the backup was made.
        made: when that was, in seconds since 1970.
    """

    files: int
    size: int
    folders: dict[str, str]
    made: int


def digest(path: Path) -> str:
    """SHA-256 of a file, in hexadecimal."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
