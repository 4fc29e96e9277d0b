"""Sealing for one recipient (an envelope), and of bulk data whose key travels in envelopes (a body).

Envelope: ephemeral ECDH on P-256, HKDF-SHA256 (RFC 5869), AES-256-GCM (SP 800-38D); the construction is ECIES with both
points bound into the key derivation, as in HPKE (RFC 9180, section 4.1). Bytes: version (1) || compressed ephemeral
point (33) || nonce (12) || ciphertext || tag (16). Anyone may seal: who sealed is shown by a signature elsewhere.
"""

import secrets

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from mithridate.crypto import keys
from mithridate.crypto.domains import Domain
from mithridate.errors import EnvelopeError, MessageError

VERSION = b"\x01"
KEY_BYTES = 32
NONCE_BYTES = 12
TAG_BYTES = 16
_NONCE_AT = len(VERSION) + keys.POINT_BYTES
_SEALED_AT = _NONCE_AT + NONCE_BYTES
OVERHEAD = _SEALED_AT + TAG_BYTES
MAX_PLAINTEXT = 2**16
MAX_BODY = 2**30
# A body's key is used for that one body, so a constant nonce never repeats under a key.
_BODY_NONCE = bytes(NONCE_BYTES)


def seal(recipient: keys.PublicKey, plaintext: bytes, associated_data: bytes) -> bytes:
    """An envelope that only the recipient opens, and only with the same associated data; len(plaintext) + 62 bytes.

    Raises:
        EnvelopeError: the plaintext is longer than 64 KiB.
    """
    if len(plaintext) > MAX_PLAINTEXT:
        raise EnvelopeError(
            f"an envelope holds at most {MAX_PLAINTEXT} bytes, not {len(plaintext)}: seal a body instead"
        )
    ephemeral = keys.generate()
    point = keys.public_to_bytes(ephemeral.public_key())
    key = _derive(ephemeral.exchange(ec.ECDH(), recipient), point, keys.public_to_bytes(recipient))
    nonce = secrets.token_bytes(NONCE_BYTES)
    return VERSION + point + nonce + AESGCM(key).encrypt(nonce, plaintext, VERSION + associated_data)


def open_sealed(private_key: keys.PrivateKey, sealed: bytes, associated_data: bytes) -> bytes:
    """The plaintext of an envelope.

    Raises:
        EnvelopeError: altered, of another version or size, or sealed for another recipient or other associated data.
    """
    if not OVERHEAD <= len(sealed) <= OVERHEAD + MAX_PLAINTEXT or sealed[:1] != VERSION:
        raise EnvelopeError(
            f"an envelope of version 1 has {OVERHEAD} to {OVERHEAD + MAX_PLAINTEXT} bytes; this is none"
        )
    point = sealed[len(VERSION) : _NONCE_AT]
    try:
        shared = private_key.exchange(ec.ECDH(), keys.public_from_bytes(point))
        key = _derive(shared, point, keys.public_to_bytes(private_key.public_key()))
        return AESGCM(key).decrypt(sealed[_NONCE_AT:_SEALED_AT], sealed[_SEALED_AT:], VERSION + associated_data)
    except (InvalidTag, MessageError) as error:
        raise EnvelopeError(
            "the envelope does not open: it was altered, or sealed for another recipient, study, round or attempt"
        ) from error


def seal_body(plaintext: bytes | bytearray | memoryview, associated_data: bytes) -> tuple[bytes, bytes]:
    """Encrypts bulk data under a fresh key that is made here and used for nothing else.

    AES-GCM does not commit to its key: two keys may open one body to two plaintexts. So whoever hands the key to
    several recipients also commits to the plaintext, and each recipient checks that (crypto/commitment.py).

    Returns:
        (key of 32 bytes, ciphertext || tag: len(plaintext) + 16 bytes).

    Raises:
        EnvelopeError: the plaintext is longer than 1 GiB.
    """
    size = memoryview(plaintext).nbytes
    if size > MAX_BODY:
        raise EnvelopeError(f"a body holds at most 2^30 bytes, not {size}")
    key = secrets.token_bytes(KEY_BYTES)
    return key, AESGCM(key).encrypt(_BODY_NONCE, plaintext, VERSION + associated_data)


def open_body(
    key: bytes, sealed: bytes | bytearray | memoryview, associated_data: bytes, out: bytearray | memoryview
) -> None:
    """Writes the plaintext of a body over `out`. What is there after an error is not authentic and of no use.

    Args:
        out: writable bytes, 16 fewer than `sealed` has.

    Raises:
        EnvelopeError: altered, of another size, or sealed under another key or with other associated data.
    """
    size = memoryview(sealed).nbytes
    if len(key) != KEY_BYTES or not TAG_BYTES <= size <= MAX_BODY + TAG_BYTES or len(out) != size - TAG_BYTES:
        raise EnvelopeError(
            f"a body has {TAG_BYTES} to 2^30 + {TAG_BYTES} bytes and a key of {KEY_BYTES}; this is none"
        )
    try:
        AESGCM(key).decrypt_into(_BODY_NONCE, sealed, VERSION + associated_data, out)
    except InvalidTag as error:
        raise EnvelopeError(
            "the body does not open: it was altered, or sealed in another study, round or attempt"
        ) from error


def _derive(shared_secret: bytes, ephemeral: bytes, recipient: bytes) -> bytes:
    """HKDF-SHA256 without salt; the points are in `info` because P and -P give one shared secret."""
    info = Domain.ENVELOPE_KEY.tag + ephemeral + recipient
    return HKDF(algorithm=hashes.SHA256(), length=KEY_BYTES, salt=None, info=info).derive(shared_secret)
