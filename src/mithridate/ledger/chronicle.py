"""A chain's past as an auditor reads it: blocks with their signed transactions and receipts, bound by their hashes.

Every chronicle checks what it tells: who signed, that each block follows the one before, and that its header commits to
these transactions and receipts (yellow paper, section 4.3). Whether the rules allowed them is for the audit.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import rlp  # type: ignore[import-untyped]
from eth.constants import BLANK_ROOT_HASH
from eth_account import Account as Signer
from eth_keys.exceptions import BadSignature
from eth_utils.address import to_checksum_address
from eth_utils.crypto import keccak
from eth_utils.exceptions import ValidationError
from rlp.exceptions import RLPException  # type: ignore[import-untyped]
from trie.hexary import HexaryTrie

from mithridate.errors import LedgerError
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.deployment import Deployment
from mithridate.ledger.network import Network

if TYPE_CHECKING:
    from mithridate.ledger.seals.chain import SealedChain

_PARENT, _TRANSACTIONS, _RECEIPTS, _NUMBER, _TIMESTAMP = 0, 4, 5, 8, 11
_FIELDS = {0: (0, 3, 5), 1: (1, 4, 6), 2: (1, 5, 7)}
"""Transaction type (EIP-2718): places of number, recipient and data among its fields."""
_FIRST_OF_A_LIST = 0xC0
MAX_DATE = 2**63
_DEPTH = 4
"""Lists within lists of a transaction with its access list, and of a receipt with its logs' topics."""


@dataclass(frozen=True)
class Transaction:
    """A signed transaction.

    Attributes:
        raw: as signed.
        hash: Keccak-256 of it.
        sender: whose signature it carries, a checksummed address.
        number: how many the sender had sent before.
        to: the contract called, None where one is made.
        data: the call, or the contract's creation code with its arguments.
    """

    raw: bytes
    hash: bytes
    sender: str
    number: int
    to: str | None
    data: bytes


@dataclass(frozen=True)
class Log:
    """What a contract announced; `topics` begin with the event's own."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes


@dataclass(frozen=True)
class Receipt:
    """What became of a transaction; `encoded` is what the header's root of receipts commits to."""

    encoded: bytes
    succeeded: bool
    logs: tuple[Log, ...]


@dataclass(frozen=True)
class Block:
    """A sealed block.

    Attributes:
        header: RLP of its header.
        number: from 1; 0 is the genesis.
        timestamp: seconds since 1970.
        hash: of the header, as the chain's consensus has it.
        parent: hash of the block before.
    """

    header: bytes
    number: int
    timestamp: int
    hash: bytes
    parent: bytes
    transactions: tuple[Transaction, ...]
    receipts: tuple[Receipt, ...]


class Chronicle(Protocol):
    """A chain's past, and its state at the end of it."""

    @property
    def source(self) -> str:
        """What was read, in words."""
        ...

    @property
    def chain_id(self) -> int:
        """The chain's number, which every signature names."""
        ...

    @property
    def own(self) -> bool:
        """Whether the chain is one study's own, so that its first sender is the study's administrator."""
        ...

    @property
    def witnesses(self) -> int:
        """How many nodes of a network must have told the same; 1 of a file."""
        ...

    @property
    def sealed(self) -> "SealedChain | None":
        """Of a network, its blocks as far as they were told, with who sealed them; None of an embedded chain."""
        ...

    def blocks(self) -> Iterator[Block]:
        """All blocks from 1 on, each checked.

        Raises:
            SealRefused: a network's block is not sealed as its consensus asks.
            LedgerError: a block is not what its hash commits to; the message names the first.
        """
        ...

    def state(self) -> Network | None:
        """The state after the blocks read so far, to ask and not to change; None where only the past is known."""
        ...

    def close(self) -> None:
        """Gives back files and connections."""
        ...


@dataclass(frozen=True)
class Creation:
    """A contract's creation: its address, who made it, and its constructor's arguments."""

    name: str
    address: str
    sender: str
    arguments: tuple[Any, ...]


