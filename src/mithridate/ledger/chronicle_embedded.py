"""The past of an embedded chain, from its journal: read only, every transaction run again on the EVM."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from eth_utils.address import to_canonical_address

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chain import CHAIN_ID, NO_ADDRESS, EmbeddedChain
from mithridate.ledger.chronicle import Block, read_block, read_timestamp, read_transaction
from mithridate.ledger.journal import Journal
from mithridate.ledger.network import Network, Reverted
from mithridate.ledger.read_only import ReadOnly
from mithridate.ledger.rows import BlockRow, unpack_transactions
from mithridate.ledger.write_ahead_log import check_log


class ChainAtRest(ReadOnly):
    """See `Network`: a chain that was run again, to ask and not to change.

    Args:
        chain: as far as it came.
    """

    def __init__(self, chain: EmbeddedChain) -> None:
        self._chain = chain

    def call(self, to: str, data: bytes) -> bytes:
        """See `Network.call`."""
        return self._chain.call(NO_ADDRESS, to_canonical_address(to), data, self.now())

    def code(self, address: str) -> bytes:
        """See `Network.code`."""
        return self._chain.code(to_canonical_address(address))

    def now(self) -> int:
        """The last block's date."""
        return self._chain.timestamp

    def height(self) -> int:
        """See `Network.height`."""
        return self._chain.height


class Rows(Protocol):
    """Where the chain's parts come from; each raises LedgerError where one is altered."""

    def genesis(self) -> tuple[int, bytes]:
        """Date and salt that the chain starts from."""
        ...

    def rows(self, genesis_hash: bytes) -> Iterator[tuple[bytes, Sequence[bytes], Sequence[bytes] | None]]:
        """Each block's header, signed transactions and, where they are kept, receipts."""
        ...


class ReplayedChain:
    """An embedded chain run again from its genesis, block by block.

    Args:
        source: gives the parts.
    """

    def __init__(self, source: Rows) -> None:
        self._source = source
        timestamp, salt = source.genesis()
        self.chain = EmbeddedChain.genesis(timestamp, salt)
        self._genesis = self.chain.head_hash

    def blocks(self) -> Iterator[Block]:
        """All blocks, each with what its replay gives."""
        for header, raw, recorded in self._source.rows(self._genesis):
            name = f"block {self.chain.height + 1}"
            try:
                yield self._run(header, raw, recorded)
            except JournalAltered:
                raise
            except (LedgerError, Reverted) as error:
                raise JournalAltered(f"{name}: {error or 'a contract refuses what it holds'}") from error

    def _run(self, header: bytes, raw: Sequence[bytes], recorded: Sequence[bytes] | None) -> Block:
        timestamp = read_timestamp(header)
        # Before the EVM sees them: they may come from anybody.
        transactions = [read_transaction(one) for one in raw]
        if timestamp < self.chain.timestamp:
            raise LedgerError("it is dated before the block that it follows")
        self.chain.open_block(timestamp)
        try:
            receipts = [self.chain.apply(one)[1].encode() for one in raw]
        except BaseException:
            self.chain.drop_block()
            raise
        # What was recorded is compared before the block counts.
        if recorded is not None and list(recorded) != receipts:
            self.chain.drop_block()
            raise LedgerError("its receipts are not those that its replay gives")
        sealed = self.chain.seal()
        if sealed is None:
            raise LedgerError("its transactions are missing")
        if sealed.header != header:
            raise LedgerError("its header is not the one that its replay gives")
        return read_block(header, transactions, receipts)


class JournalChronicle:
    """See `Chronicle`. The file is left as it is, and another process may be writing it.

    Args:
        path: of the journal.
        thorough: also check what lies beside the blocks: pages, snapshots, the write-ahead log.

    Raises:
        JournalAltered: not even its first row can be read.
        LedgerError: there is no such file, or an earlier version wrote it.
    """

    own = True
    chain_id = CHAIN_ID
    sealed = None
    witnesses = 1

    def __init__(self, path: Path, *, thorough: bool = True) -> None:
        self._path, self._thorough = path, thorough
        self._journal = Journal.open_damaged(path)
        try:
            self._journal.reader.check_tables()
            self._replayed = ReplayedChain(self)
        except LedgerError:
            self._journal.close()
            raise

    @property
    def source(self) -> str:
        """See `Chronicle.source`."""
        return f"the journal {self._path.name}"

    def genesis(self) -> tuple[int, bytes]:
        """See `Rows.genesis`."""
        return self._journal.reader.genesis()[:2]

    def rows(self, genesis_hash: bytes) -> Iterator[tuple[bytes, Sequence[bytes], None]]:
        """See `Rows.rows`: of blocks that were not told before."""
        reader = self._journal.reader
        with reader.one_moment():
            timestamp, _, digest = reader.genesis()
            last, head = 0, reader.head()
            if head.block == self._replayed.chain.height and not self._thorough:
                return
            for row in reader.blocks(genesis_hash, timestamp, digest):
                if row.number > self._replayed.chain.height:
                    yield row.encoded, _transactions(row), None
                last, digest = row.number, row.digest
            if (head.block, head.digest) != (last, digest):
                raise JournalAltered(f"head: the journal ends with block {last}, its last row says otherwise")
            if self._thorough:
                reader.nodes()
                reader.check_pages()
        if self._thorough:
            check_log(self._path)

    def refresh(self) -> None:
        """Looks at the file again: `blocks` goes on after those it told."""
        self._journal.close()
        self._journal = Journal.open_damaged(self._path)

    def blocks(self) -> Iterator[Block]:
        """See `Chronicle.blocks`."""
        return self._replayed.blocks()

    def state(self) -> Network:
        """See `Chronicle.state`."""
        return ChainAtRest(self._replayed.chain)

    def close(self) -> None:
        """See `Chronicle.close`."""
        self._journal.close()


def _transactions(row: BlockRow) -> list[bytes]:
    try:
        return unpack_transactions(row.transactions)
    except JournalAltered as error:
        raise JournalAltered(f"block {row.number}: {error}") from error
