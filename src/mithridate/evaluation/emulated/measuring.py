"""What an emulated network does to datagrams, streams and the proof of concept's rounds."""

from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

from mithridate.emulation.conditions import Conditions
from mithridate.emulation.network import EmulatedNetwork
from mithridate.emulation.probes import arrivals, round_trips, throughput
from mithridate.errors import BenchmarkError
from mithridate.evaluation.records import RoundRecord
from mithridate.federation.cascade import curator_due
from mithridate.ledger.shared import SharedLedger
from mithridate.poc.ends import RoundEnds
from mithridate.poc.run import Poc
from mithridate.study import Study

ROUND_TRIPS = 50
STREAM_S = 2.0
UNLIMITED = 1e9
"""Bits a second for which a stream is as long as `STREAM_S` where there is no limit."""
DATAGRAMS, DATAGRAM_BYTES, APART_S = 20_000, 200, 0.0002


@dataclass(frozen=True)
class Probed:
    """An emulated network as measured from inside.

    Args:
        round_trip_ms: median of a small datagram's way there and back.
        mbit: 10^6 bits a second of one TCP stream's content.
        lost_percent: of datagrams, one way.
    """

    round_trip_ms: float
    mbit: float
    lost_percent: float

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return asdict(self)


def probed(conditions: Conditions, seed: int = 1) -> Probed:
    """Measures a network between two otherwise idle participants; the delay without its loss.

    Raises:
        EmulationUnavailable: networks cannot be emulated here.
    """
    lossless = Conditions(conditions.latency_ms, conditions.bandwidth_mbit, mtu=conditions.mtu)
    with EmulatedNetwork(["one", "other"], lossless) as network:
        trips = round_trips(network.host("one"), network.host("other"), ROUND_TRIPS)
    with EmulatedNetwork(["one", "other"], conditions, seed=seed) as network:
        one, other = network.host("one"), network.host("other")
        arrived = arrivals(one, other, DATAGRAMS, size=DATAGRAM_BYTES, apart_s=APART_S)
        speed = (conditions.bandwidth_mbit or UNLIMITED / 1e6) * 1e6
        bits = throughput(one, other, round(speed / 8 * STREAM_S))
    return Probed(median(trips) * 1e3, bits / 1e6, 100 * (1 - arrived / DATAGRAMS))


def measured_rounds(
    study: Study, folder: Path, conditions: Conditions, network: str, *, rounds: int, limit: float
) -> list[float]:
    """Seconds of rounds of a study whose participants are on an emulated network, without the first one.

    Args:
        study: to play, in which nobody is malicious.
        folder: new.
        conditions: of the network.
        network: the ledger's; see `poc.ground`.
        rounds: how many that are alike are waited for; see `usual`.
        limit: seconds for all.

    Raises:
        BenchmarkError: a round was void, or the study was over before.
        RunError: a participant cannot be kept running, or the time ran out.
        EmulationUnavailable: networks cannot be emulated here.
    """
    ends = RoundEnds()
    with Poc(folder, study, network, ends, conditions=conditions) as running:

        def found() -> list[float]:
            timed = zip(ends.seconds(), ends.records[2:], strict=True)
            return [seconds for seconds, record in timed if usual(running.chain, record)]

        running.start()
        running.follow(timeout=limit, until=lambda: len(found()) >= rounds)
        if len(found()) < rounds:
            raise BenchmarkError(f"{len(ends.records) - 1} rounds had too few without a check of the curator's part")
        return found()


def usual(chain: SharedLedger, record: RoundRecord) -> bool:
    """Whether the curator's part was not checked in a round, as it is by lot in one of four."""
    seed = chain.reader.attempt(record.round, record.attempt).seed
    return seed is not None and not curator_due(seed)
