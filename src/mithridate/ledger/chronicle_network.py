"""The past of a network's chain, from a node over JSON-RPC: what it says is bound by signatures, roots and hashes.

Of a header whose fields hash to the block's hash, each field is bound by the hash, and with it transactions and
receipts; so it is on geth. Networks of Byzantine consensus (IBFT, QBFT) hash their headers without the seals: there
the roots are the node's word, and `unbound` counts such blocks. Ask a node that you run, or two of other organisations.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from mithridate.errors import LedgerError
from mithridate.ledger.chronicle import Block, Transaction, follow, read_block, read_transaction
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused, binary, digest, quantity
from mithridate.ledger.network import Network
from mithridate.ledger.read_only import ReadOnly

ANSWER_S = 30.0
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

Answer = TypeVar("Answer")


class NetworkChronicle:
    """See `Chronicle`.

    Args:
        url: of the node.
        finality: blocks on top of a block from which on it is told.

    Raises:
        InputError: this is no URL of a node.
        LedgerError: the node does not answer.
    """

    own = False

    def __init__(self, url: str, finality: int) -> None:
        self._endpoint = Endpoint(url, ANSWER_S)
        self._finality = finality
        self._before: Block | None = None
        self.unbound = 0
        """Blocks whose hash is not that of their header's fields."""
        self.chain_id = self._ask(self._endpoint.chain_id)

    @property
    def source(self) -> str:
        """See `Chronicle.source`."""
        return f"the node {self._endpoint.name}"

    def blocks(self) -> Iterator[Block]:
        """See `Chronicle.blocks`; those that are final and were not told before."""
        last = self._ask(self._endpoint.head).number - self._finality
        for number in range(self._before.number + 1 if self._before else 1, last + 1):
            try:
                block = self._block(number)
                if self._before is not None:
                    follow(self._before, block)
            except LedgerError as error:
                raise LedgerError(f"block {number}: {error}") from error
            self._before = block
            yield block

    def refresh(self) -> None:
        """Nothing is kept: `blocks` goes on after those it told."""

    def state(self) -> Network | None:
        """See `Chronicle.state`: after the last block told."""
        return None if self._before is None else _AtBlock(self, self._before)

    def close(self) -> None:
        """See `Chronicle.close`."""
        self._endpoint.close()

    def call(self, to: str, data: bytes, block: bytes) -> bytes:
        """What a read returns after a block; raises Reverted."""
        return self._ask(lambda: self._endpoint.call(to, data, block))

    def code(self, address: str, block: bytes) -> bytes:
        """The code at an address after a block."""
        return self._ask(lambda: self._endpoint.code(address, block))

    def _block(self, number: int) -> Block:
        fields = self._fields("eth_getBlockByNumber", hex(number), True)
        header, told = self._ask(lambda: _header(fields)), self._ask(lambda: digest(fields.get("hash"), "a hash"))
        listed = fields.get("transactions")
        if not isinstance(listed, list) or len(listed) > MAX_TRANSACTIONS:
            raise LedgerError("the node lists no transactions, or more than a block holds")
        transactions = [self._ask(lambda each=each: _transaction(each)) for each in listed]  # type: ignore[misc]
        receipts = [self._receipt(transaction) for transaction in transactions]
        block = read_block(header, transactions, receipts)
        if block.hash == told:
            return block
        self.unbound += 1
        return Block(header, number, block.timestamp, told, block.parent, block.transactions, block.receipts)

    def _receipt(self, transaction: Transaction) -> bytes:
        fields = self._fields("eth_getTransactionReceipt", "0x" + transaction.hash.hex())
        return self._ask(lambda: _receipt(fields))

    def _fields(self, method: str, *parameters: object) -> dict[str, Any]:
        answer = self._ask(lambda: self._endpoint.request(method, *parameters))
        if not isinstance(answer, dict):
            raise LedgerError("the node does not have it")
        return answer

    def _ask(self, question: Callable[[], Answer]) -> Answer:
        try:
            return question()
        except (EndpointFailed, Refused) as error:
            raise LedgerError(f"{self._endpoint.name}: {error}") from error


class _AtBlock(ReadOnly):
    """See `Network`: the state after one block, to ask and not to change."""

    def __init__(self, chronicle: NetworkChronicle, block: Block) -> None:
        self._chronicle, self._block = chronicle, block

    def call(self, to: str, data: bytes) -> bytes:
        return self._chronicle.call(to, data, self._block.hash)

    def code(self, address: str) -> bytes:
        return self._chronicle.code(address, self._block.hash)

    def now(self) -> int:
        return self._block.timestamp

    def height(self) -> int:
        return self._block.number


def _header(fields: dict[str, Any]) -> bytes:
    first, numbers, last = _HEADER
    parts: list[Any] = [binary(fields.get(name), name) for name in first]
    parts += [quantity(fields.get(name), name) for name in numbers]
    parts += [binary(fields.get(name), name) for name in last]
    if fields.get(_FEES) is not None:
        parts.append(quantity(fields[_FEES], _FEES))
        later = [name for name in _LATER if fields.get(name) is not None]
        parts += [(quantity if name in _NUMBERS else binary)(fields[name], name) for name in later]
    return bytes(rlp.encode(parts))


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


def _receipt(fields: dict[str, Any]) -> bytes:
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
