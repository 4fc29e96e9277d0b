"""The sealed blocks with their receipts, beside the journal: what nodes tell of the past and the journal does not keep.

It holds nothing that the journal does not lead to, so a damaged or missing one is made again, by running all of the
journal's transactions; and what it tells is checked against each block's own header.
"""

import sqlite3
from collections import OrderedDict
from collections.abc import Iterable, Sequence
from pathlib import Path

from eth_utils.crypto import keccak

from mithridate.errors import LedgerError
from mithridate.ledger.bounded_rlp import decode
from mithridate.ledger.chronicle import Block, read_block, read_transaction
from mithridate.ledger.rows import pack_transactions

_TABLES = (
    "CREATE TABLE IF NOT EXISTS blocks (number INTEGER PRIMARY KEY, header BLOB NOT NULL, transactions BLOB NOT NULL,"
    " receipts BLOB NOT NULL) STRICT",
    "CREATE TABLE IF NOT EXISTS transactions (hash BLOB PRIMARY KEY, block INTEGER NOT NULL, place INTEGER NOT NULL)"
    " STRICT, WITHOUT ROWID",
)
KEPT_BLOCKS = 256
"""In memory: parties ask for what was sealed just now."""


class Archive:
    """Blocks from 1 on, in one SQLite file. For one thread at a time.

    Args:
        path: made where it is missing, and made anew where it is no such file.

    Raises:
        LedgerError: it cannot be written.
    """

    def __init__(self, path: Path) -> None:
        self._kept: OrderedDict[int, Block] = OrderedDict()
        try:
            self._database = _opened(path)
        except sqlite3.OperationalError as error:
            raise LedgerError(f"the ledger's archive {path} cannot be opened: {error}") from error
        except sqlite3.DatabaseError:
            for part in (path, Path(f"{path}-wal"), Path(f"{path}-shm")):
                part.unlink(missing_ok=True)
            self._database = _opened(path)

    def height(self) -> int:
        """Number of the last block, 0 without any."""
        (last,) = self._database.execute("SELECT coalesce(max(number), 0) FROM blocks").fetchone()
        return int(last)

    def hash(self, number: int) -> bytes | None:
        """A block's hash, None if it is not here."""
        if number in self._kept:
            return self._kept[number].hash
        row = self._database.execute("SELECT header FROM blocks WHERE number = ?", (number,)).fetchone()
        return None if row is None else keccak(row[0])

    def append(self, block: Block) -> None:
        """Adds the next block; the system writes it to the disk when it likes.

        Raises:
            LedgerError: it cannot be written.
        """
        raw = pack_transactions(transaction.raw for transaction in block.transactions)
        receipts = pack_transactions(receipt.encoded for receipt in block.receipts)
        places = [(transaction.hash, block.number, place) for place, transaction in enumerate(block.transactions)]
        try:
            with self._database:
                self._database.execute(
                    "INSERT INTO blocks VALUES (?, ?, ?, ?)", (block.number, block.header, raw, receipts)
                )
                self._database.executemany("INSERT INTO transactions VALUES (?, ?, ?)", places)
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger's archive cannot be written, block {block.number}: {error}") from error
        self._keep(block)

    def extend(self, blocks: Iterable[Block]) -> None:
        """Adds those of these blocks that it lacks."""
        last = self.height()
        for block in blocks:
            if block.number > last:
                self.append(block)

    def cut(self, number: int) -> None:
        """Drops the blocks after this one."""
        with self._database:
            self._database.execute("DELETE FROM blocks WHERE number > ?", (number,))
            self._database.execute("DELETE FROM transactions WHERE block > ?", (number,))
        self._kept.clear()

    def block(self, number: int) -> Block | None:
        """A block, None if it is not here.

        Raises:
            LedgerError: its row was altered.
        """
        if number not in self._kept:
            statement = "SELECT header, transactions, receipts FROM blocks WHERE number = ?"
            row = self._database.execute(statement, (number,)).fetchone()
            if row is None:
                return None
            self._keep(_checked(number, *row))
        return self._kept[number]

    def find(self, transaction: bytes) -> tuple[Block, int] | None:
        """The block that holds the transaction of a hash, and its place there; None if there is none.

        Raises:
            LedgerError: a row was altered.
        """
        statement = "SELECT block, place FROM transactions WHERE hash = ?"
        row = self._database.execute(statement, (transaction,)).fetchone()
        block = None if row is None else self.block(row[0])
        if block is None:
            return None
        if row[1] >= len(block.transactions) or block.transactions[row[1]].hash != transaction:
            raise LedgerError("the ledger's archive is altered: remove it, it is made again from the journal")
        return block, int(row[1])

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _keep(self, block: Block) -> None:
        self._kept[block.number] = block
        while len(self._kept) > KEPT_BLOCKS:
            self._kept.popitem(last=False)


def _opened(path: Path) -> sqlite3.Connection:
    database = sqlite3.connect(path, check_same_thread=False)
    try:
        database.execute("PRAGMA journal_mode=WAL")
        # A killed process loses nothing by it; what a power cut takes is made again from the journal.
        database.execute("PRAGMA synchronous=NORMAL")
        for statement in _TABLES:
            database.execute(statement)
        database.execute("SELECT number, header, transactions, receipts FROM blocks LIMIT 1").fetchone()
        database.execute("SELECT hash, block, place FROM transactions LIMIT 1").fetchone()
    except sqlite3.Error:
        database.close()
        raise
    return database


def _checked(number: int, header: bytes, raw: bytes, receipts: bytes) -> Block:
    try:
        block = read_block(header, [read_transaction(one) for one in _list(raw)], _list(receipts))
    except LedgerError as error:
        raise LedgerError(f"block {number} of the ledger's archive is altered: {error}") from error
    if block.number != number:
        raise LedgerError(f"block {number} of the ledger's archive is altered: it is another block")
    return block


def _list(packed: bytes) -> Sequence[bytes]:
    return [bytes(one) for one in decode(packed, 1)]
