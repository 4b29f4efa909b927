"""The pages of the studio: what they show of a database, on each backend."""

from __future__ import annotations

import io
import json
import re
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest

from deebase import Database
from deebase.web import studio
from deebase.web._studio.addresses import decoded, encoded
from tests.support.browser import HOSTILE, Browser, browsing
from tests.support.library import BOOKS, make_library


@pytest.fixture
async def library(db: Database) -> Database:
    await make_library(db)
    return db


@pytest.fixture
async def browser(library: Database) -> AsyncIterator[Browser]:
    async with browsing(studio(library, title="Library"), library) as browser:
        yield browser


def place(table: str, **parameters: str) -> str:
    query = "&".join([f"{quote(name)}={quote(text)}" for name, text in parameters.items()])
    return f"/table/{encoded(table)}" + (f"?{query}" if query else "")


async def test_every_page_that_a_page_leads_to_is_small_and_answers(browser: Browser) -> None:
    seen = await browser.crawl("/", 150)
    for kind in ("/diagram", "/row/", "export.csv", "export.parquet", "facet=", "column=", "desc=", "after=", "show="):
        assert any(kind in address for address in seen), kind


async def test_the_database_shows_tables_with_their_rows_and_finds_names(browser: Browser) -> None:
    page = await browser.get("/")
    assert f"book {BOOKS} rows" in page.text
    assert "author 2 rows" in page.text
    found = await browser.get("/?q=BOO")
    assert "/table/author" not in found.links
    assert "No name contains" in (await browser.get("/?q=zzz")).text


async def test_pages_follow_each_other_by_key_and_lead_back(browser: Browser) -> None:
    seen: list[str] = []
    address = place("book", desc="price")
    while address:
        page = await browser.get(address)
        seen += [link for link in page.links if "/table/book/row/" in link]
        following = page.neighbours.get("next")
        address = f"/table/book{following}" if following else ""
    assert len(seen) == len(set(seen)) == BOOKS
    assert seen[0] == f"/table/book/row/{BOOKS}"
    back = await browser.get(f"/table/book{page.neighbours['prev']}")
    assert {"next", "prev"} == {*back.neighbours}
    assert [link for link in back.links if "/table/book/row/" in link] == seen[50:100]


FILTERS: list[tuple[dict[str, str], set[int]]] = [
    ({"is.title": "book 7 odd"}, {7}),
    ({"has.title": "BOOK 12"}, {12, *range(120, 130)}),
    ({"has.title": "100%"}, set[int]()),
    ({"from.price": "31.5", "to.price": "32"}, {126, 127, 128}),
    ({"in.price": "1, 2.5"}, {4, 10}),
    ({"null.author_id": "1", "to.id": "30"}, {10, 20, 30}),
    ({"filled.meta": "1"}, {1}),
    ({"is.on_sale": "true", "to.id": "7"}, {3, 6}),
    ({"not.author_id": "1", "to.id": "20"}, {10, 20}),
    ({"is.day": "2020-03-01", "to.id": "20"}, {2, 14}),
    ({"has.meta": "xxxx"}, {1}),
    ({"q": "14 -odd"}, {14}),
]


async def test_filters_follow_the_type_of_the_column(browser: Browser) -> None:
    for parameters, expected in FILTERS:
        page = await browser.get(place("book", **parameters))
        found = {int(link.rpartition("/")[2]) for link in page.links if "/table/book/row/" in link}
        assert found == expected, parameters
        # The file has the same rows.
        address = place("book", **parameters).replace("?", "/export.json?")
        assert {row["id"] for row in (await browser.client.get(address)).json()} == expected, parameters


async def test_a_value_that_does_not_fit_is_explained_in_words(browser: Browser) -> None:
    page = await browser.get(place("book", **{"from.price": "cheap"}), 400)
    assert "Traceback" not in page.text
    assert "cheap" not in page.text
    assert "zzz is not a column of book" in (await browser.get(place("book", sort="zzz"), 404)).text
    assert "does not exist" in (await browser.get(place("nothing"), 404)).text
    await browser.get(place("book", after="forged"), 400)


async def test_foreign_keys_are_labels_with_links(browser: Browser) -> None:
    page = await browser.get(place("book", **{"to.id": "10"}))
    assert page.text.count("Ada") == 9
    assert "/table/author/row/1" in page.links
    facet = await browser.get(place("book", facet="author_id"))
    assert "Ada 117" in facet.text
    assert "null 13" in facet.text
    assert "?null.author_id=1&facet=author_id" in facet.links


async def test_a_column_has_a_panel_with_a_chart(browser: Browser) -> None:
    numbers = await browser.get(place("book", column="price"))
    assert '<svg class="chart"' in numbers.response.text
    assert "from" in numbers.text
    ranges = [link for link in numbers.links if "from.price=" in link]
    assert len(ranges) == 12
    assert "1 – " not in ranges[0]
    # An empty value is in no range, and a filter finds what the range counts.
    ids = await browser.get(place("book", column="author_id", **{"to.id": "50"}))
    assert "Ada 45" in ids.text
    pages = await browser.get(place("book", column="pages"))
    ranges = [link for link in pages.links if "from.pages=" in link and "to.pages=" in link]
    assert "0 \N{EN DASH} 4 8" in pages.text
    found = await browser.get(f"/table/book{ranges[0].replace('column=pages', 'count=1')}")
    assert len([link for link in found.links if "/table/book/row/" in link]) == 8
    months = await browser.get(place("book", column="day"))
    assert 'class="line"' in months.response.text
    assert "2020-01" in months.text
    flags = await browser.get(place("book", column="on_sale"))
    assert "<option>true</option>" in flags.response.text
    assert "false 87" in flags.text


