"""The channel between the three validators that carries the linear part of the protocol (reshares and openings).

SPU's own link carries the non-linear part. A channel keeps the order of messages per pair of validators, loses none,
and is private and authenticated: in one process it is memory, between machines it must be mutual TLS.
"""

import queue
from collections.abc import Sequence
from typing import Protocol

from mithridate.errors import RoundVoid
from mithridate.mpc.shares import VALIDATORS

Queue = queue.SimpleQueue[bytes | None]
"""Messages from one validator to another; None is a hang-up."""


class Peers(Protocol):
    """One validator's end of the channel."""

    rank: int
    sent_bytes: int

    def send(self, to: int, message: bytes) -> None:
        """Hand a message to validator `to`; does not wait for it."""
        ...

    def receive(self, sender: int) -> bytes:
        """The next message of validator `sender`.

        Raises:
            RoundVoid: it did not come in time.
        """
        ...


class HungUp(RoundVoid):
    """Another validator left the computation; its own error says why."""


class MemoryPeers:
    """The channel of three validators that are threads of one process; each end holds its own queues only.

    Args:
        rank: this validator.
        outgoing: to each rank.
        incoming: from each rank.
        timeout: seconds to wait for a message.
    """

    def __init__(self, rank: int, outgoing: Sequence[Queue], incoming: Sequence[Queue], timeout: float) -> None:
        self.rank = rank
        self.sent_bytes = 0
        self.rounds = 0
        """Of communication: how often it waited after it had sent."""
        self._sending = False
        self._outgoing = tuple(outgoing)
        self._incoming = tuple(incoming)
        self._timeout = timeout

    def send(self, to: int, message: bytes) -> None:
        """See `Peers.send`."""
        self.sent_bytes += len(message)
        self._sending = True
        self._outgoing[to].put(message)

    def receive(self, sender: int) -> bytes:
        """See `Peers.receive`."""
        self.rounds += self._sending
        self._sending = False
        try:
            message = self._incoming[sender].get(timeout=self._timeout)
        except queue.Empty:
            raise RoundVoid(f"validator-{sender} sent nothing for {self._timeout:g} s: is it still running?") from None
        if message is None:
            raise HungUp(f"validator-{sender} left the computation")
        return message

    def hang_up(self) -> None:
        """Tells the other two that no message will follow, so that they need not wait for the timeout."""
        for box in self._outgoing:
            box.put(None)


def memory_peers(timeout: float = 300.0) -> tuple[MemoryPeers, MemoryPeers, MemoryPeers]:
    """The three ends of a channel in memory.

    Args:
        timeout: seconds that `receive` waits before it gives the round up.
    """
    ranks = range(VALIDATORS)
    boxes: list[list[Queue]] = [[queue.SimpleQueue() for _ in ranks] for _ in ranks]
    first, second, third = (
        MemoryPeers(rank, boxes[rank], [boxes[sender][rank] for sender in ranks], timeout) for rank in ranks
    )
    return first, second, third
