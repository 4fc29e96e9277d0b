"""The parties of a study with no training behind it: what they do from enrolment to release, with random digests."""

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, RANDOMNESS_DOMAIN, Ledger, Role
from mithridate.ledger.shared import SharedLedger

ROUND_S = 3600
"""Seconds that a round may take until its deadline; it closes by vote long before."""
RECORDS = 100


@dataclass(frozen=True)
class Cast:
    """Accounts of a study's parties."""

    administrator: Account
    coordinator: Account
    validators: tuple[Account, ...]
    hospitals: tuple[Account, ...]

    @classmethod
    def of(cls, hospitals: int) -> "Cast":
        """New accounts for a study of so many hospitals."""
        made = [new_account() for _ in range(2 + COMMITTEE_SIZE + hospitals)]
        return cls(made[0], made[1], tuple(made[2 : 2 + COMMITTEE_SIZE]), tuple(made[2 + COMMITTEE_SIZE :]))

    @property
    def everyone(self) -> tuple[Account, ...]:
        """All accounts."""
        return (self.administrator, self.coordinator, *self.validators, *self.hospitals)

    def terms(self) -> StudyTerms:
        """The terms of a study in which all hospitals must submit."""
        validators = [account.address for account in self.validators]
        return StudyTerms(token_bytes(32), self.coordinator.address, validators, len(self.hospitals), 2)


@dataclass(frozen=True)
class OpenRound:
    """A round that takes submissions, and the random values that its validators have committed to."""

    number: int
    attempt: int
    values: tuple[bytes, ...]


class Stage:
    """A cast before its ledger: each step of a round is one block.

    Args:
        ledger: with the contracts of `cast.terms()`.
        cast: the parties.
    """

    def __init__(self, ledger: SharedLedger, cast: Cast) -> None:
        self.ledger = ledger
        self.cast = cast
        self.coordinator = ledger.as_party(cast.coordinator)
        self.validators: Sequence[Ledger] = [ledger.as_party(account) for account in cast.validators]
        self.hospitals: Sequence[Ledger] = [ledger.as_party(account) for account in cast.hospitals]

    def begin(self) -> None:
        """Enrols and admits the hospitals, registers keys, begins: two blocks."""
        administrator = self.ledger.as_party(self.cast.administrator)
        with self.ledger.block():
            for hospital in self.cast.hospitals:
                administrator.enrol(hospital.address, Role.HOSPITAL, b"\2" + token_bytes(32))
            for validator in self.validators:
                validator.register_keys(envelope_key=b"\3" + token_bytes(32))
            # Last: a network awaits what a change builds on, here once for all.
            for hospital in self.cast.hospitals:
                administrator.admit(hospital.address, RECORDS)
        administrator.begin(token_bytes(32), token_bytes(32))

    def open(self, number: int) -> OpenRound:
        """Opening and commitments."""
        attempt = self.coordinator.open_round(
            number, self.coordinator.current_model(), self.coordinator.now() + ROUND_S
        )
        values = tuple(token_bytes(32) for _ in self.validators)
        with self.ledger.block():
            for validator, value in zip(self.validators, values, strict=True):
                validator.commit_randomness(number, attempt, sha256(RANDOMNESS_DOMAIN + value).digest())
        return OpenRound(number, attempt, values)

    def bind(self, opened: OpenRound) -> None:
        """Closing, reveals and verdicts, once all hospitals have submitted: everyone is accepted."""
        number, attempt = opened.number, opened.attempt
        with self.ledger.block():
            for validator in self.validators[:MAJORITY]:
                validator.close_submissions(number, attempt)
        with self.ledger.block():
            for validator, value in zip(self.validators, opened.values, strict=True):
                validator.reveal_randomness(number, attempt, value)
        with self.ledger.block():
            for validator in self.validators:
                validator.attest_verdicts(number, attempt, bytes(len(self.hospitals)))

    def release(self, opened: OpenRound) -> None:
        """Votes, once the new model is attested."""
        with self.ledger.block():
            for validator in self.validators:
                validator.vote_release(opened.number, opened.attempt, True)
