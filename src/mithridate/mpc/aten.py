"""A PyTorch module as a JAX function of its parameters and inputs, so that SPU can evaluate it on shares.

`torch.export` writes the module as a graph of ATen operators; `Lowered.apply` walks the graph with the JAX functions of
`aten_ops.py`. Dropout and batch normalisation behave as in evaluation.
"""

import copy
import hashlib
import math
import threading
from dataclasses import dataclass, field
from operator import getitem
from typing import Any

import jax
import numpy as np
import torch
from torch.export.graph_signature import InputKind

from mithridate.errors import ModelError
from mithridate.mpc.aten_ops import convolution_avg_pool, operator

_export_lock = threading.Lock()


@dataclass(frozen=True)
class _Entry:
    """Where one floating-point entry of the state dict lies in the flat parameter vector."""

    offset: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class _Graph:
    """An exported module for one batch size.

    Args:
        nodes: of the graph, in order.
        sources: for each placeholder, its state dict key, a constant, or None for the user's input.
        fused: average pooling nodes to the convolution that only they use, evaluated together.
        text: the graph in words, which two equal modules share.
    """

    nodes: tuple[torch.fx.Node, ...]
    sources: dict[str, str | np.ndarray[Any, Any] | None]
    fused: dict[torch.fx.Node, torch.fx.Node]
    text: str


@dataclass(frozen=True)
class Lowered:
    """A module that JAX can trace; equal to another of the same architecture and input shape, whatever the parameters.

    Args:
        input_shape: of one sample.
        parameters: d, the number of floating-point entries of the state dict.
        classes: C, the number of logits a sample.
        digest: SHA-256 of the graph, its constants and the parameters' layout.
    """

    input_shape: tuple[int, ...]
    parameters: int
    classes: int
    digest: str
    _module: torch.nn.Module = field(repr=False, compare=False)
    _layout: dict[str, _Entry] = field(repr=False, compare=False)
    _graphs: dict[int, _Graph] = field(repr=False, compare=False)

    def apply(self, flat_params: jax.Array, inputs: jax.Array) -> jax.Array:
        """Logits (m, C) of m samples.

        Args:
            flat_params: (d,), in state_dict order, floating-point entries only.
            inputs: (m, *input_shape).

        Raises:
            ModelError: the shapes do not fit, or the graph holds an operator that `aten_ops` lacks.
        """
        if flat_params.shape != (self.parameters,) or inputs.shape[1:] != self.input_shape:
            raise ModelError(
                f"this model takes ({self.parameters},) parameters and (m, {', '.join(map(str, self.input_shape))}) "
                f"inputs, not {flat_params.shape} and {inputs.shape}"
            )
        return _interpret(self._graph(inputs.shape[0]), self._layout, flat_params, inputs)

    def _graph(self, samples: int) -> _Graph:
        # torch.export and torch.fx are not thread-safe, and each batch size is a graph of its own.
        with _export_lock:
            if samples not in self._graphs:
                self._graphs[samples] = _export(self._module, (samples, *self.input_shape))
            return self._graphs[samples]


def lower(module: torch.nn.Module, input_shape: tuple[int, ...]) -> Lowered:
    """Prepare a module for evaluation by JAX or SPU; its own parameters are not part of the result.

    Args:
        module: maps inputs (m, *input_shape) to logits (m, C).
        input_shape: of one sample.

    Raises:
        ModelError: the module cannot be exported, does not return logits, or needs an operator that is not known.
    """
    module = copy.deepcopy(module).eval().cpu()
    layout, parameters = _state_layout(module)
    with _export_lock:
        graph = _export(module, (2, *input_shape))
    abstract = jax.eval_shape(
        lambda params, inputs: _interpret(graph, layout, params, inputs),
        jax.ShapeDtypeStruct((parameters,), np.float32),
        jax.ShapeDtypeStruct((2, *input_shape), np.float32),
    )
    if len(abstract.shape) != 2 or abstract.shape[0] != 2:
        raise ModelError(f"a model maps m samples to logits (m, C), this one maps 2 samples to shape {abstract.shape}")
    digest = hashlib.sha256(repr((graph.text, sorted(layout.items()))).encode()).hexdigest()
    return Lowered(input_shape, parameters, abstract.shape[1], digest, module, layout, {2: graph})


