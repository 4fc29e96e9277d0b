"""Real packets between real namespaces. Where a figure depends on the machine's load, only its safe side is asked."""

import os
import socket
from math import sqrt
from pathlib import Path

import pytest

from mithridate.emulation import namespaces
from mithridate.emulation.conditions import Conditions
from mithridate.emulation.network import EmulatedNetwork
from mithridate.emulation.probes import arrivals, round_trips, throughput
from mithridate.errors import EmulationUnavailable, InputError

pytestmark = [pytest.mark.usefixtures("emulation"), pytest.mark.xdist_group("emulation")]
NAMES = ["one", "other", "watcher"]


def own_namespace() -> str:
    return os.readlink("/proc/thread-self/ns/net")


def test_an_answer_takes_twice_the_latency() -> None:
    with EmulatedNetwork(NAMES, Conditions(20.0), watchers=["watcher"]) as network:
        delayed = round_trips(network.host("one"), network.host("other"), 20)
        watched = round_trips(network.host("one"), network.host("watcher"), 20)
    assert min(delayed) >= 0.040
    assert min(watched) < 0.040


def test_a_stream_is_no_faster_than_the_line() -> None:
    with EmulatedNetwork(NAMES, Conditions(5.0, 50.0)) as network:
        measured = throughput(network.host("one"), network.host("other"), 12_500_000)
    # A receiver that was held up finds part of the stream waiting for it.
    assert measured < 1.3 * 50e6


def test_the_losses_of_real_datagrams_are_binomial() -> None:
    count, p = 4000, 0.05
    with EmulatedNetwork(NAMES, Conditions(1.0, None, 100 * p), seed=3) as network:
        arrived = arrivals(network.host("one"), network.host("other"), count, size=100, apart_s=2e-4)
    assert network.counts is not None
    assert network.counts.packets == arrived
    assert network.counts.lost == count - arrived
    assert abs(count - arrived - count * p) < 5 * sqrt(count * p * (1 - p))


def test_nothing_of_this_machine_is_reached_from_inside() -> None:
    with socket.create_server(("127.0.0.1", 0)) as outside, EmulatedNetwork(NAMES, Conditions()) as network:
        with network.host("one").inside(), pytest.raises(ConnectionRefusedError):
            socket.create_connection(outside.getsockname(), timeout=2)
        with network.host("one").inside(), pytest.raises(OSError, match="unreachable"):
            socket.create_connection(("192.0.2.1", 80), timeout=2)


def test_this_thread_comes_back_and_nothing_is_left() -> None:
    before, descriptors = own_namespace(), len(list(Path("/proc/self/fd").iterdir()))
    network = EmulatedNetwork(NAMES, Conditions())
    with network.host("one").inside():
        inside = own_namespace()
    with pytest.raises(InputError), network.host("one").inside():
        raise InputError
    assert own_namespace() == before != inside
    network.close()
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors
    assert network._switch.poll() == 0


def test_hosts_are_known_by_name() -> None:
    with EmulatedNetwork(NAMES, Conditions()) as network:
        assert len({network.host(name).address for name in NAMES}) == len(NAMES)
        with pytest.raises(InputError, match="stranger is not in the emulated network"):
            network.host("stranger")


def test_too_many_participants_are_refused() -> None:
    with pytest.raises(InputError, match="250"):
        EmulatedNetwork([str(number) for number in range(251)], Conditions())


def test_without_a_tun_device_the_error_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(namespaces, "_TUN", Path("/dev/net/none"))
    before = own_namespace()
    with pytest.raises(EmulationUnavailable, match="/dev/net/none cannot be used"):
        EmulatedNetwork(NAMES, Conditions())
    assert own_namespace() == before


def test_without_rights_the_error_names_them(monkeypatch: pytest.MonkeyPatch) -> None:
    class Refusing:
        @staticmethod
        def unshare(_: int) -> int:
            return -1

    monkeypatch.setattr(namespaces, "_LIBC", Refusing)
    with pytest.raises(EmulationUnavailable, match="CAP_NET_ADMIN"):
        EmulatedNetwork(NAMES, Conditions())
