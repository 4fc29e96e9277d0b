"""One attempt of a round: what its parties have said so far, and what follows from equal votes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, Phase
from mithridate.ledger.rulebook.base import EMPTY, require

ACCEPTED, ABSENT = 0, 1


@dataclass
class Attempt:
    """The state of an attempt; sets and keys are committee ranks, those of `digests` hospitals.

    Attributes:
        generation: in how many earlier attempts of the round a majority attested the same verdicts.
        base: hash of the base model.
        deadline: seconds since 1970.
        committee: places of its validators in the study.
        phase: how far it has come.
        digests: of the hospitals' messages.
        commitments: to the validators' random values.
        revealed: who has revealed.
        seed: exclusive or of the values revealed.
        closing: who has voted to close.
        verdicts_of: what each validator attested.
        verdicts: those of the majority, empty before.
        attestations: of the new model's hash.
        model: that of the majority, zeros before.
        votes: on the release.
        voiding: who has voted to void.
        void_reason: empty unless void.
    """

    generation: int
    base: bytes
    deadline: int
    committee: list[int]
    phase: int = Phase.SUBMITTING
    digests: dict[int, bytes] = field(default_factory=dict)
    commitments: dict[int, bytes] = field(default_factory=dict)
    revealed: set[int] = field(default_factory=set)
    seed: bytes = EMPTY
    closing: set[int] = field(default_factory=set)
    verdicts_of: dict[int, bytes] = field(default_factory=dict)
    verdicts: bytes = b""
    attestations: dict[int, bytes] = field(default_factory=dict)
    model: bytes = EMPTY
    votes: dict[int, bool] = field(default_factory=dict)
    voiding: set[int] = field(default_factory=set)
    void_reason: str = ""

    def void(self, reason: str) -> None:
        """Ends the attempt without a model."""
        self.phase, self.void_reason = Phase.VOID, reason

    def require_absent(self, verdicts: bytes) -> None:
        """Raises RuleViolation unless every hospital that has not submitted is called absent."""
        for index, code in enumerate(verdicts):
            if index not in self.digests:
                require(code != ACCEPTED, "accepted but not submitted")
                require(code == ABSENT, "not submitted but not absent")

    def row(self) -> tuple[object, ...]:
        """In the order of the contract's struct; masks of submissions and closing votes are left out."""
        return (
            self.phase,
            self.generation,
            self.base,
            self.deadline,
            self.committee,
            len(self.digests),
            (),
            _by_rank(self.commitments),
            _mask(self.revealed),
            self.seed,
            _mask(self.closing),
            (),
            self.verdicts,
            _by_rank(self.attestations),
            self.model,
            _mask({rank for rank, passed in self.votes.items() if passed}),
            _mask({rank for rank, passed in self.votes.items() if not passed}),
            _mask(self.voiding),
            self.void_reason.encode(),
        )


def agreed(votes: Mapping[int, object], voted: object) -> bool:
    """Whether a majority of the committee voted the same."""
    return sum(vote == voted for vote in votes.values()) >= MAJORITY


def _mask(ranks: set[int]) -> int:
    return sum(1 << rank for rank in ranks)


def _by_rank(entries: dict[int, bytes]) -> list[bytes]:
    return [entries.get(rank, EMPTY) for rank in range(COMMITTEE_SIZE)]
