from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from mithridate.errors import EnrolmentError, InputError
from mithridate.provisioning.keys import SIGNING_FILE, TLS_FILE, ParticipantKeys, read_keys, read_tls_key, write_keys

WORDS = "a password for tests"


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, keys: dict[str, ParticipantKeys]) -> Path:
    folder = tmp_path_factory.mktemp("site") / "keys"
    write_keys(folder, keys["hospital-1"], "hospital-1", WORDS)
    return folder


def test_keys_come_back_under_their_password(written: Path, keys: dict[str, ParticipantKeys]) -> None:
    mine, back = keys["hospital-1"], read_keys(written, WORDS)
    assert back.account == mine.account
    for name in ("tls", "signing", "envelope"):
        assert getattr(back, name).private_numbers() == getattr(mine, name).private_numbers()


def test_keys_are_in_nobody_elses_reach(written: Path, keys: dict[str, ParticipantKeys]) -> None:
    assert written.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for path in written.iterdir())
    der = keys["hospital-1"].signing.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
    secret = keys["hospital-1"].signing.private_numbers().private_value.to_bytes(32, "big")
    for path in written.iterdir():
        assert secret not in path.read_bytes()
        assert der not in path.read_bytes()
    assert secret.hex() not in repr(keys["hospital-1"])


def test_another_password_opens_nothing(written: Path) -> None:
    with pytest.raises(EnrolmentError, match="the password is another's, or the file is damaged"):
        read_tls_key(written, WORDS + "!")


def test_keys_are_never_overwritten(written: Path, keys: dict[str, ParticipantKeys]) -> None:
    with pytest.raises(EnrolmentError, match="keys are never overwritten"):
        write_keys(written, keys["hospital-2"], "hospital-2", WORDS)


def test_a_short_password_is_refused(tmp_path: Path, keys: dict[str, ParticipantKeys]) -> None:
    with pytest.raises(EnrolmentError, match="has 11 characters: use 12 or more"):
        write_keys(tmp_path / "keys", keys["hospital-1"], "hospital-1", "11 letters.")


def test_a_key_open_to_other_users_is_refused(written: Path) -> None:
    (written / TLS_FILE).chmod(0o644)
    try:
        with pytest.raises(InputError, match="chmod 600"):
            read_tls_key(written, WORDS)
    finally:
        (written / TLS_FILE).chmod(0o600)


def test_a_key_in_anothers_place_is_refused(written: Path, tmp_path: Path) -> None:
    (tmp_path / TLS_FILE).write_bytes((written / SIGNING_FILE).read_bytes())
    (tmp_path / TLS_FILE).chmod(0o600)
    with pytest.raises(EnrolmentError, match="holds no RSA key"):
        read_tls_key(tmp_path, WORDS)
