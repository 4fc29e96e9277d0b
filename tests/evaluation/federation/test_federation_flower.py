import sys
from pathlib import Path

import pytest

from mithridate.errors import BenchmarkError, InputError
from mithridate.evaluation.federation.flower import VARIABLE, FlowerWorker, flower_python
from mithridate.evaluation.federation.measuring import measurer
from mithridate.evaluation.federation.work import FEDAVG, SECAGG
from mithridate.evaluation.federation.workload import Workload


def test_without_flower_the_message_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "python"))
    with pytest.raises(InputError, match="make flower"):
        flower_python()


def test_an_interpreter_without_flower_fails_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(VARIABLE, sys.executable)
    with FlowerWorker() as worker, pytest.raises(BenchmarkError, match="No module named 'flwr'"):
        worker.measure({"arm": FEDAVG})


def test_a_worker_that_was_not_started_says_so() -> None:
    with pytest.raises(BenchmarkError, match="with block"):
        FlowerWorker().measure({})


@pytest.mark.slow
def test_flowers_own_code_aggregates_the_same_updates(flower_worker: FlowerWorker) -> None:
    with flower_worker as worker:
        measure = measurer(worker)
        for dropped in (False, True):
            workload = Workload(10, 2000, dropped)
            plain, secure = (measure(arm, workload, (9, 5)) for arm in (FEDAVG, SECAGG))
            assert plain.error is not None
            assert secure.error is not None
            assert plain.error < 1e-6 < secure.error < 2e-5
            assert 8 * 2000 < secure.up < 8 * 2000 + 20_000
            assert 4 * 2000 < plain.up < 4 * 2000 + 1000
            assert secure.hospital > plain.hospital > 0
        with pytest.raises(BenchmarkError, match="reconstruction_threshold"):
            measure(SECAGG, Workload(10, 2000, dropped=True), (3, 3))
