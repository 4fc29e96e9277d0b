"""The rules of `contracts/Access.vy`: access to patient records by approval of most of their doctors."""

from dataclasses import dataclass, field

from mithridate.ledger.interface import AccessState, Role
from mithridate.ledger.interface.access import panel_digest
from mithridate.ledger.rulebook.base import EMPTY, MAX_SECONDS, Caller, require
from mithridate.ledger.rulebook.consortium import Consortium


@dataclass
class _Request:
    physician: str
    custodian: str
    purpose: bytes
    expiry: int
    state: int = AccessState.REQUESTED
    panel: list[bytes] = field(default_factory=list)
    threshold: int = 0
    approved: set[int] = field(default_factory=set)
    refused: set[int] = field(default_factory=set)
    voters: set[str] = field(default_factory=set)
    openings: int = 0


class Access:
    """See the contract.

    Args:
        consortium: knows who is a physician and who a hospital.
    """

    def __init__(self, consortium: Consortium) -> None:
        self._consortium = consortium
        self._requests: dict[bytes, _Request] = {}

    def request(self, caller: Caller, handle: bytes, custodian: str, purpose: bytes, expiry: int) -> None:
        """A physician asks."""
        require(self._consortium.is_active(caller.sender, Role.PHYSICIAN), "only a physician")
        require(self._consortium.is_active(custodian, Role.HOSPITAL), "custodian is no hospital")
        require(EMPTY not in (handle, purpose), "empty hash")
        require(handle not in self._requests, "handle was used")
        require(expiry > caller.time, "deadline has passed")
        require(expiry <= caller.time + MAX_SECONDS, "deadline too far")
        self._requests[handle] = _Request(caller.sender, custodian, purpose, expiry)

    def admit(self, caller: Caller, handle: bytes, panel: list[bytes], threshold: int) -> None:
        """The custodian names the panel."""
        request = self._live(caller, handle)
        self._require_custodian(caller, request)
        require(request.state == AccessState.REQUESTED, "wrong state")
        require(2 * threshold > len(panel) >= threshold, "threshold is no majority")
        for index, digest in enumerate(panel):
            require(digest != EMPTY, "empty hash")
            require(digest not in panel[index + 1 :], "panel not distinct")
        request.panel, request.threshold, request.state = list(panel), threshold, AccessState.ADMITTED

    def approve(self, caller: Caller, handle: bytes, salt: bytes) -> None:
        """A doctor of the panel approves."""
        request = self._live(caller, handle)
        request.approved.add(self._seat(caller, request, handle, salt))
        if len(request.approved) >= request.threshold:
            request.state = AccessState.GRANTED

    def refuse(self, caller: Caller, handle: bytes, salt: bytes) -> None:
        """A doctor of the panel refuses."""
        request = self._live(caller, handle)
        request.refused.add(self._seat(caller, request, handle, salt))
        if len(request.panel) - len(request.refused) < request.threshold:
            request.state = AccessState.REFUSED

    def withdraw(self, caller: Caller, handle: bytes) -> None:
        """Physician or custodian end the access."""
        request = self._live(caller, handle)
        require(caller.sender in (request.custodian, request.physician), "not a party to the request")
        require(request.state <= AccessState.GRANTED, "wrong state")
        request.state = AccessState.WITHDRAWN

    def log_opening(self, caller: Caller, handle: bytes) -> None:
        """The custodian writes down that it opens the record."""
        request = self._live(caller, handle)
        self._require_custodian(caller, request)
        require(request.state == AccessState.GRANTED, "access not granted")
        require(self._consortium.is_active(request.physician, Role.PHYSICIAN), "only a physician")
        request.openings += 1

    def access_request(self, handle: bytes) -> tuple[object, ...]:
        """One request, in the order of the contract's struct."""
        require(handle in self._requests, "no such request")
        r = self._requests[handle]
        votes = [sum(1 << seat for seat in seats) for seats in (r.approved, r.refused)]
        return (r.state, r.physician, r.custodian, r.purpose, r.expiry, r.panel, r.threshold, *votes, r.openings)

    def _live(self, caller: Caller, handle: bytes) -> _Request:
        require(handle in self._requests, "no such request")
        require(caller.time < self._requests[handle].expiry, "request has expired")
        return self._requests[handle]

    def _require_custodian(self, caller: Caller, request: _Request) -> None:
        require(caller.sender == request.custodian, "only the custodian")
        require(self._consortium.is_active(caller.sender, Role.HOSPITAL), "not an active member")

    def _seat(self, caller: Caller, request: _Request, handle: bytes, salt: bytes) -> int:
        require(request.state == AccessState.ADMITTED, "wrong state")
        require(self._consortium.is_active(caller.sender, Role.PHYSICIAN), "only a physician")
        digest = panel_digest(handle, salt, caller.sender)
        require(digest in request.panel, "not on the panel")
        require(caller.sender not in request.voters, "already voted")
        request.voters.add(caller.sender)
        return request.panel.index(digest)
