"""The studio in Chromium: what one who only looks does with mouse and keyboard, with scripts and without."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.support.library import BOOKS

if TYPE_CHECKING:
    from tests.browser.windows import Served, Window

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]


def ids(look: Window) -> list[int]:
    """Return the keys of the rows that are shown."""
    return [
        int(address.rpartition("/")[2])
        for address in look.page.locator("tbody a.open").evaluate_all("all => all.map(a => a.getAttribute('href'))")
    ]


def test_the_token_leaves_the_address_and_is_in_no_referrer(look: Window, served: Served) -> None:
    assert look.page.url == f"{served.origin}/"
    look.follow(look.page.get_by_role("link", name="book", exact=True).click)
    look.follow(look.page.locator("tbody a.open").first.click)
    assert "/row/1" in look.page.url
    first, *others = look.requests
    assert "token=" in first[0]
    assert len(others) > 5
    assert not [each for each in others if "token" in each[0] + each[1]]
    assert look.page.evaluate("document.cookie + document.referrer + JSON.stringify(localStorage)").count("token") == 0


def test_pages_are_turned_and_sorted(look: Window) -> None:
    look.open("/table/book")
    assert ids(look) == list(range(1, 51))
    look.follow(look.page.get_by_role("link", name="Next").click)
    assert ids(look)[0] == 51
    look.follow(look.page.get_by_role("link", name="Previous").click)
    assert ids(look) == list(range(1, 51))
    look.follow(look.page.get_by_role("link", name="price", exact=True).click)
    assert look.page.locator("th[aria-sort=ascending]").count() == 1
    look.follow(look.page.get_by_role("link", name="price").first.click)
    assert ids(look)[:2] == [BOOKS, BOOKS - 1]
    look.page.reload()
    assert ids(look)[:2] == [BOOKS, BOOKS - 1]
    look.page.go_back()
    assert ids(look)[0] == 1


def test_filters_facets_and_searches_narrow_the_rows(look: Window) -> None:
    look.open("/table/book")
    look.follow(look.page.get_by_label("Filter and chart of price").click)
    look.page.get_by_label("from", exact=True).fill("31.5")
    look.page.get_by_label("to", exact=True).fill("32")
    look.follow(look.page.get_by_role("button", name="Filter").click)
    assert ids(look) == [126, 127, 128]
    assert "from.price=31.5" in look.page.url
    assert "=&" not in look.page.url
    look.follow(look.page.get_by_label("Filter and chart of on_sale").click)
    look.follow(look.page.get_by_role("link", name="Keep as a facet").click)
    look.follow(look.page.get_by_role("complementary").get_by_role("link", name="true").click)
    assert ids(look) == [126]
    look.follow(look.page.get_by_label("Remove the filter price ≥ 31.5").click)
    look.page.get_by_label("Search the rows").fill("even -12")
    look.press("Enter")
    assert set(ids(look)) == {n for n in range(6, BOOKS, 6) if n != 12}
    look.follow(look.page.get_by_label("Remove the search").click)
    look.follow(look.page.get_by_label("Filter and chart of day").click)
    assert look.page.get_by_label("from", exact=True).get_attribute("type") == "date"
    assert look.page.get_by_role("img", name="Number of rows").count() == 1


def test_columns_are_chosen_in_a_menu_that_closes(look: Window) -> None:
    look.open("/table/book")
    menu = look.page.locator("details.menu", has_text="Columns")
    menu.locator("summary").click()
    look.follow(menu.get_by_role("link", name="title").click)
    assert look.page.get_by_role("columnheader", name="title").count() == 0
    menu.locator("summary").click()
    look.page.get_by_role("heading", name="book").click()
    assert menu.get_attribute("open") is None


def test_names_are_filtered_while_one_types(look: Window) -> None:
    look.page.get_by_label("Search the names").press_sequentially("boo")
    assert look.page.get_by_role("link", name="author", exact=True).count() == 0
    look.press("Enter")
    assert look.page.url.endswith("?q=boo")
    assert look.page.get_by_role("link", name="book", exact=True).is_visible()


def test_keys_go_through_rows_and_pages(look: Window) -> None:
    look.open("/table/book")
    keys = look.page.keyboard
    current = look.page.locator("tr.current a.open")
    for pressed, row in (("j", 1), ("j", 2), ("j", 3), ("k", 2)):
        keys.press(pressed)
        assert (current.get_attribute("href") or "").endswith(f"/row/{row}")
    keys.press("/")
    keys.type("jk?")
    assert look.page.get_by_label("Search the rows").input_value() == "jk?"
    keys.press("Escape")
    keys.press("?")
    assert look.page.get_by_role("dialog").is_visible()
    assert "next row" in look.page.get_by_role("dialog").inner_text()
    keys.press("Escape")
    assert look.page.get_by_role("dialog").count() == 0
    # Nothing can be edited here, and a key with Ctrl belongs to the browser.
    for pressed in ("e", "Control+j"):
        keys.press(pressed)
    assert (current.get_attribute("href") or "").endswith("/row/2")
    keys.press("k")
    look.press("Enter")
    assert look.page.url.endswith("/row/1")
    look.page.go_back()
    look.press("n")
    assert ids(look)[0] == 51
    look.press("p")
    assert ids(look)[0] == 1


def test_everything_is_reached_with_the_tab_key(look: Window) -> None:
    look.open("/table/author")
    reached: list[str] = []
    for _ in range(60):
        look.page.keyboard.press("Tab")
        if look.page.evaluate("document.activeElement === document.body"):
            break
        reached.append(
            look.page.evaluate(
                "(e => (getComputedStyle(e).outlineStyle === 'none' ? 'unseen ' : '')"
                " + (e.getAttribute('aria-label') || e.innerText))(document.activeElement)"
            )
        )
    assert reached[0] == "Skip to content"
    assert not [each for each in reached if each.startswith("unseen")]
    for wanted in ("Library", "Filter", "Columns", "Export", "Copy", "id", "Filter and chart of id"):
        assert wanted in [each.strip() for each in reached], (wanted, reached)


def test_code_is_copied(opened: Callable[..., Window], served: Served) -> None:
    look = opened(served, permissions=["clipboard-read", "clipboard-write"])
    look.open("/table/book?desc=price")
    look.page.get_by_text("Copy", exact=True).first.click()
    look.page.get_by_role("button", name="Copy").first.click()
    look.page.get_by_role("button", name="Copied").wait_for()
    assert "order_by='-price'" in look.page.evaluate("navigator.clipboard.readText()")


def test_files_are_downloaded(look: Window) -> None:
    look.open("/table/book?to.id=3&show=title")
    look.page.locator("summary", has_text="Export").click()
    with look.page.expect_download() as started:
        look.page.get_by_role("link", name="CSV").click()
    assert started.value.suggested_filename == "book.csv"
    assert started.value.path().read_text().splitlines() == ["title", "book 1 odd", "book 2 even", "book 3 odd"]


def test_pages_are_browsed_without_scripts(opened: Callable[..., Window], served: Served) -> None:
    look = opened(served, java_script_enabled=False)
    look.page.get_by_label("Search the names").fill("boo")
    look.follow(look.page.get_by_role("button", name="Search").click)
    assert look.page.get_by_role("link", name="author", exact=True).count() == 0
    look.follow(look.page.get_by_role("link", name="book", exact=True).click)
    look.follow(look.page.get_by_role("link", name="Next").click)
    look.follow(look.page.get_by_role("link", name="price", exact=True).click)
    look.follow(look.page.get_by_role("link", name="price").first.click)
    look.page.locator("summary", has_text="Filter").click()
    look.follow(look.page.locator("details.menu[open]").get_by_role("link", name="on_sale").click)
    look.page.locator("[name='is.on_sale']").select_option("true")
    look.follow(look.page.get_by_role("button", name="Filter").click)
    assert "129" in look.page.locator("tbody tr").first.inner_text()
    look.follow(look.page.locator("tbody a.open").first.click)
    look.follow(look.page.get_by_role("link", name="Ada").click)
    assert "by author_id · 117" in look.page.inner_text("main")
    look.follow(look.page.get_by_role("link", name="Library").click)
    look.follow(look.page.get_by_role("link", name="Diagram").click)
    look.follow(look.page.locator("svg a").first.click)
    assert "/table/" in look.page.url
