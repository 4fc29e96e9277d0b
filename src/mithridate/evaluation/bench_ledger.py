"""What the ledger costs: single changes, whole rounds at 10 to 1,000 hospitals, opening, and its share of a study.

The embedded ledger is measured beside its service and two networks of four sealers on this machine (`make networks`
builds them). Every processor is shared by all sealers, so the networks' figures say how their consensus waits, not what
machines of their own would hold.
"""

import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import rlp  # type: ignore[import-untyped]

from mithridate.evaluation.demo import demo_study
from mithridate.evaluation.ledger.cast import Cast, Stage
from mithridate.evaluation.ledger.long_study import BLOCKS_A_ROUND, long_study, transactions_a_round
from mithridate.evaluation.ledger.speed import changes_a_second, one_by_one
from mithridate.evaluation.networks.clique import clique_network
from mithridate.evaluation.networks.funds import fund
from mithridate.evaluation.networks.ibft import ibft_network
from mithridate.evaluation.networks.local import LocalNetwork, started
from mithridate.evaluation.networks.service import service_network
from mithridate.evaluation.records import read_records
from mithridate.federation.local import run_study
from mithridate.ledger.chain import EmbeddedChain
from mithridate.ledger.deployment import deploy
from mithridate.ledger.embedded import EmbeddedLedger
from mithridate.ledger.journal import Journal
from mithridate.ledger.replay import Replay
from mithridate.ledger.shared import SharedLedger
from mithridate.study import load_study

SIZES = (10, 100, 1000)
LONG = (1000, 10)
NETWORKS: dict[str, Callable[[Path], LocalNetwork]] = {
    "service": service_network,
    "clique, four sealers": clique_network,
    "ibft, four sealers": ibft_network,
}
GAS_USED = 10
"""Position in a header (Ethereum yellow paper, section 4.3)."""
STUDY_ROUNDS = 4
Figure = dict[str, Any]


def run(sizes: tuple[int, ...] = SIZES, long: tuple[int, int] = LONG) -> dict[str, Any]:
    """Measures all of it; some minutes, most of them the long study and the networks' waiting.

    Args:
        sizes: numbers of hospitals, at most 1,024, for the cost of a round.
        long: rounds and hospitals of the study that is opened again.

    Returns:
        {"bench": "ledger", "figures": [Figure, ...]}.

    Raises:
        LedgerError: the networks are not built, or a ledger failed.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        figures = list(_embedded(folder))
        for kind, make in NETWORKS.items():
            figures += _networked(kind, started(make, folder / kind.split(",")[0]))
        for hospitals in sizes:
            figures += _round_costs(folder / f"{hospitals}.sqlite", hospitals)
        figures += _opening(folder / "long.sqlite", *long)
        figures += _share_of_a_study(folder)
    return {"bench": "ledger", "figures": figures}


def _embedded(folder: Path) -> Iterator[Figure]:
    cast = Cast.of(10)
    ledger = EmbeddedLedger.create(folder / "embedded.sqlite", cast.administrator, cast.terms())
    try:
        yield from _speed("embedded", Stage(ledger, cast), rounds=10, changes=500)
    finally:
        ledger.close()


def _networked(kind: str, made: LocalNetwork) -> list[Figure]:
    with made as network:
        view, cast = network.connect(), Cast.of(10)
        try:
            fund(network, view, cast.everyone)
            with view.block():
                deployment = deploy(view, cast.administrator, cast.terms())
            return list(_speed(kind, Stage(SharedLedger(view, deployment), cast), rounds=1, changes=300))
        finally:
            view.close()


def _speed(name: str, stage: Stage, rounds: int, changes: int) -> Iterator[Figure]:
    stage.begin()
    latencies = one_by_one(stage, rounds)
    for what, seconds in (("submit", latencies.submit), ("attest", latencies.attest)):
        yield _figure(f"{name}: {what}, median", median(seconds) * 1e3, "ms")
        yield _figure(
            f"{name}: {what}, 99th percentile of {len(seconds)}", float(np.percentile(seconds, 99)) * 1e3, "ms"
        )
    yield _figure(f"{name}: changes that travel together", changes_a_second(stage, changes), "a second")


def _round_costs(path: Path, hospitals: int, rounds: int = 2) -> Iterator[Figure]:
    """The last round's, so that no first use of storage in the study counts as the round's."""
    moments: list[tuple[float, int]] = []
    long_study(path, rounds, hospitals, watch=lambda _, chain: moments.append((time.perf_counter(), chain.height())))
    (before, low), (after, high) = moments[-2:]
    gas, sent = _gas_and_bytes(path, low, high)
    name = f"round of {hospitals} hospitals"
    yield _figure(f"{name}: transactions", transactions_a_round(hospitals), "transactions")
    yield _figure(f"{name}: blocks", BLOCKS_A_ROUND, "blocks")
    yield _figure(f"{name}: gas", gas / 1e6, "million")
    yield _figure(f"{name}: signed transactions", sent / 1e3, "kB")
    yield _figure(f"{name}: embedded ledger", after - before, "s")


def _gas_and_bytes(path: Path, low: int, high: int) -> tuple[int, int]:
    journal = Journal.open(path)
    try:
        timestamp, salt, digest = journal.reader.genesis()
        genesis = EmbeddedChain.genesis(timestamp, salt).head_hash
        rows = [row for row in journal.reader.blocks(genesis, timestamp, digest) if low < row.number <= high]
    finally:
        journal.close()
    gas = sum(int.from_bytes(rlp.decode(row.encoded)[GAS_USED], "big") for row in rows)
    return gas, sum(len(row.transactions) for row in rows)


def _opening(path: Path, rounds: int, hospitals: int) -> Iterator[Figure]:
    name = f"{rounds} rounds of {hospitals} hospitals"
    yield _figure(f"{name}: made", _seconds(lambda: long_study(path, rounds, hospitals)), "s")
    yield _figure(f"{name}: file", path.stat().st_size / 1e6, "MB")
    replays: tuple[tuple[str, Replay], ...] = (("from its last snapshot", "snapshot"), ("by full replay", "all"))
    for what, replay in replays:
        seconds = _seconds(lambda replay=replay: EmbeddedLedger.open(path, replay).close())  # type: ignore[misc]
        yield _figure(f"{name}: opened {what}", seconds, "s")


def _share_of_a_study(folder: Path) -> Iterator[Figure]:
    with demo_study() as file:
        study = load_study(file, [f"training.rounds={STUDY_ROUNDS}"])
    run_study(study, folder / "study")
    # The first round compiles what the later ones use.
    rounds = [record.seconds for record in read_records(folder / "study") if record.round > 1]
    total, ledger = (median(seconds[key] for seconds in rounds) for key in ("total", "ledger"))
    yield _figure("the demo's study: a round", total, "s")
    yield {"name": "the demo's study: ledger", "value": ledger, "unit": "s", "baseline": total, "ratio": ledger / total}


def _seconds(act: Callable[[], object]) -> float:
    start = time.perf_counter()
    act()
    return time.perf_counter() - start


def _figure(name: str, value: float, unit: str) -> Figure:
    return {"name": name, "value": float(value), "unit": unit, "baseline": None, "ratio": None}
