"""The rounds of a study on the ledger: roster, commitments, verdicts, attested models.

Rounds count from 1, attempts of a round from 0. Ranks count within an attempt's committee.
"""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

from mithridate.aggregation.registry import TrackRecord

COMMITTEE_SIZE = 3
MAJORITY = 2
MAX_HOSPITALS = 1024
MAX_REASON_BYTES = 64
RANDOMNESS_DOMAIN = b"mithridate/randomness/1"
"""A validator commits to `value` by SHA-256(RANDOMNESS_DOMAIN || value); the contract holds the same constant."""


class Phase(IntEnum):
    """Where an attempt stands; the last three are final."""

    SUBMITTING = 1
    CLOSED = 2
    DRAWN = 3
    BOUND = 4
    FINAL = 5
    RELEASED = 6
    ROLLED_BACK = 7
    VOID = 8


@dataclass(frozen=True)
class HospitalRecord:
    """An enrolled hospital; `index` is its byte in a verdict string, `records` bounds its weight."""

    index: int
    address: str
    signing_key: bytes
    records: int


@dataclass(frozen=True)
class ValidatorRecord:
    """A validator of the study; `envelope_key` is a compressed P-256 point (33 bytes), empty until registered."""

    rank: int
    address: str
    envelope_key: bytes


@dataclass(frozen=True)
class AttemptState:
    """One attempt of a round, as the ledger holds it.

    Attributes:
        generation: in how many earlier attempts of this round a majority attested the same verdicts.
        deadline: in seconds of the ledger's clock; a submission counts while `now() < deadline`.
        committee: the study's validators that serve, by their place in the study; a rank is a place in here.
        committed: ranks that committed their randomness.
        revealed: ranks that revealed it; whoever is missing withheld it.
        submissions: hospital index to the digest it committed.
        seed: XOR of the three revealed values, None until all have revealed.
        verdicts: the bound verdicts, one byte a hospital in index order, None until a majority attested equal ones.
        attestations: validator rank to the model hash it attested.
        votes: validator rank to its release vote.
        model_hash: the hash that a majority attested, None before.
        void_reason: why the attempt is VOID, None otherwise.
    """

    round: int
    attempt: int
    generation: int
    phase: Phase
    base_hash: bytes
    deadline: int
    committee: tuple[int, int, int]
    committed: frozenset[int]
    revealed: frozenset[int]
    submissions: Mapping[int, bytes]
    seed: bytes | None
    verdicts: bytes | None
    attestations: Mapping[int, bytes]
    votes: Mapping[int, bool]
    model_hash: bytes | None
    void_reason: str | None


class Rounds(Protocol):
    """A study's roster and its rounds."""

    def admit(self, address: str, records: int) -> None:
        """An administrator votes to admit an enrolled hospital to the study, before it begins.

        Args:
            address: the hospital's account.
            records: how many records it may claim, at least 1.
        """
        ...

    def begin(self, initial_model: bytes, reference_hash: bytes) -> None:
        """An administrator votes to freeze the roster; the initial model becomes current and stable."""
        ...

    def open_round(self, round: int, base_hash: bytes, deadline: int) -> int:
        """The coordinator opens a round, or the next attempt of one whose last attempt is void.

        Args:
            base_hash: must be the current model.
            deadline: in seconds of `now()`'s clock, later than `now()`.

        Returns:
            The attempt, from 0.
        """
        ...

    def commit_randomness(self, round: int, attempt: int, commitment: bytes) -> None:
        """A validator commits to its random value, once, before anyone submits."""
        ...

    def submit(self, round: int, attempt: int, digest: bytes) -> None:
        """A hospital commits the digest of its message: once, before the deadline, after all validators committed."""
        ...

    def close_submissions(self, round: int, attempt: int) -> None:
        """A validator votes to close; a majority closes, or any one once the deadline has passed."""
        ...

    def reveal_randomness(self, round: int, attempt: int, value: bytes) -> None:
        """A validator reveals the value it committed to; the third reveal draws the seed."""
        ...

    def attest_verdicts(self, round: int, attempt: int, verdicts: bytes) -> None:
        """A validator attests one byte a hospital (0 accepted, 1 absent, 12 suspended, else the rule); most bind."""
        ...

    def attest_model(self, round: int, attempt: int, model_hash: bytes) -> None:
        """A validator attests the new model's hash, once; a majority of equal ones makes it current."""
        ...

    def vote_release(self, round: int, attempt: int, passed: bool) -> None:
        """A validator votes whether the new model passed the release check; a majority releases or rolls back."""
        ...

    def vote_void(self, round: int, attempt: int, reason: str) -> None:
        """A validator votes to void an attempt; past deadline and grace, it or the coordinator alone voids one without
        a model. One with a model that was not released is voided by a majority, which withdraws the model.
        `reason` is at most 64 bytes of printable ASCII."""
        ...

    def hospitals(self) -> list[HospitalRecord]:
        """The enrolled hospitals in index order."""
        ...

    def suspended(self) -> frozenset[int]:
        """The hospitals that may not submit: suspended by bound verdicts, or not active in the consortium."""
        ...

    def validators(self) -> list[ValidatorRecord]:
        """The study's validators, from which committees are drawn; with three, `rank` is the committee's, too."""
        ...

    def track_records(self) -> list[TrackRecord]:
        """One a hospital in index order, from the rounds that came to a model."""
        ...

    def begun(self) -> bool:
        """Whether `begin` was called."""
        ...

    def grace(self) -> int:
        """Seconds after an attempt's deadline when one validator or the coordinator alone may void it."""
        ...

    def configuration(self) -> bytes:
        """Hash of the study's configuration, fixed when the ledger was made."""
        ...

    def reference_hash(self) -> bytes:
        """Salted hash of the reference set; raises RuleViolation before `begin`."""
        ...

    def study_id(self) -> bytes:
        """32 bytes, different for every ledger ever made: bind messages to it."""
        ...

    def latest(self) -> AttemptState | None:
        """The attempt opened last, None before the first round."""
        ...

    def attempts(self, round: int) -> int:
        """How many attempts of a round were opened, 0 for a round not opened yet."""
        ...

    def attempt(self, round: int, attempt: int) -> AttemptState:
        """One attempt; raises RuleViolation if it was never opened."""
        ...
