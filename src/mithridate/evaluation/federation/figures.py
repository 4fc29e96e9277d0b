"""The benchmark's figures from what was measured, the goals they are held against, and the facts beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from mithridate.errors import BenchmarkError
from mithridate.evaluation.federation.round_time import RoundTime
from mithridate.evaluation.federation.work import FEDAVG, LEDGERS, OURS, SECAGG, SECAGG_LEAST, Work, exponents

MOST_UPLOAD = 2.1
MOST_EXPONENT = 1.1
FLOAT_BYTES = 4.0
Figure = dict[str, Any]
FACTS = (
    "Flower's SecAgg+ draws its masks from NumPy's RandomState under a seed folded to 32 bits: not cryptographic, and "
    "cheaper than a cipher's would be; ours are AES-256-CTR under 32-byte seeds.",
    "Flower's grid asks for replies every 3 s, its SuperNodes for messages every 3 s, and each message starts a "
    "process: so much of a round is waiting.",
    "Over loopback Flower runs without TLS, Mithridate with mutual TLS, its ledger, and the verification of every "
    "update in MPC.",
    "On Clique (geth) a change counts once two more blocks, of a second each, are on its own; under IBFT "
    "(polygon-edge) its own suffices.",
    "Work is processor time of one machine that others use too: compare within a run only. Serialising and sending "
    "Flower's messages is not counted, nor is its strategy's averaging of n copies of SecAgg+'s aggregate.",
    "Where marked so, Flower's arms are not measured: they lie on the line through 30 and 60 hospitals with the same "
    "model and as many neighbours as the larger number has.",
    "Not counted in ours: verification, whose n x n part (Gram matrix) grows with n^2 d and is measured apart "
    "(`bench verification` has the rest), and the ledger (`bench ledger`).",
)
"""What a reader must know beside the figures."""


def size_name(work: Work) -> str:
    """How the tables name a size."""
    return f"{work.hospitals} x {work.parameters / 1000:g}k" + (", 10 % drop out" if work.dropped else "")


def busiest(work: Work) -> float:
    """Seconds of the validator that worked longest; of Flower's one server, all of it."""
    validators = [seconds for name, seconds in work.parts.items() if name.startswith("validator")]
    return max(validators, default=work.servers)


def by_size(works: Sequence[Work]) -> dict[tuple[int, int, bool], dict[str, Work]]:
    """Size -> arm -> what it spent."""
    table: dict[tuple[int, int, bool], dict[str, Work]] = {}
    for work in works:
        table.setdefault(work.size, {})[work.arm] = work
    return table


def work_figures(works: Sequence[Work]) -> list[Figure]:
    """A line a quantity and size: ours as value, SecAgg+ or plain float32 as baseline; then the other arms."""
    figures: list[Figure] = []
    for arms in by_size(works).values():
        mine, rival = arms[OURS], arms[SECAGG]
        name = size_name(mine)
        mark = " (SecAgg+ extrapolated)" if rival.extrapolated_from else ""
        figures += [
            figure(f"{name}: a hospital's work{mark}", mine.hospital * 1e3, "ms", rival.hospital * 1e3),
            figure(f"{name}: all servers' work{mark}", mine.servers * 1e3, "ms", rival.servers * 1e3),
            figure(f"{name}: busiest validator's work{mark}", busiest(mine) * 1e3, "ms", rival.servers * 1e3),
            figure(f"{name}: upload", mine.up / mine.parameters, "bytes a parameter", FLOAT_BYTES),
            figure(f"{name}: upload, beside SecAgg+", mine.up / 1e6, "MB", rival.up / 1e6),
            figure(f"{name}: download, beside SecAgg+", mine.down / 1e6, "MB", rival.down / 1e6),
        ]
        figures += _others(name, arms)
    return figures


def _others(name: str, arms: Mapping[str, Work]) -> Iterator[Figure]:
    mine = arms[OURS]
    for arm in (FEDAVG, SECAGG_LEAST):
        if arm in arms:
            other = arms[arm]
            yield figure(f"{name}: a hospital's work, beside {arm}", mine.hospital * 1e3, "ms", other.hospital * 1e3)
            yield figure(f"{name}: all servers' work, beside {arm}", mine.servers * 1e3, "ms", other.servers * 1e3)


def growth_figures(works: Sequence[Work]) -> list[Figure]:
    """Exponents of the servers' work in n and d, ours beside SecAgg+'s, over the measured sizes without drop-outs."""
    figures = []
    for dropped in (False, True):
        mine, theirs = (
            [w for w in works if w.arm == arm and w.dropped is dropped and not w.extrapolated_from]
            for arm in (OURS, SECAGG)
        )
        try:
            pairs = zip(("hospitals", "parameters"), exponents(mine), exponents(theirs), strict=True)
        except BenchmarkError:
            continue
        also = ", 10 % drop out" if dropped else ""
        figures += [figure(f"servers' work grows with {what} to the power{also}", a, "", b) for what, a, b in pairs]
    return figures


def round_figures(times: Mapping[str, RoundTime]) -> list[Figure]:
    """Seconds a round over loopback, ours on each network beside Flower's, and how good the models became."""
    pairs = [(arm, other) for arm in LEDGERS.values() for other in (FEDAVG, SECAGG) if {arm, other} <= set(times)]
    figures = []
    for arm, other in pairs:
        name = f"{times[arm].clients} hospitals over loopback: a round, {arm} beside {other}"
        figures.append(figure(name, times[arm].seconds, "s", times[other].seconds))
    for arm, other in pairs:
        name = f"{times[arm].clients} hospitals over loopback: accuracy after {times[arm].rounds} rounds"
        figures.append(figure(f"{name}, {arm} beside {other}", times[arm].accuracy, "", times[other].accuracy))
    return figures


def shortfalls(works: Sequence[Work], times: Mapping[str, RoundTime]) -> list[str]:
    """Every goal that is missed, in words, work first; empty where all are met."""
    found = []
    for arms in by_size(works).values():
        found += [f"{size_name(arms[OURS])}: {reason}" for reason in _missed(arms)]
    for growth in growth_figures(works):
        if growth["value"] > MOST_EXPONENT:
            found.append(f"{growth['name']} {growth['value']:.2f}, more than {MOST_EXPONENT}")
    for arm in LEDGERS.values():
        for other in (FEDAVG, SECAGG):
            if {arm, other} <= set(times) and times[arm].seconds > times[other].seconds:
                found.append(
                    f"a round of {arm} takes {times[arm].seconds:.1f} s, {other}'s {times[other].seconds:.1f} s"
                )
    return found


def _missed(arms: Mapping[str, Work]) -> Iterator[str]:
    mine = arms[OURS]
    plain = mine.up / (FLOAT_BYTES * mine.parameters)
    if plain > MOST_UPLOAD:
        yield f"upload {plain:.2f} times plain float32, more than {MOST_UPLOAD}"
    for arm in (SECAGG, SECAGG_LEAST):
        if arm not in arms:
            continue
        theirs = arms[arm]
        for what, value, baseline in (
            ("a hospital's work", mine.hospital, theirs.hospital),
            ("all servers' work", mine.servers, theirs.servers),
            ("the busiest validator's work", busiest(mine), theirs.servers),
        ):
            if value >= baseline:
                yield f"{what} is {value / baseline:.2f} times that of {arm}"


def figure(name: str, value: float, unit: str, baseline: float | None = None) -> Figure:
    """One line of the table."""
    ratio = None if not baseline else float(value / baseline)
    return {"name": name, "value": float(value), "unit": unit, "baseline": baseline, "ratio": ratio}
