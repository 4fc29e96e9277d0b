"""Replicated secret shares over Z_2^64 as numpy arrays.

Source: Araki, Furukawa, Lindell, Nof, Ohara, "High-Throughput Semi-Honest Secure Three-Party Computation with an Honest
Majority", ACM CCS 2016, section 2; ABY3 (Mohassel, Rindal, ACM CCS 2018) computes on the same sharing.
A secret is x = x_0 + x_1 + x_2 mod 2^64 and validator i holds (x_i, x_{i+1 mod 3}).
"""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from mithridate.errors import ShareMismatch

RingArray = npt.NDArray[np.uint64]

VALIDATORS = 3


@dataclass(frozen=True, eq=False)
class ReplicatedShare:
    """What validator `rank` holds of one secret array: two of its three additive components.

    One validator's share is uniformly random and says nothing of the secret; any two validators together know it.
    Sums, differences, public factors and everything that only moves entries are local and exact in the ring.

    Args:
        rank: the validator, 0, 1 or 2.
        first: component x_rank, uint64, any shape.
        second: component x_{(rank + 1) % 3}, uint64, of the same shape.

    Raises:
        ValueError: the rank is not 0, 1 or 2, a component is not uint64, or the shapes differ.
    """

    rank: int
    first: RingArray
    second: RingArray

    def __post_init__(self) -> None:
        if self.rank not in range(VALIDATORS):
            raise ValueError(f"a validator's rank is 0, 1 or 2, not {self.rank}")
        for name in ("first", "second"):
            # Indexing and reductions hand out numpy scalars, whose sums warn on the wrap-around that is wanted here.
            object.__setattr__(self, name, _ring(getattr(self, name)))
        if self.first.shape != self.second.shape:
            raise ValueError(f"components of shapes {self.first.shape} and {self.second.shape} are not of one secret")

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of the secret."""
        return self.first.shape

    @property
    def size(self) -> int:
        """Number of ring elements of the secret."""
        return int(self.first.size)

    def __len__(self) -> int:
        return len(self.first)

    def __add__(self, other: "ReplicatedShare") -> "ReplicatedShare":
        """Share of the sum; shapes broadcast."""
        self._check_rank(other)
        return ReplicatedShare(self.rank, np.add(self.first, other.first), np.add(self.second, other.second))

    def __sub__(self, other: "ReplicatedShare") -> "ReplicatedShare":
        """Share of the difference; shapes broadcast."""
        self._check_rank(other)
        return ReplicatedShare(self.rank, np.subtract(self.first, other.first), np.subtract(self.second, other.second))

    def __neg__(self) -> "ReplicatedShare":
        return ReplicatedShare(self.rank, np.negative(self.first), np.negative(self.second))

    def __getitem__(self, index: Any) -> "ReplicatedShare":
        """Share of the entries that numpy's `secret[index]` names."""
        return ReplicatedShare(self.rank, self.first[index], self.second[index])

    def add_public(self, value: RingArray) -> "ReplicatedShare":
        """Share of x + value; shapes broadcast.

        Only component 0 changes, which is `first` at rank 0, `second` at rank 2 and not held at rank 1.
        """
        value = np.broadcast_to(_ring(value), np.broadcast_shapes(self.shape, np.shape(value)))
        first = np.add(self.first, value if self.rank == 0 else np.zeros_like(value))
        second = np.add(self.second, value if self.rank == 2 else np.zeros_like(value))
        return ReplicatedShare(self.rank, first, second)

    def mul_public(self, value: RingArray | int) -> "ReplicatedShare":
        """Share of x * value mod 2^64: a ring scalar (any int, reduced mod 2^64) or an array that broadcasts.

        Fixed point is not rescaled: an integer weight keeps the scale, a fixed-point factor doubles the fraction bits.
        """
        factor = np.asarray(value % 2**64, dtype=np.uint64) if isinstance(value, int) else _ring(value)
        return ReplicatedShare(self.rank, np.multiply(self.first, factor), np.multiply(self.second, factor))

    def sum(self, axis: int | tuple[int, ...] | None = None) -> "ReplicatedShare":
        """Share of the sum over `axis` (all axes by default)."""
        return ReplicatedShare(self.rank, np.add.reduce(self.first, axis), np.add.reduce(self.second, axis))

    def reshape(self, *shape: int) -> "ReplicatedShare":
        """Share of the reshaped secret."""
        return ReplicatedShare(self.rank, self.first.reshape(shape), self.second.reshape(shape))

    def _check_rank(self, other: "ReplicatedShare") -> None:
        if self.rank != other.rank:
            raise ValueError(f"shares of validators {self.rank} and {other.rank} cannot be combined at one validator")


