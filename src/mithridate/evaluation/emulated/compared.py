"""A round as measured over an emulated network, beside the prediction."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from mithridate.emulation.conditions import Conditions
from mithridate.evaluation.emulated.measuring import Probed
from mithridate.evaluation.emulated.prediction import Predicted

Figure = dict[str, Any]
FACTS = (
    "Latency is one way: an answer takes twice as long. Every participant, the ledger's service too, is a machine of "
    "its own, with a line of the stated bandwidth.",
    "Predictions come from the local runtime alone: its phases' seconds, bytes and rounds of communication. They know "
    "nothing of the time that TLS, the engine and the ledger take, nor that all share this machine's cores.",
    "Packets are emulated in user space, by TUN devices and a switch of ours; what it does is measured beside each.",
    "Nobody is malicious, and encrypted inference looks at every hospital in every round, so that rounds are alike; "
    "those in which the curator's part is checked, too, about one of four, are left out. Seconds are medians.",
)
"""What a reader must know beside the figures."""


@dataclass(frozen=True)
class Compared:
    """One network.

    Args:
        conditions: as set.
        probed: as measured.
        seconds: of each round that counts.
        steps: as predicted.
    """

    conditions: Conditions
    probed: Probed
    seconds: Sequence[float]
    steps: Mapping[str, Predicted]

    @property
    def measured(self) -> float:
        """Seconds of a round, median."""
        return median(self.seconds)

    @property
    def predicted(self) -> float:
        """Seconds of a round."""
        return sum(step.total for step in self.steps.values())

    @property
    def name(self) -> str:
        """How tables and the figure name the network."""
        if self.conditions == Conditions():
            return "no delay"
        speed = f", {self.conditions.bandwidth_mbit:g} Mbit/s" if self.conditions.bandwidth_mbit else ""
        loss = f", {self.conditions.loss_percent:g} % loss" if self.conditions.loss_percent else ""
        return f"{self.conditions.latency_ms:g} ms{speed}{loss}"

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "name": self.name,
            "conditions": self.conditions.to_dict(),
            "probed": self.probed.to_dict(),
            "seconds": list(self.seconds),
            "measured": self.measured,
            "predicted": self.predicted,
            "steps": {name: asdict(step) for name, step in self.steps.items()},
        }


def figures(compared: Sequence[Compared]) -> list[Figure]:
    """A network's measurement as value and the prediction as baseline; then what it added to the first network's."""
    return [figure for each in compared for figure in _of(each, compared[0])]


def _of(each: Compared, first: Compared) -> Iterator[Figure]:
    conditions, probed = each.conditions, each.probed
    yield _figure(
        f"{each.name}: round trip, beside twice the latency", probed.round_trip_ms, "ms", 2 * conditions.latency_ms
    )
    yield _figure(f"{each.name}: a TCP stream, beside the bandwidth", probed.mbit, "Mbit/s", conditions.bandwidth_mbit)
    yield _figure(f"{each.name}: datagrams lost, as set", probed.lost_percent, "%", conditions.loss_percent)
    yield _figure(f"{each.name}: a round, beside the prediction", each.measured, "s", each.predicted)
    if each is not first:
        added = each.measured - first.measured
        yield _figure(f"{each.name}: added to it by the network", added, "s", each.predicted - first.predicted)
    for step, predicted in each.steps.items():
        yield _figure(f"{each.name}: predicted for {step}", predicted.total, "s", None)


def _figure(name: str, value: float, unit: str, baseline: float | None) -> Figure:
    return {
        "name": name,
        "value": value,
        "unit": unit,
        "baseline": baseline,
        "ratio": value / baseline if baseline else None,
    }
