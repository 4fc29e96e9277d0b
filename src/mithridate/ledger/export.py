"""One file with a chain's whole past, which an auditor verifies with no node: headers, signed transactions, receipts.

The file is a line that names the format, the deflated content, and the SHA-256 of all before it. The content is RLP,
which has one encoding only for each value. Nothing in it is believed: see `ExportChronicle`.
"""

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, TypeGuard

import rlp  # type: ignore[import-untyped]

from mithridate.errors import InputError, JournalAltered, LedgerError, SealRefused
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chain import CHAIN_ID
from mithridate.ledger.chronicle import Block, Chronicle, read_transaction
from mithridate.ledger.chronicle_embedded import ChainAtRest, ReplayedChain
from mithridate.ledger.network import Network
from mithridate.ledger.seals.chain import SealedChain

MAGIC = b"mithridate ledger export 1\n"
MAX_FILE_BYTES = 1 << 30
MAX_CONTENT_BYTES = 1 << 32
DIGEST_BYTES = 32
LEVEL = 9
EMBEDDED, NETWORK = b"embedded", b"network"
PARTS, BLOCK_PARTS, START_PARTS = 6, 3, 2
DEPTH = 4
"""Lists within lists: content, blocks, a block, its transactions."""


class Origin(Protocol):
    """What an export begins with: an embedded chain's date and salt."""

    def genesis(self) -> tuple[int, bytes]:
        """Date and salt."""
        ...


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        blocks: how many.
        transactions: in all of them.
        head: hash of the last block: tell it, or the file's, to the auditor by another way.
        sha256: of the file, in hexadecimal.
        size: of the file, in bytes.
    """

    blocks: int
    transactions: int
    head: str
    sha256: str
    size: int


def export(chronicle: Chronicle, out: Path, study: bytes = b"") -> Exported:
    """Writes a chain's past to one file; equal chains give equal bytes (under IBFT nodes keep different seals).

    Args:
        chronicle: the past; every block is checked as it is read.
        out: the file; it must not exist.
        study: the bytes of study.json, whose hash the ledger names; empty leaves it out.

    Raises:
        InputError: the file exists or cannot be written.
        LedgerError: a block is altered, or the network's consensus is none whose seals anybody could check without a
            node: nothing is written.
    """
    blocks = list(chronicle.blocks())
    kind, start = _start(chronicle)
    content = [
        kind,
        chronicle.chain_id,
        start,
        study,
        [[block.header, [t.raw for t in block.transactions], [r.encoded for r in block.receipts]] for block in blocks],
        [],
    ]
    body = MAGIC + zlib.compress(rlp.encode(content), LEVEL)
    data = body + hashlib.sha256(body).digest()
    try:
        with out.open("xb") as file:
            file.write(data)
    except FileExistsError as error:
        raise InputError(f"{out} exists: give another file with --out") from error
    except OSError as error:
        raise InputError(f"{out} cannot be written ({error.strerror})") from error
    head = blocks[-1].hash.hex() if blocks else ""
    count = sum(len(block.transactions) for block in blocks)
    return Exported(len(blocks), count, head, hashlib.sha256(data).hexdigest(), len(data))


def is_export(path: Path) -> bool:
    """Whether a file begins as an export does."""
    try:
        with path.open("rb") as file:
            return file.read(len(MAGIC)) == MAGIC
    except OSError:
        return False


class ExportChronicle:
    """See `Chronicle`; needs no node and no network.

    Of an embedded chain every transaction runs again, and headers and receipts must be those that this gives. Of a
    network's chain, each header commits to the one before and to its transactions and receipts, and is sealed by the
    sealers of the genesis block: the hash of that block, told by another way, vouches for them.

    Args:
        path: the file.

    Raises:
        LedgerError: it is no export, too large, or not byte for byte what was written; or its genesis block names no
            sealers.
    """

    witnesses = 1

    def __init__(self, path: Path) -> None:
        self._name = path.name
        kind, chain_id, self._start, self.study, self._blocks, _proofs = _content(path)
        self.own = kind == EMBEDDED
        self.chain_id = int.from_bytes(chain_id)
        if self.own and self.chain_id != CHAIN_ID:
            raise LedgerError(f"{path.name}: an embedded chain has the number {CHAIN_ID}, this one {self.chain_id}")
        self._replayed = ReplayedChain(self) if self.own else None
        self.sealed = None if self.own else _sealed(path.name, self._start[1])

    @property
    def source(self) -> str:
        """See `Chronicle.source`."""
        return f"the export {self._name}"

    def genesis(self) -> tuple[int, bytes]:
        """See `Rows.genesis`."""
        timestamp, salt = self._start
        return int.from_bytes(timestamp), bytes(salt)

    def rows(self, genesis_hash: bytes) -> Iterator[tuple[bytes, Sequence[bytes], Sequence[bytes]]]:
        """See `Rows.rows`."""
        yield from self._blocks

    def blocks(self) -> Iterator[Block]:
        """See `Chronicle.blocks`."""
        return self._replayed.blocks() if self._replayed else self._linked(_sealed(self._name, self._start[1]))

    def state(self) -> Network | None:
        """See `Chronicle.state`."""
        return None if self._replayed is None else ChainAtRest(self._replayed.chain)

    def close(self) -> None:
        """See `Chronicle.close`."""

    def _linked(self, chain: SealedChain) -> Iterator[Block]:
        self.sealed = chain
        for place, (header, raw, receipts) in enumerate(self._blocks, 1):
            try:
                block = chain.add(header, [read_transaction(one) for one in raw], receipts)
            except LedgerError as error:
                kind = SealRefused if isinstance(error, SealRefused) else JournalAltered
                raise kind(f"block {place} of the export: {error}") from error
            yield block


def _start(chronicle: Chronicle) -> tuple[bytes, list[Any]]:
    if chronicle.own:
        origin: Origin = chronicle  # type: ignore[assignment]
        return EMBEDDED, list(origin.genesis())
    if chronicle.sealed is None or chronicle.sealed.consensus is None:
        raise LedgerError(
            "this network's consensus is not known here: nobody could check offline who sealed its blocks"
        )
    return NETWORK, [0, chronicle.sealed.genesis]


def _sealed(name: str, genesis: bytes) -> SealedChain:
    try:
        chain = SealedChain(genesis)
    except LedgerError as error:
        raise LedgerError(f"{name}: its genesis block is none: {error}") from error
    if chain.consensus is None:
        raise LedgerError(f"{name}: its genesis block names no sealers, so that nobody can tell who sealed the others")
    return chain


def _content(path: Path) -> list[Any]:
    content = _decoded(path.name, _read(path))
    if not _is_content(content):
        raise LedgerError(f"{path.name} holds something else than a ledger's export")
    return content


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror})") from error
    if len(data) > MAX_FILE_BYTES:
        raise LedgerError(f"{path.name} has more than {MAX_FILE_BYTES} bytes: no export is so large")
    if not data.startswith(MAGIC) or len(data) < len(MAGIC) + DIGEST_BYTES:
        raise LedgerError(f"{path.name} is no ledger's export, or its first bytes are altered")
    if hashlib.sha256(data[:-DIGEST_BYTES]).digest() != data[-DIGEST_BYTES:]:
        raise LedgerError(f"{path.name} was altered: its bytes do not have the digest at its end")
    return data[len(MAGIC) : -DIGEST_BYTES]


def _decoded(name: str, packed: bytes) -> Any:
    inflate = zlib.decompressobj()
    try:
        data = inflate.decompress(packed, MAX_CONTENT_BYTES)
        if not inflate.eof or inflate.unused_data or inflate.unconsumed_tail:
            raise LedgerError(f"{name} holds more than {MAX_CONTENT_BYTES} bytes, or is cut short")
        return decode(data, DEPTH)
    except zlib.error as error:
        raise LedgerError(f"{name} cannot be unpacked: {error}") from error


def _is_content(content: Any) -> TypeGuard[list[Any]]:
    if not isinstance(content, list) or len(content) != PARTS:
        return False
    kind, chain_id, start, study, blocks, proofs = content
    flat = all(isinstance(part, bytes) for part in (kind, chain_id, study)) and _is_strings(start)
    return (
        flat
        and kind in (EMBEDDED, NETWORK)
        and len(start) == START_PARTS
        and len(start[0]) < 8
        and proofs == []
        and isinstance(blocks, list)
        and all(_is_block(block) for block in blocks)
    )


def _is_block(block: Any) -> bool:
    if not isinstance(block, list) or len(block) != BLOCK_PARTS:
        return False
    header, raw, receipts = block
    return isinstance(header, bytes) and _is_strings(raw) and _is_strings(receipts)


def _is_strings(items: Any) -> bool:
    return isinstance(items, list) and all(isinstance(item, bytes) for item in items)
