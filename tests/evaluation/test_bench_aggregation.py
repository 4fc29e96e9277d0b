import pytest

from mithridate.errors import BenchmarkError
from mithridate.evaluation import bench_aggregation


def test_every_step_is_timed_and_the_upload_is_eight_bytes_a_parameter() -> None:
    result = bench_aggregation.run(hospitals=3, parameters=20_000, repeats=1)
    assert result["bench"] == "aggregation"
    figures = {figure["name"]: figure for figure in result["figures"]}
    assert all(set(figure) == {"name", "value", "unit", "baseline", "ratio"} for figure in figures.values())
    assert all(figure["value"] > 0 for figure in figures.values())
    (upload,) = [figure["value"] for figure in figures.values() if "parameter" in figure["unit"]]
    assert 8 < upload < 8.1


def test_a_wrong_sum_is_no_benchmark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_aggregation, "weighted_sum", lambda components, weights: components[0])
    with pytest.raises(BenchmarkError):
        bench_aggregation.run(hospitals=2, parameters=1000, repeats=1)
