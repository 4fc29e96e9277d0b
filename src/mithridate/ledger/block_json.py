"""Blocks, transactions and receipts from a node's JSON, put back into the bytes that were hashed and signed."""

from collections.abc import Sequence
from typing import Any

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from mithridate.ledger.chronicle import Transaction, read_transaction
from mithridate.ledger.endpoint import EndpointFailed, binary, digest, quantity

MAX_TRANSACTIONS = 4096
"""In one block."""
MAX_LOGS = 65_536
_HEADER = (
    ("parentHash", "sha3Uncles", "miner", "stateRoot", "transactionsRoot", "receiptsRoot", "logsBloom"),
    ("difficulty", "number", "gasLimit", "gasUsed", "timestamp"),
    ("extraData", "mixHash", "nonce"),
)
"""Fields of a header in order: binary, numbers, binary (yellow paper, section 4.3)."""
_FEES = "baseFeePerGas"
_LATER = ("withdrawalsRoot", "blobGasUsed", "excessBlobGas", "parentBeaconBlockRoot", "requestsHash")
_NUMBERS = frozenset({"blobGasUsed", "excessBlobGas"})
_SIGNED = {
    0: ("nonce", "gasPrice", "gas", "to", "value", "input", "v", "r", "s"),
    1: ("chainId", "nonce", "gasPrice", "gas", "to", "value", "input", "accessList", "v", "r", "s"),
    2: (
        *("chainId", "nonce", "maxPriorityFeePerGas", "maxFeePerGas", "gas"),
        *("to", "value", "input", "accessList", "v", "r", "s"),
    ),
}
"""Transaction type (EIP-2718): its fields in order."""


def header_of(fields: dict[str, Any]) -> bytes:
    """RLP of a block's header; raises EndpointFailed where a field is missing or malformed."""
    first, numbers, last = _HEADER
    parts: list[Any] = [binary(fields.get(name), name) for name in first]
    parts += [quantity(fields.get(name), name) for name in numbers]
    parts += [binary(fields.get(name), name) for name in last]
    if fields.get(_FEES) is not None:
        parts.append(quantity(fields[_FEES], _FEES))
        later = [name for name in _LATER if fields.get(name) is not None]
        parts += [(quantity if name in _NUMBERS else binary)(fields[name], name) for name in later]
    return bytes(rlp.encode(parts))


def transactions_of(fields: dict[str, Any]) -> list[Transaction]:
    """A block's transactions, told in full.

    Raises:
        EndpointFailed: they are missing, malformed, or one does not have its hash.
        LedgerError: one is signed by nobody.
    """
    listed = fields.get("transactions")
    if not isinstance(listed, list) or len(listed) > MAX_TRANSACTIONS:
        raise EndpointFailed("lists no transactions, or more than a block holds")
    return [_transaction(each) for each in listed]


def _transaction(fields: Any) -> Transaction:
    if not isinstance(fields, dict):
        raise EndpointFailed("answers something else where a transaction belongs")
    kind = quantity(fields.get("type", "0x0"), "a transaction's type")
    if kind not in _SIGNED:
        raise EndpointFailed(f"answers a transaction of the unknown type {kind}")
    raw = bytes([kind] if kind else []) + bytes(rlp.encode([_field(fields, name) for name in _SIGNED[kind]]))
    if keccak(raw) != digest(fields.get("hash"), "a transaction's hash"):
        raise EndpointFailed("answers a transaction that does not have its hash")
    return read_transaction(raw)


def _field(fields: dict[str, Any], name: str) -> Any:
    value = fields.get(name)
    if name == "to":
        return b"" if value is None else binary(value, name)
    if name == "input":
        return binary(value, name)
    if name == "accessList":
        return [[binary(e["address"], name), [binary(k, name) for k in e["storageKeys"]]] for e in _entries(value)]
    return quantity(value, name)


def _entries(value: Any) -> Sequence[Any]:
    entries = value or []
    if not isinstance(entries, list) or not all(
        isinstance(e, dict) and isinstance(e.get("storageKeys"), list) and "address" in e for e in entries
    ):
        raise EndpointFailed("answers something else where an access list belongs")
    return entries


def receipt_of(fields: dict[str, Any]) -> bytes:
    """A receipt as the header's root commits to it; raises EndpointFailed where a field is missing or malformed."""
    kind = quantity(fields.get("type", "0x0"), "a receipt's type")
    logs = fields.get("logs")
    if kind not in _SIGNED or not isinstance(logs, list) or len(logs) > MAX_LOGS:
        raise EndpointFailed("answers something else where a receipt belongs")
    parts = [
        quantity(fields.get("status"), "a status"),
        quantity(fields.get("cumulativeGasUsed"), "an amount of gas"),
        binary(fields.get("logsBloom"), "a bloom filter"),
        [_log(log) for log in logs],
    ]
    return bytes([kind] if kind else []) + bytes(rlp.encode(parts))


def _log(log: Any) -> list[Any]:
    topics = log.get("topics") if isinstance(log, dict) else None
    if not isinstance(topics, list):
        raise EndpointFailed("answers something else where an event belongs")
    told = [digest(topic, "an event's topic") for topic in topics]
    return [binary(log.get("address"), "an address"), told, binary(log.get("data"), "an event's data")]
