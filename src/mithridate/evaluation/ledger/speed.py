"""How long single changes take, and how many a second a ledger holds, on any network."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from secrets import token_bytes

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, RANDOMNESS_DOMAIN, Ledger, Role
from mithridate.ledger.shared import SharedLedger

ROUND_S = 3600


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
class Latencies:
    """Seconds that each change took from its call to its return, one at a time."""

    submit: tuple[float, ...]
    attest: tuple[float, ...]


def begin(ledger: SharedLedger, cast: Cast) -> None:
    """Enrols and admits the hospitals, registers keys, begins."""
    administrator = ledger.as_party(cast.administrator)
    with ledger.block():
        for hospital in cast.hospitals:
            administrator.enrol(hospital.address, Role.HOSPITAL, b"\2" + token_bytes(32))
        for validator in cast.validators:
            ledger.as_party(validator).register_keys(envelope_key=b"\3" + token_bytes(32))
    with ledger.block():
        for hospital in cast.hospitals:
            administrator.admit(hospital.address, 100)
    administrator.begin(token_bytes(32), token_bytes(32))


def one_by_one(ledger: SharedLedger, cast: Cast, rounds: int) -> Latencies:
    """Plays rounds in which every submission and attestation is a change of its own, waited for.

    Args:
        ledger: of a study that has begun and has had no round.
        cast: its parties.
        rounds: how many, at least 1.
    """
    submits: list[float] = []
    attests: list[float] = []
    hospitals, validators = ([ledger.as_party(a) for a in group] for group in (cast.hospitals, cast.validators))
    coordinator = ledger.as_party(cast.coordinator)
    for number in range(1, rounds + 1):
        attempt = coordinator.open_round(number, coordinator.current_model(), coordinator.now() + ROUND_S)
        values = _commit(ledger, validators, number, attempt)
        submits += [_seconds(hospital.submit, number, attempt, token_bytes(32)) for hospital in hospitals]
        _draw_and_bind(ledger, validators, values, number, attempt, len(hospitals))
        model = token_bytes(32)
        attests += [_seconds(validator.attest_model, number, attempt, model) for validator in validators]
        with ledger.block():
            for validator in validators:
                validator.vote_release(number, attempt, True)
    return Latencies(tuple(submits), tuple(attests))


def changes_a_second(ledger: SharedLedger, cast: Cast, changes: int) -> float:
    """Throughput of changes that travel together: the hospitals register new keys, over and over."""
    hospitals = [ledger.as_party(account) for account in cast.hospitals]
    start = time.perf_counter()
    with ledger.block():
        for number in range(changes):
            hospitals[number % len(hospitals)].register_keys(signing_key=b"\2" + token_bytes(32))
    return changes / (time.perf_counter() - start)


def _seconds(call: Callable[..., None], *arguments: object) -> float:
    start = time.perf_counter()
    call(*arguments)
    return time.perf_counter() - start


def _commit(ledger: SharedLedger, validators: Sequence[Ledger], number: int, attempt: int) -> list[bytes]:
    values = [token_bytes(32) for _ in validators]
    with ledger.block():
        for validator, value in zip(validators, values, strict=True):
            validator.commit_randomness(number, attempt, sha256(RANDOMNESS_DOMAIN + value).digest())
    return values


def _draw_and_bind(
    ledger: SharedLedger, validators: Sequence[Ledger], values: list[bytes], number: int, attempt: int, hospitals: int
) -> None:
    with ledger.block():
        for validator in validators[:MAJORITY]:
            validator.close_submissions(number, attempt)
    with ledger.block():
        for validator, value in zip(validators, values, strict=True):
            validator.reveal_randomness(number, attempt, value)
    with ledger.block():
        for validator in validators:
            validator.attest_verdicts(number, attempt, bytes(hospitals))
