"""Whatever is altered in a journal's rows is named at opening, and the blocks before it stay readable."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.rows import block_digest, pack_transactions, unpack_transactions

# ruff: noqa: S608 - the statements are this file's own.

TRANSACTIONS = {1: 16, 2: 13, 3: 3, 4: 1, 5: 1, 6: 3, 7: 3}
"""The journal below: the deployment, enrolment, keys, begin, opening, commitments, submissions."""
SNAPSHOTS = [2, 4, 6]
LAST = max(TRANSACTIONS)


@pytest.fixture
def journal(photographed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(photographed, tmp_path / "ledger.sqlite"))


def run(path: Path, *statements: str, rows: int | None = 1) -> None:
    """Runs statements, each on so many rows."""
    with closing(sqlite3.connect(path)) as database:
        database.create_function("flip", 1, lambda data: bytes([data[0] ^ 1]) + data[1:])
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert rows is None or changed == rows, statement
        database.commit()


def refusal(path: Path) -> str:
    """What opening says, with or without the replay of everything."""
    said = set()
    for replay in ("snapshot", "all"):
        with pytest.raises(JournalAltered) as error:
            EmbeddedLedger.open(path, replay)  # type: ignore[arg-type]
        said.add(str(error.value))
    assert len(said) == 1
    return said.pop()


def altered(path: Path, *statements: str, rows: int | None = 1) -> str:
    run(path, *statements, rows=rows)
    return refusal(path)


def readable(path: Path) -> int:
    """How many blocks are salvaged."""
    data = path.read_bytes()
    ledger, error = EmbeddedLedger.salvage(path)
    assert error is not None
    height = ledger.height()
    with pytest.raises(LedgerError, match="reading only"), ledger.block():
        pass
    ledger.close()
    assert path.read_bytes() == data
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name]
    return height


def test_the_journal_is_the_one_described(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as database:
        packed = database.execute("SELECT number, transactions FROM blocks").fetchall()
        assert {number: len(unpack_transactions(data)) for number, data in packed} == TRANSACTIONS
        assert [block for (block,) in database.execute("SELECT block FROM snapshots")] == SNAPSHOTS
        assert database.execute("SELECT block, snapshot FROM head").fetchall() == [(LAST, SNAPSHOTS[-1])]
    for replay in ("snapshot", "all"):
        ledger = EmbeddedLedger.open(journal, replay)  # type: ignore[arg-type]
        assert ledger.height() == LAST
        ledger.close()
    salvaged, error = EmbeddedLedger.salvage(journal)
    assert (salvaged.height(), error) == (LAST, None)
    salvaged.close()


@pytest.mark.parametrize("number", TRANSACTIONS)
@pytest.mark.parametrize(
    "change",
    [
        "number = number + 1000",
        "header = flip(header)",
        "header = x'c0'",
        "transactions = flip(transactions)",
        "transactions = x''",
        "digest = flip(digest)",
        "digest = x''",
    ],
)
def test_an_altered_block_is_named_and_those_before_it_stay_readable(journal: Path, number: int, change: str) -> None:
    assert altered(journal, f"UPDATE blocks SET {change} WHERE number = {number}").startswith(f"block {number}")
    if number > 1:
        assert readable(journal) == number - 1
    else:
        with pytest.raises(JournalAltered, match=r"^block 1"):
            EmbeddedLedger.salvage(journal)


@pytest.mark.parametrize("number", range(2, LAST + 1))
def test_a_deleted_block_is_missed(journal: Path, number: int) -> None:
    message = altered(journal, f"DELETE FROM blocks WHERE number = {number}")
    assert message.startswith("head:" if number == LAST else f"block {number} is missing")
    assert readable(journal) == number - 1


@pytest.mark.parametrize("number", range(2, LAST))
def test_a_journal_cut_short_is_missed(journal: Path, number: int) -> None:
    message = altered(journal, f"DELETE FROM blocks WHERE number >= {number}", rows=None)
    assert message.startswith(f"block {number} is missing: the snapshot" if number <= SNAPSHOTS[-1] else "head:")
    assert readable(journal) == number - 1


def test_a_journal_without_blocks_holds_no_contract(journal: Path) -> None:
    message = altered(journal, "DELETE FROM blocks", "DELETE FROM snapshots", "DELETE FROM nodes", rows=None)
    assert message.startswith("head:")
    with pytest.raises(JournalAltered, match="block 1 is missing"):
        EmbeddedLedger.salvage(journal)


def test_reordered_blocks_are_named(journal: Path) -> None:
    swap = "UPDATE blocks SET number = CASE number WHEN 4 THEN -5 ELSE -4 END WHERE number IN (4, 5)"
    assert altered(journal, swap, "UPDATE blocks SET number = -number WHERE number < 0", rows=2).startswith("block 4")
    assert readable(journal) == 3


@pytest.mark.parametrize(
    "change", ["timestamp = timestamp + 1", "timestamp = -1", "salt = flip(salt)", "salt = x'00'", "digest = x'00'"]
)
def test_an_altered_genesis_is_named(journal: Path, change: str) -> None:
    assert altered(journal, f"UPDATE genesis SET {change}").startswith("genesis")


def test_a_deleted_genesis_is_named(journal: Path) -> None:
    assert altered(journal, "DELETE FROM genesis").startswith("genesis")


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE head SET block = 5",
        "UPDATE head SET snapshot = 4",
        "UPDATE head SET digest = flip(digest)",
        "DELETE FROM head",
    ],
)
def test_an_altered_head_is_named_and_every_block_stays_readable(journal: Path, statement: str) -> None:
    assert altered(journal, statement).startswith("head:")
    assert readable(journal) == LAST


@pytest.mark.parametrize("block", SNAPSHOTS)
@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE snapshots SET block = block + 1 WHERE block = {}",
        "UPDATE snapshots SET nodes = nodes + 1 WHERE block = {}",
        "UPDATE snapshots SET nodes = nodes - 1 WHERE block = {}",
        "UPDATE snapshots SET nodes = -1 WHERE block = {}",
        "UPDATE snapshots SET digest = flip(digest) WHERE block = {}",
        "DELETE FROM snapshots WHERE block = {}",
        "DELETE FROM nodes WHERE number = (SELECT nodes FROM snapshots WHERE block = {})",
        "UPDATE nodes SET hash = flip(hash) WHERE number = (SELECT nodes FROM snapshots WHERE block = {})",
        "UPDATE nodes SET node = flip(node) WHERE number = (SELECT nodes FROM snapshots WHERE block = {})",
        "UPDATE nodes SET number = -number WHERE number = (SELECT nodes FROM snapshots WHERE block = {})",
    ],
)
def test_an_altered_snapshot_is_named_and_every_block_stays_readable(journal: Path, block: int, statement: str) -> None:
    assert altered(journal, statement.format(block)).startswith(
        ("the snapshot after block", "node", "head: the last snapshot")
    )
    assert readable(journal) == LAST


def test_a_snapshot_deleted_with_its_nodes_is_missed(journal: Path) -> None:
    message = altered(
        journal,
        "DELETE FROM nodes WHERE number > (SELECT nodes FROM snapshots WHERE block = 4)",
        "DELETE FROM snapshots WHERE block = 6",
        rows=None,
    )
    assert message == "head: the last snapshot is not the one that this row names"


def test_reordered_nodes_are_named(journal: Path) -> None:
    swap = "UPDATE nodes SET number = CASE number WHEN 3 THEN -4 ELSE -3 END WHERE number IN (3, 4)"
    message = altered(journal, swap, "UPDATE nodes SET number = -number WHERE number < 0", rows=2)
    assert message.startswith("the snapshot after block 2")


@pytest.mark.parametrize("table", ["blocks", "nodes", "snapshots"])
def test_a_row_before_the_first_is_named(journal: Path, table: str) -> None:
    columns = {"blocks": "header, transactions, digest", "nodes": "hash, node", "snapshots": "nodes, digest"}[table]
    message = altered(journal, f"INSERT INTO {table} SELECT -7, {columns} FROM {table} LIMIT 1")
    assert message.endswith("-7: no such row was written")
    assert readable(journal) == LAST


def test_a_node_more_than_the_snapshots_hold_is_named(journal: Path) -> None:
    message = altered(journal, "INSERT INTO nodes SELECT max(number) + 1, hash, node FROM nodes")
    assert "the snapshot that it belongs to is missing" in message


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE head",
        "DROP TABLE nodes",
        "ALTER TABLE blocks ADD COLUMN more INTEGER",
        "CREATE TRIGGER more AFTER INSERT ON blocks BEGIN DELETE FROM head; END",
        "CREATE INDEX more ON blocks (digest)",
        "CREATE VIEW more AS SELECT 1",
    ],
)
def test_altered_tables_are_refused(journal: Path, statement: str) -> None:
    assert "tables" in altered(journal, statement, rows=None)
    assert readable(journal) == LAST


def test_a_journal_of_the_first_version_is_refused_for_what_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    statements = [f"CREATE TABLE {name} (id INTEGER)" for name in ("genesis", "blocks", "transactions", "head")]
    run(path, *statements, rows=None)
    for opening in (EmbeddedLedger.open, EmbeddedLedger.salvage):
        with pytest.raises(LedgerError, match="earlier version") as error:
            opening(path)
        assert not isinstance(error.value, JournalAltered)


@pytest.mark.parametrize(
    ("table", "column", "value"),
    [
        ("blocks", "header", "'text'"),
        ("blocks", "header", "NULL"),
        ("nodes", "node", "1.5"),
        ("head", "block", "x'00'"),
        ("genesis", "timestamp", "'soon'"),
        ("snapshots", "nodes", "'many'"),
    ],
)
def test_columns_of_other_types_are_refused(journal: Path, table: str, column: str, value: str) -> None:
    with closing(sqlite3.connect(journal)) as database:
        (sql,) = database.execute("SELECT sql FROM sqlite_master WHERE name = ?", (table,)).fetchone()
    loose = sql.replace(" STRICT", "").replace(" NOT NULL", "")
    message = altered(
        journal,
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{loose}' WHERE name = '{table}'",
        "PRAGMA writable_schema = RESET",
        f"UPDATE {table} SET {column} = {value}",
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{sql}' WHERE name = '{table}'",
        rows=None,
    )
    assert "damaged" in message or "missing or altered" in message
    ledger, error = None, None
    try:
        ledger, error = EmbeddedLedger.salvage(journal)
    except JournalAltered as refused:
        error = refused
    assert error is not None
    assert (ledger is None) == (table in {"blocks", "genesis"})
    if ledger:
        assert ledger.height() == LAST
        ledger.close()


def forgeries(raw: bytes) -> Iterator[bytes]:
    dice = random.Random(len(raw))
    for _ in range(12):
        place = dice.randrange(len(raw))
        yield raw[:place] + bytes([raw[place] ^ 1 << dice.randrange(8)]) + raw[place + 1 :]
    yield from (b"", b"\0", b"\2", b"\x7f" * 40, raw[:-1], raw + b"\0", b"\2" + raw, b"\xf9\xff\xff" + raw)


def forged(path: Path, change: Callable[[int, bytes], bytes]) -> None:
    """Rewrites each block's transactions, and all digests to match: what only a forger does."""
    with closing(sqlite3.connect(path)) as database:
        (digest,) = database.execute("SELECT digest FROM genesis").fetchone()
        for number, header, packed in database.execute("SELECT number, header, transactions FROM blocks").fetchall():
            packed = change(number, packed)
            digest = block_digest(digest, number, header, packed)
            database.execute(
                "UPDATE blocks SET transactions = ?, digest = ? WHERE number = ?", (packed, digest, number)
            )
        database.execute("UPDATE head SET digest = ?", (digest,))
        database.commit()


