"""The report's figures, each as one inline SVG element, the same bytes for the same records.

Colours are Okabe and Ito's, which hold for colour-blind readers ("Color Universal Design", 2008); every series also has
a marker, a line style or a hatch of its own, so that a figure printed in grey can be read.
"""

import io
import re
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from html import escape

import matplotlib
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from mithridate.evaluation.records import PHASES, RoundRecord

COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#f0e442", "#000000")
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*")
DASHES = ("-", "--", "-.", ":")
HATCHES = ("", "//", "\\\\", "xx", "..", "--", "||", "oo", "++")
PHASE_COLOURS = ("#56b4e9", "#e69f00", "#f0e442", "#cc79a7", "#0072b2", "#009e73", "#d55e00", "#999999", "#ffffff")
OTHER_COLOUR = "#dddddd"
BYTE_LABELS = {
    "hospital_upload": "upload of a hospital (mean)",
    "validators": "between validators, linear part",
    "mpc": "between validators, MPC",
}
MAX_LINES = 12
"""Hospitals drawn one by one; of more, those that end lowest."""
NO_METADATA = dict.fromkeys(("Date", "Creator", "Format", "Type"))

Runs = Mapping[str, Sequence[RoundRecord]]
"""Label of a run -> its records."""


def attempt_label(record: RoundRecord) -> str:
    """How the figures and tables name an attempt: "3", or "3.2" for the second attempt of round 3."""
    return f"{record.round}.{record.attempt + 1}" if record.attempt else str(record.round)


def accuracy_figure(runs: Runs) -> str:
    """Accuracy on the test set over the rounds, one line a run."""
    with _style():
        figure, axes = _axes()
        for index, (label, records) in enumerate(runs.items()):
            points = [(r.round, r.accuracy) for r in records if r.accuracy is not None]
            axes.plot(
                [x for x, _ in points],
                [y for _, y in points],
                label=label,
                color=COLOURS[index % len(COLOURS)],
                marker=MARKERS[index % len(MARKERS)],
                linestyle=DASHES[index % len(DASHES)],
                markersize=5,
            )
        axes.set(xlabel="round", ylabel="accuracy on the test set")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _legend(axes)
        return _svg(figure, "accuracy", f"Accuracy on the test set over the rounds of {', '.join(runs)}")


def time_figure(label: str, records: Sequence[RoundRecord]) -> str | None:
    """Seconds of each attempt, stacked by phase; None where the records hold no times."""
    timed = [record for record in records if record.seconds]
    if not timed:
        return None
    with _style():
        figure, axes = _axes()
        below = [0.0] * len(timed)
        places = range(len(timed))
        for name, colour, hatch, heights in _phase_bars(timed):
            axes.bar(places, heights, bottom=below, label=name, color=colour, hatch=hatch, edgecolor="#444", lw=0.4)
            below = [low + height for low, height in zip(below, heights, strict=True)]
        _attempt_ticks(axes, timed)
        axes.set(xlabel="round", ylabel="seconds")
        axes.grid(axis="x", visible=False)
        _legend(axes, reverse=True)
        return _svg(figure, f"time-{label}", f"Seconds of each round of the run {label}, by phase")


def bytes_figure(label: str, records: Sequence[RoundRecord]) -> str | None:
    """Bytes sent in each attempt, on a logarithmic axis; None where nothing was sent."""
    sent = [record for record in records if any(record.bytes.values())]
    if not sent:
        return None
    with _style():
        figure, axes = _axes()
        for index, (key, name) in enumerate(BYTE_LABELS.items()):
            # A logarithmic axis has no zero: a kind that sent nothing in an attempt has no point there.
            points = [(place, record.bytes[key]) for place, record in enumerate(sent) if record.bytes.get(key)]
            if points:
                axes.plot(
                    [x for x, _ in points],
                    [y for _, y in points],
                    label=name,
                    color=COLOURS[index],
                    marker=MARKERS[index],
                    linestyle=DASHES[index],
                    markersize=5,
                )
        axes.set_yscale("log")
        axes.yaxis.set_major_formatter(lambda size, _: format_bytes(size))
        axes.yaxis.set_minor_formatter("")
        _attempt_ticks(axes, sent)
        axes.set(xlabel="round", ylabel="bytes sent")
        _legend(axes)
        return _svg(figure, f"bytes-{label}", f"Bytes sent in each round of the run {label}")


