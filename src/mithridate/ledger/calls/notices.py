"""See `Notices`: the contract of what hospitals say of their study."""

# ruff: noqa: A002 - `round` is the protocol's word for a round.

from mithridate.ledger.calls.base import ContractCalls, as_reason
from mithridate.ledger.calls.records import complaint_of, refusal_of
from mithridate.ledger.interface import Complaint, Refusal

PAGE = 64


class NoticeCalls(ContractCalls):
    """Complaints about attempts, and refusals of the study."""

    def complain(self, round: int, attempt: int, reason: str) -> None:
        """See `Notices.complain`."""
        self._write("Notices", "complain", round, attempt, as_reason(reason))

    def refuse_study(self, reason: str) -> None:
        """See `Notices.refuse_study`."""
        self._write("Notices", "refuse", as_reason(reason))

    def withdraw_refusal(self, reason: str) -> None:
        """See `Notices.withdraw_refusal`."""
        self._write("Notices", "withdraw_refusal", as_reason(reason))

    def complaint(self, round: int, attempt: int, hospital: int) -> Complaint | None:
        """See `Notices.complaint`."""
        return complaint_of(self._read("Notices", "complaint", round, attempt, hospital))

    def complaint_count(self) -> int:
        """See `Notices.complaint_count`."""
        return int(self._read("Notices", "complaint_count"))

    def complaints(self) -> list[Complaint]:
        """See `Notices.complaints`."""
        starts = range(0, self.complaint_count(), PAGE)
        entries = [entry for start in starts for entry in self._read("Notices", "complaint_page", start)]
        return [made for entry in entries if (made := complaint_of(entry)) is not None]

    def refusal(self, hospital: int) -> Refusal | None:
        """See `Notices.refusal`."""
        return refusal_of(hospital, self._read("Notices", "refusal", hospital))

    def refusal_count(self) -> int:
        """See `Notices.refusal_count`."""
        return int(self._read("Notices", "refusal_count"))

    def refusals(self) -> list[Refusal]:
        """See `Notices.refusals`."""
        if not self.refusal_count():
            return []
        starts = range(0, int(self._read("Study", "hospital_count")), PAGE)
        entries = [entry for start in starts for entry in self._read("Notices", "refusal_page", start)]
        return [made for index, entry in enumerate(entries) if (made := refusal_of(index, entry)) is not None]
