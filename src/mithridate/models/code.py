"""What a model's code is, before any of it runs: the hash by which a hospital approves it."""

import hashlib
import sys
from collections.abc import Iterator
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

from mithridate.errors import ModelError
from mithridate.models.registry import models

MAX_FILE_BYTES = 2**24
PRESET = "preset:"


def code_hash(name: str) -> str:
    """What identifies a model's code: "preset:NAME" for one of this version's, else a SHA-256 in hexadecimal.

    For module:factory it covers the module's file, or every Python file of the package in which it lies, each with its
    path. What these import from elsewhere is not covered.

    Raises:
        ModelError: there is no such file, or it cannot be read.
    """
    if name in models:
        return PRESET + name
    found = hashlib.sha256()
    for path, content in _files(name.partition(":")[0].partition(".")[0]):
        found.update(hashlib.sha256(path.encode()).digest() + hashlib.sha256(content).digest())
    return found.hexdigest()


def _files(top: str) -> Iterator[tuple[str, bytes]]:
    spec = PathFinder.find_spec(top, [*sys.path, str(Path.cwd())])
    if spec is None or spec.origin is None:
        raise ModelError(f"model.name: there is no module {top!r} to approve: put its file into the working directory")
    paths = sorted(_sources(spec))
    root = Path(spec.origin).parent
    for path in paths:
        try:
            content = path.read_bytes()
        except OSError as error:
            raise ModelError(f"{path} cannot be read ({error.strerror})") from error
        if len(content) > MAX_FILE_BYTES:
            raise ModelError(f"{path} has more than {MAX_FILE_BYTES} bytes: it is no source of a model")
        yield path.relative_to(root).as_posix(), content


def _sources(spec: ModuleSpec) -> Iterator[Path]:
    if spec.submodule_search_locations is None:
        yield Path(str(spec.origin))
        return
    for folder in spec.submodule_search_locations:
        yield from Path(folder).rglob("*.py")