@pytest.mark.parametrize("block", [1, 4, 5])
def test_a_forged_transaction_under_right_digests_is_named_by_the_replay(
    photographed: Path, tmp_path: Path, block: int
) -> None:
    with closing(sqlite3.connect(photographed)) as database:
        (packed,) = database.execute("SELECT transactions FROM blocks WHERE number = ?", (block,)).fetchone()
    raw, *others = unpack_transactions(packed)
    cases = [pack_transactions([other, *others]) for other in forgeries(raw)]
    for packed in [*cases, b"", b"\x80", b"\xc0", b"\xc1\xc0", pack_transactions([raw, raw, *others])]:
        path = Path(shutil.copy(photographed, tmp_path / "forged.sqlite"))
        forged(path, lambda number, old, packed=packed: packed if number == block else old)  # type: ignore[misc]
        with pytest.raises(JournalAltered, match=f"^block {block}"):
            EmbeddedLedger.open(path, replay="all")
        if block > 1:
            # What a snapshot answers for is not run again: this is the difference in trust.
            EmbeddedLedger.open(path).close()


def test_what_follows_the_last_snapshot_is_run_again(journal: Path) -> None:
    forged(journal, lambda number, old: pack_transactions([]) if number == LAST else old)
    assert refusal(journal).startswith(f"block {LAST}: its transactions are missing")
    assert readable(journal) == LAST - 1


