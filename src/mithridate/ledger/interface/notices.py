"""What the hospitals of a study say of it: complaints about an attempt, and refusals of the study."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class Complaint:
    """A hospital's word that no verdict, or a wrong one, answered what it committed in an attempt.

    Attributes:
        hospital: its index in the study.
        at: when it complained, in seconds of the ledger's clock.
        reason: in its own words, at most 64 bytes of printable ASCII.
    """

    round: int
    attempt: int
    hospital: int
    at: int
    reason: str


@dataclass(frozen=True)
class Refusal:
    """A hospital's word that its site's policy does not accept the study; attributes as those of `Complaint`."""

    hospital: int
    at: int
    reason: str


class Notices(Protocol):
    """Statements that change nothing else on the ledger; a reason is at most 64 bytes of printable ASCII."""

    def complain(self, round: int, attempt: int, reason: str) -> None:
        """A hospital that submitted in an attempt complains of it: once, for good, at any time after it submitted."""
        ...

    def refuse_study(self, reason: str) -> None:
        """A hospital of the study refuses it; current until the hospital withdraws it."""
        ...

    def withdraw_refusal(self, reason: str) -> None:
        """A hospital takes its current refusal back, for its policy accepts the study now."""
        ...

    def complaint(self, round: int, attempt: int, hospital: int) -> Complaint | None:
        """What a hospital, by its index, complained of in an attempt; None if it did not."""
        ...

    def complaint_count(self) -> int:
        """How many complaints were made."""
        ...

    def complaints(self) -> list[Complaint]:
        """All complaints, in the order in which they were made."""
        ...

    def refusal(self, hospital: int) -> Refusal | None:
        """A hospital's current refusal, by its index; None if there is none."""
        ...

    def refusal_count(self) -> int:
        """How many hospitals refuse the study now."""
        ...

    def refusals(self) -> list[Refusal]:
        """The current refusals, in order of the hospitals' indices."""
        ...
