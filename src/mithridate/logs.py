"""What a process writes down: a JSON object a line in a file, short lines on stderr, and nothing of what it carries.

Payloads are bytes in everything that Mithridate and the engine hand around, so a message that prints one holds a bytes
literal; none is written. The loggers known to print messages are silenced besides, in `provisioning.engine_logs`.
"""

import json
import logging
import re
from datetime import UTC, datetime

MAX_MESSAGE, MAX_TRACE = 2_000, 8_000
"""Characters of a message and of a traceback that are kept."""
_BYTES = re.compile(
    r"""(?<!\w)(?:bytearray\()?b(?:'(?:[^'\\]|\\.)*(?:'|\\?\Z)|"(?:[^"\\]|\\.)*(?:"|\\?\Z))""", re.DOTALL
)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]")


def presentable(text: str, limit: int = MAX_MESSAGE) -> str:
    """A text without bytes literals and control characters but line feeds, cut after `limit` characters."""
    # First the literals: one that is cut in two would be no literal any more.
    clean = _CONTROL.sub("?", _BYTES.sub("<bytes>", text))
    return clean if len(clean) <= limit else f"{clean[:limit]}... ({len(clean) - limit} characters left out)"


class JsonLines(logging.Formatter):
    """One object a record: time (UTC), level, logger, thread and message, and error with its traceback."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        line = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": presentable(record.name),
            "thread": presentable(str(record.threadName)),
            "message": presentable(record.getMessage()),
        }
        if record.exc_info:
            line["error"] = presentable(self.formatException(record.exc_info), MAX_TRACE)
        return json.dumps(line)


class ShortLines(logging.Formatter):
    """Time of day, level where it is not INFO, and message, on one line; tracebacks are in the file."""

    def format(self, record: logging.LogRecord) -> str:
        """See `logging.Formatter.format`."""
        time = datetime.fromtimestamp(record.created).astimezone()
        level = "" if record.levelno <= logging.INFO else f"{record.levelname} "
        text = presentable(record.getMessage()).replace("\n", " | ")
        if record.exc_info and record.exc_info[0] is not None:
            text += f" ({record.exc_info[0].__name__})"
        return f"{time:%H:%M:%S} {level}{text}"
