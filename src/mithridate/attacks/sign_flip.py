"""Sign flipping: send -s g for the trained update g.

Source: L. Li, W. Xu, T. Chen, G. Giannakis, Q. Ling, "RSA: Byzantine-robust stochastic aggregation methods", AAAI
2019, section 5. This is not ascent of the loss during training: g is the honest update.
"""

from typing import Literal

import numpy as np
from pydantic import Field

from mithridate.attacks.base import Attack, Update
from mithridate.attacks.registry import attacks


@attacks.register("sign_flip")
class SignFlip(Attack):
    """Send -s g."""

    name: Literal["sign_flip"] = "sign_flip"
    """The attack."""
    scale: float = Field(default=1.0, gt=0, le=1e6)
    """s."""

    def poison_update(self, update: Update, rng: np.random.Generator) -> Update:
        """-s g, float64 (d,)."""
        return -self.scale * update
