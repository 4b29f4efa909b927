"""What the documentation shows is what happens."""

from __future__ import annotations

import ast
import re
import sys
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from deebase._types.base import KINDS
from tests.support.docs import Block, blocks, is_for_all_backends, pages, run_blocks, run_page
from tests.support.postgres import PostgresTestServer
from tests.support.tree import ROOT, relative
from tests.support.worlds import case

PAGES = pages()
BLOCKS = [block for page in PAGES for block in blocks(page)]


def runs() -> list[Any]:
    found: list[Any] = []
    for page in PAGES:
        if all(block.reason is not None for block in blocks(page)):
            continue
        for backend in ("sqlite-file", "postgres") if is_for_all_backends(page) else ("sqlite-file",):
            found.append(pytest.param(page, backend, id=f"{relative(page)}-{backend}"))
    return found


@pytest.mark.parametrize(("page", "backend_name"), runs(), indirect=["backend_name"])
def test_the_blocks_of_a_page_run_in_order(
    page: Path, db_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    directory = tmp_path / "page"
    directory.mkdir()
    monkeypatch.chdir(directory)
    run_page(page, db_url)


def test_the_page_on_migrations_shows_the_draft_and_the_loss_that_it_prints(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = ROOT / "docs/migrations.md"
    monkeypatch.chdir(tmp_path)
    run_page(page, "shop.db")
    printed = capsys.readouterr().out
    drafts = [block for block in blocks(page) if block.reason is not None and "draft" in block.reason]
    losses = re.findall(r"print\(error\)  # (.+)", page.read_text(encoding="utf-8"))
    assert (len(drafts), len(losses)) == (1, 1)
    assert drafts[0].code.strip() in printed
    assert losses[0] in printed


def test_the_types_of_a_page_are_forgotten() -> None:
    code = """
from deebase.types import ColumnType

class Money: ...

class MoneyType(ColumnType[Money], python=Money): ...
"""
    before = list(KINDS)
    for _ in range(2):
        run_blocks([Block(Path("page.md"), 1, code, None)])
        assert before == KINDS


def test_the_readme_runs_twice_in_a_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for _ in range(2):
        run_blocks(blocks(ROOT / "README.md"))
    assert {file.suffix for file in tmp_path.iterdir()} >= {".db"}


def test_the_readme_runs_on_postgres_too(
    postgres_server: PostgresTestServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Run it with a database of a server in the place of each file."""
    monkeypatch.chdir(tmp_path)
    found = [block for block in blocks(ROOT / "README.md") if block.reason is None]
    files = {name for block in found for name in re.findall(r'Database\("(\w+\.db)"\)', block.code)}
    assert files
    with ExitStack() as stack:
        for name in files:
            url = stack.enter_context(postgres_server.fresh_database())
            found = [replace(block, code=block.code.replace(f'"{name}"', repr(url))) for block in found]
        run_blocks(found)
    assert list(tmp_path.iterdir()) == []


def test_a_block_is_valid_python_and_fits_the_page() -> None:
    for block in BLOCKS:
        with case(block.where):
            newer = re.search(r"need Python 3\.(\d+)", block.reason or "")
            if newer is None or sys.version_info >= (3, int(newer[1])):
                block.compile()
            assert max(map(len, block.code.splitlines()), default=0) <= 100
            assert block.reason is None or len(block.reason) > 10, "say why it is not run"


def test_links_between_pages_lead_somewhere() -> None:
    broken: list[str] = []
    for page in PAGES:
        for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
            path, _, anchor = target.partition("#")
            if "://" in target:
                continue
            file = (page.parent / path).resolve() if path else page
            if not file.exists() or (anchor and file.suffix == ".md" and anchor not in anchors(file)):
                broken.append(f"{relative(page)}: {target}")
    assert not broken


def anchors(page: Path) -> set[str]:
    text = page.read_text(encoding="utf-8")
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    slugs = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return slugs | set(re.findall(r'<a (?:id|name)="([^"]+)"', text))


def test_the_readme_is_short_and_has_the_two_commands() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.split()) <= 700
    assert "pip install . && deebase tour" in text
    assert "pip install -e '.[dev]' && pytest" in text


def test_the_quick_start_has_at_most_twelve_lines() -> None:
    first = blocks(ROOT / "README.md")[0]
    assert first.reason is None
    assert len([line for line in first.code.splitlines() if line.strip()]) <= 12


def test_every_error_has_a_place_in_the_reference() -> None:
    from deebase import errors

    found = anchors(ROOT / "docs" / "errors.md")
    assert [name for name in errors.__all__ if name.lower() not in found] == []


def test_linters_know_every_name_in_annotations() -> None:
    """As ruff does with F821: a text in ``ForeignKey[int, "user"]`` would be a name that is not defined."""
    for block in BLOCKS:
        if block.reason is not None:
            continue
        for node in ast.walk(compile(block.code, block.where, "exec", ast.PyCF_ONLY_AST)):
            if isinstance(node, ast.Subscript) and getattr(node.value, "id", None) == "ForeignKey":
                texts = [each for each in ast.walk(node.slice) if isinstance(each, ast.Constant)]
                assert not texts, f"{block.where}: name the class, or write Annotated[int, References(...)]"
