"""Keys at rest: what is written can be read with its password only, and files that others may read are refused."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from mithridate.errors import InputError
from mithridate.ledger import keystore
from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.keystore import PASSWORD_VARIABLE, read_keystore, read_password, write_keystore

PASSWORD = "correct horse battery"  # noqa: S105


@pytest.fixture(scope="module")
def account() -> Account:
    return new_account()


@pytest.fixture
def stored(account: Account, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(keystore, "SCRYPT_N", 1 << 10)
    path = tmp_path / "account.json"
    write_keystore(path, account, PASSWORD)
    return path


def test_what_is_written_is_read(account: Account, stored: Path) -> None:
    assert read_keystore(stored, PASSWORD) == account


def test_a_file_of_the_standard_cost_is_read(account: Account, tmp_path: Path) -> None:
    write_keystore(tmp_path / "account.json", account, PASSWORD)
    parameters = json.loads((tmp_path / "account.json").read_text())["crypto"]["kdfparams"]
    assert (parameters["n"], parameters["r"], parameters["p"]) == (1 << 18, 8, 1)
    assert read_keystore(tmp_path / "account.json", PASSWORD) == account


def test_the_file_is_its_owners_alone_and_holds_no_key(account: Account, stored: Path) -> None:
    assert stored.stat().st_mode & 0o777 == 0o600
    assert account.key.hex() not in stored.read_text().lower()


def test_another_password_is_refused(stored: Path) -> None:
    with pytest.raises(InputError, match=r"password does not open .*account\.json"):
        read_keystore(stored, PASSWORD + ".")


def test_a_keystore_open_to_others_is_refused(stored: Path) -> None:
    stored.chmod(0o640)
    with pytest.raises(InputError, match=r"chmod 600"):
        read_keystore(stored, PASSWORD)


def test_a_key_is_never_overwritten(stored: Path) -> None:
    before = stored.read_bytes()
    with pytest.raises(InputError, match="never overwritten"):
        write_keystore(stored, new_account(), PASSWORD)
    assert stored.read_bytes() == before


def test_a_short_password_writes_nothing(account: Account, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="11 characters"):
        write_keystore(tmp_path / "account.json", account, "x" * 11)
    assert not list(tmp_path.iterdir())


def damaged(change: Callable[[dict[str, object]], object]) -> Callable[[str], str]:
    def apply(text: str) -> str:
        document = json.loads(text)
        change(document)
        return json.dumps(document)

    return apply


@pytest.mark.parametrize(
    "spoil",
    [
        lambda text: "",
        lambda text: text[:-2],
        lambda text: "[]",
        lambda text: "[" * 20_000,
        lambda text: "x" * (1 << 17),
        damaged(lambda document: document.pop("crypto")),
        damaged(lambda document: document.update(version=4)),
        damaged(lambda document: document["crypto"]["kdfparams"].update(n=1 << 40)),
        damaged(lambda document: document["crypto"]["kdfparams"].pop("salt")),
        damaged(lambda document: document["crypto"].update(kdf="none")),
        damaged(lambda document: document["crypto"].update(ciphertext="zz")),
        damaged(lambda document: document["crypto"].update(mac=7)),
    ],
)
def test_what_is_no_keystore_is_named(stored: Path, spoil: Callable[[str], str]) -> None:
    stored.write_text(spoil(stored.read_text()))
    with pytest.raises(InputError, match=r"account\.json"):
        read_keystore(stored, PASSWORD)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"gone\.json cannot be read"):
        read_keystore(tmp_path / "gone.json", PASSWORD)


def test_a_password_comes_from_a_file_or_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "password"
    file.write_text(PASSWORD + "\n")
    file.chmod(0o600)
    monkeypatch.setenv(PASSWORD_VARIABLE, "from the environment")
    assert read_password(file) == PASSWORD
    assert read_password() == "from the environment"
    file.chmod(0o644)
    with pytest.raises(InputError, match="open to other users"):
        read_password(file)


@pytest.mark.parametrize("content", ["", "\n"])
def test_no_password_is_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str) -> None:
    file = tmp_path / "password"
    file.write_text(content)
    file.chmod(0o600)
    with pytest.raises(InputError, match="no password"):
        read_password(file)
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(InputError, match=PASSWORD_VARIABLE):
        read_password()