def unwritten(rank: int, shape: tuple[int, ...]) -> ReplicatedShare:
    """Room for a validator's share of a secret of this shape; what is in it has no meaning yet."""
    return ReplicatedShare(rank, np.empty(shape, dtype=np.uint64), np.empty(shape, dtype=np.uint64))


def stack(shares: Sequence[ReplicatedShare]) -> ReplicatedShare:
    """One validator's shares of n secrets of one shape, as a share of shape (n, *shape).

    Raises:
        ValueError: there are none, or they differ in rank or shape.
    """
    _check_ranks(shares)
    return ReplicatedShare(shares[0].rank, np.stack([s.first for s in shares]), np.stack([s.second for s in shares]))


def concatenate(shares: Sequence[ReplicatedShare]) -> ReplicatedShare:
    """One validator's shares joined along the first axis.

    Raises:
        ValueError: there are none, or they differ in rank or in a later axis.
    """
    _check_ranks(shares)
    first, second = ([getattr(share, name) for share in shares] for name in ("first", "second"))
    return ReplicatedShare(shares[0].rank, np.concatenate(first), np.concatenate(second))


def share_locally(secret: RingArray) -> tuple[ReplicatedShare, ReplicatedShare, ReplicatedShare]:
    """All three validators' shares of a secret, made by one who knows it; randomness from the operating system."""
    secret = _ring(secret)
    x0, x1 = (_uniform(secret.shape) for _ in range(2))
    components = (x0, x1, np.subtract(np.subtract(secret, x0), x1))
    first, second, third = (
        ReplicatedShare(i, components[i], components[(i + 1) % VALIDATORS]) for i in range(VALIDATORS)
    )
    return first, second, third


def reconstruct(shares: Sequence[ReplicatedShare]) -> RingArray:
    """The secret, from all three validators' shares in any order.

    Raises:
        ValueError: not exactly one share of each rank.
        ShareMismatch: two holders of one component hold different ones.
    """
    ordered = sorted(shares, key=lambda share: share.rank)
    if [share.rank for share in ordered] != list(range(VALIDATORS)):
        raise ValueError("reconstruction takes one share of each of the ranks 0, 1 and 2")
    for share, following in zip(ordered, [*ordered[1:], ordered[0]], strict=True):
        if not np.array_equal(share.second, following.first):
            raise ShareMismatch(
                f"validators {share.rank} and {following.rank} hold different components {following.rank}: "
                "one of them altered it"
            )
    return _ring(np.add(np.add(ordered[0].first, ordered[1].first), ordered[2].first))


def _ring(value: Any) -> RingArray:
    array = np.asarray(value)
    if array.dtype != np.uint64:
        raise ValueError(f"ring elements are uint64, not {array.dtype}: encode them first")
    return array


def _uniform(shape: tuple[int, ...]) -> RingArray:
    count = int(np.prod(shape, dtype=np.int64))
    return np.frombuffer(secrets.token_bytes(8 * count), dtype="<u8").astype(np.uint64).reshape(shape)


def _check_ranks(shares: Sequence[ReplicatedShare]) -> None:
    if len({share.rank for share in shares}) != 1:
        raise ValueError("shares of one validator, at least one, are joined; these are none or of several validators")
