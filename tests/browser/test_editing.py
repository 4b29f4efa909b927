"""Changes in the studio in Chromium: as one who has never read a page of the documentation makes them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from deebase import Database
from tests.support.library import make_library

if TYPE_CHECKING:
    from tests.browser.windows import Served, Window

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]


async def make_lending_library(db: Database) -> None:
    await make_library(db)
    await db.q(
        "CREATE TABLE loan (id INTEGER PRIMARY KEY, book_id INTEGER REFERENCES book (id) ON DELETE CASCADE, who TEXT)"
    )
    await db.reflect()
    await db.t.loan.insert_all([{"id": n, "book_id": 7, "who": f"reader {n}"} for n in (1, 2, 3)])


@pytest.fixture
def lending(serve: Callable[..., Served]) -> Served:
    return serve(make_lending_library, write=True)


@pytest.fixture
def desk(opened: Callable[..., Window], lending: Served) -> Window:
    return opened(lending)


def stored(lending: Served, table: str, key: int) -> dict[str, Any] | None:
    return lending.run(lending.db.t[table].rows_as(dict).get(key, default=None))


def button(look: Window, name: str) -> None:
    """Click a button that leads to another page."""
    look.follow(look.page.get_by_role("button", name=name).click)


def link(look: Window, name: str) -> None:
    """Click a link."""
    look.follow(look.page.get_by_role("link", name=name, exact=True).click)


def test_a_wrong_value_is_found_and_corrected(desk: Window, lending: Served) -> None:
    link(desk, "book")
    desk.page.get_by_label("Search the rows").fill("12 even")
    desk.press("Enter")
    desk.page.keyboard.press("j")
    desk.press("Enter")
    desk.press("e")
    title = desk.page.get_by_label("title", exact=True)
    assert title.input_value() == "book 12 even"
    assert desk.page.get_by_label("day", exact=True).get_attribute("type") == "date"
    assert desk.page.get_by_label("on_sale", exact=True).get_attribute("type") == "checkbox"
    title.fill("The Twelfth")
    desk.page.get_by_label("on_sale", exact=True).uncheck()
    button(desk, "Review")
    said = desk.page.inner_text("main")
    assert "book 12 even" in said
    assert "UPDATE" in said
    assert stored(lending, "book", 12)["title"] == "book 12 even"
    desk.press("Enter")
    assert desk.page.get_by_role("status").is_visible()
    assert desk.page.url.partition("?")[0].endswith("/row/12")
    assert stored(lending, "book", 12)["title"] == "The Twelfth"
    assert not stored(lending, "book", 12)["on_sale"]


def test_an_error_stands_beside_its_field(desk: Window, lending: Served) -> None:
    desk.open("/table/book/row/3/edit")
    desk.page.get_by_label("price", exact=True).fill("99999999999")
    desk.page.get_by_label("meta", exact=True).fill("{bad")
    button(desk, "Review")
    for name in ("price", "meta"):
        field = desk.page.get_by_label(name, exact=True)
        assert field.get_attribute("aria-invalid") == "true"
        noted = (field.get_attribute("aria-describedby") or "").split()[-1]
        assert desk.page.locator(f"#{noted}").is_visible()
    assert desk.page.get_by_label("price", exact=True).input_value() == "99999999999"
    assert float(stored(lending, "book", 3)["price"]) == 0.75


def test_nobody_overwrites_what_another_has_changed(
    opened: Callable[..., Window], desk: Window, lending: Served
) -> None:
    other = opened(lending)
    for look in (desk, other):
        look.open("/table/book/row/5/edit")
    other.page.get_by_label("title", exact=True).fill("of the other")
    button(other, "Review")
    other.press("Enter")
    desk.page.get_by_label("title", exact=True).fill("of mine")
    button(desk, "Review")
    if desk.page.get_by_role("alert").count() == 0:
        desk.press("Enter")
    assert "Another user changed this row" in desk.page.get_by_role("alert").first.inner_text()
    assert "of the other" in desk.page.inner_text("main")
    assert desk.page.get_by_label("title", exact=True).input_value() == "of mine"
    assert stored(lending, "book", 5)["title"] == "of the other"


def test_a_deletion_says_what_goes_with_the_row(desk: Window, lending: Served) -> None:
    desk.open("/table/book/row/7")
    desk.follow(desk.page.get_by_role("link", name="Delete").click)
    said = " ".join(desk.page.inner_text("main").split())
    assert "3 rows of loan (by book_id) will also be deleted." in said
    assert "DELETE" in said
    assert stored(lending, "loan", 1) is not None
    button(desk, "Delete")
    assert stored(lending, "book", 7) is None
    assert stored(lending, "loan", 1) is None
    desk.open("/table/author/row/1/delete")
    assert "refuse" in desk.page.inner_text("main")


def test_a_parent_is_found_by_typing(desk: Window, lending: Served) -> None:
    desk.open("/table/book/add")
    reference = desk.page.get_by_label("author_id", exact=True)
    with desk.page.expect_response(lambda answer: "?q=" in answer.url):
        reference.press_sequentially("B")
    desk.page.locator("datalist option").first.wait_for(state="attached")
    assert desk.page.locator("datalist option").evaluate_all("all => all.map((each) => each.label)") == ["Bob (2)"]
    reference.fill("2")
    desk.page.get_by_label("title", exact=True).fill("new")
    desk.page.get_by_label("price", exact=True).fill("1.50")
    button(desk, "Review")
    desk.press("Enter")
    assert stored(lending, "book", 131)["author_id"] == 2


def test_rows_are_changed_without_scripts(opened: Callable[..., Window], lending: Served) -> None:
    look = opened(lending, java_script_enabled=False)
    look.open("/table/loan")
    for number in (1, 2):
        look.page.locator("tbody tr").nth(number - 1).get_by_role("checkbox").check()
    button(look, "Edit the selected rows")
    look.page.get_by_label("Column").select_option("who")
    button(look, "Choose")
    look.page.get_by_label("who", exact=True).fill("nobody")
    button(look, "Review")
    look.follow(look.page.locator("button.main").click)
    assert [stored(lending, "loan", n)["who"] for n in (1, 2, 3)] == ["nobody", "nobody", "reader 3"]