def reputation_figure(series: Sequence[tuple[str, Sequence[float]]]) -> str | None:
    """Every hospital's reputation after each finished round, as an inline SVG; None before the first.

    Args:
        series: label of an attempt, and the reputations after it by hospital.
    """
    if not series:
        return None
    last = series[-1][1]
    shown = sorted(sorted(range(len(last)), key=lambda index: last[index])[:MAX_LINES])
    with _style():
        figure, axes = _axes()
        for place, hospital in enumerate(shown):
            axes.plot(
                range(len(series)),
                [values[hospital] for _, values in series],
                label=f"hospital-{hospital}",
                color=COLOURS[place % len(COLOURS)],
                marker=MARKERS[place % len(MARKERS)],
                linestyle=DASHES[place % len(DASHES)],
                markersize=4,
            )
        step = max(1, len(series) // 20)
        axes.set_xticks(range(0, len(series), step), [series[place][0] for place in range(0, len(series), step)])
        axes.yaxis.set_major_locator(MaxNLocator(6))
        axes.set(xlabel="round", ylabel="reputation", ylim=(0, 1))
        _legend(axes)
        return _svg(figure, "reputation", "Reputation of the hospitals over the rounds, counted from bound verdicts")


def format_bytes(size: float) -> str:
    """Bytes in the largest decimal unit that keeps the number at 1 or more: 82400 -> "82.4 kB"."""
    for unit, name in ((1e9, "GB"), (1e6, "MB"), (1e3, "kB")):
        if size >= unit:
            return f"{size / unit:.3g} {name}"
    return f"{size:.3g} B"


def _phase_bars(records: Sequence[RoundRecord]) -> list[tuple[str, str, str, list[float]]]:
    bars = []
    for name, colour, hatch in zip(PHASES, PHASE_COLOURS, HATCHES, strict=True):
        heights = [record.seconds.get(name, 0.0) for record in records]
        if any(heights):
            bars.append((name, colour, hatch, heights))
    rest = [max(0.0, r.seconds.get("total", 0.0) - sum(r.seconds.get(n, 0.0) for n in PHASES)) for r in records]
    if any(rest):
        bars.append(("other", OTHER_COLOUR, "", rest))
    return bars


def _style() -> AbstractContextManager[None]:
    return matplotlib.rc_context(
        {
            "svg.hashsalt": "mithridate",
            "svg.fonttype": "none",
            "text.parse_math": False,
            "font.family": "sans-serif",
            "font.size": 10,
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "grid.color": "#e5e5e5",
            "hatch.linewidth": 0.6,
            "legend.frameon": False,
        }
    )


def _axes() -> tuple[Figure, Axes]:
    figure = Figure(figsize=(7.6, 3.2), layout="constrained")
    return figure, figure.subplots()


def _legend(axes: Axes, *, reverse: bool = False) -> None:
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), reverse=reverse)


def _attempt_ticks(axes: Axes, records: Sequence[RoundRecord]) -> None:
    step = max(1, len(records) // 20)
    places = list(range(0, len(records), step))
    axes.set_xticks(places, [attempt_label(records[place]) for place in places])


def _svg(figure: Figure, name: str, description: str) -> str:
    buffer = io.StringIO()
    figure.savefig(buffer, format="svg", metadata=NO_METADATA)
    drawing = buffer.getvalue()
    drawing = drawing[drawing.index("<svg") :]
    # Several figures share one page: ids are made the figure's own.
    own = re.sub(r"[^a-z0-9]+", "-", name.lower()) + "-"
    drawing = re.sub(r'\bid="', f'id="{own}', drawing)
    drawing = re.sub(r'(href="|url\()#', rf"\g<1>#{own}", drawing)
    return drawing.replace("<svg", f'<svg role="img" aria-label="{escape(description)}"', 1)
