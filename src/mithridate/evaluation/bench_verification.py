"""What verification costs: a secure round beside plain federated averaging's, and each gate by itself.

Whole rounds have the three validators as threads of this process, as the local runtime does; each gate, and encrypted
inference, is measured among three processes that talk over loopback. All parties share this machine's processors.
"""

import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mithridate.data.locate import locate
from mithridate.errors import DataError
from mithridate.evaluation.cost.gates import GateCosts, gate_costs
from mithridate.evaluation.cost.processes import Cost
from mithridate.evaluation.cost.rounds import CHEAP, PLAIN, RELEASE, VARIANTS, RoundCosts, round_costs, settings_of
from mithridate.evaluation.cost.steps import GATES, LOGITS
from mithridate.federation.prepared import Prepared
from mithridate.study import Study
from mithridate.verification.settings import ALL, UNDECIDED

ROUNDS, REPEATS = 5, 3
IMAGES = 256
PHASES = ("train", "share", "draw", "open", "verify", "aggregate", "attest", "ledger", RELEASE)
Figure = dict[str, Any]


@dataclass(frozen=True)
class Case:
    """A study without attacks, with the default defence.

    Args:
        dataset: its name.
        model: the preset.
        prefix: of its figures' names.
        hospitals: among whom the records are split.
        epochs: local ones of a round.
    """

    dataset: str
    model: str
    prefix: str = ""
    hospitals: int = 10
    epochs: int = 5

    @property
    def study(self) -> Study:
        """What is run."""
        return Study.model_validate(
            {
                "name": "bench",
                "seed": 1,
                "data": {"name": self.dataset},
                "model": {"name": self.model},
                "hospitals": {"count": self.hospitals},
                "training": {"local_epochs": self.epochs},
            }
        )


def cases() -> tuple[Case, ...]:
    """PneumoniaMNIST with the cnn preset, or digits where that is not on this machine; breast cancer with the mlp."""
    try:
        locate("pneumoniamnist/pneumoniamnist.npz", "pneumoniamnist.npz")
        images = Case("pneumoniamnist", "cnn")
    except DataError:
        images = Case("digits", "cnn")
    return images, Case("breast_cancer", "mlp", "breast_cancer, mlp: ")


def run(
    progress: Callable[[str], None] | None = None,
    chosen: tuple[Case, ...] | None = None,
    rounds: int = ROUNDS,
    repeats: int = REPEATS,
    images: int = IMAGES,
) -> dict[str, Any]:
    """Measures every case: rounds in turn, each kind after a first one that compiles, then the gates.

    Args:
        progress: told of each part as it begins.
        chosen: the cases; those of `cases` if left out.
        rounds: of each kind, at least 1.
        repeats: of each gate, at least 1.
        images: records of the measurement of encrypted inference by itself.

    Returns:
        {"bench": "verification", "figures": [{"name", "value", "unit", "baseline", "ratio"}, ...]}. A baseline is the
        same in the clear; of a first round, which compiles, a later one. `round_overhead` is the median of secure
        rounds in plain rounds played just before, with the curator's work, sharing, ledger, cheap gates and
        aggregation, and without encrypted inference: so without the check before the release, which the figure after
        it counts too. Megabytes are the content of all messages that the three sent, by SPU's count of its link and
        the peers' count of theirs; rounds of communication are those of the validator with the most, in SPU's
        programs its messages, which are no fewer.

    Raises:
        BenchmarkError: a round failed, or an encrypted result is not the one in the clear.
    """
    figures: list[Figure] = []
    for case in cases() if chosen is None else chosen:
        tell = progress or _silent
        tell(f"{case.dataset}: rounds")
        prepared = Prepared.of(case.study)
        with tempfile.TemporaryDirectory() as folder:
            whole = round_costs(prepared, Path(folder), rounds=rounds)
        tell(f"{case.dataset}: gates")
        variants = {name: settings_of(case.study.defence, name) for name in VARIANTS}
        gates = gate_costs(prepared, variants, repeats=repeats, images=images)
        named = (*_of_rounds(case, whole, gates), *_of_gates(gates, images))
        figures += [{**figure, "name": case.prefix + figure["name"]} for figure in named]
    return {"bench": "verification", "figures": figures}


def _of_rounds(case: Case, costs: RoundCosts, gates: GateCosts) -> Iterator[Figure]:
    plain = 1e3 * costs.phase(PLAIN, "total")
    yield _figure(f"plain round of {case.hospitals} hospitals, {case.dataset}, {case.model}", plain, "ms")
    yield _figure("round_overhead", costs.overhead(CHEAP, without=(RELEASE,)), "x")
    yield _figure("round_overhead with the release check", costs.overhead(CHEAP), "x")
    processor = costs.processor_overhead
    yield _figure("round_overhead in processor time", processor(CHEAP, without=(RELEASE,)), "x")
    yield _figure("round_overhead in processor time, with the release check", processor(CHEAP), "x")
    for variant in (UNDECIDED, ALL):
        yield _figure(f"round_overhead_{variant}", costs.overhead(variant), "x")
    yield _figure("hospitals checked a round, undecided", costs.checked(UNDECIDED), f"of {case.hospitals}")
    for kind in (PLAIN, *VARIANTS):
        first = 1e3 * costs.first[kind].seconds["total"]
        yield _figure(f"first round, {kind}", first, "ms", 1e3 * costs.phase(kind, "total"))
    for phase in PHASES:
        yield _figure(f"phase {phase}", 1e3 * costs.phase(CHEAP, phase), "ms", 1e3 * costs.phase(PLAIN, phase) or None)
    yield _figure("the curator's part of training, alone", 1e3 * costs.curator_s, "ms")
    for variant in VARIANTS:
        verify = 1e3 * costs.phase(variant, "verify")
        yield _figure(f"verification, {variant}", verify, "ms", 1e3 * gates.pipeline_s[variant])


def _of_gates(gates: GateCosts, images: int) -> Iterator[Figure]:
    for name, cost in gates.costs.items():
        if name == LOGITS:
            yield _figure(LOGITS, 1e3 * cost.seconds / images, "ms an image", 1e3 * gates.logits_s / images)
            yield _figure(f"{LOGITS} in processor time", 1e3 * cost.processor / images, "ms an image")
            yield from _traffic(f"{LOGITS}, {images} images", cost)
        else:
            yield _figure(name, 1e3 * cost.seconds, "ms", 1e3 * gates.gates_s if name == GATES else None)
            yield from _traffic(name, cost)


def _traffic(name: str, cost: Cost) -> Iterator[Figure]:
    yield _figure(f"{name}: sent by all three", cost.sent / 1e6, "MB")
    yield _figure(f"{name}: rounds of communication", cost.rounds, "rounds")


def _figure(name: str, value: float, unit: str, baseline: float | None = None) -> Figure:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": None if baseline is None else value / baseline,
    }


def _silent(part: str) -> None:
    del part
