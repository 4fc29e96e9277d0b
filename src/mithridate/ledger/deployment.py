"""The contracts of a study: put on a network by the administrator, and checked by every party before it trusts them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eth_utils.address import to_checksum_address

from mithridate.errors import LedgerError
from mithridate.ledger.accounts import Account
from mithridate.ledger.codec import ContractCodec, revert_reason
from mithridate.ledger.compile import contract
from mithridate.ledger.interface import Role
from mithridate.ledger.network import Network, Reverted
from mithridate.ledger.rules import rule_violation

HASH_BYTES = 32
GRACE_S = 3600
"""Seconds after an attempt's deadline when a validator or the coordinator alone may void it."""
BALLOT_S = 30 * 24 * 3600
"""Seconds for which an administrator's vote counts."""
CONTRACTS = ("Consortium", "Models", "Reputation", "Committees", "Access", "Notices", "Study")
"""In the order in which they are deployed."""
NAMED = ("Models", "Reputation", "Committees")
"""Those that the study's contract names, and that obey it."""
ATTACHED = (*NAMED, "Notices")
"""Those that are told after its creation which the study's contract is."""


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
        validators: their addresses, 3 to 16; with more than three, committees are drawn from them.
        quorum: fewest submissions of a round.
        min_accepted: fewest members of an aggregate, at least 2.
        grace: seconds after a deadline when one party alone may void an attempt.
        administrators: those besides the one that deploys, up to 31.
        threshold: how many administrators' equal votes decide.
        ballot: seconds for which an administrator's vote counts.
        requires_certificate: whether a model is deployed only with an auditor's certificate.
        rotation: attempts that one drawn committee serves, at least 1 with more than three validators.
    """

    configuration: bytes
    coordinator: str
    validators: Sequence[str]
    quorum: int
    min_accepted: int
    grace: int = GRACE_S
    administrators: Sequence[str] = ()
    threshold: int = 1
    ballot: int = BALLOT_S
    requires_certificate: bool = False
    rotation: int = 1


def deploy(network: Network, administrator: Account, terms: StudyTerms) -> Deployment:
    """Puts a study's contracts on a network, and votes to enrol its coordinator and validators.

    With a threshold above one the other administrators have to vote the same before the study can begin.

    Raises:
        RuleViolation: a contract refuses these terms.
        LedgerError: a value has the wrong length, or the network does not take the contracts.
    """

    def put(name: str, *arguments: object) -> str:
        return _put(network, administrator, name, arguments)

    administrators = [administrator.address, *terms.administrators]
    consortium = put("Consortium", administrators, terms.threshold, terms.ballot)
    models = put("Models", consortium, terms.requires_certificate)
    reputation = put("Reputation")
    committees = put("Committees", consortium)
    access = put("Access", consortium)
    notices = put("Notices", consortium)
    study = put("Study", consortium, models, reputation, committees, *_study_arguments(terms))
    made = (consortium, models, reputation, committees, access, notices, study)
    addresses = dict(zip(CONTRACTS, made, strict=True))
    for name in ATTACHED:
        _call(network, administrator, addresses[name], name, "attach", study)
    for function, *arguments in _first_decisions(terms, study):
        data = ContractCodec.of("Consortium").call(function, arguments)
        _call(network, administrator, consortium, "Consortium", "decide", consortium, data)
    return Deployment(addresses)


def check(network: Network, deployment: Deployment) -> None:
    """Checks the contracts that a study's parties were told of: the published code, attached to one another.

    Raises:
        LedgerError: a contract has other code, or obeys other contracts; the message names it.
    """
    for name in CONTRACTS:
        if not network.code(deployment.addresses[name]).startswith(contract(name).runtime_code):
            raise LedgerError(
                f"the contract {name} at {deployment.addresses[name]} is not this version's: use the version of"
                " Mithridate that the study was deployed with, and compare the hashes that it publishes"
            )
    for name, peer, function in _TIES:
        answer = network.call(deployment.addresses[name], ContractCodec.of(name).call(function, []))
        told = to_checksum_address(ContractCodec.of(name).result(function, answer))
        if told != deployment.addresses[peer]:
            raise LedgerError(f"the contract {name} obeys {told}, not this study's {peer}: the roster is forged")


def as_hash(value: bytes) -> bytes:
    """`value` if it has a hash's 32 bytes, LedgerError if not: the encoder would pad it with zeros without a word."""
    if len(value) != HASH_BYTES:
        raise LedgerError(f"hashes and random values have {HASH_BYTES} bytes, this one {len(value)}")
    return bytes(value)


_TIES = (
    *((name, "Study", "study") for name in ATTACHED),
    *((name, "Consortium", "consortium") for name in ("Models", "Committees", "Access", "Notices", "Study")),
    *(("Study", name, name.lower()) for name in NAMED),
)
"""Contract, the contract it obeys or asks, and the read that tells which one that is."""


def _study_arguments(terms: StudyTerms) -> tuple[object, ...]:
    validators = list(terms.validators)
    settings = (terms.quorum, terms.min_accepted, terms.grace, terms.rotation)
    return (as_hash(terms.configuration), terms.coordinator, validators, *settings)


def _first_decisions(terms: StudyTerms, study: str) -> list[tuple[str, *tuple[object, ...]]]:
    enrolled = [("enrol", address, int(Role.VALIDATOR), b"", b"") for address in terms.validators]
    return [("add_study", study), ("enrol", terms.coordinator, int(Role.COORDINATOR), b"", b""), *enrolled]


def _put(network: Network, account: Account, name: str, arguments: Sequence[object]) -> str:
    data = contract(name).creation_code + ContractCodec.of(name).constructor(arguments)
    try:
        return network.deploy(account, data)
    except Reverted as error:
        raise rule_violation(revert_reason(error.output)) from error


def _call(network: Network, account: Account, to: str, name: str, function: str, *arguments: object) -> None:
    try:
        network.transact(account, to, ContractCodec.of(name).call(function, arguments))
    except Reverted as error:
        raise rule_violation(revert_reason(error.output)) from error
