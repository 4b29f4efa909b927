"""What the site has beyond its pages: the navigation, and the parts that are made from the code."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import deebase
from tests.support.docs import pages
from tests.support.tree import ROOT

DOCS = ROOT / "docs"


@pytest.fixture(scope="module")
def hooks() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_hooks", DOCS / "hooks.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_page_that_is_named_nowhere_has_a_place(hooks: ModuleType) -> None:
    nav: list[Any] = [
        {"Home": "index.md"},
        {"Guides": ["a.md", "*.md"]},
        {"Reference": ["b*.md", {"API": ["api/*.md"]}]},
    ]
    found = ["a.md", "b.md", "b-more.md", "c.md", "api/x.md", "index.md"]
    assert hooks.expanded(nav, found) == [
        {"Home": "index.md"},
        {"Guides": ["a.md", "c.md"]},
        {"Reference": ["b.md", "b-more.md", {"API": ["api/x.md"]}]},
    ]


def test_the_pages_named_in_the_navigation_exist() -> None:
    named = re.findall(
        r"^ +- (?:\w+: )?([\w/-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE
    )
    assert len(named) > 20
    assert [page for page in named if not (DOCS / page).is_file()] == []


def test_the_home_page_leads_to_every_page_that_is_read_in_order() -> None:
    home = (DOCS / "index.md").read_text(encoding="utf-8")
    named = re.findall(r"^ +- ([\w-]+\.md)$", (ROOT / "mkdocs.yml").read_text(encoding="utf-8"), re.MULTILINE)
    assert [page for page in named if f"({page})" not in home and page != "index.md"] == []


def test_the_layers_are_those_of_the_project(hooks: ModuleType) -> None:
    layers = hooks.layers().splitlines()
    assert layers[0].startswith("1. `cli`")
    assert layers[-1].endswith("`errors`")
    modules = re.findall(r"`(\w+)`", hooks.layers())
    present = {path.stem for path in (ROOT / "src" / "deebase").iterdir()}
    assert [name for name in modules if name not in present] == []


def test_parts_are_put_in_for_their_comments(hooks: ModuleType) -> None:
    page = "before\n\n<!-- layers -->\n\n<!-- not run: no -->\n"
    made = hooks.on_page_markdown(page)
    assert "1. `cli`" in made
    assert "<!-- not run: no -->" in made


def test_the_card_has_every_public_call(hooks: ModuleType) -> None:
    card = hooks.on_page_markdown((DOCS / "api-card.md").read_text(encoding="utf-8"))
    for cls in (deebase.Database, deebase.Table, deebase.Query, deebase.View, deebase.Transaction):
        members = [name for name in dir(cls) if not name.startswith("_") and not inspect.isclass(getattr(cls, name))]
        assert [name for name in members if not re.search(rf"\.{name}\b", card)] == []
    assert "`await db.q(sql, params=None, *, row_type=dict)`" in card
    assert "`await users[pk]`" in card
    assert "(errors.md#notfounderror)" in card


def test_every_option_of_a_database_is_explained() -> None:
    text = (DOCS / "connecting.md").read_text(encoding="utf-8")
    options = list(inspect.signature(deebase.Database).parameters)[1:]
    assert [name for name in options if f"| `{name}` |" not in text] == []


def test_every_pragma_that_is_set_is_explained() -> None:
    from deebase._backends.schemes import settings_for

    options = {name: parameter.default for name, parameter in inspect.signature(deebase.Database).parameters.items()}
    text = (DOCS / "connecting.md").read_text(encoding="utf-8")
    assert [name for name, _ in settings_for("x.db", options).pragmas if f"| `{name}` |" not in text] == []


@pytest.mark.skipif(sys.platform == "win32", reason="paths are written with slashes")
def test_a_page_as_text_has_what_is_put_in(hooks: ModuleType) -> None:
    text = hooks.as_text("examples.md")
    assert "<!-- file:" not in text
    assert (ROOT / "examples" / "worker.py").read_text(encoding="utf-8").strip() in text


def test_the_first_heading_of_a_page_is_its_title() -> None:
    untitled = [
        page
        for page in pages()
        if not re.match(r"(---\n.*?\n---\n\n)?(# |::: )", page.read_text(encoding="utf-8"), re.DOTALL)
    ]
    assert untitled == []


def test_the_blocks_of_a_page_are_all_closed() -> None:
    odd: list[Path] = [page for page in pages() if page.read_text(encoding="utf-8").count("```") % 2]
    assert odd == []
