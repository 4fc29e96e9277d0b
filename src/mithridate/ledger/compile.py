"""Compiles contracts at first use and keeps the results, keyed by source and compiler, in the user's cache folder."""

import hashlib
import json
import os
import tempfile
from dataclasses import dataclass
from functools import cache
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path
from typing import Any

from mithridate.errors import LedgerError

EVM_VERSION = "london"
"""Networks of proof of authority (Clique) refuse later instruction sets."""
FORMATS = {"abi": "abi", "bytecode": "creation_code", "bytecode_runtime": "runtime_code"}
"""The compiler's names of what it writes, and ours."""


@dataclass(frozen=True)
class CompiledContract:
    """What a compilation yields.

    Attributes:
        abi: the interface, as parsed JSON.
        creation_code: without constructor arguments.
        runtime_code: what a deployed contract's code begins with; the values fixed at deployment follow it.
    """

    abi: tuple[dict[str, Any], ...]
    creation_code: bytes
    runtime_code: bytes


@cache
def contract(name: str) -> CompiledContract:
    """The compiled contract of this name, `Study` for one.

    Raises:
        LedgerError: the compiler rejects the source, which means a broken installation.
    """
    source = files("mithridate.ledger").joinpath("contracts", f"{name}.vy").read_text(encoding="utf-8")
    cached = _cache_file(source)
    try:
        return _parse(cached.read_text(encoding="utf-8"))
    except (OSError, ValueError, KeyError, TypeError):
        text = _compile(source)
    _keep(cached, text)
    return _parse(text)


def _cache_file(source: str) -> Path:
    key = hashlib.sha256(f"{version('vyper')} {EVM_VERSION}\n{source}".encode()).hexdigest()
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "mithridate" / f"contract-{key}.json"


def _parse(text: str) -> CompiledContract:
    document = json.loads(text)
    codes = [bytes.fromhex(document[key]) for key in ("creation_code", "runtime_code")]
    return CompiledContract(tuple(document["abi"]), *codes)


def _compile(source: str) -> str:
    # Deferred: the compiler takes longer to import than the cache to read.
    from vyper import compile_code
    from vyper.compiler.settings import Settings
    from vyper.exceptions import VyperException

    try:
        output = compile_code(source, output_formats=list(FORMATS), settings=Settings(evm_version=EVM_VERSION))
    except VyperException as error:
        raise LedgerError(f"the contract does not compile, reinstall mithridate and vyper: {error}") from error
    codes = {key: output[name].removeprefix("0x") for name, key in FORMATS.items() if name != "abi"}
    return json.dumps({"abi": output["abi"]} | codes)


def _keep(path: Path, text: str) -> None:
    # The cache only saves time: a read-only home must not stop a study.
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, partial = tempfile.mkstemp(dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(text)
        os.replace(partial, path)
    except OSError:
        return
