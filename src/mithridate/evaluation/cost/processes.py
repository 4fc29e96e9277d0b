"""Three validators as three processes of this machine, joined over its loopback."""

import socket
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing import get_context
from statistics import median
from typing import TypeVar

from mithridate.errors import BenchmarkError
from mithridate.evaluation.cost.traffic import LinkPeers, Traffic, loopback_link, spu_traffic
from mithridate.federation.committee import CommitteeMember
from mithridate.federation.opened import exchange
from mithridate.mpc.session import Session
from mithridate.mpc.shares import VALIDATORS

TIMEOUT_S = 300.0

Held = TypeVar("Held")
Found = TypeVar("Found")


@dataclass(frozen=True)
class Cost:
    """Of one joint computation, at one validator or, by `joined`, at all three.

    Args:
        seconds: median wall time.
        sent: bytes.
        rounds: of communication.
        processor: mean seconds of processors.
    """

    seconds: float
    sent: int
    rounds: int
    processor: float = 0.0


def joined(costs: Sequence[Cost]) -> Cost:
    """Of all three: the slowest one's time, all bytes, the most rounds, the time of all processors."""
    return Cost(
        max(cost.seconds for cost in costs),
        sum(cost.sent for cost in costs),
        max(cost.rounds for cost in costs),
        sum(cost.processor for cost in costs),
    )


class Seat:
    """One validator's place: its ends of the joint computation, and the meter beside them.

    Args:
        rank: 0, 1 or 2.
        ports: three of SPU's link, then three of the peers' channel.
    """

    def __init__(self, rank: int, ports: tuple[int, ...]) -> None:
        self.session = Session(loopback_link(rank, ports[:VALIDATORS], TIMEOUT_S))
        self.peers = LinkPeers(loopback_link(rank, ports[VALIDATORS:], TIMEOUT_S))
        self.member = CommitteeMember(self.peers, self.session)

    def cost(self, step: Callable[[], object], repeats: int) -> Cost:
        """Of one call of `step`, which all three make: after a first call, which compiles, the mean of the traffic."""
        step()
        times = []
        before, processor = self._traffic(), time.process_time()
        for _ in range(repeats):
            exchange(b"", self.peers)
            start = time.perf_counter()
            step()
            times.append(time.perf_counter() - start)
        sent = self._traffic() - before
        # The exchange that starts the three together is one round without content.
        processor = (time.process_time() - processor) / repeats
        return Cost(median(times), sent.sent // repeats, sent.rounds // repeats - 1, processor)

    def _traffic(self) -> Traffic:
        return self.peers.so_far() + spu_traffic()


def in_three_processes(work: Callable[[Seat, Held], Found], held: Sequence[Held]) -> list[Found]:
    """What `work` returned at each validator, in rank order.

    Args:
        work: a function of a module, run in three fresh processes at once.
        held: what each validator holds.

    Raises:
        BenchmarkError: a process died.
    """
    ports = _free_ports(2 * VALIDATORS)
    try:
        with ProcessPoolExecutor(VALIDATORS, mp_context=get_context("spawn")) as pool:
            futures = [pool.submit(_seated, work, rank, ports, held[rank]) for rank in range(VALIDATORS)]
            return [future.result() for future in futures]
    except BrokenProcessPool as error:
        raise BenchmarkError("a validator's process died: see the system's log, or free memory") from error


def _seated(work: Callable[[Seat, Held], Found], rank: int, ports: tuple[int, ...], held: Held) -> Found:
    return work(Seat(rank, ports), held)


def _free_ports(count: int) -> tuple[int, ...]:
    with ExitStack() as open_:
        sockets = [open_.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return tuple(each.getsockname()[1] for each in sockets)
