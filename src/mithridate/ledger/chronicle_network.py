"""The past of a network's chain, from nodes over JSON-RPC, bound by signatures, seals, roots and hashes.

A header binds its block's transactions and receipts, and the seals tell who vouches for the header, back to the genesis
block, whose hash is to be compared with another party's. Of a consensus that is not known here (see `seals`) a block's
hash may leave out what it likes: such blocks are the nodes' word, and `unbound` counts them.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak

from mithridate.errors import InputError, LedgerError
from mithridate.ledger.block_json import header_of, receipt_of, transactions_of
from mithridate.ledger.chronicle import Block, Transaction
from mithridate.ledger.endpoint import Endpoint, EndpointFailed, Refused, digest
from mithridate.ledger.network import Network
from mithridate.ledger.nodes import Nodes
from mithridate.ledger.read_only import ReadOnly
from mithridate.ledger.seals.chain import SealedChain
from mithridate.ledger.seals.header import EXTRA, read_fields

ANSWER_S = 30.0
PATIENCE_S = 3.0

Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Told:
    """A header as a node tells it.

    Attributes:
        key: by which two are equal; it binds all but seals, of which nodes may keep different ones of one block.
        identity: the block's hash.
        header: RLP of it.
        fields: the node's answer.
        endpoint: the node.
    """

    key: bytes
    identity: bytes = field(compare=False)
    header: bytes = field(compare=False)
    fields: dict[str, Any] = field(compare=False)
    endpoint: Endpoint = field(compare=False)


class NetworkChronicle:
    """See `Chronicle`. A block counts once `agreement` nodes tell the same header; so does what is asked of the state.

    Args:
        urls: of the nodes, in order of preference; with `agreement` above 1, of different organisations.
        finality: blocks on top of a block from which on it is told.
        agreement: how many nodes must tell the same.

    Raises:
        InputError: one is no URL of a node, or there are fewer than must agree.
        LedgerError: too few nodes answer.
    """

    own = False

    def __init__(self, urls: Sequence[str], finality: int, agreement: int = 1) -> None:
        listed = [Endpoint(url, ANSWER_S) for url in dict.fromkeys(urls)]
        if not 1 <= agreement <= len(listed):
            raise InputError(f"{agreement} nodes cannot agree where {len(listed)} are named: name more with --rpc")
        self._nodes = Nodes(listed, agreement=agreement, finality=finality, patience=PATIENCE_S, chain_id=None)
        self.witnesses = agreement
        self._names = [endpoint.name for endpoint in listed]
        self.sealed: SealedChain | None = None
        self.unbound = 0
        """Blocks whose hash is not that of their header's fields."""
        self.chain_id = _ask(self._nodes.chain_id)

    @property
    def source(self) -> str:
        """See `Chronicle.source`."""
        if len(self._names) == 1:
            return f"the node {self._names[0]}"
        return f"the nodes {', '.join(self._names)}, of which {self._nodes.agreement} must tell the same"

    @property
    def suspects(self) -> dict[str, str]:
        """Nodes that told something else than those that agree: endpoint to what it did."""
        return self._nodes.suspects

    def blocks(self) -> Iterator[Block]:
        """See `Chronicle.blocks`; those that are final and were not told before."""
        last = _ask(self._nodes.shared_height) - self._nodes.finality
        if self.sealed is None:
            self.sealed = _named(0, self._genesis)
        for number in range(self.sealed.head.number + 1, last + 1):
            yield _named(number, lambda chain=self.sealed: self._block(chain))  # type: ignore[misc]

    def refresh(self) -> None:
        """Nothing is kept: `blocks` goes on after those it told."""

    def state(self) -> Network | None:
        """See `Chronicle.state`: after the last block told."""
        if self.sealed is None or self.sealed.head.number == 0:
            return None
        return _AtBlock(self, self.sealed.head)

    def close(self) -> None:
        """See `Chronicle.close`."""
        self._nodes.close()

    def call(self, to: str, data: bytes, block: Block) -> bytes:
        """What a read returns after a block; raises Reverted."""
        return self._nodes.alike(lambda endpoint: endpoint.call(to, data, block.hash), f"block {block.number}")

    def code(self, address: str, block: Block) -> bytes:
        """The code at an address after a block."""
        return self._nodes.alike(lambda endpoint: endpoint.code(address, block.hash), f"block {block.number}")

    def _genesis(self) -> SealedChain:
        def tell(endpoint: Endpoint) -> Told:
            fields = _fields(endpoint, "eth_getBlockByNumber", "0x0", True)
            header = header_of(fields)
            try:
                chain = SealedChain(header, digest(fields.get("hash"), "a hash"))
            except LedgerError as error:
                raise EndpointFailed(f"answers a genesis block of which {error}") from error
            return Told(keccak(chain.genesis_hash + header), chain.genesis_hash, header, fields, endpoint)

        told = self._nodes.alike(tell, "block 0")
        return SealedChain(told.header, told.identity)

    def _block(self, chain: SealedChain) -> Block:
        number = chain.head.number + 1
        told = self._nodes.alike(lambda endpoint: _tell(chain, endpoint, number), f"block {number}")
        block = self._filled(chain, told)
        self.unbound += chain.consensus is None and block.hash != keccak(block.header)
        return block

    def _filled(self, chain: SealedChain, told: Told) -> Block:
        """The block of an agreed hash, from the first node whose seals, transactions and receipts fit it."""
        failures: list[tuple[Endpoint, Exception]] = []
        for endpoint in (told.endpoint, *(each for each in self._nodes.ordered() if each is not told.endpoint)):
            try:
                own = told if endpoint is told.endpoint else _tell(chain, endpoint, chain.head.number + 1)
                if own.key != told.key:
                    raise LedgerError("its header is not the one that was agreed on")
                transactions = transactions_of(own.fields)
                receipts = [_receipt(endpoint, transaction) for transaction in transactions]
                block = chain.add(own.header, transactions, receipts, own.identity)
            except (EndpointFailed, Refused, LedgerError) as error:
                failures.append((endpoint, error))
                continue
            for other, failure in failures:
                self._nodes.accuse(other, f"block {block.number}: {failure}")
            return block
        first, reason = failures[0]
        raise reason if isinstance(reason, LedgerError) else LedgerError(f"{first.name}: {reason}")


