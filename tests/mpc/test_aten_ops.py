from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from mithridate.errors import ModelError
from mithridate.mpc.aten_ops import OPERATORS, convolution, convolution_avg_pool, operator

aten = torch.ops.aten
torch.manual_seed(0)
X = torch.randn(2, 3, 8, 8)
ROWS = torch.randn(4, 6)
OTHER = torch.randn(4, 6)
POSITIVE = torch.rand(4, 6) + 0.5
CHANNEL = torch.randn(3)
VARIANCE = torch.rand(3) + 0.5
WEIGHT = torch.randn(4, 3, 3, 3)
BIAS = torch.randn(4)

# Of every operator, arguments as PyTorch takes them; the test of all names keeps the list whole.
CASES: dict[str, list[tuple[Any, ...]]] = {
    "_adaptive_avg_pool2d": [(X, [1, 1]), (X, [4, 2])],
    "_log_softmax": [(ROWS, 1, False)],
    "_native_batch_norm_legit_no_training": [
        (X, CHANNEL, CHANNEL, CHANNEL, VARIANCE, 0.1, 1e-3),
        (X, None, None, CHANNEL, VARIANCE, 0.1, 1e-3),
    ],
    "_softmax": [(ROWS, -1, False)],
    "_to_copy": [(ROWS,)],
    "_unsafe_view": [(ROWS, [2, 12])],
    "adaptive_avg_pool2d": [(X, [2, 2])],
    "add": [(ROWS, OTHER), (ROWS, 0.5), (ROWS, torch.randn(6)), (ROWS, torch.randn(4, 1))],
    "addmm": [(torch.randn(5), ROWS, torch.randn(6, 5))],
    "alias": [(ROWS,)],
    "amax": [(ROWS, [1]), (ROWS, [0], True), (ROWS,)],
    "avg_pool1d": [(torch.randn(2, 3, 9), [3])],
    "avg_pool2d": [(X, [2, 2]), (X, [3, 3], [2, 2]), (X, [3], [2], [1]), (X, [3, 2], [2, 1], [0, 1], False, True, 5)],
    "avg_pool3d": [(torch.randn(1, 2, 4, 4, 4), [2])],
    "bmm": [(torch.randn(2, 3, 4), torch.randn(2, 4, 5))],
    "cat": [([ROWS, OTHER],), ([ROWS, OTHER], 1), ([ROWS, OTHER, ROWS], -1)],
    "clamp": [(ROWS, -0.5, 0.5), (ROWS, None, 0.5), (ROWS, 0.5)],
    "clone": [(ROWS,)],
    "constant_pad_nd": [(X, [1, 2, 0, 3]), (ROWS, [1, 1], 2.0)],
    "convolution": [
        (X, WEIGHT, BIAS, [1, 1], [1, 1], [1, 1], False, [0, 0], 1),
        (X, WEIGHT, None, [2, 2], [0, 1], [1, 1], False, [0, 0], 1),
        (X, WEIGHT, BIAS, [1, 2], [2, 2], [2, 2], False, [0, 0], 1),
        (X, torch.randn(6, 1, 3, 2), None, [1, 1], [1, 0], [1, 1], False, [0, 0], 3),
        (torch.randn(2, 4, 9), torch.randn(6, 2, 3), torch.randn(6), [2], [1], [1], False, [0], 2),
    ],
    "detach": [(ROWS,)],
    "div": [(ROWS, 4.0), (ROWS, 3), (ROWS, POSITIVE)],
    "dropout": [(ROWS, 0.5, False)],
    "elu": [(ROWS,), (ROWS, 0.5)],
    "exp": [(ROWS,)],
    "expand": [(torch.randn(1, 6), [4, 6]), (torch.randn(4, 1), [-1, 3]), (torch.randn(3), [2, 3])],
    "flatten": [(X, 1), (X, 1, 2), (X,)],
    "gelu": [(ROWS,)],
    "hardtanh": [(ROWS,), (3 * ROWS, 0.0, 6.0)],
    "leaky_relu": [(ROWS,), (ROWS, 0.2)],
    "lift_fresh_copy": [(ROWS,)],
    "linear": [(ROWS, torch.randn(5, 6), torch.randn(5)), (ROWS, torch.randn(5, 6))],
    "log": [(POSITIVE,)],
    "matmul": [(ROWS, torch.randn(6, 5)), (torch.randn(2, 3, 4), torch.randn(4, 5))],
    "max_pool2d": [(X, [2, 2])],
    "max_pool2d_with_indices": [(X, [2, 2]), (X, [3], [2], [1]), (X, [3, 2], [1, 3], [1, 1]), (X, [2], [2], [0], [2])],
    "maximum": [(ROWS, OTHER)],
    "mean": [(X, [2, 3]), (X, [-1], True), (X,)],
    "minimum": [(ROWS, OTHER)],
    "mm": [(ROWS, torch.randn(6, 5))],
    "mul": [(ROWS, OTHER), (ROWS, 3.0), (ROWS, torch.randn(6))],
    "native_layer_norm": [(ROWS, [6], torch.randn(6), torch.randn(6), 1e-3), (X, [8, 8], None, None, 1e-3)],
    "neg": [(ROWS,)],
    "permute": [(X, [0, 2, 3, 1])],
    "pow": [(ROWS, 2), (ROWS, 3.0)],
    "reciprocal": [(POSITIVE,)],
    "relu": [(ROWS,)],
    "reshape": [(ROWS, [3, -1])],
    "rsqrt": [(POSITIVE,)],
    "rsub": [(ROWS, 1.0), (ROWS, OTHER)],
    "select": [(X, 1, 2), (X, -1, -1)],
    "sigmoid": [(ROWS,)],
    "silu": [(ROWS,)],
    "slice": [(X, 1, 1), (X, -1, 1, 7, 3), (X, 2, 0, 2**63 - 1), (X, 2, -3, -1), (ROWS,)],
    "sqrt": [(POSITIVE,)],
    "squeeze": [(torch.randn(1, 3, 1),), (torch.randn(1, 3, 1), 0), (torch.randn(1, 3, 1), [0, 1])],
    "sub": [(ROWS, OTHER), (ROWS, 0.5)],
    "sum": [(X, [2, 3]), (X, [1], True), (X,)],
    "t": [(ROWS,)],
    "tanh": [(ROWS,)],
    "transpose": [(X, 1, 3)],
    "unsqueeze": [(ROWS, 1), (ROWS, -1)],
    "view": [(ROWS, [2, 12])],
}
EACH = [pytest.param(name, args, id=f"{name}-{i}") for name, cases in CASES.items() for i, args in enumerate(cases)]


