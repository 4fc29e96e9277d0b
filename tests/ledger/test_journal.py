"""Whatever is altered in a journal, the replay names the first row that differs."""

import random
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from eth_utils.crypto import keccak

from mithridate.errors import JournalAltered, LedgerError
from mithridate.ledger.embedded import EmbeddedLedger

# ruff: noqa: S608 - the statements are this file's own.

TRANSACTIONS = {1: 14, 2: 13, 3: 3, 4: 1, 5: 1, 6: 3}
"""The journal below: deployment, enrolment, keys, begin, opening, commitments."""
LAST = max(TRANSACTIONS)
ROWS = [(block, place) for block, count in TRANSACTIONS.items() for place in range(count)]


@pytest.fixture
def journal(small: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(small, tmp_path / "ledger.sqlite"))


def altered(path: Path, *statements: str, rows: int | None = 1) -> str:
    """What opening says once the statements have run, each on so many rows."""
    with closing(sqlite3.connect(path)) as database:
        database.create_function("flip", 1, lambda data: bytes([data[0] ^ 1]) + data[1:])
        for statement in statements:
            changed = database.execute(statement).rowcount
            assert rows is None or changed == rows, statement
        database.commit()
    with pytest.raises(JournalAltered) as error:
        EmbeddedLedger.open(path)
    return str(error.value)


def test_the_journal_is_the_one_described(journal: Path) -> None:
    with closing(sqlite3.connect(journal)) as database:
        counts = database.execute("SELECT block, count(*) FROM transactions GROUP BY block").fetchall()
        assert dict(counts) == TRANSACTIONS
        assert database.execute("SELECT number FROM head").fetchall() == [(LAST,)]
    EmbeddedLedger.open(journal).close()


@pytest.mark.parametrize("number", TRANSACTIONS)
@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("number", "number + 1000"),
        ("timestamp", "timestamp + 1"),
        ("timestamp", "timestamp - 1"),
        ("hash", "flip(hash)"),
    ],
)
def test_an_altered_block_is_named(journal: Path, number: int, column: str, value: str) -> None:
    message = altered(journal, f"UPDATE blocks SET {column} = {value} WHERE number = {number}")
    assert message.startswith(f"block {number}")


@pytest.mark.parametrize(("block", "place"), ROWS)
@pytest.mark.parametrize(
    ("column", "value"),
    [("block", "block + 1000"), ("position", "position + 1000"), ("hash", "flip(hash)"), ("raw", "flip(raw)")],
)
def test_an_altered_transaction_is_named(journal: Path, block: int, place: int, column: str, value: str) -> None:
    where = f"block = {block} AND position = {place}"
    message = altered(journal, f"UPDATE transactions SET {column} = {value} WHERE {where}")
    assert message.startswith(f"block {block}")
    if column in {"hash", "raw"}:
        assert f"transaction {place}" in message


@pytest.mark.parametrize(("block", "place"), ROWS)
def test_a_deleted_transaction_is_missed(journal: Path, block: int, place: int) -> None:
    message = altered(journal, f"DELETE FROM transactions WHERE block = {block} AND position = {place}")
    assert message.startswith(f"block {block}")


@pytest.mark.parametrize("number", TRANSACTIONS)
def test_a_deleted_block_is_missed(journal: Path, number: int) -> None:
    message = altered(journal, f"DELETE FROM blocks WHERE number = {number}")
    assert message.startswith(f"block {number} is missing")


@pytest.mark.parametrize("number", TRANSACTIONS)
def test_a_block_deleted_with_its_transactions_is_missed(journal: Path, number: int) -> None:
    message = altered(
        journal,
        f"DELETE FROM blocks WHERE number = {number}",
        f"DELETE FROM transactions WHERE block = {number}",
        rows=None,
    )
    assert message.startswith("head:" if number == LAST else f"block {number} is missing")


def test_a_journal_without_blocks_holds_no_contract(journal: Path) -> None:
    emptied = ["DELETE FROM blocks", "DELETE FROM transactions"]
    assert altered(journal, *emptied, rows=None).startswith("head:")
    assert altered(journal, "DELETE FROM head").startswith("block 1 is missing")


@pytest.mark.parametrize("first", [2, 3, 6])
def test_reordered_transactions_are_named(journal: Path, first: int) -> None:
    message = altered(
        journal,
        f"UPDATE transactions SET position = 1000 WHERE block = {first} AND position = 0",
        f"UPDATE transactions SET position = 0 WHERE block = {first} AND position = 1",
        f"UPDATE transactions SET position = 1 WHERE block = {first} AND position = 1000",
    )
    assert message.startswith(f"block {first}")


def test_reordered_blocks_are_named(journal: Path) -> None:
    swap = "UPDATE {} SET {} = CASE {} WHEN 4 THEN -5 ELSE -4 END WHERE {} IN (4, 5)"
    back = "UPDATE {} SET {} = -{} WHERE {} < 0"
    names = [("blocks", "number"), ("transactions", "block")]
    statements = [sql.format(table, *[column] * 3) for table, column in names for sql in (swap, back)]
    assert altered(journal, *statements, rows=2).startswith("block 4")


def test_a_transaction_that_moved_to_another_block_is_named(journal: Path) -> None:
    message = altered(journal, "UPDATE transactions SET block = 2, position = 13 WHERE block = 3 AND position = 2")
    assert message.startswith("block 2")


def test_a_repeated_transaction_is_named(journal: Path) -> None:
    message = altered(journal, "INSERT INTO transactions SELECT block, 1, hash, raw FROM transactions WHERE block = 4")
    assert message.startswith("block 4, transaction 1")


