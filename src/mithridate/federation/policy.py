"""A hospital's own policy: which studies it takes part in. Nothing that anybody sends can widen it."""

import tomllib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from mithridate.errors import InputError, PolicyError
from mithridate.models.code import code_hash
from mithridate.section import Section
from mithridate.study import Study
from mithridate.study_errors import describe

MAX_BYTES = 1 << 20
_HASH = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
_ACCOUNT = Annotated[str, Field(pattern=r"^0x[0-9a-fA-F]{40}$")]
_CODE = Annotated[str, Field(pattern=r"^(?:[0-9a-f]{64}|preset:[a-z_0-9]{1,40})$")]


class Privacy(Section):
    """The least that protects this hospital's patients in an update."""

    clip: float = Field(default=256.0, gt=0, le=256)
    """The longest update, in L2, that may leave the hospital as shares."""
    noise: float = Field(default=0.0, ge=0)
    """The least noise multiplier of training with differential privacy; 0 asks for none."""
    epsilon: float | None = Field(default=None, gt=0)
    """The largest privacy budget that a whole study may spend; left out, none is asked for."""
    accepted: int = Field(default=2, ge=2, le=1000)
    """The fewest hospitals whose updates an aggregate may add up."""


class SitePolicy(Section):
    """What a hospital accepts. An empty list accepts nothing."""

    studies: Annotated[tuple[_HASH, ...], Field(strict=False, max_length=1000)] = ()
    """Configuration hashes of the studies, 64 hexadecimal digits each."""
    model_code: Annotated[tuple[_CODE, ...], Field(strict=False, max_length=1000)] = ()
    """Models whose code may run here: presets ("preset:mlp") or hashes of source files."""
    validators: Annotated[tuple[_ACCOUNT, ...], Field(strict=False, max_length=100)] = ()
    """Ledger accounts of the validators that may hold shares of this hospital's updates."""
    privacy: Privacy = Privacy()
    """The least that protects this hospital's patients."""

    def objections(self, study: Study, validators: Collection[str]) -> list[str]:
        """Why this hospital does not take part in a study; nothing if it does.

        Args:
            study: as its configuration hash binds it.
            validators: accounts of all validators that the ledger names for it.
        """
        return [*self._study_objections(study), *self._validator_objections(validators), *self._privacy(study)]

    def _study_objections(self, study: Study) -> Iterator[str]:
        configuration = study.configuration_hash().hex()
        if configuration not in self.studies:
            yield f"study {configuration[:16]} is not accepted"
        code = code_hash(study.model.name)
        if code not in self.model_code:
            yield f"model code {code[:32]} is not approved"

    def _validator_objections(self, validators: Collection[str]) -> Iterator[str]:
        accepted = {account.lower() for account in self.validators}
        for account in sorted(validators):
            if account.lower() not in accepted:
                yield f"validator {account} is not accepted"

    def _privacy(self, study: Study) -> Iterator[str]:
        if study.clipping.norm > self.privacy.clip:
            yield f"clipping.norm {study.clipping.norm:g} is above {self.privacy.clip:g}"
        if study.aggregation.min_accepted < self.privacy.accepted:
            yield f"aggregation.min_accepted {study.aggregation.min_accepted} is below {self.privacy.accepted}"
        if self.privacy.noise > 0 or self.privacy.epsilon is not None:
            yield "the study trains without differential privacy"


def load_policy(file: Path) -> SitePolicy:
    """The policy in a TOML file.

    Raises:
        PolicyError: it cannot be read, or holds an unknown key or a wrong value; without a policy nothing is accepted.
    """
    try:
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise PolicyError(f"{file} has more than {MAX_BYTES} bytes: it is no policy")
        document = tomllib.loads(content.decode("utf-8"))
    except OSError as error:
        raise PolicyError(f"{file} cannot be read ({error.strerror}): without a policy no study is accepted") from error
    except ValueError as error:
        raise PolicyError(f"{file} is not valid TOML: {error}") from error
    try:
        return SitePolicy.model_validate(document)
    except ValidationError as error:
        raise PolicyError("\n  ".join([f"{file}:", *describe(error, SitePolicy, document)])) from None


def enforce(policy: SitePolicy, study: Study, validators: Collection[str]) -> None:
    """Returns if the policy has no objection.

    Raises:
        PolicyError: it has; the message holds all of them.
    """
    try:
        objections = policy.objections(study, validators)
    except InputError as error:
        objections = [str(error)]
    if objections:
        raise PolicyError("; ".join(objections))
