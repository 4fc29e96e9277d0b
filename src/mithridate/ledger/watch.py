"""Follows a ledger's events while another process writes them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mithridate.errors import JournalAltered
from mithridate.ledger.chronicle import Block
from mithridate.ledger.chronicle_embedded import JournalChronicle
from mithridate.ledger.deployment import CONTRACTS, Deployment
from mithridate.ledger.embedded_network import contract_address
from mithridate.ledger.reading import Reader, Said
from mithridate.ledger.words import in_words, plain_values

PAUSE_S = 0.5
TRIES = 5
"""Looks at a file that seems altered before it counts as such: its writer may be in the middle of moving pages."""


@dataclass(frozen=True)
class Happened:
    """One event.

    Attributes:
        block: that holds it.
        timestamp: the block's date, seconds since 1970.
        said: the event by name.
    """

    block: int
    timestamp: int
    said: Said

    def to_dict(self) -> dict[str, Any]:
        """In plain values, with the sentence that says it in words."""
        return {
            "block": self.block,
            "time": self.timestamp,
            "contract": self.said.contract,
            "event": self.said.name,
            "values": plain_values(self.said),
            "words": in_words(self.said),
        }


def watch(
    path: Path, *, start: int | None = 1, pause: Callable[[], None] = lambda: time.sleep(PAUSE_S)
) -> Iterator[Happened]:
    """The events of an embedded ledger in order, from a block on, and then those to come, without end.

    The file is read only; each block's transactions run again, for receipts are not kept.

    Args:
        path: of the journal.
        start: the first block told; None tells only what is yet to come.
        pause: waits before the next look at the file.

    Raises:
        JournalAltered: the journal does not replay, looked at several times.
        LedgerError: there is no such file.
    """
    chronicle = JournalChronicle(path, thorough=False)
    reader: Reader | None = None
    failures, first = 0, start
    try:
        while True:
            try:
                for block in chronicle.blocks():
                    failures = 0
                    reader = reader or _reader(block)
                    if first is not None and block.number >= first:
                        yield from _events(reader, block)
            except JournalAltered:
                failures += 1
                if failures == TRIES:
                    raise
            first = 1 if first is None else first
            pause()
            chronicle.refresh()
    finally:
        chronicle.close()


def _reader(first: Block) -> Reader:
    # A chain of its own: the contracts are the first things on it, made by its first sender.
    sender = first.transactions[0].sender
    return Reader(Deployment({name: contract_address(sender, number) for number, name in enumerate(CONTRACTS)}))


def _events(reader: Reader, block: Block) -> Iterator[Happened]:
    for receipt in block.receipts:
        for log in receipt.logs:
            said = reader.event(log)
            if said is not None:
                yield Happened(block.number, block.timestamp, said)