@pytest.mark.parametrize("value", ["timestamp = timestamp + 1", "timestamp = timestamp - 1", "timestamp = -1"])
def test_an_altered_genesis_is_named(journal: Path, value: str) -> None:
    assert altered(journal, f"UPDATE genesis SET {value}").startswith(("genesis", "block 1:"))


@pytest.mark.parametrize("value", ["flip(salt)", "x'00'", "zeroblob(33)"])
def test_an_altered_salt_is_named(journal: Path, value: str) -> None:
    assert altered(journal, f"UPDATE genesis SET salt = {value}").startswith(("genesis", "block 1:"))


def test_a_deleted_genesis_is_named(journal: Path) -> None:
    assert altered(journal, "DELETE FROM genesis").startswith("genesis")


@pytest.mark.parametrize(
    "statement", ["UPDATE head SET number = 5", "UPDATE head SET hash = flip(hash)", "DELETE FROM head"]
)
def test_an_altered_head_is_named(journal: Path, statement: str) -> None:
    assert altered(journal, statement).startswith("head:")


@pytest.mark.parametrize(
    "statement",
    [
        "DROP TABLE head",
        "ALTER TABLE blocks ADD COLUMN more INTEGER",
        "ALTER TABLE blocks RENAME COLUMN hash TO other",
        "CREATE TABLE more (value INTEGER)",
        "CREATE VIEW more AS SELECT * FROM blocks",
        "CREATE TRIGGER more AFTER INSERT ON blocks BEGIN DELETE FROM head; END",
        "CREATE INDEX more ON blocks (hash)",
    ],
)
def test_altered_tables_are_refused(journal: Path, statement: str) -> None:
    assert "tables" in altered(journal, statement, rows=None)


def test_columns_of_other_types_are_refused(journal: Path) -> None:
    table = "CREATE TABLE blocks (number INTEGER PRIMARY KEY, timestamp INTEGER NOT NULL, hash BLOB NOT NULL)"
    strict = f"UPDATE sqlite_master SET sql = '{table} STRICT' WHERE name = 'blocks'"
    message = altered(
        journal,
        "PRAGMA writable_schema = ON",
        f"UPDATE sqlite_master SET sql = '{table}' WHERE name = 'blocks'",
        "PRAGMA writable_schema = RESET",
        "UPDATE blocks SET timestamp = 'soon' WHERE number = 3",
        "PRAGMA writable_schema = ON",
        strict,
        rows=None,
    )
    assert "damaged" in message


def forgeries(raw: bytes) -> Iterator[bytes]:
    dice = random.Random(len(raw))
    for _ in range(12):
        place = dice.randrange(len(raw))
        yield raw[:place] + bytes([raw[place] ^ 1 << dice.randrange(8)]) + raw[place + 1 :]
    yield from (b"", b"\0", b"\2", b"\x7f" * 40, raw[:-1], raw + b"\0", b"\2" + raw, b"\xf9\xff\xff" + raw)


@pytest.mark.parametrize("block", [1, 4, 5])
def test_a_forged_transaction_with_its_right_hash_is_named(small: Path, tmp_path: Path, block: int) -> None:
    with closing(sqlite3.connect(small)) as database:
        (raw,) = database.execute("SELECT raw FROM transactions WHERE block = ? AND position = 0", (block,)).fetchone()
    for number, forged in enumerate(forgeries(raw)):
        path = Path(shutil.copy(small, tmp_path / f"{number}.sqlite"))
        values = f"raw = x'{forged.hex()}', hash = x'{keccak(forged).hex()}'"
        assert altered(path, f"UPDATE transactions SET {values} WHERE block = {block} AND position = 0").startswith(
            f"block {block}"
        )


def _truncated(data: bytes, dice: random.Random) -> bytes:
    return data[: dice.randrange(1, len(data))]


def _flipped(data: bytes, dice: random.Random) -> bytes:
    place = dice.randrange(len(data))
    return data[:place] + bytes([data[place] ^ 1 << dice.randrange(8)]) + data[place + 1 :]


def _overwritten(data: bytes, dice: random.Random) -> bytes:
    place, length = dice.randrange(len(data)), dice.randrange(1, 600)
    return data[:place] + dice.randbytes(length) + data[place + length :]


@pytest.mark.parametrize("damage", [_truncated, _flipped, _overwritten])
def test_a_damaged_file_opens_as_it_was_or_not_at_all(
    small: Path, tmp_path: Path, damage: Callable[[bytes, random.Random], bytes]
) -> None:
    opened = EmbeddedLedger.open(Path(shutil.copy(small, tmp_path / "whole.sqlite")))
    right = (opened.latest(), opened.height(), opened.reader.hospitals())
    opened.close()
    data, refused = small.read_bytes(), 0
    for seed in range(40):
        path = tmp_path / f"{seed}.sqlite"
        path.write_bytes(damage(data, random.Random(seed)))
        try:
            ledger = EmbeddedLedger.open(path)
        except LedgerError:
            refused += 1
            continue
        assert (ledger.latest(), ledger.height(), ledger.reader.hospitals()) == right, seed
        ledger.close()
    assert refused > 5


@pytest.mark.parametrize("content", [b"not a database at all, but long enough to have a header" * 9, b"\0" * 4096])
def test_what_is_no_database_is_no_journal(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    with pytest.raises(JournalAltered, match="no ledger's journal"):
        EmbeddedLedger.open(path)


def test_a_folder_in_the_journals_place_is_no_journal(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="does not exist"):
        EmbeddedLedger.open(tmp_path)
