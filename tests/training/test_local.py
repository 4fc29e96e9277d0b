import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
from torch import nn

from mithridate.data.dataset import Dataset
from mithridate.errors import ModelError, ShapeError
from mithridate.models.build import build_model
from mithridate.models.parameters import load_vector, to_vector
from mithridate.training.local import train
from mithridate.training.settings import TrainingSettings


def dataset(records: int = 40, seed: int = 0) -> Dataset:
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, 2, records)
    features = rng.normal(size=(records, 4)) + labels[:, np.newaxis]
    return Dataset(features.astype(np.float32), labels, ("a", "b"), "table")


def images(records: int = 64) -> Dataset:
    rng = np.random.default_rng(0)
    return Dataset(rng.random((records, 1, 12, 12), np.float32), rng.integers(0, 3, records), ("a", "b", "c"), "image")


DATA = dataset()
MODULE = build_model("mlp", (4,), 2, seed=0)
BASE = to_vector(MODULE)
SETTINGS = TrainingSettings(local_epochs=3, batch_size=16, learning_rate=0.01)


def test_one_step_of_sgd_is_the_gradient() -> None:
    settings = TrainingSettings(local_epochs=1, batch_size=40, optimizer="sgd", learning_rate=0.5)
    result = train(MODULE, BASE, DATA, settings, seed=0)
    load_vector(MODULE, BASE)
    MODULE.zero_grad()
    loss = nn.functional.cross_entropy(MODULE(torch.from_numpy(DATA.features)), torch.from_numpy(DATA.labels))
    loss.backward()  # type: ignore[no-untyped-call]
    gradient = torch.cat([p.grad.reshape(-1) for p in MODULE.parameters() if p.grad is not None]).numpy()
    np.testing.assert_allclose(result.vector, BASE - 0.5 * gradient, atol=1e-6)
    assert np.isclose(result.loss, loss.item())


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_equals_a_loop_written_out_with_unfused_optimisers(optimizer: str) -> None:
    settings = TrainingSettings.model_validate({**SETTINGS.model_dump(), "optimizer": optimizer, "weight_decay": 0.01})
    result = train(MODULE, BASE, DATA, settings, seed=5)
    load_vector(MODULE, BASE)
    kinds = {"adam": torch.optim.Adam, "sgd": torch.optim.SGD}
    reference = kinds[optimizer](MODULE.parameters(), lr=0.01, weight_decay=0.01)
    order = torch.Generator().manual_seed(5)
    for _ in range(3):
        for batch in torch.randperm(40, generator=order).split(16):  # type: ignore[no-untyped-call]
            reference.zero_grad()
            logits = MODULE(torch.from_numpy(DATA.features)[batch])
            nn.functional.cross_entropy(logits, torch.from_numpy(DATA.labels)[batch]).backward()  # type: ignore[no-untyped-call]
            reference.step()
    np.testing.assert_allclose(result.vector, to_vector(MODULE), atol=2e-5)


def test_training_learns() -> None:
    settings = TrainingSettings(local_epochs=40, learning_rate=0.01)
    assert (
        train(MODULE, BASE, DATA, settings, seed=0).loss < 0.5 < train(MODULE, BASE, DATA, SETTINGS, seed=0).loss + 0.2
    )


def test_the_seed_decides_to_the_bit() -> None:
    one, same, other = (train(MODULE, BASE, DATA, SETTINGS, seed=seed).vector.tobytes() for seed in (1, 1, 2))
    assert one == same != other


def test_equal_bits_in_another_process_with_another_number_of_threads() -> None:
    script = (
        "import sys, torch, numpy as np\n"
        "torch.set_num_threads(int(sys.argv[1]))\n"
        "from mithridate.data.dataset import Dataset\n"
        "from mithridate.models.build import build_model\n"
        "from mithridate.models.parameters import to_vector\n"
        "from mithridate.training.local import train\n"
        "from mithridate.training.settings import TrainingSettings\n"
        "rng = np.random.default_rng(0)\n"
        "data = Dataset(rng.random((64, 1, 12, 12), np.float32), rng.integers(0, 3, 64), ('a', 'b', 'c'), 'image')\n"
        "module = build_model('cnn', (1, 12, 12), 3, seed=0)\n"
        "result = train(module, to_vector(module), data, TrainingSettings(local_epochs=1), seed=3)\n"
        "sys.stdout.buffer.write(result.vector.tobytes())\n"
    )
    module = build_model("cnn", (1, 12, 12), 3, seed=0)
    here = train(module, to_vector(module), images(), TrainingSettings(local_epochs=1), seed=3).vector.tobytes()
    done = subprocess.run([sys.executable, "-c", script, "3"], capture_output=True, check=True)
    assert done.stdout == here