def _truncated(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(1, len(data))]


def _overwritten(data: bytes, dice: random.Random) -> bytes:
    place, length = dice.randrange(len(data)), dice.randrange(1, 600)
    return data[:place] + dice.randbytes(length) + data[place + length :]


def _pages_lost(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(1, len(data) // 4096) * 4096
    return data[:place] + bytes(4096) + data[place + 4096 :]


@pytest.mark.parametrize("damage", [_truncated, _overwritten, _pages_lost])
def test_a_damaged_file_opens_as_it_was_or_not_at_all_and_what_is_salvaged_is_right(
    photographed: Path, tmp_path: Path, damage: Callable[[bytes, random.Random], bytes], state_of: Any, states: Any
) -> None:
    data, refused, salvaged = photographed.read_bytes(), 0, 0
    path = tmp_path / "ledger.sqlite"
    for seed in range(40):
        for leftover in tmp_path.iterdir():
            leftover.unlink()
        path.write_bytes(damage(data, random.Random(seed)))
        try:
            ledger, _ = EmbeddedLedger.salvage(path)
        except LedgerError:
            pass
        else:
            assert state_of(ledger) == states[ledger.height()], seed
            salvaged += 1
            ledger.close()
        try:
            ledger = EmbeddedLedger.open(path)
        except LedgerError:
            refused += 1
        else:
            assert state_of(ledger) == states[LAST], seed
            ledger.close()
    assert refused > 0
    assert salvaged > 0


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to have a header" * 9, b"\0" * 4096])
def test_what_is_no_database_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(JournalAltered, match="no ledger's journal"):
        EmbeddedLedger.open(path)
    with pytest.raises(JournalAltered, match="cannot be read"):
        EmbeddedLedger.salvage(path)


def test_a_folder_in_the_journals_place_is_no_journal(tmp_path: Path) -> None:
    for opening in (EmbeddedLedger.open, EmbeddedLedger.salvage):
        with pytest.raises(LedgerError, match="does not exist"):
            opening(tmp_path)
