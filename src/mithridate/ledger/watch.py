"""Follows a ledger's events while another process writes them."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from mithridate.errors import LedgerError
from mithridate.ledger.audit.findings import Findings
from mithridate.ledger.audit.replay import RuleReplay
from mithridate.ledger.chronicle import Block
from mithridate.ledger.chronicles import Followed
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
    chronicle: Followed,
    *,
    start: int | None = 1,
    study: str | None = None,
    pause: Callable[[], None] = lambda: time.sleep(PAUSE_S),
) -> Iterator[Happened]:
    """The events of a study's contracts in order, from a block on, and then those to come, without end.

    Args:
        chronicle: read from its first block, for the contracts are found by their creation; closed at the end.
        start: the first block told; None tells only what is yet to come.
        study: address of the study's contract; None takes the first on the chain.
        pause: waits before the next look.

    Raises:
        LedgerError: a block cannot be read, or is altered, looked at several times.
    """
    finder = RuleReplay(Findings(), chronicle.chain_id, own=chronicle.own, study=study)
    failures, first = 0, start
    try:
        while True:
            try:
                for block in chronicle.blocks():
                    failures = 0
                    _find(finder, block)
                    if finder.reader is not None and first is not None and block.number >= first:
                        yield from _events(finder.reader, block)
            except LedgerError:
                failures += 1
                if failures == TRIES:
                    raise
            first = 1 if first is None else first
            pause()
            chronicle.refresh()
    finally:
        chronicle.close()


def _find(finder: RuleReplay, block: Block) -> None:
    for transaction, receipt in zip(block.transactions, block.receipts, strict=True):
        if transaction.to is None:
            finder.take(block, transaction, receipt)


def _events(reader: Reader, block: Block) -> Iterator[Happened]:
    for receipt in block.receipts:
        for log in receipt.logs:
            said = reader.event(log)
            if said is not None:
                yield Happened(block.number, block.timestamp, said)
