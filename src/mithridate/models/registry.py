"""The model presets by name. A preset is one file with one `register` line."""

from collections.abc import Callable
from typing import TYPE_CHECKING

from mithridate.registry import Registry

if TYPE_CHECKING:
    from torch import nn

# Called with one record's shape and the number of classes; PyTorch is imported by the call, so that a study is
# checked without it.
models: "Registry[Callable[[tuple[int, ...], int], nn.Module]]" = Registry("model")
