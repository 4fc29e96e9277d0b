"""The common ground of every section of a study file."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from pydantic import BaseModel, ConfigDict, ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Section(BaseModel):
    """Frozen settings; an unknown key, a value of another type, an infinity or a NaN is an error."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, strict=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class Problem(NamedTuple):
    """A key below the section, the value it has, and what it should be ("should ...")."""

    key: tuple[str | int, ...]
    value: object
    should: str

    def details(self) -> InitErrorDetails:
        """The problem as pydantic reports it."""
        text = PydanticCustomError("study", "{should}", {"should": self.should})
        return InitErrorDetails(type=text, loc=self.key, input=self.value)


def refuse(section: str, problems: Sequence[Problem]) -> None:
    """Raise pydantic's ValidationError with all `problems`, if there are any."""
    if problems:
        raise ValidationError.from_exception_data(section, [problem.details() for problem in problems])


def one_of(names: Iterable[str]) -> str:
    """The text of a problem whose value is none of `names`."""
    return f"should be one of {', '.join(names)}"
