"""ATen operators as JAX functions: what the interpreter in `aten.py` knows, one entry an operator.

Each function takes the operator's own arguments (PyTorch `aten/src/ATen/native/native_functions.yaml`). Written for
what SPU is good at: sums, products of matrices, comparisons, slices; no `reduce_window` and no `gather`.
"""

import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import jax
import jax.numpy as jnp

from mithridate.errors import ModelError

Operator = Callable[..., Any]


def relu(x: jax.Array) -> jax.Array:
    """max(x, 0): one comparison and one product an entry."""
    return jnp.maximum(x, 0.0)


def leaky_relu(x: jax.Array, negative_slope: float = 0.01) -> jax.Array:
    """x where positive, negative_slope * x elsewhere."""
    return negative_slope * x + (1.0 - negative_slope) * relu(x)


def hardtanh(x: jax.Array, min_val: float = -1.0, max_val: float = 1.0) -> jax.Array:
    """x clipped to [min_val, max_val]; ReLU6 comes as this operator."""
    return jnp.minimum(jnp.maximum(x, min_val), max_val)


def clamp(x: jax.Array, lower: float | None = None, upper: float | None = None) -> jax.Array:
    """x clipped to the bounds given."""
    x = x if lower is None else jnp.maximum(x, lower)
    return x if upper is None else jnp.minimum(x, upper)


def tanh(x: jax.Array) -> jax.Array:
    """2 * sigmoid(2x) - 1: SPU's sigmoid is within 1e-3, its own tanh within 5e-3 only."""
    return 2.0 * jax.nn.sigmoid(2.0 * x) - 1.0


def gelu(x: jax.Array, approximate: str = "none") -> jax.Array:
    """x * Phi(x), Phi of the standard normal, by erf or its tanh approximation (Hendrycks, Gimpel 2016)."""
    if approximate == "tanh":
        return 0.5 * x * (1.0 + tanh(math.sqrt(2.0 / math.pi) * (x + 0.044715 * x * x * x)))
    return 0.5 * x * (1.0 + jax.lax.erf(x * math.sqrt(0.5)))


def elu(x: jax.Array, alpha: float = 1.0, scale: float = 1.0, input_scale: float = 1.0) -> jax.Array:
    """scale * (x where positive, alpha * (exp(input_scale * x) - 1) elsewhere)."""
    # Elsewhere is bounded above by 0 first, so that the exponential never leaves the ring.
    return scale * (relu(x) + alpha * (jnp.exp(input_scale * jnp.minimum(x, 0.0)) - 1.0))


def add(x: jax.Array, y: jax.Array | float, alpha: float = 1) -> jax.Array:
    """x + alpha * y."""
    return x + (y if alpha == 1 else y * alpha)


def sub(x: jax.Array, y: jax.Array | float, alpha: float = 1) -> jax.Array:
    """x - alpha * y."""
    return x - (y if alpha == 1 else y * alpha)


def div(x: jax.Array, y: jax.Array | float, rounding_mode: str | None = None) -> jax.Array:
    """x / y; by a number, it is the product with its inverse, which costs no division in MPC."""
    if rounding_mode is not None:
        raise ModelError("division that rounds cannot be evaluated in fixed point: leave out rounding_mode")
    return x * (1.0 / y) if isinstance(y, int | float) else x / y


def power(x: jax.Array, exponent: float) -> jax.Array:
    """x to a whole power from 1 on, by repeated products."""
    if exponent != int(exponent) or exponent < 1:
        raise ModelError(f"x ** {exponent} cannot be evaluated on shares: only whole exponents from 1 on")
    result = x
    for _ in range(int(exponent) - 1):
        result = result * x
    return result


def addmm(bias: jax.Array, x: jax.Array, y: jax.Array, beta: float = 1, alpha: float = 1) -> jax.Array:
    """beta * bias + alpha * x @ y."""
    product = x @ y
    return (bias if beta == 1 else bias * beta) + (product if alpha == 1 else product * alpha)


def linear(x: jax.Array, weight: jax.Array, bias: jax.Array | None = None) -> jax.Array:
    """x @ weight.T + bias."""
    product = x @ weight.T
    return product if bias is None else product + bias


