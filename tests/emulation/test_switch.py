"""What a participant writes to its device is hostile: the switch carries packets between participants, nothing else."""

import os
import socket
import threading
from collections.abc import Callable
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.lines import Counts, Lines
from mithridate.emulation.switch import Switch, address_of, place_of

Carry = Callable[[list[bytes]], tuple[list[bytes], Counts]]


def packet(sender: str, receiver: str, content: bytes) -> bytes:
    return bytes([0x45]) + bytes(11) + socket.inet_aton(sender) + socket.inet_aton(receiver) + content


def carried(packets: list[bytes]) -> tuple[list[bytes], Counts]:
    """What participant 1 gets of what participant 0 writes, and the switch's counts."""
    ends = [socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET) for _ in range(2)]
    control, stop = os.pipe()
    for near, far in ends:
        near.setblocking(False)
        far.settimeout(5.0)
    switch = Switch([near.fileno() for near, _ in ends], Lines(Conditions(), 2, Random(1)))
    counts: list[Counts] = []
    thread = threading.Thread(target=lambda: counts.append(switch.run(control)))
    thread.start()
    last = packet(address_of(0), address_of(1), b"last")
    got: list[bytes] = []
    try:
        for each in [*packets, last]:
            ends[0][1].send(each)
        while not got or got[-1] != last:
            got.append(ends[1][1].recv(65_536))
    finally:
        os.close(stop)
        thread.join(5.0)
        os.close(control)
        for pair in ends:
            for end in pair:
                end.close()
    return got[:-1], counts[0]


def test_packets_between_participants_arrive_as_they_were() -> None:
    sent = [packet(address_of(0), address_of(1), bytes([number])) for number in range(20)]
    got, counts = carried(sent)
    assert got == sent
    assert counts.packets == len(sent) + 1


def test_what_has_nowhere_to_go_is_dropped() -> None:
    stray = [
        packet(address_of(0), "10.77.0.3", b""),
        packet(address_of(0), "10.78.0.2", b""),
        packet(address_of(0), "192.0.2.1", b""),
        packet(address_of(0), address_of(0), b""),
        b"\x60" + bytes(39),
    ]
    assert carried(stray)[0] == []


@settings(max_examples=50, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=60), max_size=10))
def test_no_bytes_stop_it(packets: list[bytes]) -> None:
    known = socket.inet_aton(address_of(1))
    got, _ = carried([each for each in packets if each[16:20] != known])
    assert got == []


def test_addresses_and_places_belong_together() -> None:
    assert [place_of(socket.inet_aton(address_of(place)), 250) for place in range(250)] == list(range(250))
    assert place_of(socket.inet_aton("10.77.0.0"), 250) is None
