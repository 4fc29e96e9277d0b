"""A module's parameters as one flat vector: the floating-point entries of its state_dict, in their order."""

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from mithridate.crypto.fixed_point import SCALE
from mithridate.errors import ModelError, ShapeError
from mithridate.models.layout import Layout


def entries(module: nn.Module) -> dict[str, torch.Tensor]:
    """The floating-point entries of the state_dict, sharing the module's memory.

    Raises:
        ModelError: one of them is not float32.
    """
    floats = {name: tensor for name, tensor in module.state_dict().items() if tensor.is_floating_point()}
    for name, tensor in floats.items():
        if tensor.dtype != torch.float32:
            raise ModelError(f"parameter {name!r} is {tensor.dtype}: a model must be float32 throughout")
    return floats


def layout_of(module: nn.Module) -> Layout:
    """The names and shapes of the flat vector's parts."""
    parts = entries(module)
    return Layout(tuple(parts), tuple(tuple(tensor.shape) for tensor in parts.values()))


def to_vector(module: nn.Module) -> npt.NDArray[np.float32]:
    """The parameters as float32 (d,), a copy."""
    parts = entries(module).values()
    return torch.cat([tensor.detach().reshape(-1) for tensor in parts]).numpy() if parts else np.zeros(0, np.float32)


def load_vector(module: nn.Module, vector: npt.NDArray[np.float32]) -> None:
    """Overwrite the module's parameters with `vector`, float32 (d,).

    Raises:
        ShapeError: the vector has another length than the module.
        ModelError: it is not float32.
    """
    parts = list(entries(module).values())
    size = sum(tensor.numel() for tensor in parts)
    if vector.shape != (size,):
        raise ShapeError(f"the model has {size} parameters, the vector has shape {vector.shape}")
    if vector.dtype != np.float32:
        raise ModelError(f"parameters must be float32, got {vector.dtype}")
    chunks = torch.split(torch.from_numpy(vector.copy()), [tensor.numel() for tensor in parts])
    with torch.no_grad():
        for tensor, chunk in zip(parts, chunks, strict=True):
            tensor.copy_(chunk.view_as(tensor))


def quantise(vector: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The nearest multiples of 2^-18 (ties to even), float32 (d,), so that the ring's encoding of them is exact.

    Exact for every magnitude: a float32 of 64 or more is such a multiple already, and below that every multiple is a
    float32.

    Raises:
        ModelError: a value is not finite.
    """
    if not np.isfinite(vector).all():
        raise ModelError("initial parameters must be finite")
    scaled = np.rint(vector.astype(np.float64) * SCALE)
    return np.asarray(scaled / SCALE, dtype=np.float32)
