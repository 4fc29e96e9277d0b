import numpy as np
import pytest

from mithridate.data.dataset import Dataset
from mithridate.errors import ModelError
from mithridate.models.build import build_model
from mithridate.models.parameters import to_vector
from mithridate.training import parallel
from mithridate.training.local import train
from mithridate.training.settings import TrainingSettings

SETTINGS = TrainingSettings(local_epochs=1)


def images(seed: int, size: int = 8) -> Dataset:
    rng = np.random.default_rng(seed)
    return Dataset(rng.random((20, 1, size, size), np.float32), rng.integers(0, 3, 20), ("a", "b", "c"), "image")


@pytest.mark.parametrize("workers", [1, 2, 7])
def test_results_are_those_of_one_after_another_in_order(workers: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "worker_count", lambda module: workers)
    module = build_model("cnn", (1, 8, 8), 3, seed=0)
    base, datasets = to_vector(module), [images(seed) for seed in range(5)]
    expected = [train(module, base, data, SETTINGS, seed=10 + i).vector.tobytes() for i, data in enumerate(datasets)]
    results = parallel.train_all(module, base, datasets, SETTINGS, seeds=range(10, 15))
    assert [result.vector.tobytes() for result in results] == expected


def test_small_models_train_one_after_another(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    assert parallel.worker_count(build_model("mlp", (30,), 2, seed=0)) == 1
    assert parallel.worker_count(build_model("cnn", (1, 28, 28), 2, seed=0)) == 4


def test_each_hospital_needs_its_seed() -> None:
    module = build_model("mlp", (1, 8, 8), 3, seed=0)
    with pytest.raises(ValueError, match="zip"):
        parallel.train_all(module, to_vector(module), [images(0), images(1)], SETTINGS, seeds=[1])


def test_one_failing_hospital_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "worker_count", lambda module: 2)
    module = build_model("mlp", (1, 8, 8), 3, seed=0)
    with pytest.raises(ModelError):
        parallel.train_all(module, to_vector(module), [images(0), images(1, size=9)], SETTINGS, seeds=[1, 2])
