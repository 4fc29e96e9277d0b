"""The HTML reports' common ground: a template of this package rendered to one page, and a file replaced whole."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined


def render(template: str, filters: Mapping[str, Callable[..., Any]], **values: Any) -> str:
    """A page; what the values hold is escaped, and a name that the template misses is an error.

    Args:
        template: file name in `templates/`.
        filters: that the template uses besides Jinja's own.
        values: that the template names.

    Raises:
        UndefinedError: the template names a value that is not given (jinja2).
    """
    environment = Environment(
        loader=PackageLoader("mithridate.evaluation"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(filters)
    return environment.get_template(template).render(**values)


def replace_file(path: Path, data: bytes) -> None:
    """Writes a file that is seen whole or as it was before; raises OSError."""
    draft = path.with_suffix(path.suffix + ".part")
    draft.write_bytes(data)
    draft.replace(path)
