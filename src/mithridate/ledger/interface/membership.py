"""The consortium on the ledger: members, roles, keys, and what m of n administrators decide."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Protocol


class Role(IntEnum):
    """What a member may do; an account has one role for good."""

    HOSPITAL = 1
    VALIDATOR = 2
    AUDITOR = 3
    PHYSICIAN = 4
    ADMINISTRATOR = 5
    COORDINATOR = 6


class Status(IntEnum):
    """A member acts only while ACTIVE; REVOKED is for good."""

    ACTIVE = 1
    SUSPENDED = 2
    REVOKED = 3


@dataclass(frozen=True)
class Member:
    """A member of the consortium.

    Attributes:
        index: its place among the members of its role, from 0 in order of enrolment.
        signing_key: P-256, 33 bytes compressed or 65 uncompressed; empty until registered.
        envelope_key: compressed P-256, 33 bytes; empty until registered.
        keys_since: when these keys were registered, in seconds of the ledger's clock; 0 without keys.
    """

    address: str
    role: Role
    index: int
    status: Status
    signing_key: bytes
    envelope_key: bytes
    keys_since: int


class Membership(Protocol):
    """Enrolment, keys and exclusion."""

    def enrol(self, address: str, role: Role, signing_key: bytes = b"", envelope_key: bytes = b"") -> None:
        """An administrator votes to make an account a member, with keys or without."""
        ...

    def suspend(self, address: str, reason: str) -> None:
        """An administrator votes to suspend a member; `reason` is at most 64 bytes of printable ASCII."""
        ...

    def reinstate(self, address: str, reason: str) -> None:
        """An administrator votes to reinstate a suspended member."""
        ...

    def revoke(self, address: str, reason: str) -> None:
        """An administrator votes to exclude a member for good."""
        ...

    def set_threshold(self, threshold: int) -> None:
        """An administrator votes on how many equal votes decide, from 1 to the number of active administrators."""
        ...

    def threshold(self) -> int:
        """How many administrators' equal votes decide."""
        ...

    def register_keys(self, signing_key: bytes = b"", envelope_key: bytes = b"") -> None:
        """A member registers its keys, or replaces them; an empty one leaves the one before in force."""
        ...

    def members(self, role: Role) -> list[Member]:
        """All members that ever had a role, in order of enrolment."""
        ...

    def is_active(self, address: str, role: Role) -> bool:
        """Whether an account may act in a role now."""
        ...
