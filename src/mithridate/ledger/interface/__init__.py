"""What every ledger offers the protocol, in the protocol's own words: no gas, no nonce, no block, no algorithm.

A `Ledger` is bound to one party's account. Every hash, digest, commitment and random value is 32 bytes. Every call that
changes state returns once the ledger holds the change, or raises `RuleViolation` with the rule's reason and changes
nothing. Administrators' calls are votes: they return once the vote is held, and take effect with the vote that decides.
"""

from contextlib import AbstractContextManager
from typing import Protocol

from mithridate.ledger.interface.access import AccessLog, AccessRequest, AccessState
from mithridate.ledger.interface.draws import Draw, Draws
from mithridate.ledger.interface.membership import Member, Membership, Role, Status
from mithridate.ledger.interface.models import ModelRecord, ModelRecords, ModelState, Statement
from mithridate.ledger.interface.notices import Complaint, Notices, Refusal
from mithridate.ledger.interface.rounds import (
    COMMITTEE_SIZE,
    MAJORITY,
    MAX_HOSPITALS,
    MAX_REASON_BYTES,
    RANDOMNESS_DOMAIN,
    AttemptState,
    HospitalRecord,
    Phase,
    Rounds,
    ValidatorRecord,
)

__all__ = [
    "COMMITTEE_SIZE",
    "MAJORITY",
    "MAX_HOSPITALS",
    "MAX_REASON_BYTES",
    "RANDOMNESS_DOMAIN",
    "AccessLog",
    "AccessRequest",
    "AccessState",
    "AttemptState",
    "Complaint",
    "Draw",
    "Draws",
    "HospitalRecord",
    "Ledger",
    "Member",
    "Membership",
    "ModelRecord",
    "ModelRecords",
    "ModelState",
    "Notices",
    "Phase",
    "Refusal",
    "Role",
    "Rounds",
    "Statement",
    "Status",
    "ValidatorRecord",
]


class Ledger(Rounds, Membership, ModelRecords, Draws, AccessLog, Notices, Protocol):
    """The ledger as one party sees it. Any call may raise `LedgerError`; a broken rule raises `RuleViolation`."""

    @property
    def address(self) -> str:
        """The account this view acts for, a checksummed hexadecimal address."""
        ...

    def now(self) -> int:
        """The ledger's clock in seconds: the date of a state change made now. Deadlines are `now()` + seconds."""
        ...

    def unconfirmed(self) -> AbstractContextManager[None]:
        """What this thread reads inside may yet be taken back, where changes are not held for good at once.

        For what does no harm if it was done in vain, and never for what reveals anything. Changes made inside are held
        for good when they return, as ever.
        """
        ...

    def height(self) -> int:
        """How many groups of state changes the ledger holds; for display."""
        ...
