"""The published contracts: interface and code as compiled once, kept beside the source, with their SHA-256.

Every party compares the code on the network with these files, so that none has to trust the compiler of another.
`python -m mithridate.ledger.compile` writes them anew after a change of the source; a test compiles and compares.
"""

import hashlib
import json
import sys
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any

from mithridate.errors import LedgerError

EVM_VERSION = "london"
"""Networks of proof of authority (Clique) refuse later instruction sets."""
FORMATS = {"abi": "abi", "bytecode": "creation_code", "bytecode_runtime": "runtime_code"}
"""The compiler's names of what it writes, and ours."""
MAX_CODE_BYTES = 24_576
"""No network takes a contract with more (EIP-170)."""


@dataclass(frozen=True)
class PublishedContract:
    """One contract as it is published.

    Attributes:
        abi: the interface, as parsed JSON.
        creation_code: without constructor arguments.
        runtime_code: what a deployed contract's code begins with; the values fixed at deployment follow it.
        sha256: of the published file, in hexadecimal.
    """

    abi: tuple[dict[str, Any], ...]
    creation_code: bytes
    runtime_code: bytes
    sha256: str


@cache
def contract(name: str) -> PublishedContract:
    """The published contract of this name, `Study` for one.

    Raises:
        LedgerError: its file is missing or unreadable, which means a broken installation.
    """
    try:
        data = _folder().joinpath(f"{name}.json").read_bytes()
        document = json.loads(data)
        creation, runtime = (bytes.fromhex(document[key]) for key in ("creation_code", "runtime_code"))
        return PublishedContract(tuple(document["abi"]), creation, runtime, hashlib.sha256(data).hexdigest())
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LedgerError(f"the published contract {name} cannot be read, reinstall mithridate: {error!r}") from error


def compiled(name: str) -> bytes:
    """What is published of the contract of this name: a JSON file with its interface and code.

    Raises:
        LedgerError: the compiler rejects the source, or the contract is too large for a network.
    """
    # Deferred: only whoever changes a contract needs the compiler.
    from vyper import compile_code
    from vyper.compiler.settings import Settings
    from vyper.exceptions import VyperException

    source = _folder().joinpath(f"{name}.vy").read_text(encoding="utf-8")
    try:
        output = compile_code(source, output_formats=list(FORMATS), settings=Settings(evm_version=EVM_VERSION))
    except VyperException as error:
        raise LedgerError(f"the contract {name} does not compile: {error}") from error
    document = {key: output[theirs] for theirs, key in FORMATS.items()}
    for key in ("creation_code", "runtime_code"):
        document[key] = document[key].removeprefix("0x")
    if len(document["runtime_code"]) > 2 * MAX_CODE_BYTES:
        raise LedgerError(f"the contract {name} has more than {MAX_CODE_BYTES} bytes of code: split it")
    return json.dumps(document, indent=1).encode() + b"\n"


def _folder() -> Traversable:
    return files("mithridate.ledger").joinpath("contracts")


def _publish(names: list[str]) -> None:
    for name in names:
        Path(str(_folder().joinpath(f"{name}.json"))).write_bytes(compiled(name))


if __name__ == "__main__":
    _publish(sys.argv[1:] or sorted(path.stem for path in Path(str(_folder())).glob("*.vy")))
