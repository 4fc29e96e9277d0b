"""The embedded chain's journal: every sealed block and its signed transactions, in one SQLite file.

A block is one SQLite transaction, so a killed process leaves either all of it or none. What the file says is never
trusted: `Journal.replay` runs every transaction again and compares.
"""

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from eth_utils.crypto import keccak

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chain import EmbeddedChain, SealedBlock
from mithridate.ledger.network import Reverted

_TABLES = (
    "CREATE TABLE genesis (id INTEGER PRIMARY KEY CHECK (id = 0), timestamp INTEGER NOT NULL, salt BLOB NOT NULL)"
    " STRICT",
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, hash BLOB NOT NULL) STRICT",
    "CREATE TABLE transactions (block INTEGER NOT NULL, position INTEGER NOT NULL, hash BLOB NOT NULL,"
    " raw BLOB NOT NULL, PRIMARY KEY (block, position)) STRICT",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), number INTEGER NOT NULL, hash BLOB NOT NULL) STRICT",
)


class Journal:
    """The file behind one embedded ledger.

    Args:
        database: an open connection to it.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._lock = threading.Lock()

    @classmethod
    @contextmanager
    def draft(cls, path: Path, timestamp: int, salt: bytes) -> Iterator["Journal"]:
        """A new journal of a chain that starts at `timestamp` with `salt`: in place at `path` once the context ends.

        The file is there with all that was written inside, or not at all.

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
            with journal._transaction() as database:
                for statement in _TABLES:
                    database.execute(statement)
                database.execute("INSERT INTO genesis VALUES (0, ?, ?)", (timestamp, salt))
            try:
                yield journal
            except BaseException:
                journal.close()
                draft.unlink(missing_ok=True)
                raise
            journal.close()
            draft.replace(path)
        except (sqlite3.Error, OSError) as error:
            raise LedgerError(f"the ledger's journal {path} cannot be written: {error}") from error

    @classmethod
    def open(cls, path: Path) -> "Journal":
        """The journal in a file.

        Raises:
            JournalAltered: the file is no database.
            LedgerError: there is no such file, or it cannot be opened.
        """
        if not path.is_file():
            raise LedgerError(f"{path} does not exist: this is no folder of a secure run")
        return cls(_connect(path))

    def append(self, block: SealedBlock) -> None:
        """Writes a block down; it is on the disk when this returns."""
        try:
            with self._transaction() as database:
                database.execute("INSERT INTO blocks VALUES (?, ?, ?)", (block.number, block.timestamp, block.hash))
                database.executemany(
                    "INSERT INTO transactions VALUES (?, ?, ?, ?)",
                    [(block.number, place, digest, raw) for place, (raw, digest) in enumerate(block.transactions)],
                )
                database.execute("INSERT OR REPLACE INTO head VALUES (0, ?, ?)", (block.number, block.hash))
        except sqlite3.Error as error:
            raise LedgerError(f"the ledger's journal cannot be written, block {block.number}: {error}") from error

    def replay(self) -> EmbeddedChain:
        """The chain that the journal records, every transaction run again.

        Raises:
            JournalAltered: a row differs from what its replay gives; the message names the first.
        """
        try:
            self._check_database()
            chain = self._genesis()
            for number, timestamp, digest in self._database.execute("SELECT * FROM blocks ORDER BY number"):
                self._replay_block(chain, number, timestamp, digest)
            self._check_end(chain)
        except (sqlite3.Error, OverflowError) as error:
            raise JournalAltered(f"the journal cannot be read as a database: {error}") from error
        return chain

    def first_transaction(self) -> bytes | None:
        """The signed transaction that deployed the contract, None in a journal without blocks."""
        row = self._database.execute("SELECT raw FROM transactions ORDER BY block, position LIMIT 1").fetchone()
        return None if row is None else bytes(row[0])

    def close(self) -> None:
        """Closes the file."""
        self._database.close()

    def _check_database(self) -> None:
        # The tables as they were made, checked row by row, leave no column whose type could surprise the replay.
        tables = self._database.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid").fetchall()
        if [sql for (sql,) in tables] != list(_TABLES):
            raise JournalAltered("the journal's tables are missing or altered")
        (state,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if state != "ok":
            raise JournalAltered(f"the journal's database is damaged: {state}")

    def _genesis(self) -> EmbeddedChain:
        rows = self._database.execute("SELECT timestamp, salt FROM genesis").fetchall()
        if len(rows) != 1 or not 0 <= rows[0][0] < 2**63 or len(rows[0][1]) != 32:
            raise JournalAltered("genesis: the row that the chain starts from is missing or altered")
        return EmbeddedChain(*rows[0])

    def _replay_block(self, chain: EmbeddedChain, number: int, timestamp: int, digest: bytes) -> None:
        if number != chain.height + 1:
            raise JournalAltered(f"block {chain.height + 1} is missing: the journal goes on with block {number}")
        if not chain.timestamp <= timestamp < 2**63:
            raise JournalAltered(f"block {number}: its timestamp {timestamp} is altered")
        chain.open_block(timestamp)
        rows = self._database.execute(
            "SELECT position, hash, raw FROM transactions WHERE block = ? ORDER BY position", (number,)
        )
        for expected, (position, transaction, raw) in enumerate(rows):
            if position != expected:
                raise JournalAltered(f"block {number}: transaction {expected} is missing")
            _replay_transaction(chain, f"block {number}, transaction {position}", raw, transaction)
        sealed = chain.seal()
        if sealed is None:
            raise JournalAltered(f"block {number}: its transactions are missing")
        if sealed.hash != digest:
            raise JournalAltered(
                f"block {number}: its hash is {digest.hex()[:16]}, the replay's {sealed.hash.hex()[:16]}"
            )

    def _check_end(self, chain: EmbeddedChain) -> None:
        (orphaned,) = self._database.execute(
            "SELECT min(block) FROM transactions WHERE block NOT IN (SELECT number FROM blocks)"
        ).fetchone()
        if orphaned is not None:
            raise JournalAltered(f"block {orphaned} is missing: its transactions are still there")
        head = self._database.execute("SELECT number, hash FROM head").fetchall()
        if chain.height and head != [(chain.height, chain.head_hash)]:
            raise JournalAltered(f"head: the journal ends with block {chain.height}, its last row says otherwise")
        if not chain.height and head:
            raise JournalAltered("head: the journal's blocks were deleted")

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


def _connect(path: Path) -> sqlite3.Connection:
    try:
        database = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    except sqlite3.OperationalError as error:
        raise LedgerError(f"the ledger's journal {path} cannot be opened: {error}") from error
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
    except sqlite3.OperationalError as error:
        database.close()
        raise LedgerError(f"the ledger's journal {path} cannot be opened: {error}") from error
    except sqlite3.DatabaseError as error:
        database.close()
        raise JournalAltered(f"{path} is no ledger's journal, or its first bytes are altered: {error}") from error
    return database


def _replay_transaction(chain: EmbeddedChain, row: str, raw: bytes, digest: bytes) -> None:
    # A signed transaction has more than one valid form of signature; its hash has one preimage.
    if keccak(raw) != digest:
        raise JournalAltered(f"{row}: its bytes do not have the recorded hash")
    try:
        chain.apply(raw)
    except (Reverted, LedgerError) as error:
        raise JournalAltered(f"{row}: its replay fails ({error})") from error
