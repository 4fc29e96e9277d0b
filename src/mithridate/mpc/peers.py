"""The channel between the three validators that carries the linear part of the protocol (reshares and openings).

SPU's own link carries the non-linear part. A channel keeps the order of messages per pair of validators, loses none,
and is private and authenticated: in one process it is memory, between machines it must be mutual TLS.
"""

import queue
from collections.abc import Sequence
from typing import Protocol

from mithridate.errors import RoundVoid
from mithridate.mpc.shares import VALIDATORS


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
    """The channel of three validators that are threads of one process.

    Args:
        rank: this validator.
        boxes: boxes[a][b] is the queue from a to b, shared by all three.
        timeout: seconds to wait for a message.
    """

    def __init__(self, rank: int, boxes: Sequence[Sequence["queue.SimpleQueue[bytes | None]"]], timeout: float) -> None:
        self.rank = rank
        self.sent_bytes = 0
        self._boxes = boxes
        self._timeout = timeout

    def send(self, to: int, message: bytes) -> None:
        """See `Peers.send`."""
        self.sent_bytes += len(message)
        self._boxes[self.rank][to].put(message)

    def receive(self, sender: int) -> bytes:
        """See `Peers.receive`."""
        try:
            message = self._boxes[sender][self.rank].get(timeout=self._timeout)
        except queue.Empty:
            raise RoundVoid(f"validator-{sender} sent nothing for {self._timeout:g} s: is it still running?") from None
        if message is None:
            raise HungUp(f"validator-{sender} left the computation")
        return message

    def hang_up(self) -> None:
        """Tells the other two that no message will follow, so that they need not wait for the timeout."""
        for box in self._boxes[self.rank]:
            box.put(None)


def memory_peers(timeout: float = 300.0) -> tuple[MemoryPeers, MemoryPeers, MemoryPeers]:
    """The three ends of a channel in memory.

    Args:
        timeout: seconds that `receive` waits before it gives the round up.
    """
    boxes = [[queue.SimpleQueue[bytes | None]() for _ in range(VALIDATORS)] for _ in range(VALIDATORS)]
    return MemoryPeers(0, boxes, timeout), MemoryPeers(1, boxes, timeout), MemoryPeers(2, boxes, timeout)
