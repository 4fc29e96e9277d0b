"""Accounts at rest: a private key encrypted under a password, in Ethereum's keystore format (version 3, scrypt).

The password comes from a file of its own or from the environment, never from a study file. Whoever reads both files can
write in the account's name, so neither may be readable by other users of the machine.
"""

import json
import os
import stat
from pathlib import Path
from typing import Any

from eth_account import Account as Signer
from pydantic_core import from_json

from mithridate.errors import InputError
from mithridate.ledger.accounts import Account, account_from_key

PASSWORD_VARIABLE = "MITHRIDATE_PASSWORD"  # noqa: S105 - where to find it, not a password
PRIVATE = stat.S_IRUSR | stat.S_IWUSR
CREDENTIALS_VARIABLE = "CREDENTIALS_DIRECTORY"
OPEN_TO_ALL = stat.S_IRWXO
OPEN_TO_OTHERS = stat.S_IRWXG | OPEN_TO_ALL
MAX_BYTES = 1 << 16
MIN_PASSWORD = 12
SCRYPT_N = 1 << 18
"""The format's standard cost: 256 MiB and about a second for each guess at the password."""
MAX_SCRYPT_BYTES = 1 << 30


def write_keystore(path: Path, account: Account, password: str) -> None:
    """Writes an account's key, encrypted, to a new file that only its owner may read.

    Raises:
        InputError: the file exists or cannot be written, or the password is short.
    """
    if len(password) < MIN_PASSWORD:
        raise InputError(f"the password has {len(password)} characters: use {MIN_PASSWORD} or more")
    content = json.dumps(Signer.encrypt(account.key, password, kdf="scrypt", iterations=SCRYPT_N))
    try:
        handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE)
        with os.fdopen(handle, "w", encoding="utf-8") as stream:
            stream.write(content)
    except FileExistsError as error:
        raise InputError(f"{path} exists: a key is never overwritten, choose another file") from error
    except OSError as error:
        raise InputError(f"{path} cannot be written ({error.strerror})") from error


def read_keystore(path: Path, password: str) -> Account:
    """The account in a keystore file.

    Raises:
        InputError: the file is missing, no keystore or open to other users, or the password is not its.
    """
    document = _keystore(path)
    try:
        key = bytes(Signer.decrypt(document, password))
    except (ValueError, TypeError, KeyError, NotImplementedError) as error:
        if "MAC mismatch" in str(error):
            raise InputError(f"the password does not open {path}: it belongs to another keystore") from error
        raise InputError(f"{path} is damaged or of an unknown format: restore it from a copy") from error
    return account_from_key(key)


def read_password(path: Path | None = None) -> str:
    """The password in the first line of a file or, if no file is given, in the environment's MITHRIDATE_PASSWORD.

    Raises:
        InputError: there is none, or the file is open to other users.
    """
    if path is not None:
        lines = _private_text(path).splitlines()
        password, where = (lines[0] if lines else ""), str(path)
    else:
        password, where = os.environ.get(PASSWORD_VARIABLE, ""), f"the environment variable {PASSWORD_VARIABLE}"
    if not password:
        raise InputError(f"there is no password in {where}: put the keystore's there")
    return password


def _keystore(path: Path) -> dict[str, Any]:
    try:
        document = from_json(_private_text(path))
        parameters = document["crypto"]["kdfparams"]
        # A file from elsewhere must not make us take all memory before its password is known to be wrong.
        cost = 128 * int(parameters.get("n", 0)) * int(parameters.get("r", 0))
        known = document["version"] == 3
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise InputError(
            f"{path} is no keystore: expected the JSON file that `write_keystore` or geth wrote"
        ) from error
    if not known or cost > MAX_SCRYPT_BYTES:
        raise InputError(f"{path} is no keystore of version 3 with a usual cost: make a new one")
    return dict(document)


def _is_credential(path: Path) -> bool:
    # systemd hands credentials over in a folder for this process alone, by an access list that looks like a group's.
    folder = os.environ.get(CREDENTIALS_VARIABLE, "")
    return bool(folder) and path.absolute().parent == Path(folder)


def _private_text(path: Path) -> str:
    try:
        with path.open("rb") as stream:
            if os.fstat(stream.fileno()).st_mode & (OPEN_TO_ALL if _is_credential(path) else OPEN_TO_OTHERS):
                raise InputError(f"{path} is open to other users: run `chmod 600 {path}`")
            content = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    if len(content) > MAX_BYTES:
        raise InputError(f"{path} has more than {MAX_BYTES} bytes: it holds no key or password")
    return content.decode(errors="replace")
