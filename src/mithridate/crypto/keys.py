"""P-256 key pairs: made, and brought to and from bytes.

A party that both signs and opens envelopes holds a pair for each.
"""

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    KeySerializationEncryption,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mithridate.errors import InputError, MessageError

PrivateKey = ec.EllipticCurvePrivateKey
PublicKey = ec.EllipticCurvePublicKey

POINT_BYTES = 33
_CURVE = ec.SECP256R1


def generate() -> PrivateKey:
    """A fresh P-256 private key, from the operating system's randomness."""
    return ec.generate_private_key(_CURVE())


def public_to_bytes(key: PublicKey) -> bytes:
    """The compressed point, 33 bytes (SEC 1, section 2.3.3)."""
    return key.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)


def public_from_bytes(point: bytes) -> PublicKey:
    """The public key of a compressed point, checked to lie on P-256.

    Raises:
        MessageError: not 33 bytes, another encoding, or no point of the curve.
    """
    if len(point) != POINT_BYTES or point[0] not in (2, 3):
        raise MessageError(f"a P-256 public key is a compressed point of {POINT_BYTES} bytes, got {len(point)} bytes")
    try:
        return ec.EllipticCurvePublicKey.from_encoded_point(_CURVE(), bytes(point))
    except ValueError as error:
        raise MessageError("a public key is not a point of the curve P-256: enrol the key again") from error


def private_to_pem(key: PrivateKey, *, passphrase: bytes | None) -> bytes:
    """PKCS#8 in PEM, encrypted under the passphrase, or in the clear when that is None."""
    protection: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        protection = BestAvailableEncryption(passphrase)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, protection)


def private_from_pem(pem: bytes, *, passphrase: bytes | None) -> PrivateKey:
    """The P-256 private key of a PKCS#8 PEM file's bytes.

    Raises:
        InputError: not such a file, a wrong or needless passphrase, or a key of another kind or curve.
    """
    try:
        key = load_pem_private_key(pem, passphrase)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise InputError(
            "the private key file cannot be read: it is PKCS#8 PEM, and its passphrase must match"
        ) from error
    if not isinstance(key, PrivateKey) or not isinstance(key.curve, _CURVE):
        raise InputError("the private key is not one of the curve P-256: make one with this study's tools")
    return key
