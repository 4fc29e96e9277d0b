import numpy as np
import pytest

from mithridate.evaluation import bench_training


def test_the_figures_follow_the_benchmarks_shape(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_training, "STUDIES", (("breast_cancer", "mlp"),))
    result = bench_training.run(repeats=1)
    assert result["bench"] == "training"
    (figure,) = result["figures"]
    assert set(figure) == {"name", "value", "unit", "baseline", "ratio"}
    assert figure["unit"] == "ms"
    assert figure["ratio"] == pytest.approx(figure["value"] / figure["baseline"])


def test_a_round_that_computes_something_else_is_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_training, "_bare", lambda prepared: np.zeros(1))
    with pytest.raises(bench_training.BenchmarkError, match="differ"):
        bench_training.run(repeats=1)
