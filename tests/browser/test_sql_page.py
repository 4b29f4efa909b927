"""The SQL page of the studio in Chromium: typing, completion, errors, plans, charts, and what it refuses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from tests.support.browser import HOSTILE
from tests.support.hostile_pages import quoted

if TYPE_CHECKING:
    from tests.browser.windows import Served, Window

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]


def run(look: Window, text: str, name: str = "Run") -> str:
    """Run a statement, and return what the page says."""
    look.page.get_by_label("SQL", exact=True).fill(text)
    look.follow(look.page.get_by_role("button", name=name).click)
    return look.page.inner_text("main")


def test_a_statement_is_typed_with_completion_and_run(look: Window) -> None:
    look.open("/sql")
    editor = look.page.get_by_label("SQL", exact=True)
    editor.click()
    look.page.keyboard.type("SELECT title FROM bo")
    names = look.page.get_by_role("listbox", name="Names")
    names.wait_for()
    assert "book" in names.inner_text()
    look.page.keyboard.press("Tab")
    assert editor.input_value() == "SELECT title FROM book"
    look.page.keyboard.type(" WHERE id < :most ORDER BY id")
    look.press("Control+Enter")
    look.page.get_by_label(":most").fill("4")
    look.follow(look.page.get_by_role("button", name="Run").click)
    shown = look.page.get_by_role("region", name="Result").inner_text()
    assert [line for line in shown.splitlines() if "book" in line] == ["book 1 odd", "book 2 even", "book 3 odd"]
    # The address holds the statement and its parameters.
    look.page.reload()
    assert "book 3 odd" in look.page.get_by_role("region", name="Result").inner_text()


def test_an_error_is_marked_where_it_is_and_nothing_is_written(look: Window, served: Served) -> None:
    look.open("/sql")
    assert "titel" in run(look, "SELECT titel FROM book")
    assert look.page.get_by_role("alert").is_visible()
    assert look.page.get_by_label("SQL", exact=True).get_attribute("aria-invalid") == "true"
    for text in ("DELETE FROM book", "ATTACH 'x.db' AS x", f"SELECT * FROM {quoted(HOSTILE)}"):
        run(look, text)
        assert look.page.get_by_role("alert").is_visible(), text
    assert served.run(served.db.t.book.count()) == 130


def test_a_runaway_statement_ends(look: Window) -> None:
    look.open("/sql")
    run(look, "WITH RECURSIVE n(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM n) SELECT max(x) FROM n")
    assert look.page.get_by_role("alert").is_visible()


def test_a_plan_is_a_tree_and_a_column_a_chart(look: Window) -> None:
    look.open("/sql")
    assert "SCAN b" in run(look, "SELECT * FROM book b JOIN author a ON a.id = b.author_id", "Explain")
    assert look.page.get_by_role("region", name="Plan").locator("li").count() > 1
    run(look, "SELECT pages FROM book")
    look.page.get_by_label("Chart of").select_option("pages")
    look.follow(look.page.get_by_role("button", name="Draw").click)
    assert look.page.get_by_role("img").count() == 1


def test_hostile_results_are_text(look: Window) -> None:
    text = HOSTILE.replace("'", "''")
    look.open("/sql?sql=" + quote(f"SELECT '{text}' AS {quoted(HOSTILE)}, '{text}' AS \"javascript:alert(1)\""))
    assert HOSTILE in look.page.get_by_role("region", name="Result").inner_text()


def test_statements_run_without_scripts(opened: Callable[..., Window], served: Served) -> None:
    look = opened(served, java_script_enabled=False)
    look.open("/sql")
    assert "130" in run(look, "SELECT count(*) FROM book")
