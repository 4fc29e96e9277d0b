"""See `AccessLog`: the contract of access to patient records."""

from collections.abc import Sequence

from mithridate.errors import LedgerError
from mithridate.ledger.calls.base import ContractCalls
from mithridate.ledger.calls.records import access_request_of
from mithridate.ledger.deployment import as_hash
from mithridate.ledger.interface import AccessRequest
from mithridate.ledger.interface.access import MAX_PANEL


class AccessCalls(ContractCalls):
    """Requests for records, their approval and their log."""

    def request_access(self, handle: bytes, custodian: str, purpose: bytes, expiry: int) -> None:
        """See `AccessLog.request_access`."""
        self._write("Access", "request", as_hash(handle), custodian, as_hash(purpose), expiry)

    def admit_request(self, handle: bytes, panel: Sequence[bytes], threshold: int) -> None:
        """See `AccessLog.admit_request`."""
        if len(panel) > MAX_PANEL:
            raise LedgerError(f"a panel has at most {MAX_PANEL} doctors, this one {len(panel)}")
        self._write("Access", "admit", as_hash(handle), [as_hash(digest) for digest in panel], threshold)

    def approve_access(self, handle: bytes, salt: bytes) -> None:
        """See `AccessLog.approve_access`."""
        self._write("Access", "approve", as_hash(handle), as_hash(salt))

    def refuse_access(self, handle: bytes, salt: bytes) -> None:
        """See `AccessLog.refuse_access`."""
        self._write("Access", "refuse", as_hash(handle), as_hash(salt))

    def withdraw_access(self, handle: bytes) -> None:
        """See `AccessLog.withdraw_access`."""
        self._write("Access", "withdraw", as_hash(handle))

    def log_access(self, handle: bytes) -> None:
        """See `AccessLog.log_access`."""
        self._write("Access", "log_opening", as_hash(handle))

    def access_request(self, handle: bytes) -> AccessRequest:
        """See `AccessLog.access_request`."""
        return access_request_of(self._read("Access", "access_request", as_hash(handle)))
