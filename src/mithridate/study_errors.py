"""What is wrong with a study file, in the user's words: every problem with its key, its value and what is allowed."""

import difflib
from collections.abc import Iterable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from mithridate.attacks import attacks
from mithridate.errors import StudyError

MAX_SHOWN = 80
Location = tuple[int | str, ...]


def study_error(source: str, problems: Iterable[str]) -> StudyError:
    """The error that lists `problems`, found in the file `source`."""
    found = list(problems)
    return StudyError(f"{source}: {found[0]}" if len(found) == 1 else "\n  ".join([f"{source}:", *found]))


def describe(error: ValidationError, study: type[BaseModel], document: object) -> Iterator[str]:
    """One line a problem that pydantic found in `document`, in the order of the study's sections."""
    for detail in error.errors(include_url=False):
        location = detail["loc"]
        key = ".".join(map(str, location))
        if detail["type"] == "extra_forbidden":
            yield f"{key}: unknown key{_suggestion(location, _known_keys(study, location[:-1], document))}"
        elif detail["type"] == "missing":
            yield f"{key}: missing, and there is no default"
        else:
            yield f"{key} = {_shown(detail['input'])}: {_allowed(detail)}"


def _shown(value: object) -> str:
    if value is None:
        return "(none)"
    text = repr(list(value)) if isinstance(value, tuple) else repr(value)
    return text if len(text) <= MAX_SHOWN else text[:MAX_SHOWN] + "..."


def _allowed(detail: ErrorDetails) -> str:
    kinds = {"tuple_type": "should be a list", "model_type": "should be a table", "dict_type": "should be a table"}
    return kinds.get(detail["type"], detail["msg"].removeprefix("Input "))


def _suggestion(location: Location, known: list[str]) -> str:
    near = difflib.get_close_matches(str(location[-1]), known, n=1, cutoff=0.6)
    mend = f"; did you mean {'.'.join(map(str, (*location[:-1], near[0])))}?" if near else ""
    return f"{mend} (known here: {', '.join(known)})"


def _known_keys(study: type[BaseModel], path: Location, document: object) -> list[str]:
    """The keys that the table at `path` may hold; an attack's own, by the name it gives."""
    table: Any = document
    section: Any = study
    for part in path:
        table = table[part]
        if isinstance(part, int):
            section = get_args(section)[0]
        elif part in section.model_fields:
            section = section.model_fields[part].annotation
    return list((attacks.get(table["name"]) if path[:1] == ("attacks",) else section).model_fields)
