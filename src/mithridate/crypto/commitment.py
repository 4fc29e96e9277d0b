"""Commitments by a hash: binding while it resists collisions, hiding while the nonce or value has 256 random bits.

The hash is SHA-256, but for component 2, which is 8 bytes a parameter: there it is BLAKE3, several times as fast.
"""

import hashlib
import hmac
import secrets

from blake3 import blake3

from mithridate.crypto.domains import Domain
from mithridate.errors import ShareMismatch

NONCE_BYTES = 32
COMMITMENT_BYTES = 32


def fresh_nonce() -> bytes:
    """32 bytes from the operating system, for one commitment."""
    return secrets.token_bytes(NONCE_BYTES)


def commit(domain: Domain, nonce: bytes, *payload: bytes | bytearray | memoryview) -> bytes:
    """H(domain's tag || nonce || payload ...), 32 bytes; H is BLAKE3 for component 2, SHA-256 for all else.

    The payload's parts are hashed as one string, so a domain fixes their lengths, all but one.

    Args:
        domain: what is committed to.
        nonce: 32 bytes from `fresh_nonce`, told only to those who may open the commitment.
        payload: contiguous buffers, read without a copy.

    Raises:
        ShareMismatch: the nonce is not 32 bytes.
    """
    if len(nonce) != NONCE_BYTES:
        raise ShareMismatch(f"a commitment's nonce is {NONCE_BYTES} bytes, got {len(nonce)}")
    digest = (blake3 if domain is Domain.COMPONENT_2 else hashlib.sha256)(domain.tag + nonce)
    for part in payload:
        digest.update(part)
    return digest.digest()


def verify(commitment: bytes, domain: Domain, nonce: bytes, *payload: bytes | bytearray | memoryview) -> None:
    """Returns if the commitment is the one to this payload, nonce and purpose (constant-time comparison).

    Raises:
        ShareMismatch: it is not.
    """
    if not hmac.compare_digest(commit(domain, nonce, *payload), commitment):
        raise ShareMismatch(f"what was opened as {domain.name.lower()} is not what its commitment says")


def commit_randomness(value: bytes) -> bytes:
    """SHA-256(tag of RANDOMNESS || value), 32 bytes: a validator's commitment to its part of a round's randomness.

    Hiding because the value itself is 32 bytes from the operating system; the contract computes the same at the reveal.

    Raises:
        ShareMismatch: the value is not 32 bytes.
    """
    if len(value) != NONCE_BYTES:
        raise ShareMismatch(f"a validator's randomness is {NONCE_BYTES} bytes, got {len(value)}")
    return hashlib.sha256(Domain.RANDOMNESS.tag + value).digest()
