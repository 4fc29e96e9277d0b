"""Private keys at rest: a PKCS #12 file for each (RFC 7292), encrypted under a password."""

from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import PrivateFormat, pkcs12

from mithridate.errors import EnrolmentError
from mithridate.ledger.keystore import MIN_PASSWORD
from mithridate.provisioning.private_files import read_bounded, refuse_open_file, write_new

RsaKey = rsa.RSAPrivateKey
EllipticKey = ec.EllipticCurvePrivateKey
MAX_BYTES = 1 << 16
KDF_ROUNDS = 600_000
"""OWASP's figure for PBKDF2 with HMAC-SHA-256: about half a second for each guess at the password."""


def write_key(path: Path, key: RsaKey | EllipticKey, label: str, password: str) -> None:
    """Writes a private key, encrypted, to a new file that only its owner may read.

    Raises:
        EnrolmentError: the file exists or cannot be written, or the password is short.
    """
    if len(password) < MIN_PASSWORD:
        raise EnrolmentError(f"the password has {len(password)} characters: use {MIN_PASSWORD} or more")
    protection = (
        PrivateFormat.PKCS12.encryption_builder()
        .kdf_rounds(KDF_ROUNDS)
        .key_cert_algorithm(pkcs12.PBES.PBESv2SHA256AndAES256CBC)
        .hmac_hash(hashes.SHA256())
        .build(password.encode())
    )
    write_new(path, pkcs12.serialize_key_and_certificates(label.encode(), key, None, None, protection))


def read_rsa_key(path: Path, password: str) -> RsaKey:
    """The RSA key in a file that `write_key` wrote.

    Raises:
        EnrolmentError: the file is missing, damaged or another kind of key, or the password is not its.
        InputError: the file is open to other users of the machine.
    """
    key = _read_key(path, password)
    if not isinstance(key, RsaKey):
        raise EnrolmentError(f"{path} holds no RSA key: restore the file that the enrolment wrote")
    return key


def read_elliptic_key(path: Path, password: str) -> EllipticKey:
    """The P-256 key in a file that `write_key` wrote; raises what `read_rsa_key` does."""
    key = _read_key(path, password)
    if not isinstance(key, EllipticKey) or not isinstance(key.curve, ec.SECP256R1):
        raise EnrolmentError(f"{path} holds no P-256 key: restore the file that the enrolment wrote")
    return key


def _read_key(path: Path, password: str) -> object:
    refuse_open_file(path)
    content = read_bounded(path, MAX_BYTES, "a private key in PKCS #12")
    try:
        return pkcs12.load_key_and_certificates(content, password.encode())[0]
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise EnrolmentError(f"{path} does not open: the password is another's, or the file is damaged") from error
