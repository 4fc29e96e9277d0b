"""The user's own model, named in the study as module:factory."""

import importlib
import sys
from collections.abc import Callable
from pathlib import Path

from torch import nn

from mithridate.errors import ModelError


def custom_model(name: str, input_shape: tuple[int, ...], classes: int) -> nn.Module:
    """The module that `factory(input_shape, classes)` returns, for a `name` of the form module:factory.

    The module may lie in the working directory. Its code runs with this process's rights.

    Raises:
        ModelError: it cannot be imported, is not callable, fails, or returns no torch.nn.Module.
    """
    factory = _factory(name)
    try:
        module = factory(input_shape, classes)
    except Exception as error:
        raise ModelError(f"model.name {name!r}: the factory failed on ({input_shape}, {classes}): {error!r}") from error
    if not isinstance(module, nn.Module):
        raise ModelError(f"model.name {name!r} must return a torch.nn.Module, it returned {type(module).__name__}")
    return module


def _factory(name: str) -> Callable[[tuple[int, ...], int], object]:
    path, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.append(here)
    try:
        factory: object = getattr(importlib.import_module(path), attribute)
    except Exception as error:
        raise ModelError(f"model.name {name!r} cannot be imported: {error!r}") from error
    if not callable(factory):
        raise ModelError(f"model.name {name!r} is not callable: name a function of (input_shape, classes) or a class")
    return factory