def test_the_process_state_is_left_as_it_was() -> None:
    torch.manual_seed(9)
    before = (torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    train(MODULE, BASE, DATA, SETTINGS, seed=1)
    after = (torch.get_rng_state(), torch.get_num_threads(), torch.are_deterministic_algorithms_enabled())
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


def test_training_at_the_same_time_gives_the_same_bits_and_leaves_the_mode_off() -> None:
    expected = [train(MODULE, BASE, DATA, SETTINGS, seed=seed).vector.tobytes() for seed in range(8)]

    def job(seed: int) -> bytes:
        return train(build_model("mlp", (4,), 2, seed=0), BASE, DATA, SETTINGS, seed=seed).vector.tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(job, range(8))) == expected
    assert not torch.are_deterministic_algorithms_enabled()


def test_the_base_and_the_records_are_not_changed() -> None:
    base, features = BASE.copy(), DATA.features.copy()
    train(MODULE, BASE, DATA, SETTINGS, seed=1)
    np.testing.assert_array_equal(BASE, base)
    np.testing.assert_array_equal(DATA.features, features)


def test_fedprox_adds_the_gradient_of_its_penalty() -> None:
    # Two full-batch steps of SGD: w1 = w0 - a g(w0); w2 = w1 - a (g(w1) + mu (w1 - w0)).
    rate, mu = 0.1, 2.0
    keys = {"batch_size": 40, "optimizer": "sgd", "learning_rate": rate}
    one = train(MODULE, BASE, DATA, TrainingSettings.model_validate({**keys, "local_epochs": 1}), seed=0).vector
    plain = train(MODULE, BASE, DATA, TrainingSettings.model_validate({**keys, "local_epochs": 2}), seed=0).vector
    proximal = {**keys, "local_epochs": 2, "proximal": mu}
    pulled = train(MODULE, BASE, DATA, TrainingSettings.model_validate(proximal), seed=0).vector
    np.testing.assert_allclose(pulled, plain - rate * mu * (one - BASE), atol=1e-6)


def test_a_strong_pull_keeps_the_model_near_the_base() -> None:
    keys = {"local_epochs": 20, "optimizer": "sgd", "learning_rate": 0.05}
    norms = [
        np.linalg.norm(
            train(MODULE, BASE, DATA, TrainingSettings.model_validate({**keys, "proximal": mu}), seed=0).vector - BASE
        )
        for mu in (0.0, 10.0)
    ]
    assert norms[1] < norms[0] / 3


def test_frozen_parameters_stay() -> None:
    module = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    module[0].weight.requires_grad_(False)
    base = to_vector(module)
    vector = train(module, base, DATA, TrainingSettings(local_epochs=1, proximal=0.1), seed=0).vector
    np.testing.assert_array_equal(vector[:12], base[:12])
    assert (vector[12:] != base[12:]).any()


def test_training_that_diverges_is_returned_as_it_is() -> None:
    settings = TrainingSettings(local_epochs=30, optimizer="sgd", learning_rate=100.0)
    module = build_model("mlp", (4,), 2, seed=0)
    huge = Dataset(DATA.features * np.float32(1e30), DATA.labels, DATA.classes, "table")
    assert not np.isfinite(train(module, BASE, huge, settings, seed=0).vector).all()


def test_another_models_base_or_records_are_refused() -> None:
    with pytest.raises(ShapeError):
        train(MODULE, BASE[:-1], DATA, SETTINGS, seed=0)
    with pytest.raises(ModelError, match=r"records of shape \(1, 12, 12\)"):
        train(MODULE, BASE, images(), SETTINGS, seed=0)
