"""What an attack is: settings in the study file and two hooks in a malicious hospital's round."""

from typing import Annotated, Self

import numpy as np
import numpy.typing as npt
from pydantic import Field, model_validator

from mithridate.data.dataset import Dataset
from mithridate.section import Problem, Section, refuse

Update = npt.NDArray[np.float64]
HospitalIndex = Annotated[int, Field(ge=0)]


class Attack(Section):
    """One attack on some hospitals; a subclass adds its own parameters and overrides one hook or both.

    The random numbers of both hooks come from the study's seed: an attack is part of the experiment, not of the
    protocol.
    """

    name: str
    """The attack: gaussian, label_flip, scaling or sign_flip."""
    hospitals: Annotated[tuple[HospitalIndex, ...], Field(strict=False, min_length=1)]
    """The malicious hospitals, by number from 0."""
    from_round: int = Field(default=1, ge=1)
    """The first round in which they attack."""

    @model_validator(mode="after")
    def _each_once(self) -> Self:
        if len(set(self.hospitals)) < len(self.hospitals):
            refuse("attack", [Problem(("hospitals",), self.hospitals, "should name each hospital once")])
        return self

    def poison_data(self, dataset: Dataset, rng: np.random.Generator) -> Dataset:
        """The records the hospital trains on in place of `dataset`; the same ones here."""
        return dataset

    def poison_update(self, update: Update, rng: np.random.Generator) -> Update:
        """The update sent in place of the trained one g, float64 (d,); g itself here."""
        return update
