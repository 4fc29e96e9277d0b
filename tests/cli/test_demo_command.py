import json
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import ModuleType

import pytest

from mithridate.evaluation.bench_demo import figures
from mithridate.evaluation.demo import ARMS, compare_seeds, demo_study
from mithridate.evaluation.records import Observer, SilentObserver
from mithridate.study import Study

Command = Callable[..., int]


def test_the_answer_holds_what_the_runs_recorded(
    mithridate: Command, runtime: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("demo", "--json") == 0
    answer = json.loads(capsys.readouterr().out)
    assert answer["clean"] == {"accuracy": 0.95}
    assert answer["undefended"] == {"accuracy": 0.6}
    attackers = [f"hospital-{index}" for index in (2, 5, 7, 8)]
    assert answer["attackers"] == attackers
    assert answer["defended"] == {
        "accuracy": 0.95,
        "rejected": dict.fromkeys(attackers, "validation loss"),
        "honest_rejections": 0.0,
    }
    assert answer["overhead"] == pytest.approx(3.0)
    assert answer["seconds"] > 0
    assert answer["report"] == "runs/demo/report.html"
    assert "Run: defended" in (tmp_path / answer["report"]).read_text()


def test_the_arms_differ_in_attack_and_defence_only(mithridate: Command, runtime: ModuleType, tmp_path: Path) -> None:
    assert mithridate("demo", "--json") == 0
    studies = {arm: json.loads((tmp_path / "runs" / "demo" / arm / "study.json").read_text()) for arm in ARMS}
    assert [bool(study["attacks"]) for study in studies.values()] == [False, True, True]
    assert [study["runtime"]["secure"] for study in studies.values()] == [False, False, True]
    for study in studies.values():
        del study["attacks"], study["runtime"]["secure"]
    assert studies["clean"] == studies["undefended"] == studies["defended"]


def test_several_seeds_get_a_folder_each_and_a_mean(
    mithridate: Command, runtime: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("demo", "--json", "--seeds", "2", "--out", "there") == 0
    answer = json.loads(capsys.readouterr().out)
    assert [one["seed"] for one in answer["seeds"]] == [1, 2]
    assert {path.name for path in (tmp_path / "there").iterdir()} == {"seed-1", "seed-2"}
    assert answer["undefended"]["accuracy"] == pytest.approx(0.6)


def test_it_ends_with_a_table_and_the_report(
    mithridate: Command, runtime: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert mithridate("demo") == 0
    lines = capsys.readouterr().out.splitlines()
    assert sum(line.startswith("[ROUND 10/10]") for line in lines) == 3
    assert lines[-1] == "report runs/demo/report.html"
    assert any("4 of 4" in line and "0.600" in line for line in lines[-5:])


def test_it_can_be_run_again(mithridate: Command, runtime: ModuleType, tmp_path: Path) -> None:
    assert [mithridate("demo"), mithridate("demo")] == [0, 0]
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"demo", "demo-2"}


def test_the_benchmark_counts_losses_in_points_of_the_clean_run(runtime: ModuleType, tmp_path: Path) -> None:
    with demo_study() as path:
        comparisons = compare_seeds(path, tmp_path / "out", seeds=2, watch=_silent)
    rows = {row["name"]: row for row in figures(comparisons)}
    assert rows["loss undefended, worst seed"]["value"] == pytest.approx(35.0)
    assert rows["gap defended, worst seed"]["value"] == pytest.approx(0.0)
    assert rows["rejections of the worst attacker, worst seed"]["value"] == 1.0
    assert rows["rejections of the worst honest hospital, worst seed"]["value"] == 0.0
    assert rows["defended accuracy, mean"]["ratio"] == pytest.approx(1.0)


def _silent(arm: str, study: Study) -> AbstractContextManager[Observer]:
    return nullcontext(SilentObserver())
