"""The documentation names every setting as the code has it, and nothing that does not exist."""

import json
import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import pytest
from annotated_types import Ge, Gt, Le, Lt
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from mithridate.attacks import Attack, attacks
from mithridate.evaluation.records import VERDICT_WORDS
from mithridate.study import Study

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "src" / "mithridate"
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
STUDY_FILE = (ROOT / "docs" / "study-file.md").read_text(encoding="utf-8")


def tables() -> Iterator[tuple[str, type[BaseModel]]]:
    """Heading in docs/study-file.md and the model whose keys the table below it explains."""
    yield "## Top level", Study
    for name, field in Study.model_fields.items():
        if is_section(field):
            yield f"## `[{name}]`", field.annotation  # type: ignore[misc]
    yield "## `[[attacks]]`", Attack
    for name in attacks:
        yield f"### `{name}`", attacks.get(name)


def is_section(field: FieldInfo) -> bool:
    return isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)


def rows(model: type[BaseModel]) -> list[str]:
    """How the rows of a model's keys begin: key, default and, for numbers and choices, what is allowed."""
    common = set(Attack.model_fields) if issubclass(model, Attack) and model is not Attack else set()
    fields = [(name, field) for name, field in model.model_fields.items() if name not in common]
    return [
        f"| `{name}` | {default(field)} | {limits(field)}"
        for name, field in fields
        if not is_section(field) and not (model is Study and name == "attacks")
    ]


def default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    return "none" if field.default is None else f"`{json.dumps(field.default)}`"


def limits(field: FieldInfo) -> str:
    if get_origin(field.annotation) is Literal:
        return ", ".join(f"`{value}`" for value in get_args(field.annotation)) + " |"
    low, high = "", ""
    for rule in field.metadata:
        if isinstance(rule, Ge | Gt):
            low = f"{number(rule.ge)} ≤ " if isinstance(rule, Ge) else f"{number(rule.gt)} < "
        if isinstance(rule, Le | Lt):
            high = f" ≤ {number(rule.le)}" if isinstance(rule, Le) else f" < {number(rule.lt)}"
    return f"{low}x{high} |" if low or high else ""


def number(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def part(heading: str) -> str:
    """The text from a heading to the next of any level."""
    assert f"\n{heading}\n" in STUDY_FILE, f"docs/study-file.md lacks the heading {heading!r}"
    return re.split(r"\n#+ ", STUDY_FILE.split(f"\n{heading}\n", 1)[1], maxsplit=1)[0]


@pytest.mark.parametrize(("heading", "model"), tables(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_setting_is_explained_with_its_default_and_limits(heading: str, model: type[BaseModel]) -> None:
    lines = part(heading).splitlines()
    missing = [row for row in rows(model) if not any(line.startswith(row) for line in lines)]
    assert not missing, f"docs/study-file.md, below {heading}, should have rows that begin:\n" + "\n".join(missing)


@pytest.mark.parametrize(("heading", "model"), tables(), ids=lambda value: value if isinstance(value, str) else "")
def test_no_setting_is_explained_that_does_not_exist(heading: str, model: type[BaseModel]) -> None:
    explained = set(re.findall(r"^\| `(\w+)` \|", part(heading), re.MULTILINE))
    assert explained <= set(model.model_fields)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]+)[^)]*\)", page.read_text(encoding="utf-8"))
    local = [target for target in targets if "://" not in target]
    assert not [target for target in local if not (page.parent / target).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_to_a_heading_find_it(page: Path) -> None:
    targets = re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8"))
    for path, anchor in targets:
        text = ((page.parent / path) if path else page).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
        assert anchor in [re.sub(r"[^\w -]", "", heading).lower().replace(" ", "-") for heading in headings]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_files_of_the_repository_that_a_page_names_exist(page: Path) -> None:
    named = re.findall(r"`((?:src|tests|studies|docs)/[\w./-]+)`", page.read_text(encoding="utf-8"))
    assert not [name for name in named if "NAME" not in name and not (ROOT / name).exists()]


@pytest.mark.parametrize("page", [ROOT / "README.md", ROOT / "docs" / "study-file.md"], ids=lambda page: page.name)
def test_study_files_in_the_text_are_valid(page: Path) -> None:
    examples = re.findall(r"```toml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for example in examples:
        Study.model_validate({"name": "example", **tomllib.loads(example)})


def test_the_layout_page_names_every_folder_of_the_package() -> None:
    layout = (ROOT / "docs" / "layout.md").read_text(encoding="utf-8")
    folders = [path.name for path in PACKAGE.iterdir() if (path / "__init__.py").exists()]
    assert folders
    assert not [name for name in folders if f"`{name}/`" not in layout]


def test_the_protocol_page_explains_every_verdict() -> None:
    protocol = (ROOT / "docs" / "protocol.md").read_text(encoding="utf-8")
    assert not [word for word in VERDICT_WORDS if f"`{word}`" not in protocol]


def test_every_command_in_the_readme_exists() -> None:
    import typer

    from mithridate.cli import app

    group: Any = typer.main.get_command(app)
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    lines = re.findall(r"^    mithridate (\S+)(?: (\S+))?", text, re.MULTILINE)
    assert {first for first, _ in lines} == set(group.commands)
    nested = group.commands["ledger"].commands
    assert {second for first, second in lines if first == "ledger"} == set(nested)


def test_the_decisions_are_numbered_without_gaps() -> None:
    names = sorted(path.name for path in (ROOT / "docs" / "decisions").glob("*.md"))
    assert [name[:4] for name in names] == [f"{index:03d}-" for index in range(1, len(names) + 1)]
