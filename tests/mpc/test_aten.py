from concurrent.futures import ThreadPoolExecutor
from typing import Any

import jax
import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from mithridate.errors import ModelError
from mithridate.mpc.aten import lower


def flat(module: nn.Module) -> np.ndarray:
    entries = [entry.flatten() for entry in module.state_dict().values() if entry.is_floating_point()]
    return torch.cat(entries).numpy()


def agrees(module: nn.Module, shape: tuple[int, ...], samples: int = 5) -> None:
    inputs = torch.randn(samples, *shape)
    lowered = lower(module, shape)
    expected = module.eval()(inputs).detach().numpy()
    result = np.asarray(jax.jit(lowered.apply)(flat(module), inputs.numpy()))
    assert result.shape == expected.shape == (samples, lowered.classes)
    assert np.allclose(result, expected, rtol=1e-4, atol=1e-5)


class Odd(nn.Module):
    """Batch normalisation, dropout, a parameter used twice, a constant, a buffer that is not saved, two branches."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(2, 4, 3, padding=1)
        self.norm = nn.BatchNorm2d(4)
        self.head = nn.Linear(4 * 4 * 4, 3)
        self.again = self.head
        self.scale = nn.Parameter(torch.randn(3))
        self.register_buffer("shift", torch.randn(3), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.max_pool2d(torch.relu(self.norm(self.conv(x))), 2)
        x = functional.dropout(x.flatten(1), 0.5, self.training)
        branch = functional.gelu(self.again(x))
        return torch.cat([self.head(x) * self.scale + self.shift, branch + torch.tensor([1.0, 2.0, 3.0])], 1)


@pytest.mark.parametrize(
    ("module", "shape"),
    [
        (nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 2)), (7,)),
        (nn.Linear(4, 3), (4,)),
        (nn.Sequential(nn.Flatten(), nn.Linear(12, 3, bias=False), nn.LayerNorm(3)), (3, 4)),
        (nn.Sequential(nn.Conv2d(1, 3, 3), nn.AvgPool2d(2), nn.ReLU(), nn.Flatten(), nn.Linear(27, 4)), (1, 8, 8)),
        (nn.Sequential(nn.Conv2d(1, 3, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (1, 6, 6)),
        (nn.Sequential(nn.Conv2d(4, 4, 3, groups=4), nn.BatchNorm2d(4), nn.ReLU6(), nn.Flatten()), (4, 4, 4)),
        (nn.Sequential(nn.Conv1d(2, 3, 3), nn.Tanh(), nn.MaxPool1d(2), nn.Flatten(), nn.Linear(9, 2)), (2, 8)),
        (Odd(), (2, 8, 8)),
    ],
    ids=["mlp", "linear", "norm", "pool", "mean", "depthwise", "sequence", "odd"],
)
def test_modules_agree_with_pytorch(module: nn.Module, shape: tuple[int, ...]) -> None:
    # Running statistics other than 0 and 1.
    module.train()(torch.randn(16, *shape))
    agrees(module, shape)


class Residual(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(1, 2, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv(x)
        return (functional.avg_pool2d(y, 2) + functional.max_pool2d(y, 2)).flatten(1)


def test_a_batch_of_one_is_a_batch() -> None:
    agrees(Odd(), (2, 8, 8), samples=1)


def test_a_convolution_used_twice_is_not_fused_away() -> None:
    agrees(Residual(), (1, 4, 4))


def test_equality_is_of_the_architecture() -> None:
    def mlp(width: int) -> nn.Module:
        return nn.Sequential(nn.Linear(4, width), nn.ReLU(), nn.Linear(width, 2))

    lowered = lower(mlp(3), (4,))
    assert lowered == lower(mlp(3), (4,))
    assert hash(lowered) == hash(lower(mlp(3), (4,)))
    assert lowered != lower(mlp(5), (4,))
    assert lowered != lower(nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (4,))


class Shifted(nn.Module):
    def __init__(self, shift: float) -> None:
        super().__init__()
        self.linear = nn.Linear(2, 2)
        self.register_buffer("shift", torch.tensor(shift), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(x) + self.shift


def test_constants_are_part_of_the_architecture() -> None:
    assert lower(Shifted(1.0), (2,)) == lower(Shifted(1.0), (2,))
    assert lower(Shifted(1.0), (2,)) != lower(Shifted(2.0), (2,))


def test_the_module_is_left_as_it_was() -> None:
    module = nn.Sequential(nn.Linear(3, 3), nn.Dropout())
    lowered = lower(module, (3,))
    assert module.training
    with torch.no_grad():
        module[0].weight.zero_()
    assert lowered.parameters == 12
    assert not np.allclose(lowered.apply(np.ones(12, np.float32), np.ones((1, 3), np.float32)), 1.0)


def test_threads_may_lower_and_apply_at_once() -> None:
    module = nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2))
    lowered, params = lower(module, (3,)), flat(module)

    def work(samples: int) -> Any:
        return lowered.apply(params, np.ones((samples, 3), np.float32)).shape

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(work, range(1, 5))) == [(samples, 2) for samples in range(1, 5)]


class Sorting(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.sort(x)[0]


class Branching(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x if x.sum() > 0 else -x


class Pair(nn.Module):
    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return x, x


@pytest.mark.parametrize(
    ("module", "shape", "said"),
    [
        (Sorting(), (3,), r"aten::sort: build the model from .*relu"),
        (Branching(), (3,), "torch.export cannot trace"),
        (nn.Linear(4, 2), (3,), "torch.export cannot trace"),
        (Pair(), (3,), "one tensor"),
        (nn.Conv2d(1, 1, 1), (1, 2, 2), "logits"),
    ],
)
def test_what_cannot_be_lowered_says_so(module: nn.Module, shape: tuple[int, ...], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        lower(module, shape)


@pytest.mark.parametrize(("params", "inputs"), [((9,), (2, 3)), ((8,), (2, 4)), ((2, 8), (2, 3)), ((8,), (3,))])
def test_shapes_that_do_not_fit_are_refused(params: tuple[int, ...], inputs: tuple[int, ...]) -> None:
    lowered = lower(nn.Linear(3, 2), (3,))
    with pytest.raises(ModelError, match=r"takes \(8,\) parameters and \(m, 3\) inputs"):
        lowered.apply(np.zeros(params, np.float32), np.zeros(inputs, np.float32))
