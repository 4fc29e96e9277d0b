"""The contracts on the ledger against what the authority vouches for in a kit."""

import hashlib

from mithridate.errors import LedgerError
from mithridate.ledger.evm import EvmNetwork
from mithridate.provisioning.ledger_terms import LedgerTerms


def check_code(network: EvmNetwork, terms: LedgerTerms) -> None:
    """Returns if each contract's code has the hash in the terms.

    Raises:
        LedgerError: one has another; the message names it.
    """
    for name, digest in terms.code.items():
        found = hashlib.sha256(network.code(terms.addresses[name])).hexdigest()
        if found != digest:
            raise LedgerError(f"the contract {name} has the code {found[:16]}..., the kit says {digest[:16]}...")
