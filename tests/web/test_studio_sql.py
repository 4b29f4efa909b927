"""The SQL page of the studio: what it runs, shows, refuses and keeps, on each backend."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest

from deebase import Database
from deebase._sqltext.capabilities import capabilities_of
from deebase.web import Access, studio
from deebase.web._studio.sql_pages.saved_queries import MOST, code_of
from tests.support.browser import HOSTILE, Browser, Page, browsing

#: Rows without an end, which each database computes for as long as it may.
ENDLESS = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"


@pytest.fixture
async def books(db: Database) -> Database:
    """Some books and a table with a hostile name."""
    quoted = HOSTILE.replace('"', '""')
    await db.script(
        f'CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT, pages INTEGER); CREATE TABLE "{quoted}" (x INTEGER);'
    )
    await db.reflect()
    await db.t.book.insert_all({"id": n, "title": f"book {n}", "pages": n % 7} for n in range(1, 1201))
    return db


@pytest.fixture
async def browser(books: Database, tmp_path: Path) -> AsyncIterator[Browser]:
    async with browsing(studio(books, title="Books", queries=tmp_path / "kept" / "q.json"), books) as browser:
        yield browser


def sql(text: str, **others: str) -> str:
    return "/sql?" + urlencode({"sql": text, **others})


def cells(page: Page) -> list[list[str]]:
    rows = re.findall(r"<tr data-row>(.*?)</tr>", page.response.text)
    return [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row)] for row in rows]


async def test_a_query_shows_its_rows_in_parts_and_says_what_was_cut(browser: Browser) -> None:
    page = await browser.get(sql("SELECT id, title, NULL AS void FROM book ORDER BY id"))
    assert cells(page)[0] == ["1", "book 1", "null"]
    assert "Rows 1–50 of the first 1,000 rows : the limit of rows" in page.text.replace("rows:", "rows :")
    second = await browser.get(sql("SELECT id, title FROM book WHERE id < 80 ORDER BY id", part="2"))
    assert "Rows 51–79 of 79 rows" in second.text
    assert cells(second)[-1] == ["79", "book 79"]
    empty = await browser.get(sql("SELECT id AS number_of_it FROM book WHERE id < 0"))
    assert "No rows" in empty.text
    assert "number_of_it" in empty.text
    assert not cells(await browser.get("/sql"))


async def test_long_values_are_folded_and_every_page_stays_small(browser: Browser) -> None:
    text = "SELECT " + ", ".join([f"replace('{'<' * 9}', '<', '<<<<<<<<<<<<<<<<') AS c{n}" for n in range(80)])
    page = await browser.get(sql(f"{text} FROM book ORDER BY id"))
    assert "20 more columns are in the exported file" in page.text
    folded = await browser.get(sql("SELECT replace('<b>----', '-', '0123456789012345678901234567890123456789') AS x"))
    assert '<details class="folded">' in folded.response.text
    assert "<b>" in folded.text


async def test_parameters_are_inputs_and_an_address_holds_them(browser: Browser) -> None:
    text = "SELECT title FROM book WHERE id = :id AND title = :title"
    asked = await browser.get(sql(text))
    assert 'name="p.id"' in asked.response.text
    assert "Enter values for the parameters" in asked.text
    assert not cells(asked)
    assert cells(await browser.get(sql(text, **{"p.id": "7", "p.title": "book 7"}))) == [["book 7"]]
    nothing = await browser.get(sql("SELECT coalesce(:x, 'was NULL') AS y", **{"p.x": ""}))
    assert cells(nothing) == [["was NULL"]]


PROBLEMS = [
    ("SELECT *\nFORM book", "Line 2, character 1", "FORM"),
    ("SELECT id,\n   titel FROM book", "Line 2, character 4", "titel"),
]


async def test_an_error_is_shown_at_its_place_and_is_escaped(browser: Browser) -> None:
    for text, place, word in PROBLEMS:
        page = await browser.get(sql(text), 400)
        assert place in page.text
        assert f"<mark>{word}</mark>" in page.response.text
    quoted = HOSTILE.replace('"', '""')
    for hostile in (f'SELECT "{quoted}" FROM book', f"SELECT '{HOSTILE}' FORM", f'SELECT "{quoted}".y FROM nowhere'):
        page = await browser.get(sql(hostile), 400) if "FORM" in hostile or "nowhere" in hostile else None
        assert page is None or "<script>alert" not in page.response.text
    await browser.get(sql("SELECT ?"), 400)
    await browser.get(sql("SELECT 1; DELETE FROM book"), 400)
    await browser.get(sql("x" * 8_001), 400)


async def test_nothing_is_written(browser: Browser, books: Database) -> None:
    for text in ("DELETE FROM book", "DROP TABLE book", "WITH d AS (SELECT 1) INSERT INTO book (id) VALUES (5000)"):
        for others in ({}, {"explain": "1"}):
            response = await browser.client.get(sql(text, **others))
            assert response.status_code in (200, 400), text
    assert await books.item("SELECT count(*) FROM book") == 1200


async def test_a_plan_is_a_tree(browser: Browser, books: Database) -> None:
    text = "SELECT b.title FROM book b JOIN book o ON o.id = b.pages WHERE b.id > :least ORDER BY b.title"
    page = await browser.get(sql(text, explain="1", **{"p.least": "3"}))
    assert page.response.text.count("<ul>\n<li><span>") >= 1
    assert "b" in page.text
    assert ("cost" in page.text) == capabilities_of(books.dialect).checks_types


async def test_charts_follow_the_values(browser: Browser) -> None:
    labelled = await browser.get(sql("SELECT pages, count(*) AS n FROM book GROUP BY pages ORDER BY pages", chart="n"))
    assert 'aria-label="n by pages from 0 to 6"' in labelled.response.text
    ranges = await browser.get(sql("SELECT id FROM book ORDER BY id", chart="id"))
    assert ranges.response.text.count('class="bar"') == 12
    frequent = await browser.get(
        sql("SELECT CASE WHEN id > 900 THEN 'late' ELSE 'early' END AS w FROM book", chart="w")
    )
    assert "meter" in frequent.response.text
    odd = "SELECT 1 AS n UNION ALL SELECT NULL UNION ALL SELECT -1e299 UNION ALL SELECT 1e299"
    assert "<svg" in (await browser.get(sql(odd, chart="n"))).response.text
    assert (await browser.get(sql("SELECT 1 AS x", chart="zzz"))).response.status_code == 200


async def test_what_is_seen_can_be_taken_along(browser: Browser) -> None:
    query = urlencode({"sql": "SELECT id, '=1+1' AS sum FROM book WHERE id < :m ORDER BY id", "p.m": "4"})
    csv = await browser.client.get(f"/sql/export.csv?{query}")
    assert csv.text.splitlines() == ["id,sum", "1,'=1+1", "2,'=1+1", "3,'=1+1"]
    assert [row["id"] for row in (await browser.client.get(f"/sql/export.json?{query}")).json()] == [1, 2, 3]
    lines = (await browser.client.get(f"/sql/export.ndjson?{query}")).text.splitlines()
    assert json.loads(lines[2])["id"] == 3
    import pyarrow.parquet as parquet

    data = (await browser.client.get(f"/sql/export.parquet?{query}")).content
    assert parquet.read_table(io.BytesIO(data)).num_rows == 3  # pyright: ignore[reportUnknownMemberType]
    cut = await browser.client.get("/sql/export.csv?" + urlencode({"sql": "SELECT id FROM book"}))
    assert "query-first-1000.csv" in cut.headers["content-disposition"]
    assert (await browser.client.get(f"/sql/export.exe?{query}")).status_code == 400


async def test_names_are_there_to_be_completed(browser: Browser) -> None:
    names = (await browser.client.get("/sql/names.json")).json()["tables"]
    assert names["book"] == ["id", "title", "pages"]
    assert names[HOSTILE] == ["x"]


def token_of(page: Page) -> str:
    return re.findall(r'name="csrf" value="([^"]*)"', page.response.text)[0]


async def test_queries_are_kept_outside_of_the_database_and_escaped(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / "kept" / "q.json"
    page = await browser.get(sql("SELECT 1 AS one"))
    origin = {"origin": "http://127.0.0.1:8000"}

    async def send(**form: str) -> httpx.Response:
        return await browser.client.post("/sql", data={"csrf": token_of(page), **form}, headers=origin)

    assert (await send(name=HOSTILE[:50], sql="SELECT 1 AS one")).status_code == 303
    assert (await send(name="<two>", sql="SELECT 2 AS two")).status_code == 303
    assert path.stat().st_mode & 0o077 == 0
    listed = await browser.get("/sql")
    assert str(path) in listed.text
    assert "<two>" in listed.text
    assert cells(await browser.get(f"/sql?saved={code_of('<two>')}")) == [["2"]]
    for form in ({"name": "", "sql": "SELECT 1"}, {"name": "x" * 81, "sql": "SELECT 1"}, {"name": "x", "sql": " "}):
        assert (await send(**form)).status_code == 400
    assert (await browser.client.post("/sql", data={"name": "x", "sql": "SELECT 1"}, headers=origin)).status_code == 400
    assert (await send(name=code_of("<two>"), action="delete")).status_code == 303
    await browser.get(f"/sql?saved={code_of('<two>')}", 404)
    assert [*json.loads(path.read_text())["queries"]] == [HOSTILE[:50]]
    path.write_text(json.dumps({"queries": {f"q{n}": "SELECT 1" for n in range(MOST)}}))
    assert "are kept already" in (await send(name="one more", sql="SELECT 1")).text
    await browser.get("/sql")
    path.write_text("broken")
    assert "is not a file of saved queries" in (await browser.get("/sql", 400)).text


async def test_access_to_tables_leaves_the_page_out(books: Database) -> None:
    def user(_: Any) -> str:
        return "ada"

    hidden = studio(books, user=user, tables={"book": Access()})
    async with browsing(hidden, books) as browser:
        for address in (
            "/sql",
            "/sql/names.json",
            sql("SELECT 1"),
            "/sql/export.csv?sql=SELECT+1",
            "/schema",
            "/doctor",
        ):
            assert (await browser.client.get(address)).status_code == 404, address
        assert "/sql" not in (await browser.client.get("/")).text
    allowed = studio(books, user=user, tables={"book": Access()}, sql=True)
    async with browsing(allowed, books) as browser:
        assert cells(await browser.get(sql("SELECT 1 AS x"))) == [["1"]]


async def test_a_runaway_query_ends_while_others_are_served(browser: Browser) -> None:
    running = asyncio.ensure_future(browser.client.get(sql(ENDLESS)))
    served = 0
    # The page of the rows is served again and again until the query has ended by its limit.
    while not running.done():
        await browser.get("/table/book")
        served += 1
    answer = await running
    assert answer.status_code == 400
    assert "the statement took longer than 2 s and was ended" in answer.text
    assert served > 1