class _AtBlock(ReadOnly):
    """See `Network`: the state after one block, to ask and not to change."""

    def __init__(self, chronicle: NetworkChronicle, block: Block) -> None:
        self._chronicle, self._block = chronicle, block

    def call(self, to: str, data: bytes) -> bytes:
        return self._chronicle.call(to, data, self._block)

    def code(self, address: str) -> bytes:
        return self._chronicle.code(address, self._block)

    def now(self) -> int:
        return self._block.timestamp

    def height(self) -> int:
        return self._block.number


def _tell(chain: SealedChain, endpoint: Endpoint, number: int) -> Told:
    fields = _fields(endpoint, "eth_getBlockByNumber", hex(number), True)
    try:
        header = chain.bound(header_of(fields))
        identity = chain.identity(header, digest(fields.get("hash"), "a hash"))
    except LedgerError as error:
        raise EndpointFailed(f"answers a block of which {error}") from error
    return Told(_key(chain, header, identity), identity, header, fields, endpoint)


def _key(chain: SealedChain, header: bytes, identity: bytes) -> bytes:
    if chain.consensus is not None:
        return identity
    # A hash that nobody can compute here binds nothing: all must be equal but the field that may hold seals.
    fields = read_fields(header)
    return keccak(identity + rlp.encode([*fields[:EXTRA], *fields[EXTRA + 1 :]]))


def _receipt(endpoint: Endpoint, transaction: Transaction) -> bytes:
    return receipt_of(_fields(endpoint, "eth_getTransactionReceipt", "0x" + transaction.hash.hex()))


def _fields(endpoint: Endpoint, method: str, *parameters: object) -> dict[str, Any]:
    answer = endpoint.request(method, *parameters)
    if not isinstance(answer, dict):
        raise EndpointFailed("does not have it")
    return answer


def _ask(question: Callable[[], Answer]) -> Answer:
    try:
        return question()
    except (EndpointFailed, Refused) as error:
        raise LedgerError(str(error)) from error


def _named(number: int, question: Callable[[], Answer]) -> Answer:
    """An answer about a block, which the message of a failure names."""
    try:
        return question()
    except LedgerError as error:
        raise type(error)(f"block {number}: {error}") from error
