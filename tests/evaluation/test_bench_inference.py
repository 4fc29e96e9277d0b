import pytest

from mithridate.evaluation import bench_inference
from mithridate.evaluation.bench_inference import BenchmarkError, Case, run

CASE = Case("mlp", (3,), 2, models=2, samples=4)


def test_the_figures_have_the_common_shape() -> None:
    told: list[str] = []
    result = run(told.append, (CASE,))
    assert told == ["mlp, 2 x 4 of 3"]
    assert result["bench"] == "inference"
    assert [figure["unit"] for figure in result["figures"]] == ["ms", "s", "s", "kB"]
    for figure in result["figures"]:
        assert set(figure) == {"name", "value", "unit", "baseline", "ratio"}
    sample, call, _, sent = result["figures"]
    assert sample["value"] == pytest.approx(1e3 * call["value"] / 8)
    assert sample["ratio"] == pytest.approx(sample["value"] / sample["baseline"])
    assert sent["value"] > 0.1


def test_wrong_logits_are_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench_inference, "TOLERANCE", -1.0)
    with pytest.raises(BenchmarkError, match="differ from PyTorch"):
        run(cases=(CASE,))
