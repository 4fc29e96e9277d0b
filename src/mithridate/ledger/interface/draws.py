"""The draw of a committee among more than three validators, by commit and reveal."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

COMMITTEE_DOMAIN = b"mithridate/committee/1"
"""A validator commits to `value` by SHA-256(COMMITTEE_DOMAIN || value); the contract holds the same constant."""


@dataclass(frozen=True)
class Draw:
    """One draw.

    Attributes:
        number: from 1.
        commit_deadline: commitments count before it, in seconds of the ledger's clock.
        reveal_deadline: revealed values count before it.
        commitments: validator rank to what it committed to.
        revealed: ranks that revealed; whoever committed and is missing once the draw is settled withheld.
        settled: whether the draw has ended.
        committee: the ranks drawn, ascending; None before, and where fewer than three candidates were left.
    """

    number: int
    commit_deadline: int
    reveal_deadline: int
    commitments: Mapping[int, bytes]
    revealed: frozenset[int]
    settled: bool
    committee: tuple[int, int, int] | None


class Draws(Protocol):
    """Draws are numbered from 1; one is open at a time, between two attempts."""

    def open_draw(self, commit_deadline: int, reveal_deadline: int) -> int:
        """The coordinator opens a draw; returns its number."""
        ...

    def commit_draw(self, number: int, commitment: bytes) -> None:
        """A validator commits to a random value, before the first deadline."""
        ...

    def reveal_draw(self, number: int, value: bytes) -> None:
        """A validator reveals what it committed to: once all have committed or the first deadline has passed."""
        ...

    def settle_draw(self, number: int) -> None:
        """Anyone ends a draw once all who committed have revealed, or the second deadline has passed."""
        ...

    def draw(self, number: int) -> Draw:
        """One draw; raises RuleViolation if it was never opened."""
        ...

    def draws(self) -> int:
        """How many draws were opened."""
        ...

    def withheld(self, address: str) -> int:
        """In how many draws a validator committed and did not reveal."""
        ...
