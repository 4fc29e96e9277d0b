"""When the state is written down beside the blocks, so that opening a long study need not run all of it again."""

from mithridate.errors import LedgerError
from mithridate.ledger.journal import Journal
from mithridate.ledger.replay import Replayed

SNAPSHOT_TRANSACTIONS = 512
"""About two seconds of replay: what opening costs at most after a crash."""
CLOSING_TRANSACTIONS = 64
"""Fewer are run again at the next opening in less time than the file would grow for."""


class SnapshotWriter:
    """Writes snapshots of a chain, each with the nodes that those before it lack.

    Args:
        replayed: the chain and what its journal's snapshots hold.
        journal: where they go.
    """

    def __init__(self, replayed: Replayed, journal: Journal) -> None:
        self._chain = replayed.chain
        self._journal = journal
        self._last = replayed.snapshot
        self._nodes = replayed.nodes
        self._since = replayed.since
        self._wrote = False

    def sealed(self, transactions: int) -> None:
        """A block of so many transactions was written to the journal."""
        self._since += transactions
        self._wrote = True
        if self._since >= SNAPSHOT_TRANSACTIONS:
            self._write()

    def closing(self) -> None:
        """The journal is about to be closed."""
        # Whoever only read may not be the journal's one writer.
        if self._wrote and self._since >= CLOSING_TRANSACTIONS:
            self._write()

    def _write(self) -> None:
        nodes = self._chain.state_nodes(self._nodes)
        self._since = 0
        try:
            self._journal.add_snapshot(self._last, nodes)
        except LedgerError:
            # The blocks are on the disk, which is all that was promised; a later snapshot holds what this one would.
            return
        self._last = self._chain.height
        self._nodes.update(nodes)
