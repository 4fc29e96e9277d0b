"""The network benchmark's figure: a round as measured beside its prediction, by what it is spent on."""

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from mithridate.evaluation.emulated.compared import Compared
from mithridate.evaluation.plots import COLOURS, HATCHES

PARTS = ("computing", "waiting", "latency", "transfer")
WIDTH = 0.38


def draw(path: Path, compared: Sequence[Compared]) -> None:
    """Writes an SVG file.

    Args:
        path: of the file; it is replaced.
        compared: one a network.
    """
    figure = Figure(figsize=(8, 4), layout="constrained")
    axes = figure.subplots()
    places = range(len(compared))
    measured = [each.measured for each in compared]
    axes.bar([place - WIDTH / 2 for place in places], measured, WIDTH, label="measured", color="#444444")
    below = [0.0] * len(compared)
    for number, part in enumerate(PARTS):
        heights = [sum(getattr(step, part) for step in each.steps.values()) for each in compared]
        right = [place + WIDTH / 2 for place in places]
        label = f"predicted: {part}"
        axes.bar(right, heights, WIDTH, below, label=label, color=COLOURS[number], hatch=HATCHES[number])
        below = [lower + height for lower, height in zip(below, heights, strict=True)]
    axes.set_xticks(list(places), [each.name for each in compared])
    axes.set_ylabel("seconds a round")
    axes.legend(fontsize=8)
    figure.savefig(path, format="svg", metadata={"Date": None})
