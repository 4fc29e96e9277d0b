"""Each byte of a small study's journal altered, in its rows and in its file: found when opening, or of no effect.

The ordinary run takes a sample with a fixed seed, spread evenly over rows and pages. MITHRIDATE_EXHAUSTIVE=1 takes
every byte: 13 minutes.
"""

import os
import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.chain import EmbeddedChain
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.journal_reader import UNREADABLE, JournalReader
from mithridate.ledger.replay import replay, salvage

# ruff: noqa: S608 - the statements are this file's own.

EXHAUSTIVE = bool(os.environ.get("MITHRIDATE_EXHAUSTIVE"))
SAMPLE = 400
"""Of each table and of the file: every column, block and page, and every other node."""
KEYS = {"genesis": "id", "blocks": "number", "nodes": "number", "snapshots": "block", "head": "id"}
BITS = 63
"""Of an integer column; SQLite's are signed."""

Cell = tuple[str, str, int, int]
"""Table, column, key of the row, byte of a blob or bit of an integer."""


@pytest.fixture(scope="module")
def rows(photographed: Path) -> Iterator[sqlite3.Connection]:
    """The journal's rows in memory."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as memory:
        with closing(sqlite3.connect(photographed)) as file:
            file.backup(memory)
        # An altered key must be refused by the reader, not by the table.
        memory.execute("PRAGMA ignore_check_constraints = ON")
        yield memory


def cells(database: sqlite3.Connection) -> Iterator[Cell]:
    for table, key in KEYS.items():
        cursor = database.execute(f"SELECT {key}, * FROM {table}")
        columns = [name for name, *_ in cursor.description][1:]
        for number, *values in cursor.fetchall():
            for column, value in zip(columns, values, strict=True):
                for place in range(len(value) if isinstance(value, bytes) else BITS):
                    yield table, column, number, place


def put(database: sqlite3.Connection, cell: Cell, value: object, key: object) -> bool:
    """Whether the table takes it: two rows cannot have one key."""
    table, column, _, _ = cell
    try:
        changed = database.execute(f"UPDATE {table} SET {column} = ? WHERE {KEYS[table]} = ?", (value, key)).rowcount
    except sqlite3.IntegrityError:
        assert column == KEYS[table]
        return False
    return changed == 1


def flipped(value: Any, place: int, dice: random.Random) -> Any:
    if isinstance(value, int):
        return value ^ 1 << place
    return value[:place] + bytes([value[place] ^ dice.randrange(1, 256)]) + value[place + 1 :]


def named(cell: Cell) -> tuple[str, ...]:
    """How a message about an altered cell may begin."""
    table, _, number, _ = cell
    if table in {"genesis", "head"}:
        return (table,)
    # A row whose key is altered is missing from its own place.
    return (
        (f"block {number}",) if table == "blocks" else ("the snapshot after block", "node", "head: the last snapshot")
    )


def whole_blocks(cell: Cell, last: int) -> int:
    """How many blocks lie before an altered cell."""
    table, _, number, _ = cell
    return {"blocks": number - 1, "genesis": 0}.get(table, last)


def chosen(all_of_them: list[Any]) -> list[Any]:
    """One of each of `SAMPLE` stretches of equal length."""
    if EXHAUSTIVE or len(all_of_them) <= SAMPLE:
        return all_of_them
    ends, dice = [len(all_of_them) * step // SAMPLE for step in range(SAMPLE + 1)], random.Random(5)
    return [all_of_them[dice.randrange(*between)] for between in pairwise(ends)]


@pytest.mark.timeout(7200)
@pytest.mark.parametrize("table", KEYS)
def test_every_altered_byte_of_a_row_is_found_and_named(rows: sqlite3.Connection, table: str) -> None:
    reader, dice = JournalReader(rows), random.Random(7)
    whole = replay(reader, "all").chain
    headers = [row.hash for row in all_headers(reader)]
    wanted = chosen([cell for cell in cells(rows) if cell[0] == table])
    for count, cell in enumerate(wanted):
        _, column, number, place = cell
        (right,) = rows.execute(f"SELECT {column} FROM {table} WHERE {KEYS[table]} = ?", (number,)).fetchone()
        wrong = flipped(right, place, dice)
        if not put(rows, cell, wrong, number):
            continue
        try:
            with pytest.raises(JournalAltered) as error:
                replay(reader, "snapshot")
            assert str(error.value).startswith(named(cell)), (cell, str(error.value))
            if count % 20 == 0:
                check_salvage(reader, headers, whole_blocks(cell, whole.height), cell)
        finally:
            put(rows, cell, right, wrong if column == KEYS[table] else number)
    assert replay(reader, "snapshot").chain.head_hash == whole.head_hash
    assert wanted


def all_headers(reader: JournalReader) -> list[Any]:
    timestamp, salt, digest = reader.genesis()
    return [row.header for row in reader.blocks(EmbeddedChain.genesis(timestamp, salt).head_hash, timestamp, digest)]


def check_salvage(reader: JournalReader, hashes: list[bytes], height: int, cell: Cell) -> None:
    if not height:
        with pytest.raises(JournalAltered):
            salvage(reader)
        return
    chain, error = salvage(reader)
    assert error is not None
    assert (chain.height, chain.head_hash) == (height, hashes[height - 1]), cell


@pytest.mark.timeout(7200)
def test_every_altered_byte_of_the_file_is_found_or_of_no_effect(
    photographed: Path, tmp_path: Path, state_of: Callable[[Any], Any], states: dict[int, Any]
) -> None:
    data, dice = photographed.read_bytes(), random.Random(11)
    right, refused = content(photographed), 0
    places = chosen(list(range(100))) + chosen(list(range(100, len(data))))
    for count, place in enumerate(places):
        path = tmp_path / f"{count}.sqlite"
        altered = flipped(data, place, dice)
        path.write_bytes(altered)
        if content(path) != right:
            with pytest.raises(LedgerError):
                EmbeddedLedger.open(path)
            refused += 1
        elif count % 10 == 0:
            # Space that no row takes up, and numbers in the file's header that only SQLite's caches go by: every row
            # is as it was, and a chain is a function of the rows.
            check_same_or_refused(path, state_of, states)
        if count % 20 == 0:
            path.write_bytes(altered)
            check_file_salvage(path, state_of, states)
        for leftover in tmp_path.iterdir():
            leftover.unlink()
    assert refused > len(places) // 2


def content(path: Path) -> Any:
    """All that SQLite reads of a journal, None where it reads nothing."""
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?immutable=1", uri=True)) as database:
            tables = database.execute("SELECT * FROM sqlite_master").fetchall()
            return tables, [database.execute(f"SELECT * FROM {table}").fetchall() for table in KEYS]
    except UNREADABLE:
        return None


def check_same_or_refused(path: Path, state_of: Callable[[Any], Any], states: dict[int, Any]) -> None:
    try:
        ledger = EmbeddedLedger.open(path)
    except LedgerError:
        return
    assert (ledger.height(), state_of(ledger)) == (max(states), states[max(states)])
    ledger.close()


def check_file_salvage(path: Path, state_of: Callable[[Any], Any], states: dict[int, Any]) -> None:
    try:
        ledger, _ = EmbeddedLedger.salvage(path)
    except LedgerError:
        return
    assert state_of(ledger) == states[ledger.height()]
    ledger.close()
