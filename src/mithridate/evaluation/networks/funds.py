"""Funds for the accounts of a study on a local network that has fees."""

from collections.abc import Iterable

from mithridate.evaluation.networks.local import LocalNetwork
from mithridate.ledger.accounts import Account
from mithridate.ledger.evm import EvmNetwork

WEI = 10**20
"""Enough for a study's changes at a price of some wei."""


def fund(network: LocalNetwork, view: EvmNetwork, accounts: Iterable[Account]) -> None:
    """Gives each account funds from the network's treasury; does nothing where changes are free.

    Args:
        network: whose treasury pays.
        view: sends the transfers.
        accounts: who is to make changes.
    """
    if network.treasury is None:
        return
    with view.block():
        for account in accounts:
            view.pay(network.treasury, account.address, WEI)
