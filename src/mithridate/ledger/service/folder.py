"""The folder that a service keeps its ledger in: the journal, the archive made of it, and a lock."""

import fcntl
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mithridate.errors import LedgerError
from mithridate.ledger.chain import EmbeddedChain
from mithridate.ledger.chronicle import Block
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.embedded_network import EmbeddedNetwork
from mithridate.ledger.journal import Journal
from mithridate.ledger.run_ledger import JOURNAL_FILE
from mithridate.ledger.service.archive import Archive
from mithridate.ledger.write_ahead_log import check_log

LOG = logging.getLogger("mithridate.ledger")
ARCHIVE_FILE = "blocks.sqlite"
LOCK_FILE = "service.lock"
HASH_BYTES = 32


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Keeps every other service off a folder, which is made if missing.

    Raises:
        LedgerError: another process holds it, or it cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(folder / LOCK_FILE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise LedgerError(f"{folder} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(lock)
        raise LedgerError(f"another process serves the ledger in {folder}: end it first") from error
    try:
        yield
    finally:
        os.close(lock)


def journal_in(folder: Path) -> Journal:
    """The journal in a folder, made if missing.

    Raises:
        JournalAltered: its write-ahead log is altered.
        LedgerError: it cannot be opened.
    """
    path = folder / JOURNAL_FILE
    if not path.exists():
        EmbeddedNetwork.create(path, lambda network: None).close()
    check_log(path)
    return Journal.open(path)


def archive_of(folder: Path, chain: EmbeddedChain) -> Archive:
    """The archive of a folder's chain, made again from its journal where it does not end in the same block.

    Raises:
        JournalAltered: a row of the journal is not as it was written.
        LedgerError: it cannot be written.
    """
    archive = Archive(folder / ARCHIVE_FILE)
    try:
        archive.cut(chain.height)
        if chain.height and archive.hash(chain.height) != chain.head_hash:
            LOG.warning("%s is run again to make %s", JOURNAL_FILE, ARCHIVE_FILE)
            archive.cut(0)
            chronicle = JournalChronicle(folder / JOURNAL_FILE, thorough=False)
            try:
                archive.extend(chronicle.blocks())
            finally:
                chronicle.close()
    except BaseException:
        archive.close()
        raise
    return archive


def genesis_of(journal: Journal) -> Block:
    """The block that a journal's chain starts from."""
    timestamp, salt, _ = journal.reader.genesis()
    chain = EmbeddedChain.genesis(timestamp, salt)
    return Block(chain.head_header, 0, timestamp, chain.head_hash, bytes(HASH_BYTES), (), ())
