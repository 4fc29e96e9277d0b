"""From a study's model name to an initialised module."""

import torch
from torch import nn

from mithridate.errors import ModelError
from mithridate.models.custom import custom_model
from mithridate.models.parameters import load_vector, quantise, to_vector
from mithridate.models.registry import models
from mithridate.training.deterministic import seeded


def build_model(name: str, input_shape: tuple[int, ...], classes: int, *, seed: int) -> nn.Module:
    """The preset or module:factory `name`, initialised from `seed` and rounded to the fixed-point grid.

    The process's random state is left as it was. Not safe against other threads that draw from it at the same time.

    Raises:
        ModelError: it cannot be built, its parameters are not finite float32, or a record does not map to one logit a
            class.
    """
    with seeded(seed):
        preset = name in models
        module = models.get(name)(input_shape, classes) if preset else custom_model(name, input_shape, classes)
        _check_output(name, module, input_shape, classes)
    load_vector(module, quantise(to_vector(module)))
    return module


def _check_output(name: str, module: nn.Module, input_shape: tuple[int, ...], classes: int) -> None:
    """One forward pass of two records in evaluation mode, which changes no running statistics."""
    module.eval()
    try:
        with torch.no_grad():
            logits = module(torch.zeros((2, *input_shape)))
    except Exception as error:
        raise ModelError(f"model.name {name!r} fails on records of shape {input_shape}: {error}") from error
    finally:
        module.train()
    if not isinstance(logits, torch.Tensor) or logits.shape != (2, classes) or logits.dtype != torch.float32:
        got = f"{logits.dtype} {tuple(logits.shape)}" if isinstance(logits, torch.Tensor) else type(logits).__name__
        raise ModelError(f"model.name {name!r} must map 2 records to float32 logits (2, {classes}), it gives {got}")