def convolution(
    x: jax.Array,
    weight: jax.Array,
    bias: jax.Array | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    _output_padding: Sequence[int],
    groups: int,
) -> jax.Array:
    """Convolution of x (n, c, *spatial) with weight (o, c / groups, *kernel), as one product of matrices a group.

    Raises:
        ModelError: the convolution is transposed.
    """
    if transposed:
        raise ModelError("a transposed convolution cannot be evaluated on shares: upsample before a plain convolution")
    padded = jnp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    columns = jnp.stack(list(_windows(padded, weight.shape[2:], stride, dilation)), axis=2)
    outputs = [
        _convolve_group(part, kernel)
        for part, kernel in zip(jnp.split(columns, groups, axis=1), jnp.split(weight, groups, axis=0), strict=True)
    ]
    result = outputs[0] if groups == 1 else jnp.concatenate(outputs, axis=1)
    return result if bias is None else result + bias.reshape(1, -1, *(1 for _ in stride))


def convolution_avg_pool(convolved: Sequence[Any], pooled: Sequence[Any]) -> jax.Array:
    """avg_pool(convolution(...), ...) for a fraction of the products and truncations.

    Both are linear and shift-invariant, so summing the input over windows of stride 1 and convolving the sums at the
    product of the strides gives the same, without the outputs that the pooling would only add up.

    Args:
        convolved: arguments of the convolution, of groups 1 or more.
        pooled: kernel and perhaps stride of the average pooling, which neither pads nor rounds up.
    """
    x, weight, bias, stride, padding, dilation, transposed, output_padding, groups = convolved
    kernel = _spread(pooled[0], len(stride))
    pool_stride = _spread(pooled[1] if len(pooled) > 1 and pooled[1] else kernel, len(stride))
    padded = jnp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    sums = sum(_windows(padded, kernel, [1] * len(kernel), stride))
    strides = [a * b for a, b in zip(stride, pool_stride, strict=True)]
    none = [0] * len(padding)
    result = convolution(sums, weight, None, strides, none, dilation, transposed, output_padding, groups)
    result = result * (1.0 / math.prod(kernel))
    return result if bias is None else result + bias.reshape(1, -1, *(1 for _ in stride))


def _convolve_group(columns: jax.Array, weight: jax.Array) -> jax.Array:
    """Columns (n, c, k, *out) times weight (o, c, *kernel) of k entries a channel: (n, o, *out)."""
    n, c, k, *out = columns.shape
    rows = jnp.moveaxis(columns.reshape(n, c * k, -1), 1, 2).reshape(-1, c * k)
    product = rows @ weight.reshape(weight.shape[0], c * k).T
    return jnp.moveaxis(product.reshape(n, -1, weight.shape[0]), 2, 1).reshape(n, weight.shape[0], *out)


def avg_pool(
    x: jax.Array,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    ceil_mode: bool = False,
    count_include_pad: bool = True,
    divisor_override: int | None = None,
) -> jax.Array:
    """Mean over windows of x (n, c, *spatial), as a sum of slices.

    Raises:
        ModelError: ceil_mode, or padding that does not count.
    """
    dims = x.ndim - 2
    kernel, padding = _spread(kernel, dims), _spread(padding, dims)
    if ceil_mode or (any(padding) and not count_include_pad):
        raise ModelError(
            "average pooling with ceil_mode or count_include_pad=False is not known: pad the input instead"
        )
    padded = jnp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)])
    total = sum(_windows(padded, kernel, _spread(stride or kernel, dims), [1] * dims))
    return total * (1.0 / (divisor_override or math.prod(kernel)))


def max_pool(
    x: jax.Array,
    kernel: Sequence[int],
    stride: Sequence[int] = (),
    padding: Sequence[int] = (0,),
    dilation: Sequence[int] = (1,),
    ceil_mode: bool = False,
) -> tuple[jax.Array, None]:
    """Maximum over windows of x (n, c, *spatial) as a tree of pairwise maxima; the indices are left out.

    Raises:
        ModelError: ceil_mode, or padding of dilated windows.
    """
    dims = x.ndim - 2
    kernel, padding, dilation = _spread(kernel, dims), _spread(padding, dims), _spread(dilation, dims)
    if ceil_mode or (any(padding) and any(step != 1 for step in dilation)):
        raise ModelError("max pooling with ceil_mode, or dilated with padding, is not known: pad the input instead")
    # A window that reaches into the padding also holds the edge, so repeating the edge stands for minus infinity.
    padded = jnp.pad(x, [(0, 0), (0, 0), *((p, p) for p in padding)], mode="edge")
    windows = list(_windows(padded, kernel, _spread(stride or kernel, dims), dilation))
    while len(windows) > 1:
        pairs = [jnp.maximum(a, b) for a, b in zip(windows[::2], windows[1::2], strict=False)]
        windows = pairs + windows[len(pairs) * 2 :]
    return windows[0], None


