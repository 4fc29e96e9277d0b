"""Packets on the emulated lines, by a clock of the test's own."""

from itertools import pairwise
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.lines import QUEUE_PACKETS, Lines

LATENCY_S = 0.04
BYTE_S = 8e-8
"""At 100 Mbit/s."""
Sent = tuple[float, int, int, int]
"""(time, sender, receiver, bytes)."""


def played(lines: Lines, sent: list[Sent]) -> list[tuple[float, int, bytes]]:
    """(time, receiver, packet) of what arrives, each taken as soon as it is due; packets begin with their number."""
    arrived = []

    def until(moment: float) -> None:
        while (following := lines.next_at()) is not None and following <= moment:
            arrived.extend((following, receiver, packet) for receiver, packet in lines.due(following))

    for number, (moment, sender, receiver, size) in enumerate(sent):
        until(moment)
        lines.send(moment, sender, receiver, number.to_bytes(4, "big") + bytes(size - 4))
    until(float("inf"))
    return arrived


def lines(count: int = 3, **settings: float) -> Lines:
    conditions = {"latency_ms": 1e3 * LATENCY_S, "bandwidth_mbit": 100.0} | settings
    return Lines(Conditions(**conditions), count, Random(1))  # type: ignore[arg-type]


def test_an_idle_line_takes_the_latency_and_the_packets_length() -> None:
    ((moment, receiver, _),) = played(lines(), [(1.0, 0, 2, 9000)])
    assert receiver == 2
    assert moment == pytest.approx(1.0 + LATENCY_S + 9000 * BYTE_S)


def test_packets_of_one_sender_wait_for_each_other() -> None:
    moments = [moment for moment, _, _ in played(lines(), [(0.0, 0, 1, 1000), (0.0, 0, 2, 1000)])]
    assert moments == pytest.approx([LATENCY_S + 1000 * BYTE_S, LATENCY_S + 2000 * BYTE_S])


def test_packets_of_two_senders_share_the_receivers_line() -> None:
    moments = [moment for moment, _, _ in played(lines(), [(0.0, 0, 2, 1000), (0.0, 1, 2, 1000)])]
    assert moments == pytest.approx([LATENCY_S + 1000 * BYTE_S, LATENCY_S + 2000 * BYTE_S])


def test_both_directions_of_a_line_are_independent() -> None:
    moments = [moment for moment, _, _ in played(lines(), [(0.0, 0, 1, 1000), (0.0, 1, 0, 1000)])]
    assert moments == pytest.approx([LATENCY_S + 1000 * BYTE_S] * 2)


def test_a_watcher_is_neither_delayed_nor_loses_anything() -> None:
    watched = Lines(Conditions(1000.0, 1.0, 50.0), 2, Random(1), watchers=[1])
    assert [moment for moment, _, _ in played(watched, [(2.0, 0, 1, 100)] * 50)] == [2.0] * 50


def test_a_full_queue_drops_what_comes_and_keeps_what_waits() -> None:
    full = lines(mtu=9000)
    arrived = played(full, [(0.0, 0, 1, 9000)] * (QUEUE_PACKETS + 50))
    assert len(arrived) + full.counts.overflowed == QUEUE_PACKETS + 50
    assert abs(len(arrived) - QUEUE_PACKETS) <= 1
    assert [int.from_bytes(packet[:4], "big") for _, _, packet in arrived] == list(range(len(arrived)))


@given(
    st.lists(
        st.tuples(st.floats(0, 0.1), st.integers(0, 2), st.integers(0, 2), st.integers(40, 9000)).filter(
            lambda sent: sent[1] != sent[2]
        ),
        min_size=1,
        max_size=60,
    )
)
def test_no_line_is_faster_than_it_is_said_to_be_and_nothing_overtakes(sent: list[Sent]) -> None:
    sent.sort()
    arrived = played(lines(), sent)
    assert len(arrived) == len(sent)
    for moment, receiver, packet in arrived:
        began, _, to, size = sent[int.from_bytes(packet[:4], "big")]
        assert (receiver, len(packet)) == (to, size)
        assert moment >= began + LATENCY_S + size * BYTE_S - 1e-9
    for place in range(3):
        coming = [(moment, packet) for moment, receiver, packet in arrived if receiver == place]
        for (earlier, _), (later, packet) in pairwise(coming):
            assert later >= earlier + len(packet) * BYTE_S - 1e-9
        for other in range(3):
            order = [number for _, number in between(coming, sent, other)]
            assert order == sorted(order)


def between(coming: list[tuple[float, bytes]], sent: list[Sent], sender: int) -> list[tuple[float, int]]:
    numbered = [(moment, int.from_bytes(packet[:4], "big")) for moment, packet in coming]
    return [(moment, number) for moment, number in numbered if sent[number][1] == sender]


@pytest.mark.parametrize("percent", [0.1, 1.0, 20.0])
def test_losses_are_binomial(percent: float) -> None:
    count, p = 100_000, percent / 100
    lossy = lines(bandwidth_mbit=None, loss_percent=percent)  # type: ignore[arg-type]
    arrived = played(lossy, [(number * 1e-3, 0, 1, 100) for number in range(count)])
    assert lossy.counts.lost + len(arrived) == count
    # Five standard deviations of a binomial distribution.
    assert abs(lossy.counts.lost - count * p) < 5 * sqrt(count * p * (1 - p))


def test_losses_come_one_by_one() -> None:
    """Runs of arrivals between two losses are geometric: their variance is (1 - p) / p^2."""
    count, p = 200_000, 0.05
    lossy = lines(bandwidth_mbit=None, loss_percent=100 * p)  # type: ignore[arg-type]
    numbers = [int.from_bytes(packet[:4], "big") for _, _, packet in played(lossy, [(0.0, 0, 1, 8)] * count)]
    lost = sorted(set(range(count)) - set(numbers))
    gaps = [later - earlier for earlier, later in pairwise(lost)]
    mean = sum(gaps) / len(gaps)
    variance = sum((gap - mean) ** 2 for gap in gaps) / len(gaps)
    assert mean == pytest.approx(1 / p, rel=0.05)
    assert variance == pytest.approx((1 - p) / p**2, rel=0.12)
