"""Calls of a study's contracts by name, on any network."""

from contextlib import AbstractContextManager
from typing import Any

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.codec import ContractCodec, printable, revert_reason
from mithridate.ledger.deployment import CONTRACTS, Deployment
from mithridate.ledger.interface import MAX_REASON_BYTES
from mithridate.ledger.network import Network, Reverted
from mithridate.ledger.rules import rule_violation


class ContractCalls:
    """One account's view of a study's contracts; safe to use from several threads.

    Args:
        network: holds the contracts.
        deployment: where they lie.
        account: whose name this view writes in.
    """

    def __init__(self, network: Network, deployment: Deployment, account: Account) -> None:
        self._network = network
        self._addresses = deployment.addresses
        self._codecs = {name: ContractCodec.of(name) for name in CONTRACTS}
        self._account = account

    @property
    def address(self) -> str:
        """The account this view acts for."""
        return self._account.address

    def now(self) -> int:
        """The date, in seconds, of a change made now."""
        return self._network.now()

    def unconfirmed(self) -> AbstractContextManager[None]:
        """See `Ledger.unconfirmed`."""
        return self._network.unconfirmed()

    def height(self) -> int:
        """Groups of state changes so far."""
        return self._network.height()

    def _read(self, name: str, function: str, *arguments: object) -> Any:
        codec = self._codecs[name]
        try:
            answer = self._network.call(self._addresses[name], codec.call(function, arguments))
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error
        return codec.result(function, answer)

    def _write(self, name: str, function: str, *arguments: object) -> None:
        data = self._codecs[name].call(function, arguments)
        try:
            self._network.transact(self._account, self._addresses[name], data)
        except Reverted as error:
            raise rule_violation(revert_reason(error.output)) from error

    def _decide(self, name: str, function: str, *arguments: object) -> None:
        """An administrator's vote that the consortium makes this call."""
        data = self._codecs[name].call(function, arguments)
        self._write("Consortium", "decide", self._addresses[name], data)


def as_reason(text: str) -> str:
    """`text` if a contract takes it as a reason, LedgerError if not."""
    if len(text) > MAX_REASON_BYTES or text != printable(text.encode()):
        raise LedgerError(f"a reason is at most {MAX_REASON_BYTES} printable ASCII characters, not {text!r}")
    return text
