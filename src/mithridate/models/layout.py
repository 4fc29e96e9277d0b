"""The names and shapes of a model's parameters: what a party that holds no module needs to read a model file."""

import math
from dataclasses import dataclass
from functools import cached_property

from mithridate.errors import ModelError

MAX_PARAMETERS = 2**31 - 1


@dataclass(frozen=True)
class Layout:
    """Parameters in the order of the flat vector.

    Args:
        names: distinct.
        shapes: one a name; a scalar's is ().

    Raises:
        ModelError: nothing to train, a name twice, as many shapes as names not, or too many parameters.
    """

    names: tuple[str, ...]
    shapes: tuple[tuple[int, ...], ...]

    def __post_init__(self) -> None:
        if not self.names or len(self.names) != len(self.shapes) or len(set(self.names)) != len(self.names):
            raise ModelError("a model needs parameters, each with its own name and a shape")
        if any(extent < 1 for shape in self.shapes for extent in shape):
            raise ModelError("a model's parameters may not be empty")
        if self.size > MAX_PARAMETERS:
            raise ModelError(f"{self.size} parameters; at most {MAX_PARAMETERS}")

    @cached_property
    def sizes(self) -> tuple[int, ...]:
        """Values of each parameter."""
        return tuple(math.prod(shape) for shape in self.shapes)

    @property
    def size(self) -> int:
        """d, the number of values of all parameters."""
        return sum(self.sizes)
