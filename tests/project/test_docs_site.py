"""The site: the navigation, and the parts of pages that are generated from or checked against the code."""

from __future__ import annotations

import importlib.util
import inspect
import re
import sys
import tomllib
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


def test_the_table_of_layers_is_the_list_that_import_linter_checks() -> None:
    contracts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["importlinter"][
        "contracts"
    ]
    rows = next(contract["layers"] for contract in contracts if contract["type"] == "layers")
    _, _, table = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("| layer | holds |\n|---|---|\n")
    first_cells = [line.split(" | ")[0] for line in table.partition("\n\n")[0].splitlines()]
    assert [re.findall(r"`(\w+)`", cell) for cell in first_cells] == [re.findall(r"\w+", row) for row in rows]


def test_the_files_that_the_architecture_names_exist() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:_?[a-z]+/)+[\w/]*(?:\.py)?|\w+\.py)`", text))
    assert len(named) > 40
    package = ROOT / "src" / "deebase"
    places = (ROOT, package, package / "migrations", package / "migrations" / "check", package / "_sqltext")
    places += (package / "_backends" / "sqlite", package / "_backends" / "postgres", package / "tools")
    assert [name for name in sorted(named) if not any((place / name).exists() for place in places)] == []


def test_the_modules_of_a_backend_exist_in_both() -> None:
    _, _, table = (DOCS / "architecture.md").read_text(encoding="utf-8").partition("| module | holds |\n|---|---|\n")
    named = re.findall(r"^\| `(\w+\.py)`", table.partition("\n\n")[0], re.MULTILINE)
    assert len(named) > 5
    backends = ROOT / "src" / "deebase" / "_backends"
    assert [
        name for name in named for backend in ("sqlite", "postgres") if not (backends / backend / name).exists()
    ] == []


def test_parts_are_put_in_for_their_comments(hooks: ModuleType) -> None:
    page = "before\n\n<!-- errors -->\n\n<!-- not run: no -->\n"
    made = hooks.on_page_markdown(page)
    assert "* [`DeeBaseError`](errors.md#deebaseerror)" in made
    assert "<!-- not run: no -->" in made


def test_the_card_has_every_public_call(hooks: ModuleType) -> None:
    card = hooks.on_page_markdown((DOCS / "api-card.md").read_text(encoding="utf-8"))
    for cls in (deebase.Database, deebase.Table, deebase.Query, deebase.View, deebase.Transaction):
        members = [name for name in dir(cls) if not name.startswith("_") and not inspect.isclass(getattr(cls, name))]
        assert [name for name in members if not re.search(rf"\.{name}\b", card)] == []
    assert "`await db.q(sql, params=None, *, row_type=dict, as_=None)`" in card
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
