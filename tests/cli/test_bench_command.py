import json
import sys
from collections.abc import Callable
from types import ModuleType

import pytest

from mithridate.cli.bench import BENCHMARKS

Command = Callable[..., int]
RESULT = {
    "bench": "memory",
    "figures": [
        {"name": "peak", "value": 1234.5, "unit": "MiB", "baseline": 4096, "ratio": 0.3014},
        {"name": "time", "value": 12, "unit": "s", "baseline": None, "ratio": None},
    ],
}


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    module = ModuleType("mithridate.evaluation.bench_memory")
    module.run = lambda: RESULT  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)


@pytest.mark.usefixtures("benchmark")
def test_json_is_the_result(mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert mithridate("bench", "memory", "--json") == 0
    assert json.loads(capsys.readouterr().out) == RESULT


@pytest.mark.usefixtures("benchmark")
def test_the_table_shows_a_dash_where_there_is_no_baseline(
    mithridate: Command, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("bench", "memory") == 0
    lines = capsys.readouterr().out.splitlines()
    assert any("peak" in line and "1234" in line and "4096" in line and "0.3014" in line for line in lines)
    assert any("time" in line and line.count("–") == 2 for line in lines)


def test_without_a_name_they_are_listed(mithridate: Command, capsys: pytest.CaptureFixture[str]) -> None:
    assert mithridate("bench") == 0
    assert [line.split()[0] for line in capsys.readouterr().out.splitlines()] == sorted(BENCHMARKS)


@pytest.mark.usefixtures("benchmark")
def test_goals_that_are_missed_and_facts_come_before_the_table(
    mithridate: Command, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(RESULT, "shortfalls", ["too slow"])
    monkeypatch.setitem(RESULT, "facts", ["one machine"])
    assert mithridate("bench", "memory") == 0
    shown = capsys.readouterr().out
    assert shown.index("short of its goal: too slow") < shown.index("note: one machine") < shown.index("1234")


PROFILED = " and ".join(f"`mithridate bench {name}`" for name in ("detection", "faults", "federation", "network"))


@pytest.mark.parametrize(
    ("arguments", "takers"),
    [
        (("memory", "--profile", "full"), PROFILED),
        (("federation", "--workers", "2"), "`mithridate bench detection`"),
    ],
)
def test_a_setting_of_another_benchmark_is_refused(
    mithridate: Command, capsys: pytest.CaptureFixture[str], arguments: tuple[str, ...], takers: str
) -> None:
    assert mithridate("bench", *arguments) == 2
    assert f"is for {takers}; {arguments[0]} does not have it" in " ".join(capsys.readouterr().err.split())
