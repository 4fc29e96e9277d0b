"""What a validator brings to a secure rule: its channel, its SPU session and its zero sharing."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import jax
import numpy as np
import numpy.typing as npt

from mithridate.mpc.linear import ZeroSharing, gram, reshare
from mithridate.mpc.peers import Peers
from mithridate.mpc.session import Integer, ProgramInput
from mithridate.mpc.shares import ReplicatedShare, concatenate

BLOCK = 2**19
"""Entries of the updates that one program takes at most, so that its memory does not grow with the model."""


Draws = npt.NDArray[np.float32]


class Runner(Protocol):
    """Whatever runs programs on shares as `Session.run` does."""

    def run(self, function: Callable[..., Any], inputs: Sequence[ProgramInput]) -> list[ReplicatedShare]:
        """See `Session.run`."""
        ...


@dataclass(frozen=True)
class Shifted:
    """Integers without their last `bits` bits, rounded down."""

    bits: int

    def __call__(self, values: jax.Array) -> jax.Array:
        """values >> bits, int64 of any shape."""
        return values >> self.bits


@dataclass(frozen=True)
class SecureContext:
    """One validator's end of the joint computation. A rule uses it to compute, never to open.

    Args:
        peers: the channel for the linear part.
        session: runs SPU programs.
        zeros: made with these peers.
    """

    peers: Peers
    session: Runner
    zeros: ZeroSharing

    def run(self, function: Callable[..., Any], *inputs: ProgramInput) -> ReplicatedShare:
        """The only output of a program."""
        (output,) = self.session.run(function, inputs)
        return output

    def by_columns(
        self, function: Callable[..., Any], whole: Sequence[ProgramInput], split: Sequence[ReplicatedShare | Draws]
    ) -> ReplicatedShare:
        """The output (d,) of a program that treats each of d columns alike, in blocks of `BLOCK` entries.

        Args:
            function: of the arrays in `whole`, then of some columns of those in `split`, to one entry a column.
            whole: the same for all columns.
            split: shares or public arrays (..., d).
        """
        size, entries = split[0].shape[-1], sum(each.size // each.shape[-1] for each in split)
        width = max(BLOCK // entries, 1)
        starts = range(0, size, width)
        return concatenate(
            [self.run(function, *whole, *(each[..., at : at + width] for each in split)) for at in starts]
        )

    def gram(self, vectors: ReplicatedShare, shift: int = 0) -> Integer:
        """Inner products (n, n) of vectors (n, d), as integers with 36 - shift fractional bits, rounded down.

        Args:
            vectors: fixed point, with squared norms below 2^62 in ring units.
            shift: bits to drop, so that what follows stays within the ring.
        """
        products = Integer(reshare(gram(vectors), self.zeros, self.peers))
        return Integer(self.run(Shifted(shift), products)) if shift else products
