"""Compiled SPU programs, one for each (function, input types), shared by every session of the process."""

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
from jax.experimental import enable_x64
from spu import libspu
from spu.utils import frontend

from mithridate.errors import ModelError
from mithridate.mpc import spu_log

CACHED_PROGRAMS = 64

_SECRET, _PUBLIC = libspu.Visibility.VIS_SECRET, libspu.Visibility.VIS_PUBLIC

# Two more inputs of every program: shares of zero, as fixed point and as integer (`arithmetic_outputs`).
ZERO_NAMES = ("zero-fixed", "zero-integer")


@dataclass(frozen=True)
class InputType:
    """Type of one program input.

    Args:
        shape: of the value.
        dtype: numpy's name of the element type that JAX traces with ("float32", "int64").
        secret: held as shares, rather than known to all three validators.
    """

    shape: tuple[int, ...]
    dtype: str
    secret: bool


@dataclass(frozen=True)
class Program:
    """An SPU executable and the names of its inputs and outputs in order; the zeros of `ZERO_NAMES` come first."""

    executable: libspu.Executable
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


_cache: OrderedDict[Hashable, Program] = OrderedDict()
_lock = threading.Lock()


def program(function: Callable[..., Any], inputs: Sequence[InputType]) -> Program:
    """The function compiled for inputs of these types; compiled once in the process and then found again.

    Functions are told apart by equality: a frozen dataclass with `__call__` is found again when an equal one comes,
    while a lambda or a partial made anew each time is compiled anew each time.

    Some operations that SPU lacks, such as Fourier transforms, end the process inside its compiler: of a user's model,
    only what is in `aten_ops.OPERATORS` may come here.

    Args:
        function: takes len(inputs) JAX arrays and returns an array or a tree of arrays; it is traced with 64-bit
            types enabled, so integers are int64.
        inputs: their types.

    Raises:
        ModelError: SPU's compiler refuses the program.
    """
    key = (function, tuple(inputs))
    # JAX's lowering with SPU's patches is not thread-safe, and three validators ask for the same program at once.
    with _lock:
        if key not in _cache:
            _cache[key] = _compile(function, inputs)
        _cache.move_to_end(key)
        while len(_cache) > CACHED_PROGRAMS:
            _cache.popitem(last=False)
        return _cache[key]


def arithmetic_outputs(function: Callable[..., Any]) -> Callable[..., list[jax.Array]]:
    """The function with its outputs as a flat list, booleans as 0 or 1, and a share of zero added to each.

    SPU leaves the outcome of a comparison in binary sharing; the sum with an arithmetic share of zero that the compiler
    cannot see through converts it, and costs nothing where the output is arithmetic already.
    """

    def wrapped(zero_fixed: jax.Array, zero_integer: jax.Array, *values: jax.Array) -> list[jax.Array]:
        leaves = [jnp.asarray(leaf) for leaf in jax.tree_util.tree_leaves(function(*values))]
        return [
            leaf + zero_fixed if jnp.issubdtype(leaf.dtype, jnp.floating) else leaf.astype(jnp.int64) + zero_integer
            for leaf in leaves
        ]

    return wrapped


def _compile(function: Callable[..., Any], inputs: Sequence[InputType]) -> Program:
    types = [InputType((), "float32", True), InputType((), "int64", True), *inputs]
    names = [*ZERO_NAMES, *(f"input-{index}" for index in range(len(inputs)))]
    wrapped = arithmetic_outputs(function)
    with enable_x64():
        avals = [jax.ShapeDtypeStruct(kind.shape, kind.dtype) for kind in types]
        # A function that fails must fail here: SPU's frontend would leave its patches of JAX in place.
        jax.eval_shape(wrapped, *avals)
        executable = _lower(wrapped, avals, names, [_SECRET if kind.secret else _PUBLIC for kind in types])
    return Program(executable, tuple(names), tuple(executable.output_names))


def _lower(
    function: Callable[..., Any], avals: list[Any], names: list[str], visibility: list[Any]
) -> libspu.Executable:
    try:
        executable, _ = frontend.compile(
            frontend.Kind.JAX,
            function,
            avals,
            {},
            names,
            visibility,
            lambda outputs: [f"output-{index}" for index in range(len(outputs))],
        )
    except RuntimeError as error:
        raise ModelError(f"SPU cannot compile this computation: {spu_log.first_line(error)}") from error
    return executable
