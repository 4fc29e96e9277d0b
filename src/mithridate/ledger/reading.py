"""What transactions and events of a study's contracts say, by the contracts' published interfaces, with names."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from eth_abi.abi import decode, encode
from eth_abi.exceptions import DecodingError, EncodingError
from eth_utils.abi import event_abi_to_log_topic, function_abi_to_4byte_selector, get_abi_input_types
from eth_utils.address import to_checksum_address

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Creation, Log, Transaction
from mithridate.ledger.codec import printable
from mithridate.ledger.compile import contract
from mithridate.ledger.deployment import CONTRACTS, Deployment
from mithridate.ledger.embedded_network import contract_address

SELECTOR_BYTES = 4
_CHANGING = ("nonpayable", "payable")


@dataclass(frozen=True)
class Said:
    """A call of a contract, or an event that it announced: its name and its values by theirs, in order."""

    contract: str
    name: str
    values: Mapping[str, Any]

    @property
    def arguments(self) -> tuple[Any, ...]:
        """The values alone."""
        return tuple(self.values.values())


class Interface:
    """One published contract's functions and events.

    Args:
        name: of the contract.
    """

    def __init__(self, name: str) -> None:
        abi: Sequence[Any] = contract(name).abi
        self._name = name
        functions = [entry for entry in abi if entry["type"] == "function"]
        self._functions = {bytes(function_abi_to_4byte_selector(entry)): entry for entry in functions}
        self._events = {bytes(event_abi_to_log_topic(entry)): entry for entry in abi if entry["type"] == "event"}
        self._constructor = next(entry for entry in abi if entry["type"] == "constructor")

    @classmethod
    @cache
    def of(cls, name: str) -> "Interface":
        """The interface of the contract of this name."""
        return cls(name)

    def call(self, data: bytes) -> Said | None:
        """What a call's data say, None if it changes nothing.

        Raises:
            LedgerError: they are no call of this contract.
        """
        entry = self._functions.get(data[:SELECTOR_BYTES])
        if entry is None:
            raise LedgerError(f"the contract {self._name} has no such function")
        if entry["stateMutability"] not in _CHANGING:
            return None
        return Said(self._name, entry["name"], _named(entry, data[SELECTOR_BYTES:]))

    def is_canonical(self, data: bytes) -> bool:
        """Whether encoding what a call says gives these data and no others."""
        kinds = get_abi_input_types(self._functions[data[:SELECTOR_BYTES]])
        try:
            values = _decoded(kinds, data[SELECTOR_BYTES:])
            return bytes(encode([_raw(kind) for kind in kinds], values)) == data[SELECTOR_BYTES:]
        except (LedgerError, EncodingError):
            return False

    def event(self, log: Log) -> Said:
        """What an event says.

        Raises:
            LedgerError: it is none of this contract.
        """
        entry = self._events.get(log.topics[0]) if log.topics else None
        if entry is None:
            raise LedgerError(f"the contract {self._name} has no such event")
        indexed = [i for i in entry["inputs"] if i["indexed"]]
        plain = [i for i in entry["inputs"] if not i["indexed"]]
        if len(indexed) != len(log.topics) - 1:
            raise LedgerError(f"the event {entry['name']} does not have these topics")
        topics = _decoded([i["type"] for i in indexed], b"".join(log.topics[1:]))
        found = dict(zip([i["name"] for i in indexed], topics, strict=True))
        found |= dict(zip([i["name"] for i in plain], _decoded([i["type"] for i in plain], log.data), strict=True))
        values = {i["name"]: _plain(i["type"], found[i["name"]]) for i in entry["inputs"]}
        return Said(self._name, entry["name"], values)

    def constructor(self, data: bytes) -> tuple[Any, ...]:
        """The constructor's arguments that follow the creation code.

        Raises:
            LedgerError: they are not such.
        """
        return tuple(_named(self._constructor, data).values())


class Reader:
    """Reads what concerns one study's contracts.

    Args:
        deployment: where they lie.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._names = {address: name for name, address in deployment.addresses.items()}

    def contract_at(self, address: str | None) -> str | None:
        """The study's contract at an address, None for any other address."""
        return None if address is None else self._names.get(address)

    def call(self, to: str, data: bytes) -> Said | None:
        """A call of one of the study's contracts, None if it changes nothing; see `Interface.call`."""
        return Interface.of(self._names[to]).call(data)

    def decision(self, target: str, data: bytes) -> Said:
        """The call that an administrator votes for.

        Raises:
            LedgerError: it addresses no contract of this study, changes nothing, or is encoded in a way of its own.
        """
        name = self.contract_at(to_checksum_address(target))
        if name is None:
            raise LedgerError(f"the vote is for a call of {target}, no contract of this study")
        said = Interface.of(name).call(data)
        if said is None or not Interface.of(name).is_canonical(data):
            raise LedgerError(f"the vote is for a call of {name} that no client of this protocol makes")
        return said

    def event(self, log: Log) -> Said | None:
        """An event of one of the study's contracts, None for any other's; see `Interface.event`."""
        name = self.contract_at(log.address)
        return None if name is None else Interface.of(name).event(log)


def creation_of(transaction: Transaction) -> Creation | None:
    """The published contract that a transaction makes, None if it makes none.

    Raises:
        LedgerError: its code is a published contract's, its arguments are not.
    """
    if transaction.to is not None:
        return None
    for name in CONTRACTS:
        code = contract(name).creation_code
        if transaction.data.startswith(code):
            arguments = Interface.of(name).constructor(transaction.data[len(code) :])
            address = contract_address(transaction.sender, transaction.number)
            return Creation(name, address, transaction.sender, arguments)
    return None


def _named(entry: Any, data: bytes) -> dict[str, Any]:
    kinds = get_abi_input_types(entry)
    names = [given["name"] for given in entry["inputs"]]
    values = _decoded(kinds, data)
    return {name: _plain(kind, value) for name, kind, value in zip(names, kinds, values, strict=True)}


def _decoded(kinds: Sequence[str], data: bytes) -> tuple[Any, ...]:
    try:
        return tuple(decode([_raw(kind) for kind in kinds], data))
    except (DecodingError, OverflowError) as error:
        raise LedgerError(f"these values cannot be read: {error}") from error


def _raw(kind: str) -> str:
    # A string that is not UTF-8 would make every reader fail; its encoding equals that of bytes.
    return kind.replace("string", "bytes")


def _plain(kind: str, value: Any) -> Any:
    """A value as the rules in plain Python take it: checksummed addresses, lists, printable text."""
    if kind.endswith("]"):
        return [_plain(kind[: kind.rindex("[")], each) for each in value]
    if kind == "address":
        return to_checksum_address(value)
    return printable(value) if kind == "string" else value
