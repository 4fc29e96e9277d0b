"""The study file's [training] section."""

from typing import Literal

from pydantic import Field, model_validator

from mithridate.section import Problem, Section, refuse


class TrainingSettings(Section):
    """What every hospital does in a round."""

    rounds: int = Field(default=10, ge=1, le=100_000)
    """Rounds of the study."""
    local_epochs: int = Field(default=5, ge=1, le=1000)
    """Passes over a hospital's records in a round."""
    batch_size: int = Field(default=32, ge=1, le=65_536)
    """Records of one optimisation step."""
    optimizer: Literal["adam", "sgd"] = "adam"
    """The local optimiser, started afresh each round."""
    learning_rate: float = Field(default=0.001, gt=0, le=100)
    """Its step size."""
    momentum: float = Field(default=0.0, ge=0, lt=1)
    """SGD's momentum."""
    weight_decay: float = Field(default=0.0, ge=0, le=100)
    """L2 penalty of the parameters, added to the gradient by the optimiser."""
    proximal: float = Field(default=0.0, ge=0, le=1e6)
    """FedProx's mu, the pull towards the round's base model; 0 is FedAvg."""

    @model_validator(mode="after")
    def _consistent(self) -> "TrainingSettings":
        if self.momentum and self.optimizer != "sgd":
            refuse("training", [Problem(("momentum",), self.momentum, 'should be 0, or optimizer "sgd"')])
        return self
