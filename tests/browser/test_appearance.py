"""How the pages of the studio look in Chromium: contrast and colours of both schemes, labels, and narrow screens."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.library import make_library

if TYPE_CHECKING:
    from tests.browser.windows import Served, Window

pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]

PAGES = [
    "/",
    "/?q=nothing",
    "/diagram",
    "/table/book",
    "/table/book?is.id=0",
    "/table/book?desc=price&from.price=1&column=price&facet=on_sale&facet=author_id",
    "/table/book?q=even&column=on_sale&is.on_sale=true",
    "/table/book?column=day",
    "/table/book/row/1",
    "/table/author/row/1",
    "/table/none",
    "/table/book/row/1/edit",
    "/table/book/add",
    "/table/author/row/1/delete",
    "/table/author/several?key=1&key=2&column=name",
    "/sql?sql=SELECT+*+FROM+book&chart=price",
    "/sql?sql=SELECT+nothing+FROM+book",
    "/schema",
    "/table/book/schema",
    "/doctor",
]

HERE = Path(__file__).parent
CONTRAST = (HERE / "contrast.js").read_text(encoding="utf-8")
NAMELESS = (HERE / "nameless.js").read_text(encoding="utf-8")
#: Pages that say what is wrong.
STATUS = {"/table/none": 404, "/sql?sql=SELECT+nothing+FROM+book": 400}


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The studio of a library, with the pages that change rows."""
    from tests.browser.windows import Served

    made = Served(str(tmp_path_factory.mktemp("library") / "library.db"), make_library, write=True)
    yield made
    made.close()


def open_all(look: Window, address: str) -> None:
    """Open a page, and what it has folded."""
    look.open(address, STATUS.get(address, 200))
    look.page.evaluate("document.querySelectorAll('details').forEach((each) => { each.open = true })")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_have_the_contrast_that_is_asked_for(opened: Callable[..., Window], served: Served, scheme: str) -> None:
    look = opened(served, color_scheme=scheme)
    bad: dict[str, Any] = {}
    for address in PAGES:
        open_all(look, address)
        seen, found = look.page.evaluate(CONTRAST)
        assert seen > 2, address
        bad |= {address: found} if found else {}
        if address == "/table/book":
            look.page.keyboard.press("j")
            _, found = look.page.evaluate(CONTRAST)
            bad |= {"the chosen row": found} if found else {}
    assert not bad


def test_the_contrast_of_a_pale_text_is_too_low(look: Window) -> None:
    look.page.evaluate(
        "(() => { const sheet = new CSSStyleSheet(); sheet.replaceSync('h1 { color: #ddd }');"
        " document.adoptedStyleSheets = [sheet] })()"
    )
    assert len(look.page.evaluate(CONTRAST)[1]) == 1


def test_dark_pages_are_dark(opened: Callable[..., Window], served: Served) -> None:
    colours: dict[str, list[str]] = {}
    for scheme in ("light", "dark"):
        look = opened(served, color_scheme=scheme)
        look.open("/table/book?column=price")
        colours[scheme] = look.page.evaluate(
            "['body', '.wide', 'td', 'thead th', 'input[name=\"is.price\"]', '.panel', 'summary']"
            ".map((each) => { const style = getComputedStyle(document.querySelector(each));"
            " return [style.backgroundColor, style.color] }).flat()"
        )
    for light, dark in zip(colours["light"], colours["dark"], strict=True):
        # A cell has no background of its own.
        assert light != dark or light == "rgba(0, 0, 0, 0)"
    assert sum(map(int, colours["dark"][0][4:-1].split(","))) < 120
    assert sum(map(int, colours["light"][0][4:-1].split(","))) > 650


def test_everything_has_a_name(look: Window) -> None:
    bad: dict[str, list[str]] = {}
    for address in PAGES:
        open_all(look, address)
        found = look.page.evaluate(NAMELESS)
        bad |= {address: found} if found else {}
    assert not bad


def test_a_narrow_screen_scrolls_tables_and_not_the_page(opened: Callable[..., Window], served: Served) -> None:
    look = opened(served, viewport={"width": 360, "height": 640}, has_touch=True, is_mobile=True)
    for address in PAGES:
        look.open(address, STATUS.get(address, 200))
        for menu in look.page.locator("details.menu").all():
            menu.locator("summary").click()
            assert menu.locator("> :last-child").bounding_box()["x"] >= 0, address
            menu.locator("summary").click()
        assert look.page.evaluate("document.documentElement.scrollWidth") <= 360, address
        # Sizes of what is touched (2.5.8): 24 pixels, but for links in a text.
        small = look.page.evaluate(
            "[...document.querySelectorAll('button, summary, select, input:not([type=hidden], [type=checkbox])')]"
            ".filter((each) => each.checkVisibility() && each.getBoundingClientRect().height < 24)"
            ".map((each) => each.outerHTML)"
        )
        assert not small, address


def test_a_page_can_be_enlarged_and_moves_nothing(opened: Callable[..., Window], served: Served) -> None:
    look = opened(served, reduced_motion="reduce", forced_colors="active")
    look.open("/table/book")
    assert "maximum-scale" not in (look.page.locator("meta[name=viewport]").get_attribute("content") or "")
    moving = "[...document.querySelectorAll('*')].filter((e) => getComputedStyle(e).transitionDuration !== '0s').length"
    assert look.page.evaluate(moving) == 0
