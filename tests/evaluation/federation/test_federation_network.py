import subprocess
import sys
import tomllib
from pathlib import Path

import psutil
import pytest

from mithridate.evaluation.federation import flower_network
from mithridate.evaluation.federation.flower_settings import FlowerRun
from mithridate.evaluation.federation.profiles import Rounds
from mithridate.evaluation.federation.round_time import _study_file
from mithridate.study import load_study

RUN = FlowerRun("study.toml", "rounds.json", 3, 5, True, 5, 3)


def test_the_app_carries_the_runs_settings(tmp_path: Path) -> None:
    flower_network._write_app(tmp_path, RUN)
    project = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))
    assert FlowerRun.of(project["tool"]["flwr"]["app"]["config"]) == RUN
    for component in project["tool"]["flwr"]["app"]["components"].values():
        module, name = component.split(":")
        text = (tmp_path / f"{module.replace('.', '/')}.py").read_text(encoding="utf-8")
        assert f"{name} = " in text


def test_all_runtimes_read_one_honest_study(tmp_path: Path) -> None:
    study = load_study(_study_file(tmp_path, Rounds(6, 4, 1.0)))
    assert (study.hospitals.count, study.training.rounds, study.attacks) == (6, 4, ())
    assert study.clipping.norm == 10.0


def test_nothing_that_a_process_started_outlives_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flower_network, "LINGER_S", 0.1)
    child = "import subprocess, sys; subprocess.run([sys.executable, '-c', 'import time; time.sleep(60)'])"
    script = (
        "import subprocess, sys, time\n"
        f"subprocess.Popen([sys.executable, '-c', {child!r}], start_new_session=True)\n"
        "print('ready', flush=True)\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    with process:
        assert process.stdout is not None
        process.stdout.readline()
        started = psutil.Process(process.pid).children(recursive=True)
        assert started
        flower_network._end(process)
    _, left = psutil.wait_procs(started, timeout=5)
    assert left == []
