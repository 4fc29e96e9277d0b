"""The study file's [defence] section."""

from typing import Annotated

from pydantic import Field, model_validator

from mithridate.section import Problem, Section, one_of, refuse
from mithridate.verification.registry import update_detectors

DEFENCES = ("mithridate", "none")
INFERENCE = "inference"


class DefenceSettings(Section):
    """Which updates the validators reject."""

    name: str = "mithridate"
    """The defence: mithridate, or none (updates are then only checked for form)."""
    detectors: Annotated[tuple[str, ...], Field(strict=False)] = ("range", "norm", "similarity", INFERENCE)
    """The detectors of the cascade, in the order in which a rejection is attributed."""
    norm_multiple: float = Field(default=3.0, gt=1, le=1000)
    """An update more than this many times as long as most of the others is rejected by "norm"."""
    similarity_floor: float = Field(default=-0.3, gt=-1, le=0)
    """An update whose cosine to most of the others lies below this is rejected by "similarity"."""
    margin_cap: float = Field(default=5.0, gt=0, le=100)
    """Encrypted inference counts a sample's margin (true logit less the best other) up to this size, either way."""
    standard_errors: float = Field(default=3.0, gt=0, le=10)
    """How sure encrypted inference must be that an update lowers the margins, in standard errors of the mean."""

    @model_validator(mode="after")
    def _known(self) -> "DefenceSettings":
        known = (*update_detectors, INFERENCE)
        problems = [Problem(("detectors",), name, one_of(known)) for name in self.detectors if name not in known]
        if self.name not in DEFENCES:
            problems.append(Problem(("name",), self.name, one_of(DEFENCES)))
        # Norms and cosines mean nothing for an update whose squared norm wraps around the ring.
        if self.name == "mithridate" and "range" not in self.detectors:
            problems.append(Problem(("detectors",), list(self.detectors), 'should hold "range"'))
        refuse("defence", problems)
        return self

    @property
    def active(self) -> tuple[str, ...]:
        """The detectors that run."""
        return self.detectors if self.name == "mithridate" else ()
