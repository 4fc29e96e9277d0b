"""Files for one user's eyes, and files that are whole or not there."""

import os
import stat
from pathlib import Path

from mithridate.errors import EnrolmentError, InputError

PRIVATE = stat.S_IRUSR | stat.S_IWUSR
OPEN_TO_OTHERS = stat.S_IRWXG | stat.S_IRWXO
PRIVATE_FOLDER = stat.S_IRWXU


def write_new(path: Path, content: bytes) -> None:
    """Writes a new file that only its owner may read; never over another.

    Raises:
        EnrolmentError: the file exists or cannot be written.
    """
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
    except FileExistsError as error:
        raise EnrolmentError(f"{path} exists and is never overwritten: choose another place") from error
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be written ({error.strerror})") from error


def write_whole(path: Path, content: bytes) -> None:
    """Writes a file in one step: whoever reads it, after a crash too, finds the old content or the new.

    Raises:
        EnrolmentError: it cannot be written.
    """
    draft = path.with_name(f"{path.name}.draft")
    try:
        with draft.open("wb") as stream:
            stream.write(content)
            stream.flush()
            os.fsync(stream.fileno())
        draft.replace(path)
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be written ({error.strerror})") from error


def read_bounded(path: Path, limit: int, what: str) -> bytes:
    """A file's bytes.

    Raises:
        EnrolmentError: it is missing, unreadable or larger than `limit` bytes; `what` it should be is in the message.
    """
    try:
        with path.open("rb") as stream:
            content = stream.read(limit + 1)
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be read ({error.strerror}): expected {what}") from error
    if len(content) > limit:
        raise EnrolmentError(f"{path} has more than {limit} bytes: expected {what}")
    return content


def refuse_open_file(path: Path) -> None:
    """Returns if other users of the machine may not touch a file.

    Raises:
        InputError: they may, or it cannot be looked at.
    """
    try:
        mode = path.stat().st_mode
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be read ({error.strerror})") from error
    if mode & OPEN_TO_OTHERS:
        raise InputError(f"{path} is open to other users: run `chmod 600 {path}`")


def new_private_folder(path: Path) -> None:
    """Makes a folder that only its owner may enter, with the folders above it.

    Raises:
        EnrolmentError: it exists with something in it, or cannot be made.
    """
    try:
        path.mkdir(mode=PRIVATE_FOLDER, parents=True, exist_ok=True)
        path.chmod(PRIVATE_FOLDER)
        if any(path.iterdir()):
            raise EnrolmentError(f"{path} holds something: choose a new folder, keys are never overwritten")
    except OSError as error:
        raise EnrolmentError(f"{path} cannot be made ({error.strerror})") from error
