"""Public random projections of shared vectors, exact in Z_2^64.

Source: Gentry, Halevi, Lyubashevsky, "Practical Non-interactive Publicly Verifiable Secret Sharing with Thousands of
Parties", EUROCRYPT 2022 (ePrint 2021/1397), section 3.3: modular Johnson-Lindenstrauss with entries -1, 0, 1 of
probabilities 1/4, 1/2, 1/4. A projection is linear, so each validator projects the components it holds.
"""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mithridate.mpc.shares import ReplicatedShare, RingArray

ROWS = 64
"""Entries of a projected update. One that wraps around the ring passes each row with probability at most 1/2."""

# Two 32-bit limbs summed over at most 2^16 columns stay far below 2^53, so float64 products (BLAS) are exact.
_CHUNK = 1 << 16
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _ternary_table() -> npt.NDArray[np.float64]:
    """(256, 4): the four entries that a byte stands for, two bits each: 00 is -1, 11 is 1, 01 and 10 are 0."""
    pairs = (np.arange(256)[:, None] >> np.arange(0, 8, 2)) & 3
    return np.take(np.array([-1.0, 0.0, 0.0, 1.0]), pairs)


_TABLE = _ternary_table()


def ternary_rows(seed: bytes, length: int, rows: int = ROWS) -> Iterator[npt.NDArray[np.float64]]:
    """The projection matrix R (rows, length) in blocks of columns, each (rows, at most 65536).

    Args:
        seed: 32 bytes drawn after all commitments; the AES-256-CTR keystream under it is the matrix.
        length: d, the number of columns.
        rows: k.
    """
    stream = Cipher(algorithms.AES(seed), modes.CTR(bytes(16))).encryptor()
    for start in range(0, length, _CHUNK):
        columns = min(_CHUNK, length - start)
        packed = -(-columns // 4)
        entries = np.frombuffer(stream.update(bytes(rows * packed)), dtype=np.uint8)
        yield _TABLE[entries].reshape(rows, 4 * packed)[:, :columns]


def project(share: ReplicatedShare, seed: bytes, rows: int = ROWS) -> ReplicatedShare:
    """Share of the projections x R^T, from a share of the vectors x.

    Args:
        share: of shape (n, d).
        seed: 32 bytes, see `ternary_rows`.
        rows: k.

    Returns:
        Share of shape (n, k); integers, at the scale of x.
    """
    n, length = share.shape
    sums = np.zeros((2 * n, rows), dtype=np.uint64)
    start = 0
    for block in ternary_rows(seed, length, rows):
        columns = slice(start, start + block.shape[1])
        sums += _multiply(np.concatenate([share.first[:, columns], share.second[:, columns]]), block)
        start += block.shape[1]
    return ReplicatedShare(share.rank, sums[:n], sums[n:])


def _multiply(components: RingArray, block: npt.NDArray[np.float64]) -> RingArray:
    low = (components & _LOW).astype(np.float64) @ block.T
    high = (components >> _HALF).astype(np.float64) @ block.T
    return low.astype(np.int64).view(np.uint64) + (high.astype(np.int64).view(np.uint64) << _HALF)


def range_bound(norm: float) -> int:
    """Largest absolute entry that the projection of an honest update may have: 6.5 norms.

    An entry is sub-Gaussian with variance norm^2 / 2, so an honest one exceeds the bound with probability below
    2 exp(-6.5^2) = 1e-18.

    Args:
        norm: L2 bound of the update, in ring units.
    """
    return int(np.ceil(6.5 * norm))
