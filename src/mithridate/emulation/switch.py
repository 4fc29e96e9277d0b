"""The switch, a process of its own: carries packets between the participants' TUN devices as `lines` says.

It ends with its standard input, and says then on its standard output what became of the packets.
"""

import json
import os
import select
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from random import Random

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.lines import Counts, Lines

NETWORK = "10.77.0"
MOST = 250
_PREFIX = bytes(int(part) for part in NETWORK.split("."))
_SOURCE, _DESTINATION, _HEADER = slice(12, 16), slice(16, 20), 20
_LARGEST = 65_536
_BURST = 64
"""Packets read from one device before another has its turn."""
_NICE = -10


def address_of(place: int) -> str:
    """IPv4 address of participant 0 to 249."""
    return f"{NETWORK}.{place + 1}"


def place_of(address: bytes, count: int) -> int | None:
    """The participant of an address of four bytes; None if it is none of the first `count`."""
    place = address[3] - 1
    return place if address[:3] == _PREFIX and 0 <= place < count else None


class Switch:
    """Carries packets until its standard input ends.

    Args:
        devices: the participants' TUN descriptors, in order.
        lines: when what arrives.
    """

    def __init__(self, devices: Sequence[int], lines: Lines) -> None:
        self._devices = tuple(devices)
        self._place = {device: place for place, device in enumerate(devices)}
        self._lines = lines

    def run(self, control: int) -> Counts:
        """Carries packets until `control` ends; what became of them."""
        waiting = [control, *self._devices]
        while True:
            following = self._lines.next_at()
            patience = None if following is None else max(0.0, following - time.monotonic())
            # select rather than epoll, whose shortest wait is a millisecond.
            ready, _, _ = select.select(waiting, [], [], patience)
            if control in ready and not os.read(control, 1):
                return self._lines.counts
            for device in ready:
                if device != control:
                    self._take(device)
            self._hand_out()

    def _take(self, device: int) -> None:
        sender = self._place[device]
        with suppress(BlockingIOError):
            for _ in range(_BURST):
                packet = os.read(device, _LARGEST)
                # Anything but IPv4 between participants has nowhere to go.
                if len(packet) < _HEADER or packet[0] >> 4 != 4 or packet[_SOURCE] == packet[_DESTINATION]:
                    continue
                receiver = place_of(packet[_DESTINATION], len(self._devices))
                if receiver is not None:
                    self._lines.send(time.monotonic(), sender, receiver, packet)

    def _hand_out(self) -> None:
        for receiver, packet in self._lines.due(time.monotonic()):
            # A device that is full loses it, as a machine's would.
            with suppress(OSError):
                os.write(self._devices[receiver], packet)


def main(arguments: Sequence[str]) -> None:
    """Runs a switch.

    Args:
        arguments: one, JSON: {"conditions", "devices", "seed", "watchers"}.
    """
    settings = json.loads(arguments[0])
    with suppress(PermissionError):
        # Late packets would look like latency.
        os.nice(_NICE)
    devices = settings["devices"]
    random = Random(settings["seed"])  # noqa: S311 - which packet is lost is no secret
    lines = Lines(Conditions(**settings["conditions"]), len(devices), random, settings["watchers"])
    counts = Switch(devices, lines).run(sys.stdin.fileno())
    sys.stdout.write(json.dumps(asdict(counts)))


if __name__ == "__main__":
    main(sys.argv[1:])
