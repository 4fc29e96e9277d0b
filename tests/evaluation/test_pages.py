"""Pages: escaped, complete, and written whole."""

from pathlib import Path

import pytest
from jinja2 import DictLoader, UndefinedError

from mithridate.evaluation import pages


@pytest.fixture(autouse=True)
def template(monkeypatch: pytest.MonkeyPatch) -> None:
    loader = DictLoader({"page.html": "<p>{{ name | loud }}</p>"})
    monkeypatch.setattr(pages, "PackageLoader", lambda _: loader)


def test_values_are_escaped_after_the_filters() -> None:
    assert pages.render("page.html", {"loud": str.upper}, name="<b>") == "<p>&lt;B&gt;</p>"


def test_a_missing_value_is_an_error() -> None:
    with pytest.raises(UndefinedError, match="name"):
        pages.render("page.html", {"loud": str})


def test_a_file_that_cannot_be_written_leaves_the_old_one(tmp_path: Path) -> None:
    path = tmp_path / "page.html"
    pages.replace_file(path, b"old")
    (tmp_path / "page.html.part").mkdir()
    with pytest.raises(OSError, match="directory"):
        pages.replace_file(path, b"new")
    assert path.read_bytes() == b"old"
    (tmp_path / "page.html.part").rmdir()
    pages.replace_file(path, b"new")
    assert [each.name for each in tmp_path.iterdir()] == ["page.html"]
    assert path.read_bytes() == b"new"