def reference(name: str, args: tuple[Any, ...]) -> np.ndarray:
    result = getattr(aten, name)(*args)
    return np.asarray((result[0] if isinstance(result, tuple) else result).numpy())


def evaluate(name: str, args: tuple[Any, ...], tensors: list[Any]) -> Any:
    """The operator with its tensor arguments, in order, taken from `tensors`."""
    leaves, tree = jax.tree_util.tree_flatten(args, is_leaf=lambda leaf: leaf is None)
    values = iter(tensors)
    filled = [next(values) if isinstance(leaf, torch.Tensor) else leaf for leaf in leaves]
    result = operator(f"aten::{name}")(*jax.tree_util.tree_unflatten(tree, filled))
    return result[0] if isinstance(result, tuple) else result


def tensors_of(args: tuple[Any, ...]) -> list[np.ndarray]:
    return [leaf.numpy() for leaf in jax.tree_util.tree_leaves(args) if isinstance(leaf, torch.Tensor)]


def test_every_operator_has_a_case() -> None:
    assert {f"aten::{name}" for name in CASES} == set(OPERATORS)


@pytest.mark.parametrize(("name", "args"), EACH)
def test_operator_agrees_with_pytorch(name: str, args: tuple[Any, ...]) -> None:
    expected = reference(name, args)
    compiled = jax.jit(lambda *tensors: evaluate(name, args, list(tensors)))
    result = np.asarray(compiled(*tensors_of(args)))
    assert result.shape == expected.shape
    assert np.allclose(result, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("name", CASES)
def test_operator_runs_on_shares(name: str, committee: Any, codec: Any) -> None:
    args = CASES[name][0]
    inputs = [codec.fixed(value) for value in tensors_of(args)]
    (result,) = committee.real(lambda *tensors: evaluate(name, args, list(tensors)), inputs)
    # The exponential is SPU's coarsest: 12 % at exp(4); the rest is within a few thousandths.
    expected = reference(name, args)
    assert np.allclose(result, expected, rtol=2e-2, atol=4e-3)


@pytest.mark.parametrize(
    ("conv", "pool"),
    [
        (([1, 1], [1, 1], [1, 1], 1), ([2, 2],)),
        (([1, 1], [1, 1], [1, 1], 1), ([2],)),
        (([2, 1], [0, 2], [1, 2], 1), ([3, 2], [1, 2])),
        (([1, 1], [0, 0], [1, 1], 3), ([3, 3], [2, 2])),
    ],
)
def test_convolution_then_pooling_in_one(conv: tuple[Any, ...], pool: tuple[Any, ...]) -> None:
    stride, padding, dilation, groups = conv
    x, weight, bias = torch.randn(2, 3, 13, 11), torch.randn(6, 3 // groups, 3, 3), torch.randn(6)
    args = (x, weight, bias, stride, padding, dilation, False, [0, 0], groups)
    expected = aten.avg_pool2d(aten.convolution(*args), *pool).numpy()
    compiled = jax.jit(lambda *tensors: convolution_avg_pool((*tensors, *args[3:]), pool))
    result = np.asarray(compiled(x.numpy(), weight.numpy(), bias.numpy()))
    assert result.shape == expected.shape
    assert np.allclose(result, expected, atol=1e-4)


def test_factors_of_sums() -> None:
    x, y, bias = ROWS.numpy(), OTHER.numpy(), torch.randn(4)
    assert np.allclose(OPERATORS["aten::add"](x, y, alpha=2), aten.add(ROWS, OTHER, alpha=2))
    assert np.allclose(OPERATORS["aten::sub"](x, y, alpha=2), aten.sub(ROWS, OTHER, alpha=2))
    expected = aten.addmm(bias, ROWS, OTHER.T, beta=0.5, alpha=2)
    assert np.allclose(OPERATORS["aten::addmm"](bias.numpy(), x, y.T, beta=0.5, alpha=2), expected, atol=1e-5)


def test_gelu_by_tanh() -> None:
    expected = aten.gelu(ROWS, approximate="tanh").numpy()
    assert np.allclose(OPERATORS["aten::gelu"](ROWS.numpy(), approximate="tanh"), expected, atol=1e-5)


@pytest.mark.parametrize(
    ("name", "args", "said"),
    [
        ("avg_pool2d", (X, [3, 3], [2, 2], [1, 1], True), "ceil_mode"),
        ("avg_pool2d", (X, [3, 3], [2, 2], [1, 1], False, False), "count_include_pad"),
        ("max_pool2d", (X, [3, 3], [2, 2], [0, 0], [1, 1], True), "ceil_mode"),
        ("max_pool2d", (X, [3, 3], [2, 2], [1, 1], [2, 2]), "dilated"),
        ("adaptive_avg_pool2d", (X, [3, 3]), "unequal"),
        ("pow", (ROWS, 0.5), "exponents"),
        ("pow", (ROWS, -1), "exponents"),
        ("div", (ROWS, 2.0, "floor"), "rounding_mode"),
    ],
)
def test_what_is_not_known_says_so(name: str, args: tuple[Any, ...], said: str) -> None:
    with pytest.raises(ModelError, match=said):
        evaluate(name, args, [jnp.asarray(value) for value in tensors_of(args)])


def test_transposed_convolution_is_refused() -> None:
    with pytest.raises(ModelError, match="transposed"):
        convolution(X.numpy(), WEIGHT.numpy(), None, [1, 1], [0, 0], [1, 1], True, [0, 0], 1)


def test_an_unknown_operator_is_named_with_those_there_are() -> None:
    with pytest.raises(ModelError, match=r"aten::fft_fft.*build the model from .*relu"):
        operator("aten::fft_fft")
