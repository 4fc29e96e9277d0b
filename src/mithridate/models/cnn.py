"""A small convolutional network for images of 8 x 8 pixels or more.

Average pooling comes before ReLU: pooling is linear, so the encrypted ReLU, the costly part, sees a quarter of the
values.
"""

from typing import TYPE_CHECKING

from mithridate.errors import ModelError
from mithridate.models.registry import models

if TYPE_CHECKING:
    from torch import nn


@models.register("cnn")
def cnn(input_shape: tuple[int, ...], classes: int) -> "nn.Module":
    """(N, channels, height, width) to logits (N, classes): two convolutions (16, 32), each pooled by 2, then 64 units.

    Raises:
        ModelError: the records are no images, or smaller than 4 x 4.
    """
    from torch import nn

    if len(input_shape) != 3 or min(input_shape[1:]) < 4:
        raise ModelError(
            'model.name "cnn" needs images (channels, height, width) of at least 4 x 4; the records have shape '
            f"{input_shape}: choose mlp or logistic"
        )
    channels, height, width = input_shape
    return nn.Sequential(
        nn.Conv2d(channels, 16, kernel_size=3, padding=1),
        nn.AvgPool2d(2),
        nn.ReLU(),
        nn.Conv2d(16, 32, kernel_size=3, padding=1),
        nn.AvgPool2d(2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * (height // 4) * (width // 4), 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )
