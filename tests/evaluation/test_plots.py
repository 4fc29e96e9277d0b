import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable

import pytest

from mithridate.evaluation.plots import (
    PHASE_COLOURS,
    accuracy_figure,
    attempt_label,
    bytes_figure,
    format_bytes,
    time_figure,
)
from mithridate.evaluation.records import PHASES, RoundRecord
from mithridate.evaluation.report import Run

SVG = "{http://www.w3.org/2000/svg}"


def parse(drawing: str) -> ElementTree.Element:
    return ElementTree.fromstring(drawing)  # noqa: S314 - our own text


def texts(drawing: str) -> list[str]:
    return [element.text or "" for element in parse(drawing).iter(f"{SVG}text")]


def test_the_same_records_give_the_same_bytes(make_run: Callable[..., Run]) -> None:
    runs = {"a": make_run().records, "b": make_run(secure=False).records}
    assert accuracy_figure(runs) == accuracy_figure(runs)
    assert time_figure("a", runs["a"]) == time_figure("a", runs["a"])


def test_the_drawing_holds_no_date_and_nothing_from_elsewhere(make_run: Callable[..., Run]) -> None:
    drawing = accuracy_figure({"a": make_run().records})
    assert "metadata" not in drawing
    assert set(re.findall(r"https?://[^\"' ]+", drawing)) == {
        "http://www.w3.org/2000/svg",
        "http://www.w3.org/1999/xlink",
    }


def test_the_accuracy_figure_names_every_run_in_words_and_for_screen_readers(make_run: Callable[..., Run]) -> None:
    drawing = accuracy_figure({"clean": make_run().records, "a <b> & $x$": make_run().records})
    assert {"clean", "a <b> & $x$"} <= set(texts(drawing))
    assert parse(drawing).get("role") == "img"
    assert "a <b> & $x$" in parse(drawing).get("aria-label", "")


def test_the_time_figure_shows_the_phases_there_are_and_the_rest(make_run: Callable[..., Run]) -> None:
    drawing = time_figure("defended", make_run().attempts)
    assert drawing is not None
    shown = texts(drawing)
    assert {"train", "share", "verify", "ledger", "other"} <= set(shown)
    assert "attest" not in shown


def test_the_bars_of_a_round_add_up_to_its_time() -> None:
    record = RoundRecord(round=1, status="void", seconds={"train": 1.0, "verify": 2.0, "total": 3.5})
    drawing = time_figure("x", [record])
    assert drawing is not None
    bars = [path.get("d", "") for path in parse(drawing).iter(f"{SVG}path") if "#444444" in path.get("style", "")]
    heights = []
    for bar in bars[:3]:
        ys = [float(y) for y in re.findall(r"[ML] [-\d.]+ ([-\d.]+)", bar)]
        heights.append(max(ys) - min(ys))
    assert [height / heights[0] for height in heights] == pytest.approx([1.0, 2.0, 0.5], rel=1e-3)


def test_nothing_to_show_gives_no_figure() -> None:
    record = RoundRecord(round=1, status="void")
    assert time_figure("x", [record]) is None
    assert bytes_figure("x", [record]) is None
    assert bytes_figure("x", [record.model_copy(update={"bytes": {"mpc": 0.0}})]) is None


def test_a_kind_that_sent_nothing_in_a_round_is_left_out_of_the_logarithm() -> None:
    records = [RoundRecord(round=n, status="void", bytes={"hospital_upload": 8, "mpc": n - 1}) for n in (1, 2)]
    drawing = bytes_figure("x", records)
    assert drawing is not None
    assert "between validators, MPC" in texts(drawing)
    assert "between validators, linear part" not in texts(drawing)


def test_figures_of_one_page_share_no_id(make_run: Callable[..., Run]) -> None:
    runs = make_run("one"), make_run("two")
    drawings = [accuracy_figure({"one": runs[0].records})]
    for run in runs:
        drawings += [time_figure(run.label, run.attempts) or "", bytes_figure(run.label, run.attempts) or ""]
    ids = [found for drawing in drawings for found in set(re.findall(r'\bid="([^"]+)"', drawing))]
    assert len(ids) == len(set(ids))
    for drawing in drawings:
        own = set(re.findall(r'\bid="([^"]+)"', drawing))
        assert set(re.findall(r'(?:href="|url\()#([^")]+)', drawing)) <= own


def test_a_second_attempt_is_told_from_the_first() -> None:
    assert attempt_label(RoundRecord(round=3, status="void")) == "3"
    assert attempt_label(RoundRecord(round=3, attempt=1, status="void")) == "3.2"


def test_every_phase_has_a_colour_of_its_own() -> None:
    assert len(set(PHASE_COLOURS)) == len(PHASE_COLOURS) == len(PHASES)


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (999, "999 B"), (1000, "1 kB"), (82_400, "82.4 kB"), (2.5e8, "250 MB"), (3e12, "3e+03 GB")],
)
def test_bytes_in_words(size: float, text: str) -> None:
    assert format_bytes(size) == text
