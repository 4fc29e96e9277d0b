"""The half of a network that a past state lacks: whatever would change it is refused."""

from contextlib import AbstractContextManager, nullcontext

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account

READ_ONLY = "this ledger was opened for reading only"


class ReadOnly:
    """Base of networks that are asked and not changed; see `Network`."""

    def transact(self, account: Account, to: str, data: bytes) -> None:
        """Raises LedgerError."""
        raise LedgerError(READ_ONLY)

    def deploy(self, account: Account, data: bytes) -> str:
        """Raises LedgerError."""
        raise LedgerError(READ_ONLY)

    def block(self) -> AbstractContextManager[None]:
        """Raises LedgerError."""
        raise LedgerError(READ_ONLY)

    def unconfirmed(self) -> AbstractContextManager[None]:
        """A past state is not taken back."""
        return nullcontext()

    def close(self) -> None:
        """Nothing is held."""
