"""The contracts of a study: put on a network by the administrator, and checked by every party before it trusts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.codec import ContractCodec, revert_reason
from mithridate.ledger.compile import contract
from mithridate.ledger.network import Network, Reverted
from mithridate.ledger.rules import rule_violation

HASH_BYTES = 32
GRACE_S = 3600
"""Seconds after an attempt's deadline when a validator or the coordinator alone may void it."""
CONTRACTS = ("Study",)
"""In the order in which they are deployed."""


@dataclass(frozen=True)
class Deployment:
    """Where a study's contracts lie: contract name to checksummed address."""

    addresses: Mapping[str, str]


@dataclass(frozen=True)
class StudyTerms:
    """What a study fixes on the ledger when it is made.

    Attributes:
        configuration: hash of the study's configuration, 32 bytes.
        coordinator: its address.
        validators: the three addresses in rank order.
        quorum: fewest submissions of a round.
        min_accepted: fewest members of an aggregate, at least 2.
        grace: seconds after a deadline when one party alone may void an attempt.
    """

    configuration: bytes
    coordinator: str
    validators: Sequence[str]
    quorum: int
    min_accepted: int
    grace: int = GRACE_S


def deploy(network: Network, administrator: Account, terms: StudyTerms) -> Deployment:
    """Puts a study's contracts on a network.

    Raises:
        RuleViolation: a contract refuses these terms.
        LedgerError: a value has the wrong length, or the network does not take the contracts.
    """
    arguments = [
        as_hash(terms.configuration),
        terms.coordinator,
        list(terms.validators),
        terms.quorum,
        terms.min_accepted,
        terms.grace,
    ]
    return Deployment({"Study": _put(network, administrator, "Study", arguments)})


def check(network: Network, deployment: Deployment) -> None:
    """Raises LedgerError unless each contract's code on the network is the published one."""
    for name in CONTRACTS:
        if not network.code(deployment.addresses[name]).startswith(contract(name).runtime_code):
            raise LedgerError(
                f"the contract {name} at {deployment.addresses[name]} is not this version's: use the version of"
                " Mithridate that the study was deployed with, and compare the hashes that it publishes"
            )


def as_hash(value: bytes) -> bytes:
    """`value` if it has a hash's 32 bytes, LedgerError if not: the encoder would pad it with zeros without a word."""
    if len(value) != HASH_BYTES:
        raise LedgerError(f"hashes and random values have {HASH_BYTES} bytes, this one {len(value)}")
    return bytes(value)


def _put(network: Network, account: Account, name: str, arguments: Sequence[object]) -> str:
    compiled = contract(name)
    try:
        return network.deploy(account, compiled.creation_code + ContractCodec(compiled.abi).constructor(arguments))
    except Reverted as error:
        raise rule_violation(revert_reason(error.output)) from error
