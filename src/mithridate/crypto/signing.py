"""ECDSA on P-256 with SHA-256 (FIPS 186-5) over a domain's tag and a message, with deterministic nonces (RFC 6979).

A signature is r || s, 64 bytes. (r, n - s) verifies too: a signature is evidence of the message, never an identifier.
"""

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature, encode_dss_signature

from mithridate.crypto.domains import Domain
from mithridate.crypto.keys import PrivateKey, PublicKey
from mithridate.errors import SignatureInvalid

SIGNATURE_BYTES = 64
_HALF = SIGNATURE_BYTES // 2


def sign(key: PrivateKey, domain: Domain, message: bytes) -> bytes:
    """The signature (64 bytes) of a message of any length for one purpose; the same inputs give the same bytes."""
    return _sign_bytes(key, domain.tag + message)


def verify(key: PublicKey, domain: Domain, message: bytes, signature: bytes) -> None:
    """Returns if the signature is one of the message under the key for that purpose.

    Raises:
        SignatureInvalid: it is not, or not 64 bytes.
    """
    _verify_bytes(key, domain.tag + message, signature)


def _sign_bytes(key: PrivateKey, data: bytes) -> bytes:
    encoded = key.sign(data, ec.ECDSA(hashes.SHA256(), deterministic_signing=True))
    r, s = decode_dss_signature(encoded)
    return r.to_bytes(_HALF, "big") + s.to_bytes(_HALF, "big")


def _verify_bytes(key: PublicKey, data: bytes, signature: bytes) -> None:
    if len(signature) != SIGNATURE_BYTES:
        raise SignatureInvalid(f"a signature is {SIGNATURE_BYTES} bytes, this is {len(signature)}")
    r, s = (int.from_bytes(half, "big") for half in (signature[:_HALF], signature[_HALF:]))
    try:
        key.verify(encode_dss_signature(r, s), data, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature as error:
        raise SignatureInvalid(
            "the signature does not verify: another key signed, or the message was altered"
        ) from error
