"""The figure of a calibration: scores, the trade-off that the evidence's settings were chosen from, and the check."""

from pathlib import Path

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from mithridate.evaluation.calibration.procedure import Calibration
from mithridate.evaluation.calibration.recording import Recording
from mithridate.evaluation.calibration.tables import checked, frontier
from mithridate.evaluation.plots import COLOURS, DASHES, _style

_DOTS = 100
_PERCENT = (0, 0.5, 1, 2, 5, 10, 20, 50, 100)


def write_figure(found: Calibration, path: Path) -> None:
    """Writes a PNG."""
    with _style():
        figure = Figure(figsize=(15, 4.2), layout="constrained")
        scores, curve, check = figure.subplots(1, 3)
        _scores(scores, found)
        _curve(curve, found)
        _check(check, found)
        figure.savefig(path, format="png", dpi=_DOTS, metadata={"Software": None})


def _scores(axes: Axes, found: Calibration) -> None:
    """Honest and attackers' rounds by their score, in each dataset."""
    bins = np.linspace(-1.5, 1.5, 61).tolist()
    for name, colour in zip(found.people.datasets, COLOURS, strict=False):
        for told, malicious, dash in (("honest", False, DASHES[0]), ("attacking", True, DASHES[1])):
            values = np.concatenate([_of(recording, name, malicious) for recording in found.recordings])
            axes.hist(
                values, bins, density=True, histtype="step", color=colour, linestyle=dash, label=f"{name}, {told}"
            )
    axes.axvline(found.chosen.settings.score_floor, color="black", linestyle=":", label="score_floor")
    axes.set(xlabel="score of the gradient test", ylabel="density of rounds")
    axes.legend(fontsize=8)


def _of(recording: Recording, dataset: str, attacking: bool) -> npt.NDArray[np.float64]:
    studies = np.array([cell.dataset == dataset for cell in recording.cells])
    rounds = (
        recording["attacking"]
        if attacking
        else np.broadcast_to(~recording["malicious"][:, None], recording["scores"].shape)
    )
    return np.asarray(recording["scores"][studies][rounds[studies]])


def _curve(axes: Axes, found: Calibration) -> None:
    points = frontier(found.grid)
    honest, caught = ([100 * point.caught.everywhere.value for point in points], [100 * p.caught.mean for p in points])
    axes.plot(honest, caught, color=COLOURS[0], marker=".", drawstyle="steps-post", label="best of the grid")
    for name, point, marker, colour in (
        ("default", found.default, "s", COLOURS[2]),
        ("calibrated", found.chosen, "*", COLOURS[1]),
    ):
        place = (100 * point.caught.everywhere.value, 100 * point.caught.mean)
        axes.plot(*place, marker=marker, color=colour, markersize=9, linestyle="", label=name)
    axes.axvline(100 * found.error, color="black", linestyle=":", label="allowed")
    axes.set_xscale("symlog", linthresh=0.5)
    axes.set_xlim(-0.05, 100)
    axes.set_xticks(_PERCENT, [f"{share:g}" for share in _PERCENT])
    axes.minorticks_off()
    axes.set(xlabel="honest hospitals suspended, %", ylabel="harmful attackers suspended, %", title="replayed")
    axes.legend(loc="lower right", fontsize=8)


def _check(axes: Axes, found: Calibration) -> None:
    """Honest hospitals suspended on fresh seeds, by dataset and partition, with their intervals."""
    rows = checked(found)
    places = {place: index for index, place in enumerate(dict.fromkeys((r["dataset"], r["partition"]) for r in rows))}
    for shift, (name, colour) in zip((-0.15, 0.15), (("default", COLOURS[2]), ("calibrated", COLOURS[1])), strict=True):
        own = [row for row in rows if row["settings"] == name]
        shares = [row["honest_suspended"] for row in own]
        at = [places[row["dataset"], row["partition"]] + shift for row in own]
        values = np.array([share["share"] for share in shares])
        around = np.abs([[share["low"], share["high"]] for share in shares] - values[:, None]).T
        axes.errorbar(100 * values, at, xerr=100 * around, fmt="o", color=colour, label=name)
    axes.axvline(100 * found.error, color="black", linestyle=":", label="allowed")
    axes.set_yticks(list(places.values()), [" ".join(place) for place in places], fontsize=8)
    axes.set(xlabel="honest hospitals suspended, %", title="checked on fresh seeds")
    axes.legend(fontsize=8)
