"""A study's ledger as one process holds it: network, contracts, and a view for every party seated in the process."""

from contextlib import AbstractContextManager

from mithridate.ledger.accounts import Account, new_account
from mithridate.ledger.client import ContractLedger
from mithridate.ledger.deployment import Deployment
from mithridate.ledger.interface import AttemptState
from mithridate.ledger.network import Network


class SharedLedger:
    """A study's contracts on a network.

    Args:
        network: holds the contracts.
        deployment: where they lie.
    """

    def __init__(self, network: Network, deployment: Deployment) -> None:
        self._network = network
        self.deployment = deployment
        self.reader = self.as_party(new_account())

    def as_party(self, account: Account) -> ContractLedger:
        """The ledger as the party with this account sees it."""
        return ContractLedger(self._network, self.deployment, account)

    def code(self, contract: str) -> bytes:
        """The code that lies at the address of the contract of this name."""
        return self._network.code(self.deployment.addresses[contract])

    def block(self) -> AbstractContextManager[None]:
        """See `Network.block`."""
        return self._network.block()

    def current_model(self) -> bytes:
        """See `Ledger.current_model`."""
        return self.reader.current_model()

    def stable_model(self) -> bytes:
        """See `Ledger.stable_model`."""
        return self.reader.stable_model()

    def latest(self) -> AttemptState | None:
        """See `Ledger.latest`."""
        return self.reader.latest()

    def height(self) -> int:
        """Number of the last block."""
        return self.reader.height()

    def close(self) -> None:
        """Leaves the network."""
        self._network.close()
