"""The rules of `contracts/Notices.vy`: complaints about an attempt, and refusals of the study."""

from mithridate.ledger.interface import Role
from mithridate.ledger.rulebook.base import EMPTY, Caller, require
from mithridate.ledger.rulebook.consortium import Consortium
from mithridate.ledger.rulebook.study import Study

PAGE = 64

Complaint = tuple[int, int, int, int, bytes]
"""Round, attempt, hospital, date and reason, in the order of the contract's struct."""
Refusal = tuple[int, bytes]
"""Date and reason."""


class Notices:
    """See the contract.

    Args:
        consortium: knows which hospitals are active.
        study: knows its hospitals, its attempts, and who submitted in them.
    """

    def __init__(self, consortium: Consortium, study: Study) -> None:
        self._consortium, self._study = consortium, study
        self._complaints: dict[tuple[int, int, int], Complaint] = {}
        self._refusals: dict[int, Refusal] = {}

    def complain(self, caller: Caller, number: int, attempt: int, reason: str) -> None:
        """A hospital that submitted in an attempt complains of it."""
        hospital = self._hospital(caller)
        require(attempt < self._study.attempt_count(number), "no such attempt")
        require(self._study.digest_page(number, attempt, hospital)[0] != EMPTY, "nothing submitted")
        require((number, attempt, hospital) not in self._complaints, "already complained")
        require(bool(reason), "no reason given")
        made = (number, attempt, hospital, caller.time, reason.encode())
        self._complaints[number, attempt, hospital] = made

    def refuse(self, caller: Caller, reason: str) -> None:
        """A hospital refuses the study."""
        hospital = self._hospital(caller)
        require(hospital not in self._refusals, "already refused")
        require(bool(reason), "no reason given")
        self._refusals[hospital] = (caller.time, reason.encode())

    def withdraw_refusal(self, caller: Caller, reason: str) -> None:
        """A hospital takes its refusal back."""
        hospital = self._hospital(caller)
        require(hospital in self._refusals, "nothing to withdraw")
        require(bool(reason), "no reason given")
        del self._refusals[hospital]

    def complaint(self, number: int, attempt: int, hospital: int) -> Complaint:
        """What a hospital complained of in an attempt, empty if it did not."""
        return self._complaints.get((number, attempt, hospital), (0, 0, 0, 0, b""))

    def complaint_count(self) -> int:
        """How many complaints were made."""
        return len(self._complaints)

    def complaint_page(self, start: int) -> list[Complaint]:
        """Complaints in the order in which they were made, from a place on."""
        return list(self._complaints.values())[start : start + PAGE]

    def refusal(self, hospital: int) -> Refusal:
        """A hospital's current refusal, empty if there is none."""
        return self._refusals.get(hospital, (0, b""))

    def refusal_count(self) -> int:
        """How many refusals are current."""
        return len(self._refusals)

    def refusal_page(self, start: int) -> list[Refusal]:
        """Current refusals of the hospitals from a place on, empty where there is none."""
        return [self.refusal(index) for index in range(start, min(start + PAGE, self._study.hospital_count()))]

    def _hospital(self, caller: Caller) -> int:
        starts = range(0, self._study.hospital_count(), PAGE)
        accounts = [account for start in starts for account, _, _ in self._study.hospital_page(start)]
        require(caller.sender in accounts, "only an enrolled hospital")
        require(self._consortium.is_active(caller.sender, Role.HOSPITAL), "not an active member")
        return accounts.index(caller.sender)
