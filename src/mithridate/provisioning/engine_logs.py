"""A kit's `local/log_config.json`: what a participant's process writes down, the engine's part included."""

import json
import logging.config
from pathlib import Path
from typing import Any

from mithridate.errors import EnrolmentError
from mithridate.provisioning.private_files import read_bounded

LOG_CONFIG_FILE = "local/log_config.json"
LOG_FILE = "log.jsonl"
"""In the kit's folder."""
MAX_BYTES = 1 << 16
_FILE_BYTES, _FILES = 20 << 20, 10
_TOLD = (
    "nvflare.private.fed.authenticator",
    "nvflare.private.fed.client.fed_client",
    "nvflare.private.fed.server.client_manager",
    "nvflare.fuel.f3.sfm.conn_manager",
)
"""Loggers of the engine that say who came and who left; the others print requests and contexts among their news."""
_PRINTS_MESSAGES = ("nvflare.private.fed.client.client_engine", "nvflare.fuel.f3.cellnet.cell")
"""Loggers that print what they carry: the one at INFO, the other at ERROR."""


def log_config() -> dict[str, Any]:
    """The configuration as `logging.config.dictConfig` takes it; the engine puts its file into the kit's folder."""
    handlers = {
        "file": {
            "class": "logging.handlers.RotatingFileHandler",
            "formatter": "json",
            "filename": LOG_FILE,
            "maxBytes": _FILE_BYTES,
            "backupCount": _FILES,
            "encoding": "utf-8",
        },
        "stderr": {"class": "logging.StreamHandler", "formatter": "short", "stream": "ext://sys.stderr"},
    }
    levels = {"mithridate": "INFO", "nvflare": "WARNING", **dict.fromkeys(_TOLD, "INFO")}
    levels |= dict.fromkeys(_PRINTS_MESSAGES, "WARNING")
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {"()": "mithridate.logs.JsonLines"},
            "short": {"()": "mithridate.logs.ShortLines"},
        },
        "handlers": handlers,
        "loggers": {name: {"level": level} for name, level in levels.items()},
        "root": {"level": "WARNING", "handlers": list(handlers)},
    }


def begin_log(kit: Path) -> None:
    """Sets logging up as the kit says, before the engine does the same.

    Raises:
        EnrolmentError: the kit's file is missing, or no such configuration.
    """
    file = kit / LOG_CONFIG_FILE
    try:
        document = json.loads(read_bounded(file, MAX_BYTES, "a configuration of logs"))
        for handler in document["handlers"].values():
            if "filename" in handler:
                handler["filename"] = str(kit / handler["filename"])
        logging.config.dictConfig(document)
    except (ValueError, TypeError, KeyError, AttributeError, OSError, RecursionError) as error:
        raise EnrolmentError(f"{file} cannot be used ({error}): restore it from the kit as it came") from error
