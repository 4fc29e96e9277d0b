"""From a journal's rows to the chain: from a snapshot, by running every transaction again, or as far as it is whole."""

from collections import deque
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from rlp.exceptions import RLPException  # type: ignore[import-untyped]

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chain import ANCESTORS, EmbeddedChain
from mithridate.ledger.journal_reader import JournalReader
from mithridate.ledger.network import Reverted
from mithridate.ledger.rows import BlockRow, unpack_transactions
from mithridate.ledger.state_nodes import missing_nodes

Replay = Literal["snapshot", "all"]
"""Run again what follows the last snapshot, or everything from the first block on."""


@dataclass(frozen=True)
class Replayed:
    """A chain from its journal.

    Attributes:
        chain: as it was when the last block was sealed.
        snapshot: block of the journal's last snapshot, 0 without one.
        nodes: hashes of the nodes in the journal's snapshots.
        since: transactions after the last snapshot.
    """

    chain: EmbeddedChain
    snapshot: int
    nodes: set[bytes]
    since: int


def replay(reader: JournalReader, how: Replay) -> Replayed:
    """The chain that a whole journal records.

    Either way every row, its digest, the chain of headers and every node of the snapshots are checked. With "snapshot",
    only the transactions after the last snapshot run again: that those before lead to its state is then the word of the
    header that was sealed with them.

    Raises:
        JournalAltered: a row is not as it was written; the message names it.
        LedgerError: an earlier version wrote the journal.
    """
    reader.check_tables()
    reader.check_pages()
    nodes, snapshots, head = reader.nodes(), reader.snapshots(), reader.head()
    last = snapshots[-1].block if snapshots else 0
    run, since = _Run(reader, last if how == "snapshot" else 0, nodes), 0
    for row in run.rows():
        count = run.take(row)
        since += count if row.number > last else 0
        if how == "all" and row.number == last and not run.chain.state_nodes(()).keys() <= nodes.keys():
            raise JournalAltered(f"the snapshot after block {last}: it lacks nodes of the state that the replay gives")
    if run.reached < last:
        raise JournalAltered(f"block {run.reached + 1} is missing: the snapshot after block {last} is still there")
    if (head.block, head.digest) != (run.reached, run.digest):
        raise JournalAltered(f"head: the journal ends with block {run.reached}, its last row says otherwise")
    if head.snapshot != last:
        raise JournalAltered("head: the last snapshot is not the one that this row names")
    return Replayed(run.chain, last, set(nodes), since)


def salvage(reader: JournalReader) -> tuple[EmbeddedChain, JournalAltered | None]:
    """The chain up to the last block that is whole, and what ended it or is altered elsewhere, None if nothing is.

    Raises:
        JournalAltered: not even the first block can be read.
        LedgerError: an earlier version wrote the journal.
    """
    try:
        return replay(reader, "snapshot").chain, None
    except JournalAltered as error:
        altered = error
    whole, end = _whole_blocks(reader)
    altered = end or altered
    for start, nodes in _snapshots_within(reader, whole):
        chain, failed = _up_to(_Run(reader, start, nodes), whole)
        if chain.height == whole:
            return chain, altered
    return chain, failed or altered


class _Run:
    """The chain as it grows with the rows of its journal.

    Args:
        start: the block whose state is taken from `nodes`, 0 to run everything.
    """

    def __init__(self, reader: JournalReader, start: int, nodes: Mapping[bytes, bytes]) -> None:
        self._reader, self._start, self._nodes = reader, start, nodes
        self._timestamp, salt, self.digest = reader.genesis()
        self.chain = EmbeddedChain.genesis(self._timestamp, salt)
        self.reached = 0
        self._headers: deque[bytes] = deque(maxlen=ANCESTORS)

    def rows(self) -> Iterator[BlockRow]:
        """All blocks of the journal."""
        return self._reader.blocks(self.chain.head_hash, self._timestamp, self.digest)

    def take(self, row: BlockRow) -> int:
        """Goes on with the next block; returns how many transactions it ran."""
        count = 0
        if row.number > self._start:
            count = _run_block(self.chain, row)
        else:
            self._headers.append(row.encoded)
        if row.number == self._start:
            self.chain = EmbeddedChain.resumed(list(self._headers), _state(row, self._nodes))
        self.reached, self.digest = row.number, row.digest
        return count


def _state(row: BlockRow, nodes: Mapping[bytes, bytes]) -> dict[bytes, bytes]:
    """The nodes of the state after a block, followed from the root that its header names."""
    try:
        return missing_nodes(row.header.state_root, nodes.__getitem__, ())
    except (KeyError, IndexError, TypeError, RLPException) as error:
        raise JournalAltered(f"the snapshot after block {row.number}: it lacks nodes of that block's state") from error


def _whole_blocks(reader: JournalReader) -> tuple[int, JournalAltered | None]:
    """How many blocks are as they were written, and what ends them."""
    run, whole = _Run(reader, 0, {}), 0
    try:
        for row in run.rows():
            whole = row.number
    except JournalAltered as error:
        if not whole:
            raise
        return whole, error
    if not whole:
        raise JournalAltered("block 1 is missing: the journal holds no contract")
    return whole, None


def _snapshots_within(reader: JournalReader, whole: int) -> Iterator[tuple[int, Mapping[bytes, bytes]]]:
    """Blocks and nodes of the whole snapshots among the first blocks, newest first; at last the beginning."""
    try:
        blocks = [snapshot.block for snapshot in reader.snapshots() if snapshot.block <= whole]
    except JournalAltered:
        blocks = []
    for block in reversed(blocks):
        try:
            yield block, reader.nodes(block)
        except JournalAltered:
            continue
    yield 0, {}


def _up_to(run: _Run, whole: int) -> tuple[EmbeddedChain, JournalAltered | None]:
    try:
        for row in run.rows():
            if row.number > whole:
                break
            run.take(row)
    except JournalAltered as error:
        return run.chain, error
    return run.chain, None


def _run_block(chain: EmbeddedChain, row: BlockRow) -> int:
    name = f"block {row.number}"
    try:
        signed = unpack_transactions(row.transactions)
    except JournalAltered as error:
        raise JournalAltered(f"{name}: {error}") from error
    chain.open_block(row.header.timestamp)
    try:
        for place, raw in enumerate(signed):
            _run_transaction(chain, f"{name}, transaction {place}", raw)
    except JournalAltered:
        chain.drop_block()
        raise
    sealed = chain.seal()
    if sealed is None:
        raise JournalAltered(f"{name}: its transactions are missing")
    if sealed.hash != row.header.hash:
        ours, theirs = sealed.hash.hex()[:16], row.header.hash.hex()[:16]
        raise JournalAltered(f"{name}: its hash is {theirs}, the replay's {ours}")
    return len(signed)


def _run_transaction(chain: EmbeddedChain, name: str, raw: bytes) -> None:
    try:
        chain.apply(raw)
    except (Reverted, LedgerError) as error:
        raise JournalAltered(f"{name}: its replay fails ({error})") from error
