"""See `Membership`: the consortium's contract."""

from mithridate.ledger.calls.base import ContractCalls, as_reason
from mithridate.ledger.calls.records import member_of
from mithridate.ledger.interface import Member, Role, Status

PAGE = 64


class MembershipCalls(ContractCalls):
    """Enrolment, keys and exclusion."""

    def enrol(self, address: str, role: Role, signing_key: bytes = b"", envelope_key: bytes = b"") -> None:
        """See `Membership.enrol`."""
        self._decide("Consortium", "enrol", address, int(role), signing_key, envelope_key)

    def suspend(self, address: str, reason: str) -> None:
        """See `Membership.suspend`."""
        self._set_status(address, Status.SUSPENDED, reason)

    def reinstate(self, address: str, reason: str) -> None:
        """See `Membership.reinstate`."""
        self._set_status(address, Status.ACTIVE, reason)

    def revoke(self, address: str, reason: str) -> None:
        """See `Membership.revoke`."""
        self._set_status(address, Status.REVOKED, reason)

    def set_threshold(self, threshold: int) -> None:
        """See `Membership.set_threshold`."""
        self._decide("Consortium", "set_threshold", threshold)

    def threshold(self) -> int:
        """See `Membership.threshold`."""
        return int(self._read("Consortium", "threshold"))

    def register_keys(self, signing_key: bytes = b"", envelope_key: bytes = b"") -> None:
        """See `Membership.register_keys`."""
        self._write("Consortium", "register_keys", signing_key, envelope_key)

    def members(self, role: Role) -> list[Member]:
        """See `Membership.members`."""
        count = int(self._read("Consortium", "role_counts", int(role)))
        pages = [self._read("Consortium", "entry_page", int(role), start) for start in range(0, count, PAGE)]
        entries = [entry for page in pages for entry in page]
        return [member_of(role, index, entry) for index, entry in enumerate(entries)]

    def is_active(self, address: str, role: Role) -> bool:
        """See `Membership.is_active`."""
        return bool(self._read("Consortium", "is_active", address, int(role)))

    def _set_status(self, address: str, status: Status, reason: str) -> None:
        self._decide("Consortium", "set_status", address, int(status), as_reason(reason))