def adaptive_avg_pool(x: jax.Array, output_size: Sequence[int]) -> jax.Array:
    """Mean over equal windows of x (n, c, *spatial), output_size of them a dimension.

    Raises:
        ModelError: the spatial sizes are not multiples of output_size.
    """
    spatial = x.shape[2:]
    if any(size % out for size, out in zip(spatial, output_size, strict=True)):
        raise ModelError(f"adaptive pooling of {spatial} to {tuple(output_size)} has windows of unequal size")
    return avg_pool(x, [size // out for size, out in zip(spatial, output_size, strict=True)])


def _windows(
    x: jax.Array, kernel: Sequence[int], stride: Sequence[int], dilation: Sequence[int]
) -> Iterator[jax.Array]:
    """For each place in the kernel, the entries of x (n, c, *spatial) that it meets: (n, c, *out)."""
    spans = [step * (size - 1) for size, step in zip(kernel, dilation, strict=True)]
    for place in itertools.product(*(range(size) for size in kernel)):
        starts = [index * step for index, step in zip(place, dilation, strict=True)]
        ends = [length - span + start for start, length, span in zip(starts, x.shape[2:], spans, strict=True)]
        # Not x[...]: JAX writes strided indexing as a gather, which SPU evaluates entry by entry.
        yield jax.lax.slice(x, (0, 0, *starts), (*x.shape[:2], *ends), (1, 1, *stride))


def _spread(values: Sequence[int], dims: int) -> list[int]:
    """One value for every spatial dimension, where PyTorch lets a single one stand for all."""
    return list(values) * dims if len(values) == 1 else list(values)


def batch_norm(
    x: jax.Array,
    weight: jax.Array | None,
    bias: jax.Array | None,
    mean: jax.Array,
    variance: jax.Array,
    _momentum: float,
    eps: float,
) -> tuple[jax.Array, None, None]:
    """Batch normalisation of x (n, c, ...) by its running statistics (Ioffe, Szegedy 2015)."""
    shape = (1, -1) + (1,) * (x.ndim - 2)
    scale = jax.lax.rsqrt(variance + eps)
    scale = scale if weight is None else scale * weight
    shift = -mean * scale if bias is None else bias - mean * scale
    return x * scale.reshape(shape) + shift.reshape(shape), None, None


def layer_norm(
    x: jax.Array, normalized_shape: Sequence[int], weight: jax.Array | None, bias: jax.Array | None, eps: float
) -> tuple[jax.Array, None, None]:
    """Layer normalisation over the last len(normalized_shape) axes (Ba, Kiros, Hinton 2016)."""
    axes = tuple(range(x.ndim - len(normalized_shape), x.ndim))
    centred = x - _mean(x, axes, keepdim=True)
    normal = centred * jax.lax.rsqrt(_mean(centred * centred, axes, keepdim=True) + eps)
    normal = normal if weight is None else normal * weight
    return normal if bias is None else normal + bias, None, None


def _sum(x: jax.Array, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: object = None) -> jax.Array:
    return jnp.sum(x, axis=tuple(dim) if dim else None, keepdims=keepdim)


def _mean(x: jax.Array, dim: Sequence[int] | None = None, keepdim: bool = False, dtype: object = None) -> jax.Array:
    axes = tuple(dim) if dim else tuple(range(x.ndim))
    return _sum(x, axes, keepdim) * (1.0 / math.prod(x.shape[axis] for axis in axes))


def _slice(x: jax.Array, dim: int = 0, start: int | None = None, end: int | None = None, step: int = 1) -> jax.Array:
    start, end, step = slice(start, end, step).indices(x.shape[dim])
    return jax.lax.slice_in_dim(x, start, max(start, end), step, dim)


def _squeeze(x: jax.Array, dim: int | Sequence[int] | None = None) -> jax.Array:
    dims = range(x.ndim) if dim is None else [dim] if isinstance(dim, int) else dim
    return jnp.squeeze(x, axis=tuple(axis for axis in dims if x.shape[axis] == 1))


def _expand(x: jax.Array, size: Sequence[int], implicit: bool = False) -> jax.Array:
    kept = (1,) * (len(size) - x.ndim) + x.shape
    return jnp.broadcast_to(x, tuple(old if new == -1 else new for new, old in zip(size, kept, strict=True)))


def _flatten(x: jax.Array, start_dim: int = 0, end_dim: int = -1) -> jax.Array:
    end = end_dim % x.ndim
    return x.reshape(*x.shape[:start_dim], -1, *x.shape[end + 1 :])


def _pad(x: jax.Array, pad: Sequence[int], value: float = 0.0) -> jax.Array:
    # PyTorch counts the pairs from the last axis.
    pairs = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    return jnp.pad(x, [(0, 0)] * (x.ndim - len(pairs)) + pairs, constant_values=value)


def _identity(x: jax.Array, *_args: object, **_options: object) -> jax.Array:
    return x


def _softmax(x: jax.Array, dim: int, half_to_float: bool = False) -> jax.Array:
    return jax.nn.softmax(x, axis=dim)


def _log_softmax(x: jax.Array, dim: int, half_to_float: bool = False) -> jax.Array:
    return jax.nn.log_softmax(x, axis=dim)


OPERATORS: dict[str, Operator] = {
    "aten::_adaptive_avg_pool2d": adaptive_avg_pool,
    "aten::_log_softmax": _log_softmax,
    "aten::_native_batch_norm_legit_no_training": batch_norm,
    "aten::_softmax": _softmax,
    "aten::_to_copy": _identity,
    "aten::_unsafe_view": lambda x, size: x.reshape(size),
    "aten::adaptive_avg_pool2d": adaptive_avg_pool,
    "aten::add": add,
    "aten::addmm": addmm,
    "aten::alias": _identity,
    "aten::amax": lambda x, dim=(), keepdim=False: jnp.max(x, axis=tuple(dim) or None, keepdims=keepdim),
    "aten::avg_pool1d": avg_pool,
    "aten::avg_pool2d": avg_pool,
    "aten::avg_pool3d": avg_pool,
    "aten::bmm": jnp.matmul,
    "aten::cat": lambda tensors, dim=0: jnp.concatenate(tensors, axis=dim),
    "aten::clamp": clamp,
    "aten::clone": _identity,
    "aten::constant_pad_nd": _pad,
    "aten::convolution": convolution,
    "aten::detach": _identity,
    "aten::div": div,
    "aten::dropout": _identity,
    "aten::elu": elu,
    "aten::exp": jnp.exp,
    "aten::expand": _expand,
    "aten::flatten": _flatten,
    "aten::gelu": gelu,
    "aten::hardtanh": hardtanh,
    "aten::leaky_relu": leaky_relu,
    "aten::lift_fresh_copy": _identity,
    "aten::linear": linear,
    "aten::log": jnp.log,
    "aten::matmul": jnp.matmul,
    "aten::max_pool2d": lambda *args, **options: max_pool(*args, **options)[0],
    "aten::max_pool2d_with_indices": max_pool,
    "aten::maximum": jnp.maximum,
    "aten::mean": _mean,
    "aten::minimum": jnp.minimum,
    "aten::mm": jnp.matmul,
    "aten::mul": lambda x, y: x * y,
    "aten::native_layer_norm": layer_norm,
    "aten::neg": lambda x: -x,
    "aten::permute": jnp.transpose,
    "aten::pow": power,
    "aten::reciprocal": lambda x: 1.0 / x,
    "aten::relu": relu,
    "aten::reshape": lambda x, shape: x.reshape(shape),
    "aten::rsqrt": jax.lax.rsqrt,
    "aten::rsub": lambda x, y, alpha=1: sub(y, x, alpha),
    "aten::select": lambda x, dim, index: jax.lax.index_in_dim(x, index, dim, keepdims=False),
    "aten::sigmoid": jax.nn.sigmoid,
    "aten::silu": lambda x: x * jax.nn.sigmoid(x),
    "aten::slice": _slice,
    "aten::sqrt": jnp.sqrt,
    "aten::squeeze": _squeeze,
    "aten::sub": sub,
    "aten::sum": _sum,
    "aten::t": jnp.transpose,
    "aten::tanh": tanh,
    "aten::transpose": jnp.swapaxes,
    "aten::unsqueeze": jnp.expand_dims,
    "aten::view": lambda x, size: x.reshape(size),
}


def operator(name: str) -> Operator:
    """The JAX function of an ATen operator, named as in its schema ("aten::relu").

    Raises:
        ModelError: there is none; the message lists those there are.
    """
    if name not in OPERATORS:
        known = ", ".join(sorted(key.removeprefix("aten::") for key in OPERATORS))
        raise ModelError(f"the encrypted runtime has no operator {name}: build the model from {known}")
    return OPERATORS[name]
