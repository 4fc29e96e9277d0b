"""A study of many rounds on an embedded ledger, made as the parties make it but with random digests for messages."""

from collections.abc import Callable, Sequence
from hashlib import sha256
from pathlib import Path
from secrets import token_bytes

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.deployment import StudyTerms
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.interface import COMMITTEE_SIZE, MAJORITY, RANDOMNESS_DOMAIN, Ledger, Role

ROUND_S = 3600
"""Seconds that a round may take until its deadline; it closes by vote long before."""
BLOCKS_A_ROUND = 8
"""Opening, commitments, submissions, closing, reveals, verdicts, attestations, votes: the coordinator's grouping."""


def transactions_a_round(hospitals: int) -> int:
    """How many transactions a round of this study has."""
    return hospitals + 1 + MAJORITY + 5 * COMMITTEE_SIZE


def long_study(
    path: Path, rounds: int, hospitals: int, *, watch: Callable[[int, EmbeddedLedger], None] | None = None
) -> None:
    """Writes the journal of a whole study: enrolment, keys, begin, then `rounds` rounds that are all released.

    Args:
        path: the journal's file, which must not exist.
        rounds: how many rounds.
        hospitals: how many hospitals, all of which submit in each round and are accepted.
        watch: called with the number of rounds so far, 0 first, and the ledger.

    Raises:
        LedgerError: the file exists or cannot be written.
    """
    roles = ("administrator", "coordinator", *(f"validator-{rank}" for rank in range(COMMITTEE_SIZE)))
    accounts = {role: new_account() for role in roles}
    sites = [new_account() for _ in range(hospitals)]
    committee = [accounts[f"validator-{rank}"] for rank in range(COMMITTEE_SIZE)]
    terms = StudyTerms(
        configuration=token_bytes(32),
        coordinator=accounts["coordinator"].address,
        validators=[account.address for account in committee],
        quorum=hospitals,
        min_accepted=2,
    )
    chain = EmbeddedLedger.create(path, accounts["administrator"], terms)
    try:
        validators = [chain.as_party(account) for account in committee]
        _begin(chain, chain.as_party(accounts["administrator"]), validators, sites)
        parties = [chain.as_party(account) for account in sites]
        coordinator = chain.as_party(accounts["coordinator"])
        for number in range(1, rounds + 1):
            if watch:
                watch(number - 1, chain)
            one_round(chain, number, coordinator, validators, parties)
        if watch:
            watch(rounds, chain)
    finally:
        chain.close()


def one_round(
    chain: EmbeddedLedger, number: int, coordinator: Ledger, validators: Sequence[Ledger], hospitals: Sequence[Ledger]
) -> None:
    """A round from its opening to its release in eight blocks; everyone submits and is accepted."""
    attempt = coordinator.open_round(number, coordinator.current_model(), coordinator.now() + ROUND_S)
    values = [token_bytes(32) for _ in validators]
    with chain.block():
        for validator, value in zip(validators, values, strict=True):
            validator.commit_randomness(number, attempt, sha256(RANDOMNESS_DOMAIN + value).digest())
    with chain.block():
        for hospital in hospitals:
            hospital.submit(number, attempt, token_bytes(32))
    with chain.block():
        for validator in validators[:MAJORITY]:
            validator.close_submissions(number, attempt)
    with chain.block():
        for validator, value in zip(validators, values, strict=True):
            validator.reveal_randomness(number, attempt, value)
    model = token_bytes(32)
    with chain.block():
        for validator in validators:
            validator.attest_verdicts(number, attempt, bytes(len(hospitals)))
    with chain.block():
        for validator in validators:
            validator.attest_model(number, attempt, model)
    with chain.block():
        for validator in validators:
            validator.vote_release(number, attempt, True)


def _begin(chain: EmbeddedLedger, administrator: Ledger, validators: Sequence[Ledger], sites: list[Account]) -> None:
    with chain.block():
        for site in sites:
            administrator.enrol(site.address, Role.HOSPITAL, b"\2" + token_bytes(32))
            administrator.admit(site.address, 100)
        for validator in validators:
            validator.register_keys(envelope_key=b"\3" + token_bytes(32))
    administrator.begin(token_bytes(32), token_bytes(32))
