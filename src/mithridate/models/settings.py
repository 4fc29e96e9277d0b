"""The study file's [model] section."""

import re

from pydantic import model_validator

from mithridate.models.registry import models
from mithridate.section import Problem, Section, refuse

FACTORY = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*", re.ASCII)


class ModelSettings(Section):
    """The model that all hospitals train."""

    name: str = "mlp"
    """A preset (mlp, cnn, logistic), or module:factory, called with (input_shape, classes)."""

    @model_validator(mode="after")
    def _known(self) -> "ModelSettings":
        if self.name not in models and not FACTORY.fullmatch(self.name):
            should = f"should be one of {', '.join(models)}, or your own module:factory"
            refuse("model", [Problem(("name",), self.name, should)])
        return self
