"""Gaussian noise in place of the update, or on top of it.

Source: P. Blanchard et al., "Machine learning with adversaries: Byzantine tolerant gradient descent", NeurIPS 2017,
section 5 (replace).
"""

from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from mithridate.attacks.base import Attack, Update
from mithridate.attacks.registry import attacks
from mithridate.section import Problem, refuse


@attacks.register("gaussian")
class Gaussian(Attack):
    """Send N(0, s^2 I) (`replace`) or g + N(0, s^2 I) (`add`).

    s is `deviation`, or `norm_multiple` m times ||g|| / sqrt(d), so that the noise's expected squared norm is (m
    ||g||)^2.
    """

    name: Literal["gaussian"] = "gaussian"
    """The attack."""
    variant: Literal["replace", "add"] = "replace"
    """Noise alone, or added to the trained update."""
    deviation: float | None = Field(default=None, gt=0, le=1e6)
    """s, the noise's standard deviation a coordinate."""
    norm_multiple: float | None = Field(default=None, gt=0, le=1e6)
    """m, the noise's size as a multiple of the trained update's norm."""

    @model_validator(mode="after")
    def _one_size(self) -> "Gaussian":
        if (self.deviation is None) == (self.norm_multiple is None):
            should = "should be given, or norm_multiple, but not both"
            refuse("gaussian", [Problem(("deviation",), self.deviation, should)])
        return self

    def poison_update(self, update: Update, rng: np.random.Generator) -> Update:
        """The noise, or g with it, float64 (d,)."""
        noise = rng.normal(0.0, self._deviation(update), size=update.shape)
        return noise if self.variant == "replace" else update + noise

    def _deviation(self, update: Update) -> float:
        if self.deviation is not None:
            return self.deviation
        return float(self.norm_multiple or 0.0) * float(np.linalg.norm(update)) / float(np.sqrt(update.size))