async def test_a_row_shows_all_values_its_parents_and_its_children(browser: Browser) -> None:
    book = await browser.get(place("book") + "/row/1")
    assert "/table/author/row/1" in book.links
    assert "Ada" in book.text
    for name in ("meta", "cover"):
        assert f"/table/book/row/1/value/{name}" in book.links
    assert (await browser.client.get("/table/book/row/1/value/cover")).content == bytes(range(256)) * 4
    author = await browser.get(place("author") + "/row/1")
    assert "by author_id · 117" in author.text
    assert "/table/book?is.author_id=1" in author.links
    assert "by author_id · 0" in (await browser.get(place("author") + "/row/2")).text
    for key in ("99", "x", "1.2", "~", "%2e%2e"):
        await browser.get(place("author") + f"/row/{key}", 404)


async def test_what_is_seen_can_be_had_as_code_and_as_files(browser: Browser, library: Database) -> None:
    shown = {"from.price": "31.5", "desc": "price", "show": "title"}
    page = await browser.get(place("book", **shown))
    assert "page = await t.page(t.c.price >= " in page.text
    assert "order_by='-price'" in page.text
    sql = page.text[page.text.index("SQL SELECT") + 4 :].partition(";")[0]
    assert next(row["title"] for row in await library.q(sql)) == f"book {BOOKS} even"
    export = place("book", **shown).replace("?", "/export.{}?")
    text = (await browser.client.get(export.format("csv"))).text
    assert text.splitlines()[:2] == ["title", f"book {BOOKS} even"]
    lines = (await browser.client.get(export.format("ndjson"))).text.splitlines()
    assert [*json.loads(lines[0])] == ["title"]
    import pyarrow.parquet

    table = pyarrow.parquet.read_table(io.BytesIO((await browser.client.get(export.format("parquet"))).content))
    assert table.num_rows == 5
    await browser.get(export.format("exe"), 400)


async def test_rows_are_counted_on_request(browser: Browser) -> None:
    assert "Count the rows" in (await browser.get(place("book"))).text
    assert f"{BOOKS} rows" in (await browser.get(place("book", count="1"))).text
    assert "65 rows" in (await browser.get(place("book", q="even", count="1"))).text


async def test_views_and_tables_without_a_key_show_their_first_rows(browser: Browser, library: Database) -> None:
    await library.create_view("dear", "SELECT title, price FROM book WHERE id > 20")
    await library.script("CREATE TABLE loose (a INTEGER, b TEXT)")
    await library.reflect()
    await library.t.loose.insert_all([{"a": n, "b": None} for n in range(60)])
    for name, rows in (("dear", 110), ("loose", 60)):
        first = await browser.get(place(name, desc=library.v.dear.columns[1] if name == "dear" else "a"))
        assert "no primary key" in first.text
        rest = await browser.get(f"/table/{name}{first.neighbours['next']}")
        assert rest.response.text.count("<tr data-row>") == min(50, rows - 50)


async def test_headings_are_aligned_as_the_values_below_them(browser: Browser, library: Database) -> None:
    await library.create_view("sums", "SELECT count(*) AS books, min(title) AS first FROM book")
    for path, column, kind in (
        ("/table/sums", "books", "number"),
        ("/table/sums", "first", "text"),
        # The label of a row stands on the left, also where its key is a number.
        (place("book"), "author_id", "text"),
        (place("book"), "id", "number"),
    ):
        found = (await browser.get(path)).response.text
        heading = re.search(rf'<th scope="col"[^>]* class="(\w+)">(?:<a [^>]*>)?{column}\b', found)
        assert heading is not None, column
        assert heading[1] == kind, column


async def test_a_row_without_a_label_is_called_by_its_key(db: Database) -> None:
    await db.q("CREATE TABLE place (x INTEGER, y INTEGER, PRIMARY KEY (x, y))")
    await db.reflect()
    await db.t.place.insert({"x": 3, "y": 4})
    async with browsing(studio(db), db) as browser:
        assert "<h1>place 3, 4</h1>" in (await browser.get("/table/place/row/3.4")).response.text


async def test_hostile_names_and_values_are_text(db: Database) -> None:
    names = [HOSTILE, "a/b ~.%2F?#", "-sorted", "ünï cödé", "{{ 7*7 }}", "x" * 50]
    quoted = ['"' + name.replace('"', '""') + '"' for name in names]
    columns = ", ".join([f"{each} TEXT" for each in quoted[:5]])
    for each in quoted:
        await db.q(f"CREATE TABLE {each} (id INTEGER PRIMARY KEY, {columns})")
    await db.reflect()
    values = dict.fromkeys(names[:4], HOSTILE) | {names[4]: "javascript:alert(3)"}
    for name in names:
        await db.t[name].insert_all([values | {"id": n} for n in range(3)])
    async with browsing(studio(db, title=HOSTILE), db) as browser:
        seen = await browser.crawl("/", 40)
        for name in names:
            assert place(name) in seen
            page = await browser.get(place(name) + "/row/1")
            assert "<script>alert(1)</script>" in page.text
            await browser.get(place(name, column=names[0], facet=names[2]))
            for column in names[:5]:
                for sort in ("sort", "desc"):
                    await browser.get(place(name, **{sort: column, f"is.{column}": values[column]}))
        await browser.get(place(HOSTILE + "missing"), 404)


@pytest.mark.parametrize("text", ["", "~", "a", "a/b", "ü", ".", "..", "%2F", "a b\n", "\ud800", "~7E", "x" * 200])
def test_any_name_survives_its_address(text: str) -> None:
    assert decoded(encoded(text)) == text
    assert set(encoded(text)) <= set("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-~")
