"""What a study fixes when it is made, and which terms the contract refuses."""

from dataclasses import dataclass

from mithridate.ledger.interface import COMMITTEE_SIZE, MAX_HOSPITALS
from mithridate.ledger.rulebook.base import EMPTY, MAX_SECONDS, NOBODY, require


@dataclass(frozen=True)
class Terms:
    """What a study fixes: see `StudyTerms`; `study_id` is 32 bytes."""

    study_id: bytes
    configuration: bytes
    coordinator: str
    pool: tuple[str, ...]
    quorum: int
    min_accepted: int
    grace: int
    rotation: int


def require_possible(terms: Terms) -> None:
    """Raises RuleViolation for terms that no study can have."""
    require(terms.configuration != EMPTY, "empty hash")
    require(terms.coordinator != NOBODY, "empty address")
    require(terms.min_accepted >= 2, "min_accepted below 2")
    require(terms.quorum >= terms.min_accepted, "quorum below min_accepted")
    require(terms.quorum <= MAX_HOSPITALS, "quorum too large")
    require(terms.grace <= MAX_SECONDS, "grace too long")
    require(len(terms.pool) >= COMMITTEE_SIZE, "fewer than three validators")
    require(terms.rotation > 0 or len(terms.pool) == COMMITTEE_SIZE, "no rotation")
    for rank, account in enumerate(terms.pool):
        require(account != NOBODY, "empty address")
        require(account != terms.coordinator, "address has another role")
        require(account not in terms.pool[:rank], "validators not distinct")
