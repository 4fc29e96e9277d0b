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

# A block of the matrix, 2 MB, stays in the processor's second-level cache: half the time of blocks of 32 MB. Two 32-bit
# limbs summed over so few columns stay far below 2^53, so float64 products (BLAS) are exact.
_CHUNK = 1 << 12
_LOW = np.uint64(0xFFFFFFFF)
_HALF = np.uint64(32)


def _ternary_table() -> npt.NDArray[np.float64]:
    """(256, 4): the four entries that a byte stands for, two bits each: 00 is -1, 11 is 1, 01 and 10 are 0."""
    pairs = (np.arange(256)[:, None] >> np.arange(0, 8, 2)) & 3
    return np.take(np.array([-1.0, 0.0, 0.0, 1.0]), pairs)


_TABLE = _ternary_table()


def ternary_rows(seed: bytes, length: int, rows: int = ROWS) -> Iterator[npt.NDArray[np.float64]]:
    """The projection matrix R (rows, length) in blocks of columns, each (rows, at most 4096).

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
        yield np.take(_TABLE, entries, axis=0).reshape(rows, 4 * packed)[:, :columns]


def project(share: ReplicatedShare, seed: bytes, rows: int = ROWS) -> ReplicatedShare:
    """Share of the projections x R^T, from a share of the vectors x.

    Args:
        share: of shape (n, d).
        seed: 32 bytes, see `ternary_rows`.
        rows: k.

    Returns:
        Share of shape (n, k); integers, at the scale of x.
    """
    from mithridate.training.deterministic import one_thread

    n, length = share.shape
    sums = np.zeros((2 * n, rows), dtype=np.uint64)
    start = 0
    # In several threads, three validators on one machine took twice the time.
    with one_thread():
        for block in ternary_rows(seed, length, rows):
            columns = slice(start, start + block.shape[1])
            sums += _multiply(np.concatenate([share.first[:, columns], share.second[:, columns]]), block)
            start += block.shape[1]
    return ReplicatedShare(share.rank, sums[:n], sums[n:])


def _multiply(components: RingArray, block: npt.NDArray[np.float64]) -> RingArray:
    """PyTorch's product, whose threads can be limited, of both limbs at once."""
    import torch

    limbs = np.concatenate([components & _LOW, components >> _HALF]).astype(np.float64)
    low, high = np.split((torch.from_numpy(limbs) @ torch.from_numpy(block).T).numpy(), 2)
    return np.asarray(low.astype(np.int64).view(np.uint64) + (high.astype(np.int64).view(np.uint64) << _HALF))


def range_bound(norm: float) -> int:
    """Largest absolute entry that the projection of an honest update may have: 6.5 norms.

    An entry is sub-Gaussian with variance norm^2 / 2, so an honest one exceeds the bound with probability below
    2 exp(-6.5^2) = 1e-18.

    Args:
        norm: L2 bound of the update, in ring units.
    """
    return int(np.ceil(6.5 * norm))
