"""The journal's rows as values, and the running digests that bind each row to all rows before it."""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256
from typing import cast

import rlp  # type: ignore[import-untyped]
from eth_utils.crypto import keccak
from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from mithridate.errors import JournalAltered

SALT_BYTES = 32
MAX_INTEGER = 2**63
"""SQLite's integers and the journal's dates lie below."""
NO_DIGEST = bytes(32)
_GENESIS_DOMAIN = b"mithridate/journal/genesis/2"
_BLOCK_DOMAIN = b"mithridate/journal/block/2"
_SNAPSHOT_DOMAIN = b"mithridate/journal/snapshot/2"
# Positions in an Ethereum header (yellow paper, section 4.3).
_PARENT, _STATE_ROOT, _NUMBER, _TIMESTAMP = 0, 3, 8, 11


@dataclass(frozen=True)
class Header:
    """What the journal needs of a block's header, read from its RLP.

    Attributes:
        hash: Keccak-256 of the RLP, which is the block's hash.
        parent: hash of the block before.
        state_root: of the state after the block.
        number: the block's.
        timestamp: seconds since 1970.
    """

    hash: bytes
    parent: bytes
    state_root: bytes
    number: int
    timestamp: int


@dataclass(frozen=True)
class BlockRow:
    """A sealed block as the journal holds it.

    Attributes:
        number: from 1.
        encoded: the header's RLP.
        transactions: RLP list of the signed transactions.
        digest: running digest of this row and of all before it.
        header: what `encoded` says.
    """

    number: int
    encoded: bytes
    transactions: bytes
    digest: bytes
    header: Header


@dataclass(frozen=True)
class SnapshotRow:
    """The end of one snapshot in the table of nodes.

    Attributes:
        block: whose state it holds.
        nodes: how many nodes this snapshot and all before it have together; it needs them all.
        digest: running digest of this snapshot's hashes and of the snapshots before.
    """

    block: int
    nodes: int
    digest: bytes


@dataclass(frozen=True)
class HeadRow:
    """Where the journal ends: the last block, the last snapshot's block (0 without one), the last block's digest."""

    block: int
    snapshot: int
    digest: bytes


def genesis_digest(timestamp: int, salt: bytes) -> bytes:
    """The running digest before the first block."""
    return sha256(_GENESIS_DOMAIN + timestamp.to_bytes(8) + salt).digest()


def block_digest(before: bytes, number: int, header: bytes, transactions: bytes) -> bytes:
    """The running digest after a block whose predecessor's is `before`."""
    prefix = _BLOCK_DOMAIN + before + number.to_bytes(8) + len(header).to_bytes(8)
    return sha256(prefix + header + transactions).digest()


def snapshot_digest(before: bytes, block: int, hashes: Iterable[bytes]) -> bytes:
    """The running digest after a snapshot of `block` that adds the nodes of these hashes, in their order."""
    return sha256(_SNAPSHOT_DOMAIN + before + block.to_bytes(8) + b"".join(hashes)).digest()


def read_header(encoded: bytes) -> Header | None:
    """A header from its RLP, None if it is none."""
    try:
        fields = rlp.decode(encoded)
        number, timestamp = (int.from_bytes(fields[place]) for place in (_NUMBER, _TIMESTAMP))
        return Header(keccak(encoded), bytes(fields[_PARENT]), bytes(fields[_STATE_ROOT]), number, timestamp)
    except (RLPException, IndexError, TypeError):
        return None


def pack_transactions(signed: Iterable[bytes]) -> bytes:
    """Signed transactions as one RLP list."""
    return bytes(rlp.encode(list(signed)))


def unpack_transactions(packed: bytes) -> list[bytes]:
    """The signed transactions of a block's row.

    Raises:
        JournalAltered: it is no list of byte strings.
    """
    try:
        signed = rlp.decode(packed)
    except RLPException as error:
        raise JournalAltered(f"not a list of transactions: {error}") from error
    if not isinstance(signed, list) or not all(isinstance(one, bytes) for one in signed):
        raise JournalAltered("not a list of transactions")
    return cast(list[bytes], signed)
