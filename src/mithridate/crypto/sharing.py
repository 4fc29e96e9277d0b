"""Replicated secret sharing over Z_2^64 in three components, two of which are keystreams of 32-byte seeds.

x = x0 + x1 + x2 mod 2^64; validator i holds x_i and x_{(i+1) mod 3} (Araki, Furukawa, Lindell, Nof, Ohara, CCS 2016;
ABY3: Mohassel, Rindal, CCS 2018). Any one validator's two components look uniform and independent of x as long as
AES-256 in counter mode is a pseudorandom generator and the seeds come from the operating system.
"""

import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from cryptography.hazmat.primitives.ciphers import Cipher, CipherContext, algorithms, modes
from numpy.typing import NDArray

from mithridate.errors import ShapeError, ShareMismatch

Ring = NDArray[np.uint64]

PARTIES = 3
SEED_BYTES = 32
# 1 GiB a component: below the 2^31 bytes that one call of AES-GCM takes.
MAX_LENGTH = 2**27
# 128 KiB: keystream, sum and difference stay in the processor's second-level cache.
_BLOCK = 2**14
_ZEROS = memoryview(bytes(8 * _BLOCK))


@dataclass(frozen=True, eq=False)
class SharedVector:
    """The three components of one secret vector: seed0 and seed1 (32 bytes) stand for x0 and x1; x2 is (d,) uint64."""

    seed0: bytes = field(repr=False)
    seed1: bytes = field(repr=False)
    x2: Ring = field(repr=False)


def share(secret: Ring) -> SharedVector:
    """Splits a secret into three components with fresh seeds from the operating system.

    Args:
        secret: (d,) uint64, d <= 2^27.

    Raises:
        ShapeError: not one vector of at most 2^27 uint64.
    """
    if secret.ndim != 1 or secret.dtype != np.uint64:
        raise ShapeError(f"a secret is one vector of uint64, got {secret.dtype} {secret.shape}")
    seed0, seed1 = secrets.token_bytes(SEED_BYTES), secrets.token_bytes(SEED_BYTES)
    return SharedVector(seed0, seed1, _remainder(secret, seed0, seed1))


def reconstruct(x0: Ring, x1: Ring, x2: Ring) -> Ring:
    """x0 + x1 + x2 mod 2^64, elementwise; ShapeError unless all three have one shape."""
    if not x0.shape == x1.shape == x2.shape:
        raise ShapeError(f"components of one secret have one shape, got {x0.shape}, {x1.shape} and {x2.shape}")
    total = x0 + x1
    total += x2
    return total


def expand(seed: bytes, length: int) -> Ring:
    """The component that a seed stands for: see `expand_into`.

    Raises:
        ShapeError: length is negative or above 2^27.
        ShareMismatch: the seed is not 32 bytes.
    """
    _check_length(length)
    out = np.empty(length, dtype="<u8")
    expand_into(seed, out)
    return out


def expand_into(seed: bytes, out: Ring) -> None:
    """Writes the component that a seed stands for over `out`: AES-256-CTR, counter from 2, little-endian uint64.

    Args:
        seed: 32 bytes.
        out: (d,) uint64, contiguous.

    Raises:
        ShareMismatch: the seed is not 32 bytes.
    """
    target = out.view(np.uint8).data
    encryptor = _cipher(seed)
    for start in range(0, len(target), len(_ZEROS)):
        piece = target[start : start + len(_ZEROS)]
        encryptor.update_into(_ZEROS[: len(piece)], piece)


def _remainder(secret: Ring, seed0: bytes, seed1: bytes) -> Ring:
    """x2 = secret - x0 - x1."""
    x2 = np.empty(secret.size, dtype="<u8")
    for (start, block0), (_, block1) in zip(
        _keystream(seed0, secret.size), _keystream(seed1, secret.size), strict=True
    ):
        part = x2[start : start + block0.size]
        np.subtract(secret[start : start + block0.size], block0, out=part)
        part -= block1
    return x2


def _keystream(seed: bytes, length: int) -> Iterator[tuple[int, Ring]]:
    """(offset, block) pairs of the expansion; the block is overwritten by the next step."""
    _check_length(length)
    encryptor = _cipher(seed)
    buffer = np.empty(min(length, _BLOCK), dtype="<u8")
    view = buffer.view(np.uint8).data
    for start in range(0, length, _BLOCK):
        size = min(_BLOCK, length - start)
        encryptor.update_into(_ZEROS[: 8 * size], view[: 8 * size])
        yield start, buffer[:size]


def _cipher(seed: bytes) -> CipherContext:
    if len(seed) != SEED_BYTES:
        raise ShareMismatch(f"a seed is {SEED_BYTES} bytes, got {len(seed)}")
    # GCM's keystream without its tag: OpenSSL has wide instructions (VAES) for GCM, and not for CTR by itself.
    return Cipher(algorithms.AES(seed), modes.GCM(bytes(12))).encryptor()


def _check_length(length: int) -> None:
    if not 0 <= length <= MAX_LENGTH:
        raise ShapeError(f"a shared vector has 0 to 2^27 entries, not {length}")
