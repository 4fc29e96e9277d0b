"""The benchmark's figure: work of a hospital and of the servers over the number of hospitals, by arm and model size."""

from collections.abc import Callable, Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mithridate.evaluation.federation.work import FEDAVG, OURS, SECAGG, SECAGG_LEAST, Work
from mithridate.evaluation.plots import COLOURS, DASHES, MARKERS

ARMS = (OURS, FEDAVG, SECAGG, SECAGG_LEAST)


def draw(path: Path, works: Sequence[Work]) -> None:
    """Writes an SVG file; extrapolated sizes are hollow.

    Args:
        path: of the file; it is replaced.
        works: of one run; those with drop-outs are left out.
    """
    figure = Figure(figsize=(9, 4), layout="constrained")
    left, right = figure.subplots(1, 2)
    shown = [work for work in works if not work.dropped]
    _panel(left, shown, lambda work: work.hospital, "a hospital")
    _panel(right, shown, lambda work: work.servers, "all servers")
    left.legend(fontsize=7)
    figure.savefig(path, format="svg", metadata={"Date": None})


def _panel(axes: Axes, works: Sequence[Work], seconds: Callable[[Work], float], whose: str) -> None:
    sizes = sorted({work.parameters for work in works})
    for place, arm in enumerate(ARMS):
        for line, parameters in enumerate(sizes):
            points = sorted(
                (w.hospitals, seconds(w), bool(w.extrapolated_from))
                for w in works
                if w.arm == arm and w.parameters == parameters
            )
            if not points:
                continue
            axes.plot(
                [x for x, _, _ in points],
                [y for _, y, _ in points],
                label=f"{arm}, {parameters / 1000:g}k",
                color=COLOURS[place],
                linestyle=DASHES[line % len(DASHES)],
            )
            for x, y, guessed in points:
                face = "none" if guessed else COLOURS[place]
                axes.plot(x, y, MARKERS[place], color=COLOURS[place], markerfacecolor=face)
    axes.set(xscale="log", yscale="log", xlabel="hospitals", ylabel="processor seconds", title=f"work of {whose}")
