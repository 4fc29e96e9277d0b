"""When each packet arrives: a line a participant, as fast in each direction as it is said to be, and the way between.

A packet leaves its sender's line once that has carried those before it, takes the latency, and then waits until its
receiver's line has carried those that came before. Nothing here reads a clock or a device.
"""

import heapq
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from random import Random

from mithridate.emulation.conditions import Conditions

QUEUE_PACKETS = 1000
"""That wait before a line, at full size; a packet more is dropped, as `tc netem` drops it at its default limit."""


@dataclass
class Counts:
    """What became of the packets handed in.

    Args:
        packets: that arrived.
        bytes: of these.
        lost: by the emulated loss.
        overflowed: because too many waited before a line.
    """

    packets: int = 0
    bytes: int = 0
    lost: int = 0
    overflowed: int = 0


class Lines:
    """The lines of participants 0 to n - 1.

    Args:
        conditions: of all ways.
        count: n.
        random: draws what is lost.
        watchers: participants whose packets, sent or received, are neither delayed nor lost.
    """

    def __init__(self, conditions: Conditions, count: int, random: Random, watchers: Collection[int] = ()) -> None:
        self.counts = Counts()
        self._latency = conditions.latency_s
        self._byte = conditions.seconds_a_byte
        self._loss = conditions.loss_percent / 100
        self._longest_wait = QUEUE_PACKETS * conditions.mtu * self._byte
        self._random = random
        self._watchers = frozenset(watchers)
        self._sending_until = [0.0] * count
        self._receiving_until = [0.0] * count
        self._serial = 0
        self._on_the_way: list[tuple[float, int, bool, int, bytes]] = []

    def send(self, now: float, sender: int, receiver: int, packet: bytes) -> None:
        """Takes a packet that a participant sends.

        Args:
            now: seconds on a clock that never goes back.
            sender: 0 to n - 1.
            receiver: 0 to n - 1.
            packet: as it is to arrive.
        """
        if sender in self._watchers or receiver in self._watchers:
            self._push(now, receiver, packet, carried=True)
            return
        if self._loss and self._random.random() < self._loss:
            self.counts.lost += 1
            return
        begin = max(now, self._sending_until[sender])
        if begin - now > self._longest_wait:
            self.counts.overflowed += 1
            return
        self._sending_until[sender] = begin + len(packet) * self._byte
        self._push(self._sending_until[sender] + self._latency, receiver, packet, carried=False)

    def due(self, now: float) -> Iterator[tuple[int, bytes]]:
        """Takes out (receiver, packet) of all that have arrived by `now`, in the order of arrival."""
        while self._on_the_way and self._on_the_way[0][0] <= now:
            moment, _, carried, receiver, packet = heapq.heappop(self._on_the_way)
            if not carried:
                # Bits come in as they left: an idle line has all of the packet when the last one arrives.
                end = max(moment, self._receiving_until[receiver] + len(packet) * self._byte)
                if end - moment > self._longest_wait:
                    self.counts.overflowed += 1
                    continue
                self._receiving_until[receiver] = end
                if end > now:
                    self._push(end, receiver, packet, carried=True)
                    continue
            self.counts.packets += 1
            self.counts.bytes += len(packet)
            yield receiver, packet

    def next_at(self) -> float | None:
        """When to ask for what is due; None while nothing is on the way."""
        return self._on_the_way[0][0] if self._on_the_way else None

    def _push(self, moment: float, receiver: int, packet: bytes, *, carried: bool) -> None:
        self._serial += 1
        heapq.heappush(self._on_the_way, (moment, self._serial, carried, receiver, packet))