def read_transaction(raw: bytes) -> Transaction:
    """A transaction and who signed it.

    Raises:
        LedgerError: it is none, or its signature is not one.
    """
    try:
        kind = 0 if raw[0] >= _FIRST_OF_A_LIST else raw[0]
        fields = decode(raw if kind == 0 else raw[1:], _DEPTH)
        number, to, data = (fields[place] for place in _FIELDS[kind])
        recipient = to_checksum_address(to) if to else None
        sender = str(Signer.recover_transaction(raw))
        return Transaction(raw, keccak(raw), sender, int.from_bytes(number), recipient, bytes(data))
    except (BadSignature, ValidationError, RLPException, ValueError, TypeError, IndexError, KeyError) as error:
        raise LedgerError(f"not a signed transaction: {error}") from error


def read_receipt(encoded: bytes) -> Receipt:
    """A receipt from its encoding in the trie of receipts.

    Raises:
        LedgerError: it is none.
    """
    try:
        status, _gas, _bloom, logs = decode(encoded if encoded[0] >= _FIRST_OF_A_LIST else encoded[1:], _DEPTH)
        found = tuple(_log(log) for log in logs)
    except (ValueError, TypeError, IndexError) as error:
        raise LedgerError(f"not a receipt: {error}") from error
    if status not in (b"", b"\1"):
        raise LedgerError("not a receipt: it does not say whether the transaction succeeded")
    return Receipt(encoded, status == b"\1", found)


def read_timestamp(header: bytes) -> int:
    """The date in a header, in seconds since 1970, below 2^63; raises LedgerError if it is none."""
    try:
        timestamp = int.from_bytes(decode(header, 1)[_TIMESTAMP])
    except (TypeError, IndexError) as error:
        raise LedgerError(f"not a header: {error}") from error
    if timestamp >= MAX_DATE:
        raise LedgerError("its date is out of range")
    return timestamp


def read_block(
    header: bytes, transactions: Sequence[Transaction], receipts: Sequence[bytes], identity: bytes | None = None
) -> Block:
    """A block whose header commits to these transactions and receipts.

    Args:
        header: RLP of it.
        transactions: all, in order.
        receipts: one for each.
        identity: the block's hash, where it is another than Keccak-256 of the header.

    Raises:
        LedgerError: it does not, or something is malformed.
    """
    timestamp = read_timestamp(header)
    try:
        fields = decode(header, 1)
        roots = bytes(fields[_TRANSACTIONS]), bytes(fields[_RECEIPTS])
        number, parent = int.from_bytes(fields[_NUMBER]), bytes(fields[_PARENT])
    except (TypeError, IndexError) as error:
        raise LedgerError(f"not a header: {error}") from error
    raw = [transaction.raw for transaction in transactions]
    for what, items, root in (("transactions", raw, roots[0]), ("receipts", receipts, roots[1])):
        if trie_root(items) != root:
            raise LedgerError(f"its header commits to other {what}")
    if len(raw) != len(receipts):
        raise LedgerError(f"it holds {len(raw)} transactions and {len(receipts)} receipts")
    results = tuple(map(read_receipt, receipts))
    digest = keccak(header) if identity is None else identity
    return Block(header, number, timestamp, digest, parent, tuple(transactions), results)


def follow(before: Block, block: Block) -> None:
    """Raises LedgerError unless `block` is the one after `before`."""
    if block.number != before.number + 1 or block.parent != before.hash or block.timestamp < before.timestamp:
        raise LedgerError("its header does not follow that of the block before")


def trie_root(items: Sequence[bytes]) -> bytes:
    """Root of the Merkle-Patricia trie of a list (yellow paper, appendix D): keys are the RLP of the places."""
    trie = HexaryTrie({}, BLANK_ROOT_HASH)
    with trie.squash_changes() as changes:
        for place, item in enumerate(items):
            changes[rlp.encode(place)] = item
    return bytes(trie.root_hash)


def deployment_of(creations: Sequence[Creation]) -> Deployment:
    """Where the contracts of these creations lie."""
    return Deployment({creation.name: creation.address for creation in creations})


def _log(log: Sequence[Any]) -> Log:
    address, topics, data = log
    return Log(to_checksum_address(address), tuple(map(bytes, topics)), bytes(data))
