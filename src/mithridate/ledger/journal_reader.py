"""Reads a journal's rows in order and checks each as it comes: its form, its running digest, its place in the chain."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from eth_utils.crypto import keccak

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.rows import (
    MAX_INTEGER,
    NO_DIGEST,
    SALT_BYTES,
    BlockRow,
    HeadRow,
    SnapshotRow,
    block_digest,
    genesis_digest,
    read_header,
    snapshot_digest,
    unpack_transactions,
)

TABLES = (
    "CREATE TABLE genesis (id INTEGER PRIMARY KEY CHECK (id = 0), timestamp INTEGER NOT NULL, salt BLOB NOT NULL,"
    " digest BLOB NOT NULL) STRICT",
    "CREATE TABLE blocks (number INTEGER PRIMARY KEY, header BLOB NOT NULL, transactions BLOB NOT NULL,"
    " digest BLOB NOT NULL) STRICT",
    "CREATE TABLE nodes (number INTEGER PRIMARY KEY, hash BLOB NOT NULL, node BLOB NOT NULL) STRICT",
    "CREATE TABLE snapshots (block INTEGER PRIMARY KEY, nodes INTEGER NOT NULL, digest BLOB NOT NULL) STRICT",
    "CREATE TABLE head (id INTEGER PRIMARY KEY CHECK (id = 0), block INTEGER NOT NULL, snapshot INTEGER NOT NULL,"
    " digest BLOB NOT NULL) STRICT",
)
"""No index and no text: each row has one place, and whatever is in it is covered by a digest."""
CHUNK = 256
UNREADABLE = (sqlite3.Error, OverflowError, UnicodeDecodeError, MemoryError)
"""Beside damaged pages: numbers and lengths that one makes too large, and text that is not UTF-8."""
_FIRST_VERSION = {"genesis", "blocks", "transactions", "head"}


class JournalReader:
    """The rows of a journal; every method raises JournalAltered where one is not as it was written.

    Args:
        database: an open connection to the file.
    """

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database

    @contextmanager
    def one_moment(self) -> Iterator[None]:
        """All that is read inside is of one moment, whatever another process writes meanwhile."""
        with _readable("its first page"):
            self._database.execute("BEGIN")
        try:
            yield
        finally:
            # SQLite may have ended it over a damaged page.
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")

    def check_tables(self) -> None:
        """Raises unless the tables are those that this version makes.

        Raises:
            LedgerError: an earlier version wrote the journal.
        """
        with _readable("its tables"):
            found = self._database.execute("SELECT name, sql FROM sqlite_master ORDER BY rowid").fetchall()
        if {name for name, _ in found if not str(name).startswith("sqlite_")} == _FIRST_VERSION:
            raise LedgerError(
                "this journal was written by an earlier version of Mithridate, in another form: read it with that"
                " version, or run the study again in another folder"
            )
        if [sql for _, sql in found] != list(TABLES):
            raise JournalAltered("the journal's tables are missing or altered")

    def check_pages(self) -> None:
        """Raises unless SQLite finds each page of the file in its place."""
        with _readable("its pages"):
            (state,) = self._database.execute("PRAGMA integrity_check(1)").fetchone()
        if state != "ok":
            raise JournalAltered(f"the journal's database is damaged: {state}")

    def genesis(self) -> tuple[int, bytes, bytes]:
        """Date and salt that the chain starts from, and their digest."""
        row = self._only("genesis", (int, int, bytes, bytes))
        if (
            row is None
            or not 0 <= row[0] < MAX_INTEGER
            or len(row[1]) != SALT_BYTES
            or row[2] != genesis_digest(*row[:2])
        ):
            raise JournalAltered("genesis: the row that the chain starts from is missing or altered")
        return row[0], row[1], row[2]

    def head(self) -> HeadRow:
        """The row that says where the journal ends."""
        row = self._only("head", (int, int, int, bytes))
        if row is None:
            raise JournalAltered("head: the row that says where the journal ends is missing or altered")
        return HeadRow(*row)

    def blocks(self, parent: bytes, timestamp: int, digest: bytes) -> Iterator[BlockRow]:
        """The blocks in order; the one that is altered or missing raises when its turn comes.

        Args:
            parent: hash of the genesis block.
            timestamp: its date.
            digest: running digest before the first block.
        """
        expected = 1
        rows = self._rows("blocks", "number, header, transactions, digest", (int, bytes, bytes, bytes), "block")
        for number, encoded, transactions, recorded in rows:
            if number != expected:
                raise JournalAltered(f"block {expected} is missing: the journal goes on with block {number}")
            digest = block_digest(digest, number, encoded, transactions)
            if digest != recorded:
                raise JournalAltered(f"block {number}: its row does not have the digest that was recorded with it")
            header = read_header(encoded)
            follows = header is not None and header.parent == parent and timestamp <= header.timestamp < MAX_INTEGER
            if header is None or not follows or header.number != number:
                raise JournalAltered(f"block {number}: its header does not follow that of the block before")
            yield BlockRow(number, encoded, transactions, digest, header)
            parent, timestamp, expected = header.hash, header.timestamp, number + 1

    def first_transaction(self) -> bytes | None:
        """The chain's first signed transaction, None in a journal without blocks."""
        for _, packed in self._rows("blocks", "number, transactions", (int, bytes), "block"):
            signed = unpack_transactions(packed)
            return signed[0] if signed else None
        return None

    def snapshots(self) -> list[SnapshotRow]:
        """The snapshots in order, unchecked but for their form; see `nodes`."""
        return [
            SnapshotRow(*row)
            for row in self._rows("snapshots", "block, nodes, digest", (int, int, bytes), "the snapshot after block")
        ]

    def nodes(self, until: int | None = None) -> dict[bytes, bytes]:
        """The nodes of the snapshot after block `until` and of those before it, each checked: hash to bytes.

        All nodes of the journal, and that no others are there, if `until` is None.
        """
        rows = self._rows("nodes", "number, hash, node", (int, bytes, bytes), "node")
        found: dict[bytes, bytes] = {}
        digest, last = NO_DIGEST, 0
        for row in self.snapshots():
            name = f"the snapshot after block {row.block}"
            if row.block < 0 or row.nodes < last:
                raise JournalAltered(f"{name}: its row is altered")
            added = [_node(name, number, next(rows, None)) for number in range(last + 1, row.nodes + 1)]
            digest, last = snapshot_digest(digest, row.block, (node[0] for node in added)), row.nodes
            if digest != row.digest:
                raise JournalAltered(f"{name}: its row, or the order of its nodes, is altered")
            found.update(added)
            if row.block == until:
                return found
        if next(rows, None) is not None:
            raise JournalAltered(f"node {last + 1}: the snapshot that it belongs to is missing")
        return found

    def _only(self, table: str, types: tuple[type, ...]) -> Any:
        """What a table of one row holds beside the row's number, None if that is not 0 or the row not alone."""
        with _readable(table):
            # The name is one of this file's own.
            rows = self._database.execute(f"SELECT * FROM {table}").fetchall()  # noqa: S608
        alone = len(rows) == 1 and len(rows[0]) == len(types) and _has(rows[0], types) and rows[0][0] == 0
        return rows[0][1:] if alone else None

    def _rows(self, table: str, columns: str, types: tuple[type, ...], name: str) -> Iterator[Any]:
        key = columns.split(",")[0]
        # The statement's parts are this file's own constants.
        statement = f"SELECT {columns} FROM {table} WHERE {key} > ? ORDER BY {key} LIMIT {CHUNK}"  # noqa: S608
        reached, more = 0, True
        while more:
            rows, error = self._chunk(statement, reached)
            for row in rows:
                if not _has(row, types):
                    raise JournalAltered(f"{name} {row[0]!r}: its columns have other types than were written")
                yield row
                reached = row[0]
            if error:
                raise JournalAltered(f"{name}: the file cannot be read after number {reached}: {error}") from error
            more = len(rows) == CHUNK
        strays, _ = self._chunk(f"SELECT {key} FROM {table} WHERE {key} <= ? LIMIT 1", 0)  # noqa: S608
        if strays:
            raise JournalAltered(f"{name} {strays[0][0]}: no such row was written")

    def _chunk(self, statement: str, after: int) -> tuple[list[Any], Exception | None]:
        # A statement that is left half-way would keep the file open; what lies before a damaged page is kept.
        rows: list[Any] = []
        try:
            for row in self._database.execute(statement, (after,)):
                rows.append(row)
        except UNREADABLE as error:
            return rows, error
        return rows, None


def _node(snapshot: str, number: int, row: tuple[int, bytes, bytes] | None) -> tuple[bytes, bytes]:
    if row is None or row[0] != number:
        raise JournalAltered(f"{snapshot}: node {number} is missing")
    if keccak(row[2]) != row[1]:
        raise JournalAltered(f"{snapshot}: node {number} does not have the hash that was recorded with it")
    return row[1], row[2]


def _has(row: tuple[object, ...], types: tuple[type, ...]) -> bool:
    return all(isinstance(value, kind) for value, kind in zip(row, types, strict=True))


@contextmanager
def _readable(what: str) -> Iterator[None]:
    try:
        yield
    except UNREADABLE as error:
        raise JournalAltered(f"the journal cannot be read as a database, {what}: {error}") from error
