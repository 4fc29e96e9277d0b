"""Multinomial logistic regression."""

import math
from typing import TYPE_CHECKING

from mithridate.models.registry import models

if TYPE_CHECKING:
    from torch import nn


@models.register("logistic")
def logistic(input_shape: tuple[int, ...], classes: int) -> "nn.Module":
    """(N, *input_shape) to logits (N, classes), affine."""
    from torch import nn

    return nn.Sequential(nn.Flatten(), nn.Linear(math.prod(input_shape), classes))
