"""The study file's [defence] section."""

from typing import Annotated

from pydantic import Field, model_validator

from mithridate.section import Problem, Section, one_of, refuse
from mithridate.verification.registry import update_detectors

DEFENCES = ("mithridate", "none")
GRADIENT, INFERENCE = "gradient", "inference"
ALL, UNDECIDED, AUDIT = "all", "undecided", "audit:"


class DefenceSettings(Section):
    """Which updates the validators reject, and which hospitals they suspend.

    The defaults are what `mithridate calibrate` chose (docs/calibration.md), but for `least_score`: with less than
    zero an update points away from what is useful.
    """

    name: str = "mithridate"
    """The defence: mithridate, or none (updates are then only checked for form)."""
    detectors: Annotated[tuple[str, ...], Field(strict=False)] = ("range", "norm", "similarity", GRADIENT, INFERENCE)
    """The detectors of the cascade, in the order in which a rejection is attributed."""
    norm_multiple: float = Field(default=2.0, gt=1, le=1000)
    """"norm" rejects an update more than this many times as long as most of the others, each for its records."""
    copy_cosine: float = Field(default=0.99, gt=0, le=1)
    """"similarity" rejects updates whose cosine to another one lies above this: copies."""
    noise_cosine: float = Field(default=0.0, ge=0, lt=1)
    """"similarity" rejects an update with no larger cosine to any other, and no larger score either way: noise."""
    least_score: float = Field(default=0.0, ge=-2, le=2)
    """"gradient" rejects an update with a score (cosine to the direction of use, from -2 to 2) below this."""
    score_floor: float = Field(default=-0.3, ge=-2, le=2)
    """A score below this counts as evidence against the hospital."""
    score_share: float = Field(default=0.5, ge=0, le=1)
    """This share of the round's median score is added to `score_floor`."""
    score_slope: float = Field(default=2.0, gt=0, le=100)
    """How fast evidence grows with the distance of a score from `score_floor`; a round adds at most 1."""
    forgiveness: float = Field(default=0.5, ge=0, le=1)
    """The most evidence that one round can take back."""
    quarantine: float = Field(default=0.9, gt=0, le=100)
    """Evidence above this keeps a hospital's updates out, until it falls again."""
    suspension: float = Field(default=1.25, gt=0, le=100)
    """Evidence from this on excludes a hospital from the rest of the study."""
    inference: str = UNDECIDED
    """Whom encrypted inference checks: all, undecided (and each in one of three rounds), or audit:SHARE at random."""
    margin_cap: float = Field(default=10.0, gt=0, le=100)
    """Encrypted inference counts the change of a sample's margin up to this size, either way."""
    standard_errors: float = Field(default=10.0, gt=0, le=100)
    """How sure encrypted inference must be that an update lowers the margins, in standard errors of the mean."""
    curator_weight: float = Field(default=0.5, ge=0, le=1)
    """Weight of the curator's own update against that of the accepted; it also stands in for those left out."""
    probes: int | None = Field(default=None, ge=0, le=16)
    """Copies of the reference set with random triggers that the curator learns; left out, 4 of images, 2 of tables."""

    @model_validator(mode="after")
    def _known(self) -> "DefenceSettings":
        known = (*update_detectors, INFERENCE)
        problems = [Problem(("detectors",), name, one_of(known)) for name in self.detectors if name not in known]
        if self.name not in DEFENCES:
            problems.append(Problem(("name",), self.name, one_of(DEFENCES)))
        # Norms and cosines mean nothing for an update whose squared norm wraps around the ring.
        if self.name == "mithridate" and "range" not in self.detectors:
            problems.append(Problem(("detectors",), list(self.detectors), 'should hold "range"'))
        if self.suspension <= self.quarantine:
            should = f"should lie above quarantine = {self.quarantine}"
            problems.append(Problem(("suspension",), self.suspension, should))
        if self.inference not in (ALL, UNDECIDED) and self._audited is None:
            should = 'should be "all", "undecided" or "audit:" and a share from 0 to 1, such as "audit:0.2"'
            problems.append(Problem(("inference",), self.inference, should))
        refuse("defence", problems)
        return self

    @property
    def active(self) -> tuple[str, ...]:
        """The detectors that run."""
        return self.detectors if self.name == "mithridate" else ()

    @property
    def curated(self) -> bool:
        """Whether the curator has a part in every round."""
        return GRADIENT in self.active

    @property
    def audited(self) -> float:
        """The share of hospitals that encrypted inference checks at random: 1 for all, 0 where only some are due."""
        return 1.0 if self.inference == ALL else self._audited or 0.0

    @property
    def _audited(self) -> float | None:
        try:
            share = float(self.inference.removeprefix(AUDIT)) if self.inference.startswith(AUDIT) else -1.0
        except ValueError:
            return None
        return share if 0 <= share <= 1 else None
