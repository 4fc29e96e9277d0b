"""SPU's log: quiet consoles, readable errors, and the bytes that SPU sent over its links.

libspu's Python binding exposes no link statistics. A runtime that profiles writes them to SPU's process-wide log after
each program ("Link details: total send bytes ..."), so the log goes to a private file which is read here.
"""

import atexit
import re
import shutil
import tempfile
import threading
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from spu import libspu

_SENT = re.compile(rb"Link details: total send bytes (\d+),.*send actions (\d+)")
_MAX_LOG_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Sent:
    """What was sent in programs that have ended.

    Args:
        bytes: of content.
        messages: sent; no fewer than the rounds of communication.
    """

    bytes: int
    messages: int


class _SentCounts:
    """Sums the log's send counts; reads each part of the log once."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._offset = 0
        self._total = Sent(0, 0)

    def remove(self) -> None:
        shutil.rmtree(self._log.parent, ignore_errors=True)

    def total(self) -> Sent:
        with self._lock:
            if not self._log.exists():
                return self._total
            if self._log.stat().st_size < self._offset:
                self._offset = 0
            with self._log.open("rb") as log:
                log.seek(self._offset)
                text = log.read()
            # A line still being written is left for the next call.
            text = text[: text.rfind(b"\n") + 1]
            self._offset += len(text)
            for size, messages in _SENT.findall(text):
                self._total = Sent(self._total.bytes + int(size), self._total.messages + int(messages))
            return self._total


_start_lock = threading.Lock()


def start() -> None:
    """Point SPU's log at a private file, once; nothing of SPU's goes to the console from then on."""
    _log()


def remove() -> None:
    """Removes the private file, if there is one: for a process that is about to be replaced by another."""
    if _open_log.cache_info().currsize:
        _open_log().remove()


def _log() -> _SentCounts:
    # `cache` alone may call twice when validators start in threads of their own.
    with _start_lock:
        return _open_log()


@cache
def _open_log() -> _SentCounts:
    folder = tempfile.mkdtemp(prefix="mithridate-spu-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    options = libspu.logging.LogOptions()
    options.enable_console_logger = False
    options.system_log_path = str(Path(folder) / "spu.log")
    options.max_log_file_size = _MAX_LOG_BYTES
    libspu.logging.setup_logging(options)
    return _SentCounts(Path(folder) / "spu.log")


def bytes_sent() -> int:
    """Bytes sent so far by all sessions of this process, in programs that have ended; the difference of two counts."""
    return sent().bytes


def sent() -> Sent:
    """What all sessions of this process sent so far, in programs that have ended."""
    return _log().total()


def first_line(error: Exception) -> str:
    """SPU's message without its C++ stack trace."""
    text = str(error).split("stacktrace:")[0].replace("what:", "")
    return " ".join(text.split())
