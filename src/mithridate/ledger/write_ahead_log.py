"""Looks for damage inside SQLite's write-ahead log, which SQLite itself takes for the log's end and says nothing of.

The log is there while a process has the journal open, and after one was killed. Each of its frames carries a checksum
over all before it (https://www.sqlite.org/fileformat2.html#the_write_ahead_log).
"""

import struct
from pathlib import Path

from mithridate.errors import JournalAltered, LedgerError

_HEADER, _FRAME = struct.Struct(">8I"), struct.Struct(">6I")
_MAGIC = 0x377F0682
_WORD = 0xFFFFFFFF
_READS = 3


def check_log(journal: Path) -> None:
    """Raises if frames of the log beside a journal are unreadable though whole transactions were written after them.

    A last transaction that is not whole raises nothing: that is how a crash leaves one that was never promised.

    Raises:
        JournalAltered: the log is altered.
        LedgerError: it cannot be read.
    """
    path = Path(f"{journal}-wal")
    try:
        data = _read(path)
    except FileNotFoundError:
        return
    except OSError as error:
        raise LedgerError(f"{path} cannot be read: {error.strerror}") from error
    if data and lost_transactions(data) > 1:
        raise JournalAltered(f"{path.name}: the journal's write-ahead log is altered; what it held last is unreadable")


def lost_transactions(log: bytes) -> int:
    """How many transactions were written to a log behind the first frame that cannot be read.

    A log whose header cannot be read counts as two at least if anything follows it.
    """
    if len(log) <= _HEADER.size:
        return 0
    magic, _, page, _, *salts, low, high = _HEADER.unpack_from(log)
    order = ">" if magic & 1 else "<"
    sums = _checksum(order, log[: _HEADER.size - 8], (0, 0))
    if magic & ~1 != _MAGIC or sums != (low, high) or not page:
        return 2
    valid, lost = True, 0
    for start in range(_HEADER.size, len(log) - _FRAME.size - page + 1, _FRAME.size + page):
        _, commit, *rest = _FRAME.unpack_from(log, start)
        if rest[:2] != salts and valid:
            valid = False
        if valid:
            body = start + _FRAME.size
            sums = _checksum(order, log[start : start + 8] + log[body : body + page], sums)
            valid = sums == tuple(rest[2:])
        lost += not valid and rest[:2] == salts and commit > 0
    return lost


def _checksum(order: str, data: bytes, sums: tuple[int, int]) -> tuple[int, int]:
    first, second = sums
    for even, odd in struct.iter_unpack(f"{order}2I", data):
        first = (first + even + second) & _WORD
        second = (second + odd + first) & _WORD
    return first, second


def _read(path: Path) -> bytes:
    """The log as of one moment, empty if another process keeps starting it anew meanwhile."""
    for _ in range(_READS):
        before = _first(path)
        data = path.read_bytes()
        if before == data[: _HEADER.size] == _first(path):
            return data
    return b""


def _first(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_HEADER.size)
