"""Hostile names, values, errors and files in Chromium: nothing of them runs, and no request leaves."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urljoin

import pytest
from starlette.requests import Request
from starlette.responses import Response

from deebase import Database
from deebase.web import studio
from deebase.web._studio.addresses import encoded
from deebase.web._studio.site import Limits, Site
from deebase.web.security import Protection
from tests.browser.conftest import TOKEN
from tests.support.browser import HOSTILE
from tests.support.hostile_pages import FORMULAS, NAMES, VALUES, make_hostile, quoted
from tests.support.worlds import only_on

if TYPE_CHECKING:
    from tests.browser.windows import Served, Window


pytestmark = [pytest.mark.long, pytest.mark.leaks_allowed("a browser and a server of all tests")]
backend_name = only_on("sqlite-file", "postgres")

TOUCH = (Path(__file__).parent / "touch.js").read_text(encoding="utf-8")
#: Statements whose errors hold the text, after an error of the code.
FAILING = [
    "",
    f"SELECT h.{quoted(HOSTILE + 'x')} FROM {quoted(HOSTILE)} AS h",
    f"SELECT * FROM {quoted(HOSTILE + 'x')}",
    f"INSERT INTO {quoted(HOSTILE)} (id) VALUES (0)",
]


def hostile_app(db: Database) -> Any:
    """Return a studio with a page for each statement that fails."""
    app = studio(db, token=TOKEN, title=HOSTILE)
    site = Site(db, title=HOSTILE, protection=Protection(), limits=Limits())

    async def fail(request: Request) -> Response:
        text = FAILING[int(request.path_params["number"])]
        if not text:
            raise RuntimeError(f"secret of the code {HOSTILE}")
        await db.q(text)
        raise AssertionError("the statement did not fail")

    app.router.add_route("/fails/{number}", site.page(lambda _: fail))
    return app


@pytest.fixture
def hostile(db_url: str, serve: Callable[..., Served]) -> Served:
    return serve(make_hostile, url=db_url, app=hostile_app)


def touched(look: Window, address: str, status: int = 200) -> set[str]:
    """Open a page, point at everything, and return the addresses that it leads to."""
    look.open(address, status)
    strange, links = look.page.evaluate(TOUCH)
    assert strange == 0, address
    assert not [link for link in links if not str(link).startswith(f"{look.origin}/")], address
    return {str(link).removeprefix(look.origin).partition("#")[0] for link in links}


def place(table: str, **parameters: str) -> str:
    query = "&".join([f"{quote(name)}={quote(text)}" for name, text in parameters.items()])
    return f"/table/{encoded(table)}?{query}"


def test_no_name_and_no_value_runs(opened: Callable[..., Window], hostile: Served) -> None:
    look = opened(hostile)
    assert look.page.title() == HOSTILE
    for address in ("/", f"/?q={quote(HOSTILE)}", "/diagram"):
        touched(look, address)
    for number, name in enumerate(NAMES):
        links = touched(look, place(name, column=NAMES[number % 5], facet=NAMES[0], desc=NAMES[2]))
        rows = {link for link in links if "/row/" in link}
        assert len(rows) == len(VALUES)
        if number:
            continue
        # Each of the five texts of a row is another value: these rows have all of them.
        for key in (0, 5, 10):
            touched(look, f"/table/{encoded(name)}/row/{key}")
        for value in VALUES:
            touched(look, place(name, **{f"is.{NAMES[0]}": value, f"has.{NAMES[1]}": value}))
    touched(look, place("child " + HOSTILE, facet="of " + HOSTILE, column="of " + HOSTILE))
    touched(look, place("view " + HOSTILE, column=NAMES[0]))


def test_texts_are_shown_as_they_are(opened: Callable[..., Window], hostile: Served) -> None:
    look = opened(hostile)
    look.open(place(HOSTILE))
    shown = look.page.locator("tbody td").all_text_contents()
    for value in VALUES:
        assert any(" ".join(value.split())[:40] in " ".join(each.split()) for each in shown), value
    assert HOSTILE in look.page.locator("thead").inner_text().replace("⋯", "")


def test_errors_of_the_server_and_addresses_are_text(opened: Callable[..., Window], hostile: Served) -> None:
    look = opened(hostile)
    for address in (
        place(HOSTILE + "missing"),
        place(HOSTILE, sort=HOSTILE + "x"),
        f"/table/{quote(HOSTILE, safe='')}",
        f"/{quote(HOSTILE, safe='')}",
        f"/table/formula/row/{quote(HOSTILE, safe='')}",
        f"/table/formula/export.{quote('<script>', safe='')}",
    ):
        status = 400 if "export" in address else 404
        touched(look, address, status)
    touched(look, place("formula", **{"from.id": HOSTILE}), 400)
    touched(look, place("formula", after=HOSTILE), 400)

    for number in range(len(FAILING)):
        page = look.open(f"/fails/{number}", 500 if number == 0 else None)
        assert "Traceback" not in page.inner_text("body")
        page.evaluate(TOUCH)
        assert "secret" not in page.content()
        assert number == 0 or "<script>alert(1)</script>" in page.inner_text("main")


def test_cells_of_a_file_are_no_formulas(opened: Callable[..., Window], hostile: Served) -> None:
    look = opened(hostile)
    rows = list(csv.reader(io.StringIO(look.downloaded("/table/formula/export.csv").decode(), newline="")))
    assert [cell for _, cell in rows[1:]] == [f"'{text}" for text in FORMULAS]
    for form in ("json", "ndjson", "csv", "parquet"):
        look.downloaded(f"/table/{encoded(HOSTILE)}/export.{form}")
    # A file is saved, under a name without a path, and is never shown as a page.
    look.open(place(HOSTILE))
    with look.page.expect_download() as started:
        look.page.evaluate(
            "(address) => { const a = document.createElement('a'); a.href = address; a.click() }",
            urljoin(look.origin, f"/table/{encoded(HOSTILE)}/export.csv"),
        )
    assert "/" not in started.value.suggested_filename
    assert started.value.path().stat().st_size > 100
