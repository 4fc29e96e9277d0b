"""A validator's own records: SQLite files of one table, on the disk before anything that depends on them is said."""

import sqlite3
from pathlib import Path

from mithridate.errors import RunError


def open_record(path: Path, table: str) -> sqlite3.Connection:
    """The file with its table; each statement is a transaction of its own unless one is begun.

    Args:
        path: the SQLite file, made if missing.
        table: its name and columns, as they follow `CREATE TABLE`.

    Raises:
        RunError: the file cannot be opened, or is none of SQLite's.
    """
    try:
        database = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
    except sqlite3.Error as error:
        raise _unusable(path, error) from error
    try:
        database.execute("PRAGMA journal_mode=WAL")
        database.execute("PRAGMA synchronous=FULL")
        database.execute(f"CREATE TABLE IF NOT EXISTS {table} STRICT")
    except sqlite3.Error as error:
        database.close()
        raise _unusable(path, error) from error
    return database


def _unusable(path: Path, error: sqlite3.Error) -> RunError:
    return RunError(
        f"a validator's record {path} cannot be opened ({error}): restore it from a copy, for a validator without it "
        "takes part in no round"
    )