def _state_layout(module: torch.nn.Module) -> tuple[dict[str, _Entry], int]:
    layout, offset = {}, 0
    for name, tensor in module.state_dict().items():
        if tensor.is_floating_point():
            layout[name] = _Entry(offset, tuple(tensor.shape))
            offset += tensor.numel()
    return layout, offset


def _export(module: torch.nn.Module, shape: tuple[int, ...]) -> _Graph:
    try:
        program = torch.export.export(module, (torch.zeros(shape),)).run_decompositions()
    except Exception as error:  # torch.export has no common error type, and the module's own code runs here
        raise ModelError(f"torch.export cannot trace this model: {str(error).strip().splitlines()[0]}") from error
    sources = {spec.arg.name: _source(program, spec) for spec in program.graph_signature.input_specs}
    constants = {name: value for name, value in sources.items() if isinstance(value, np.ndarray)}
    text = str(program.graph) + repr({name: value.tobytes() for name, value in constants.items()})
    nodes = tuple(program.graph.nodes)
    return _Graph(nodes, sources, _fused(nodes), text)


def _source(program: torch.export.ExportedProgram, spec: Any) -> str | np.ndarray[Any, Any] | None:
    if spec.kind is InputKind.USER_INPUT:
        return None
    if spec.target in program.state_dict and program.state_dict[spec.target].is_floating_point():
        return str(spec.target)
    held = program.state_dict if spec.target in program.state_dict else program.constants
    constant: np.ndarray[Any, Any] = held[spec.target].detach().numpy()
    return constant


def _interpret(graph: _Graph, layout: dict[str, _Entry], flat_params: jax.Array, inputs: jax.Array) -> jax.Array:
    values: dict[torch.fx.Node, Any] = {}

    def known(node: torch.fx.Node) -> Any:
        return values[node]

    deferred = set(graph.fused.values())
    for node in graph.nodes:
        if node.op == "placeholder":
            values[node] = _placeholder(graph.sources[node.name], layout, flat_params, inputs)
        elif node in graph.fused:
            convolved = torch.fx.map_arg(graph.fused[node].args, known)
            values[node] = convolution_avg_pool(convolved, node.args[1:3])
        elif node in deferred:
            continue
        elif node.op == "call_function":
            args, options = torch.fx.map_arg((node.args, node.kwargs), known)
            values[node] = _function(node)(*args, **options)
        elif node.op == "output":
            results = torch.fx.map_arg(node.args[0], known)
            return _single(results)
    raise ModelError("the exported graph has no output")


def _placeholder(
    source: str | np.ndarray[Any, Any] | None, layout: dict[str, _Entry], flat_params: jax.Array, inputs: jax.Array
) -> Any:
    if source is None:
        return inputs
    if isinstance(source, np.ndarray):
        return source
    entry = layout[source]
    return jax.lax.slice_in_dim(flat_params, entry.offset, entry.offset + math.prod(entry.shape)).reshape(entry.shape)


def _function(node: torch.fx.Node) -> Any:
    return getitem if node.target is getitem else operator(_name(node))


def _name(node: torch.fx.Node) -> str:
    """The operator's name in its schema, "aten::relu"."""
    schema = getattr(node.target, "_schema", None)
    return str(node.target) if schema is None else str(schema.name)


def _fused(nodes: tuple[torch.fx.Node, ...]) -> dict[torch.fx.Node, torch.fx.Node]:
    """Plain average poolings of a convolution that nothing else uses."""
    fused = {}
    for node in nodes:
        source = node.args[0] if node.args else None
        if not _name(node).startswith("aten::avg_pool") or not isinstance(source, torch.fx.Node):
            continue
        plain = len(node.args) <= 3 and not node.kwargs
        if plain and _name(source) == "aten::convolution" and len(source.users) == 1:
            fused[node] = source
    return fused


def _single(results: Any) -> jax.Array:
    if len(results) != 1:
        raise ModelError(f"a model returns one tensor of logits, this one {len(results)} tensors")
    logits: jax.Array = results[0]
    return logits
