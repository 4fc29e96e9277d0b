import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from mithridate.crypto import keys
from mithridate.errors import InputError, MessageError

KEY = keys.generate()


def _pem(key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def test_a_public_key_survives_its_compressed_form() -> None:
    point = keys.public_to_bytes(KEY.public_key())
    assert len(point) == 33
    assert keys.public_from_bytes(point) == KEY.public_key()


@given(st.binary(max_size=70))
def test_noise_is_refused_or_is_a_point_that_is_written_alike(noise: bytes) -> None:
    try:
        key = keys.public_from_bytes(noise)
    except MessageError:
        return
    assert keys.public_to_bytes(key) == noise


@pytest.mark.parametrize(
    "point",
    [
        b"",
        b"\x00",
        bytes(33),
        b"\x02" + b"\xff" * 32,
        b"\x02" + (1).to_bytes(32, "big"),
        KEY.public_key().public_bytes(Encoding.X962, PublicFormat.UncompressedPoint),
        keys.public_to_bytes(KEY.public_key())[:-1],
    ],
    ids=["empty", "infinity", "zeros", "above the prime", "off the curve", "uncompressed", "short"],
)
def test_what_is_no_compressed_point_of_p256_is_refused(point: bytes) -> None:
    with pytest.raises(MessageError, match="P-256"):
        keys.public_from_bytes(point)


@pytest.mark.parametrize("passphrase", [None, b"correct horse"])
def test_a_private_key_survives_its_file(passphrase: bytes | None) -> None:
    pem = keys.private_to_pem(KEY, passphrase=passphrase)
    assert (b"ENCRYPTED" in pem) == (passphrase is not None)
    assert keys.private_from_pem(pem, passphrase=passphrase).private_numbers() == KEY.private_numbers()


@pytest.mark.parametrize(
    ("pem", "passphrase"),
    [
        (keys.private_to_pem(KEY, passphrase=b"right"), b"wrong"),
        (keys.private_to_pem(KEY, passphrase=b"right"), None),
        (keys.private_to_pem(KEY, passphrase=None), b"needless"),
        (b"", None),
        (b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n", None),
        (_pem(ec.generate_private_key(ec.SECP384R1())), None),
        (_pem(rsa.generate_private_key(65537, 2048)), None),
    ],
    ids=["wrong passphrase", "no passphrase", "needless passphrase", "empty", "no key inside", "P-384", "RSA"],
)
def test_a_key_file_that_does_not_fit_is_refused(pem: bytes, passphrase: bytes | None) -> None:
    with pytest.raises(InputError, match="private key"):
        keys.private_from_pem(pem, passphrase=passphrase)
