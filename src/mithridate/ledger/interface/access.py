"""Access to patient records: asked for under a fresh handle, granted by most of the record's doctors, logged."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol

PANEL_DOMAIN = b"mithridate/panel/1"
MAX_PANEL = 16


class AccessState(IntEnum):
    """Where a request stands; an expired one keeps its state and allows nothing."""

    REQUESTED = 1
    ADMITTED = 2
    GRANTED = 3
    REFUSED = 4
    WITHDRAWN = 5


@dataclass(frozen=True)
class AccessRequest:
    """A request for one record.

    Attributes:
        physician: who asks.
        custodian: the hospital that keeps the record.
        purpose: salted hash of what for.
        expiry: the request and what it granted end here, in seconds of the ledger's clock.
        panel: one `panel_digest` a doctor of the record.
        threshold: how many of the panel must approve.
        approvals: how many did.
        refusals: how many refused.
        openings: how often the record was opened.
    """

    state: AccessState
    physician: str
    custodian: str
    purpose: bytes
    expiry: int
    panel: tuple[bytes, ...]
    threshold: int
    approvals: int
    refusals: int
    openings: int


def panel_digest(handle: bytes, salt: bytes, address: str) -> bytes:
    """How a request names a doctor without saying who it is: SHA-256(domain || handle || salt || address).

    Args:
        handle: the request's, 32 bytes.
        salt: 32 random bytes that the custodian tells this doctor only.
        address: the doctor's account.
    """
    account = bytes(12) + bytes.fromhex(address.removeprefix("0x"))
    return hashlib.sha256(PANEL_DOMAIN + handle + salt + account).digest()


class AccessLog(Protocol):
    """A handle is 32 fresh random bytes, used once, so that nothing on the ledger links to a patient."""

    def request_access(self, handle: bytes, custodian: str, purpose: bytes, expiry: int) -> None:
        """A physician asks the hospital that keeps a record for access to it."""
        ...

    def admit_request(self, handle: bytes, panel: Sequence[bytes], threshold: int) -> None:
        """The hospital names the record's doctors by digests, and how many of them must approve: most of them."""
        ...

    def approve_access(self, handle: bytes, salt: bytes) -> None:
        """A doctor of the panel approves; with the threshold access is granted until the request expires."""
        ...

    def refuse_access(self, handle: bytes, salt: bytes) -> None:
        """A doctor of the panel refuses; once the threshold is out of reach the request is refused."""
        ...

    def withdraw_access(self, handle: bytes) -> None:
        """The physician who asked, or the hospital, ends the request and what it granted."""
        ...

    def log_access(self, handle: bytes) -> None:
        """The hospital writes down, before it hands the record over, that it opens it."""
        ...

    def access_request(self, handle: bytes) -> AccessRequest:
        """One request; raises RuleViolation for a handle nobody used."""
        ...
