"""A multilayer perceptron with hidden layers of 64 and 32 units and ReLU."""

import math
from typing import TYPE_CHECKING

from mithridate.models.registry import models

if TYPE_CHECKING:
    from torch import nn


@models.register("mlp")
def mlp(input_shape: tuple[int, ...], classes: int) -> "nn.Module":
    """(N, *input_shape) to logits (N, classes)."""
    from torch import nn

    return nn.Sequential(
        nn.Flatten(),
        nn.Linear(math.prod(input_shape), 64),
        nn.ReLU(),
        nn.Linear(64, 32),
        nn.ReLU(),
        nn.Linear(32, classes),
    )
