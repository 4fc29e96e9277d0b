"""The embedded chain's journal, one SQLite file: every sealed block, and snapshots of the state after some of them.

A block is one row and one SQLite transaction, so a killed process leaves either all of it or none. What the file says
is never trusted: each row is checked as it is read (`journal_reader.py`), and run again (`replay.py`).
"""

import sqlite3
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chain import SealedBlock
from mithridate.ledger.journal_reader import TABLES, UNREADABLE, JournalReader
from mithridate.ledger.rows import NO_DIGEST, block_digest, genesis_digest, pack_transactions, snapshot_digest


class Journal:
    """The file behind one embedded ledger.

    Args:
        database: an open connection to it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._lock = threading.Lock()
        self._attach(database)

    @classmethod
    @contextmanager
    def draft(cls, path: Path, timestamp: int, salt: bytes) -> Iterator["Journal"]:
        """A new journal of a chain that starts at `timestamp` with `salt`: in place at `path` once the context ends.

        The file is there with all that was written inside, or not at all; the journal goes on with it.

        Raises:
            LedgerError: there is a file already, or it cannot be written.
        """
        if path.exists():
            raise LedgerError(f"{path} exists already: open it, or choose another folder for the run")
        draft = path.with_name(f"{path.name}.draft")
        try:
            for leftover in (draft, Path(f"{draft}-wal"), Path(f"{draft}-shm")):
                leftover.unlink(missing_ok=True)
            journal = cls(_connect(draft))
            journal._begin(timestamp, salt)
            try:
                yield journal
            except BaseException:
                journal.close()
                draft.unlink(missing_ok=True)
                raise
            journal.close()
            draft.replace(path)
            journal._attach(_connect(path))
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the ledger's journal {path} cannot be written: {error}") from error

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """The journal in a file.

        Raises:
            JournalAltered: the file is no database.
            LedgerError: there is no such file, or it cannot be opened.
        """
        _require_file(path)
        return cls(_connect(path))

    @classmethod
    def open_damaged(cls, path: Path) -> "Journal":
        """The journal in a file, for reading only: nothing in the file is changed, not even by SQLite itself.

        Raises:
            LedgerError: there is no such file, or it cannot be opened.
        """
        _require_file(path)
        log = Path(f"{path}-wal")
        # Without a write-ahead log, SQLite need not make the files that it shares one with.
        mode = "mode=ro" if log.exists() and log.stat().st_size else "immutable=1"
        address = f"{path.resolve().as_uri()}?{mode}"
        try:
            database = sqlite3.connect(address, uri=True, isolation_level=None, check_same_thread=False)
            # Lets SQLite read a file that ends before its last page; nothing is written through this connection.
            database.execute("PRAGMA writable_schema = ON")
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger's journal {path} cannot be opened: {error}") from error
        return cls(database)

    def append(self, block: SealedBlock) -> None:
        """Writes a block down; it is on the disk when this returns."""
        transactions = pack_transactions(block.transactions)
        try:
            with self._transaction() as database:
                before = self.reader.head()
                digest = block_digest(before.digest, block.number, block.header, transactions)
                row = (block.number, block.header, transactions, digest)
                database.execute("INSERT INTO blocks VALUES (?, ?, ?, ?)", row)
                database.execute("UPDATE head SET block = ?, digest = ?", (block.number, digest))
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger's journal cannot be written, block {block.number}: {error}") from error

    def add_snapshot(self, after: int, nodes: Mapping[bytes, bytes]) -> None:
        """Writes down the state after the last block: the nodes that the snapshots before lack, hash to bytes.

        Args:
            after: block of the last snapshot that these nodes complete, 0 if there is none.
            nodes: hash to node.

        Raises:
            LedgerError: the journal cannot be written, or another process added a snapshot since.
        """
        try:
            with self._transaction() as database:
                head, snapshots = self.reader.head(), self.reader.snapshots()
                if head.snapshot != after:
                    raise LedgerError(f"a snapshot after block {head.snapshot} was added by another process")
                count, before = (snapshots[-1].nodes, snapshots[-1].digest) if snapshots else (0, NO_DIGEST)
                rows = [(count + place, *item) for place, item in enumerate(nodes.items(), 1)]
                database.executemany("INSERT INTO nodes VALUES (?, ?, ?)", rows)
                digest = snapshot_digest(before, head.block, nodes)
                row = (head.block, count + len(nodes), digest)
                database.execute("INSERT INTO snapshots VALUES (?, ?, ?)", row)
                database.execute("UPDATE head SET snapshot = ?", (head.block,))
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger's journal cannot be written, snapshot: {error}") from error

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _attach(self, database: sqlite3.Connection) -> None:
        self._database = database
        self.reader = JournalReader(database)

    def _begin(self, timestamp: int, salt: bytes) -> None:
        digest = genesis_digest(timestamp, salt)
        with self._transaction() as database:
            for statement in TABLES:
                database.execute(statement)
            database.execute("INSERT INTO genesis VALUES (0, ?, ?, ?)", (timestamp, salt, digest))
            database.execute("INSERT INTO head VALUES (0, 0, 0, ?)", (digest,))

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")


def _require_file(path: Path) -> None:
    if not path.is_file():
        raise LedgerError(f"{path} does not exist: this is no folder of a secure run")


def _connect(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise LedgerError(f"the ledger's journal {path} cannot be opened: {error}") from error
    try:
        (mode,) = database.execute("PRAGMA journal_mode=WAL").fetchone()
        database.execute("PRAGMA synchronous=FULL")
    except sqlite3.OperationalError as error:
        database.close()
        raise LedgerError(f"the ledger's journal {path} cannot be opened: {error}") from error
    except UNREADABLE as error:
        database.close()
        raise JournalAltered(f"{path} is no ledger's journal, or its first bytes are altered: {error}") from error
    if mode != "wal":
        database.close()
        raise LedgerError(f"the ledger's journal {path} cannot be opened for writing: its first bytes are altered")
    return database
