"""What a chain offers to the contracts' client, whatever seals its blocks: reads, signed changes, code and a clock."""

from contextlib import AbstractContextManager
from typing import Protocol

from mithridate.ledger.accounts import Account


class Reverted(Exception):
    """A read or a change that a contract refused; `output` is what it returned, undecoded."""

    def __init__(self, output: bytes) -> None:
        super().__init__(output.hex())
        self.output = output


class Network(Protocol):
    """A chain as the parties of a study use it, from several threads. Any call may raise `LedgerError`."""

    def call(self, to: str, data: bytes) -> bytes:
        """What a contract's read returns; raises Reverted where the contract refuses."""
        ...

    def transact(self, account: Account, to: str, data: bytes) -> None:
        """Changes the state in the name of `account`; returns once the network holds the change for good.

        Raises:
            Reverted: the contract refused, and nothing changed.
        """
        ...

    def deploy(self, account: Account, data: bytes) -> str:
        """Makes a contract of its creation code and constructor arguments; returns its checksummed address.

        Raises:
            Reverted: the constructor refused.
        """
        ...

    def code(self, address: str) -> bytes:
        """The code at an address, empty where there is no contract."""
        ...

    def now(self) -> int:
        """The date, in seconds since 1970, of a change made now."""
        ...

    def height(self) -> int:
        """Number of the last block."""
        ...

    def block(self) -> AbstractContextManager[None]:
        """Changes made inside travel together and are held for good when the context ends.

        A refusal raises at the call where the network knows it then, and at the context's end where it does not.
        """
        ...

    def unconfirmed(self) -> AbstractContextManager[None]:
        """What this thread reads inside may yet be taken back, where changes are not held for good at once.

        For what does no harm if it was done in vain. Changes made inside are held for good when they return, as ever.
        """
        ...

    def close(self) -> None:
        """Leaves the chain; nothing can be read or changed through this object any more."""
        ...
