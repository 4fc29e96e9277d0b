"""Digests that are asked for again and again: of addresses and of storage slots."""

from functools import lru_cache

from eth_utils.crypto import keccak

DIGESTS = 1 << 13
"""How many are kept: about 200 bytes each."""


@lru_cache(DIGESTS)
def keccak_of(data: bytes) -> bytes:
    """Keccak-256, 32 bytes; kept, so for short data only."""
    return keccak(data)
