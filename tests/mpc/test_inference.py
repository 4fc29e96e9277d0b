import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from mithridate.errors import ModelError
from mithridate.models import models
from mithridate.mpc import inference
from mithridate.mpc.aten import lower
from mithridate.mpc.inference import LogitsProgram, encrypted_logits, logits, margins, model_chunks
from mithridate.mpc.shares import reconstruct

TOLERANCE = 1e-3
PRESETS = [("mlp", (30,), 2), ("mlp", (8, 8), 10), ("logistic", (30,), 2), ("logistic", (64,), 10)]


def flat(module: nn.Module) -> np.ndarray:
    return torch.cat([entry.flatten() for entry in module.state_dict().values()]).numpy()


def preset(name: str, shape: tuple[int, ...], classes: int) -> nn.Module:
    return models.get(name)(shape, classes)


def check_parity(module: nn.Module, shape: tuple[int, ...], samples: int, committee: Any, codec: Any) -> None:
    """Logits within the tolerance, labels equal but where PyTorch's own two best lie within it."""
    inputs = torch.randn(samples, *shape)
    lowered = lower(module, shape)
    params, shares = codec.fixed(flat(module)[None]), codec.fixed(inputs)
    parts = committee.together(lambda s: encrypted_logits(s, lowered, params[s.rank], shares[s.rank]))
    (result,) = codec.decode(reconstruct(parts))
    expected = module(inputs).detach().numpy()
    assert np.abs(result - expected).max() < TOLERANCE
    best = np.sort(expected, axis=1)
    decided = best[:, -1] - best[:, -2] > TOLERANCE
    assert decided.mean() > 0.9
    assert np.array_equal(result.argmax(1)[decided], expected.argmax(1)[decided])


@pytest.mark.parametrize(("name", "shape", "classes"), PRESETS)
def test_presets_agree_with_pytorch(
    name: str, shape: tuple[int, ...], classes: int, committee: Any, codec: Any
) -> None:
    torch.manual_seed(1)
    check_parity(preset(name, shape, classes), shape, 256, committee, codec)


def test_cnn_agrees_with_pytorch(committee: Any, codec: Any) -> None:
    torch.manual_seed(1)
    check_parity(preset("cnn", (1, 28, 28), 10), (1, 28, 28), 256, committee, codec)


@pytest.mark.parametrize("chunk", [1, 1000, 10**9])
def test_hospitals_and_chunks_are_independent(
    chunk: int, monkeypatch: pytest.MonkeyPatch, committee: Any, codec: Any
) -> None:
    torch.manual_seed(2)
    module = nn.Sequential(nn.Linear(5, 4), nn.ReLU(), nn.Linear(4, 3))
    hospitals = [copy.deepcopy(module) for _ in range(3)]
    for hospital in hospitals:
        nn.init.normal_(hospital[0].weight)
    lowered, inputs = lower(module, (5,)), torch.randn(7, 5)
    monkeypatch.setattr(inference, "CHUNK_VALUES", chunk)
    monkeypatch.setattr(inference, "CHUNK_PARAMETERS", min(chunk, 100))
    params, shares = codec.fixed(np.stack([flat(hospital) for hospital in hospitals])), codec.fixed(inputs)
    parts = committee.together(lambda s: encrypted_logits(s, lowered, params[s.rank], shares[s.rank]))
    result = codec.decode(reconstruct(parts))
    for hospital, row in zip(hospitals, result, strict=True):
        assert np.abs(row - hospital(inputs).detach().numpy()).max() < TOLERANCE


def test_verdict_bits_in_one_program(committee: Any, codec: Any) -> None:
    lowered = lower(nn.Linear(2, 3), (2,))
    good = np.array([[4.0, 0.0, 0.0, 4.0, 0.0, 0.0, 0.0, 0.0, 0.0]])
    inputs, onehot = np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.5]]), np.eye(3)[[0, 1, 0]]

    def mostly_right(params: Any, x: Any, y: Any) -> Any:
        return (margins(logits(lowered, params, x), y) > 0).sum(axis=1) >= 2

    values = [codec.fixed(np.concatenate([good, -good])), codec.fixed(inputs), codec.fixed(onehot)]
    assert committee.ring(mostly_right, values)[0].tolist() == [1, 0]


@pytest.mark.parametrize("classes", [2, 3, 10])
def test_margins(classes: int, committee: Any, codec: Any) -> None:
    rng = np.random.default_rng(classes)
    scores, labels = rng.normal(size=(2, 6, classes)), rng.integers(0, classes, 6)
    onehot = np.eye(classes)[labels]
    others = np.where(onehot == 1, -np.inf, scores).max(-1)
    expected = np.take_along_axis(scores, np.broadcast_to(labels[None, :, None], (2, 6, 1)), 2)[..., 0] - others
    assert np.allclose(margins(scores, onehot), expected, atol=1e-4)
    (result,) = committee.real(margins, [codec.fixed(scores), codec.fixed(onehot)])
    assert np.allclose(result, expected, atol=1e-3)


def test_large_margins_keep_their_sign() -> None:
    scores = np.array([[[5000.0, 0.0, 1.0], [5000.0, 0.0, 1.0]]])
    result = margins(scores, np.eye(3)[[0, 1]])
    assert result[0, 0] == inference.MARGIN_LIMIT
    assert result[0, 1] == -5000.0


def test_equal_programs_are_found_again() -> None:
    assert LogitsProgram(lower(nn.Linear(2, 2), (2,))) == LogitsProgram(lower(nn.Linear(2, 2), (2,)))


@pytest.mark.parametrize(("models", "parameters"), [(1, 1), (10, 10**6), (7, 5 * 10**6), (1000, 1000), (3, 10**9)])
def test_model_chunks_cover_all_models(models: int, parameters: int) -> None:
    chunks = model_chunks(models, parameters)
    assert [index for rows in chunks for index in range(models)[rows]] == list(range(models))
    limit = max(1, inference.CHUNK_PARAMETERS // parameters)
    assert all(1 <= rows.stop - rows.start <= limit for rows in chunks)


@pytest.mark.parametrize(("models", "samples"), [(0, 1), (1, 0)])
def test_nothing_to_evaluate_is_refused(models: int, samples: int) -> None:
    with pytest.raises(ModelError, match="a model and a sample"):
        logits(lower(nn.Linear(2, 2), (2,)), np.zeros((models, 6)), np.zeros((samples, 2)))
