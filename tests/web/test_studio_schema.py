"""The pages of the schema, the migrations and the doctor, on each backend."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest

from deebase import Database
from deebase._sqltext.capabilities import capabilities_of
from deebase.migrations import Migrator
from deebase.tools.schema_sql import definitions, table_definition
from deebase.web import studio
from tests.support.browser import HOSTILE, Browser, Page, browsing


@pytest.fixture
async def shop(db: Database) -> Database:
    """Tables with everything that a definition may have."""
    quoted = HOSTILE.replace('"', '""')
    await db.script(
        "CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT NOT NULL);"
        "CREATE TABLE book (id INTEGER PRIMARY KEY, title TEXT DEFAULT 'none', author_id INTEGER "
        "REFERENCES author (id) ON DELETE CASCADE, price INTEGER CHECK (price < 1000), isbn TEXT UNIQUE);"
        "CREATE INDEX by_title ON book (lower(title)) WHERE price > 10;"
        "CREATE VIEW dear AS SELECT title FROM book WHERE price > 100;"
        f'CREATE TABLE "{quoted}" (x INTEGER CHECK (x > 1));'
    )
    if capabilities_of(db.dialect).is_one_file:
        await db.q("CREATE TRIGGER watch AFTER UPDATE ON book BEGIN SELECT 1; END")
    else:
        await db.q(
            "CREATE FUNCTION watched() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END'",
        )
        await db.q("CREATE TRIGGER watch AFTER UPDATE ON book FOR EACH ROW EXECUTE FUNCTION watched()")
    await db.reflect()
    return db


@pytest.fixture
async def browser(shop: Database) -> AsyncIterator[Browser]:
    async with browsing(studio(shop, title="Shop"), shop) as browser:
        yield browser


async def test_a_table_is_defined_as_the_database_has_it(browser: Browser, shop: Database) -> None:
    found = await table_definition(shop, "book")
    assert [column.name for column in found.columns] == ["id", "title", "author_id", "price", "isbn"]
    index = next(one for one in found.indexes if one.name == "by_title")
    assert (index.columns, index.unique) == ((None,), False)
    page = await browser.get("/table/book/schema")
    for words in (
        "lower(title)",
        "price > 10",
        "watch",
        "refers to author (id)",
        "on delete cascade",
        "unique",
    ):
        assert words in page.text.lower(), words
    assert "/table/author/schema" in page.links
    back = await browser.get("/table/author/schema")
    assert "author_id refers to id" in back.text
    assert "SELECT title" in re.sub(r"\s+", " ", (await browser.get("/table/dear/schema")).text)
    assert "/table/book/schema" in (await browser.get("/table/book")).links
    await browser.get("/table/nothing/schema", 404)


async def test_the_whole_schema_is_on_one_page_and_in_a_file(browser: Browser, shop: Database) -> None:
    page = await browser.get("/schema")
    script = (await browser.client.get("/schema.sql")).text
    for definition in await definitions(shop):
        assert definition.name in page.text or definition.name.split()[0] in page.text
        assert definition.sql in script
    assert {"by_title", "dear", "watch"} <= {*re.findall(r"\w+", script)}


async def test_the_doctor_finds_what_the_command_finds(browser: Browser) -> None:
    page = await browser.get("/doctor")
    assert "no-key" in page.text
    assert "foreign-key-without-index" in page.text
    assert "/table/book/schema" in page.links


async def test_what_other_programs_create_appears(browser: Browser, shop: Database) -> None:
    await browser.get("/")
    # Not by a call that would tell this Database of it.
    await shop.q("CREATE TABLE latecomer (id INTEGER PRIMARY KEY)")
    assert "latecomer" not in shop.t
    assert "latecomer" in (await browser.get("/")).text
    await shop.q("CREATE TABLE later (id INTEGER PRIMARY KEY)")
    assert "No rows" in (await browser.client.get("/table/later")).text
    await shop.q("ALTER TABLE book RENAME COLUMN isbn TO ean")
    assert "ean" in (await browser.client.get("/table/book")).text
    await shop.q("DROP TABLE later")
    assert (await browser.client.get("/table/later")).status_code == 404


def write(directory: Path, files: Mapping[str, str]) -> Path:
    directory.mkdir(exist_ok=True)
    for name, text in files.items():
        (directory / name).write_text(text)
    return directory


async def sealed(db: Database, tmp_path: Path) -> Migrator:
    """Two migrations, of which the second loses values."""
    directory = write(tmp_path / "migrations", {})
    migrator = Migrator(db, directory)
    for name, up, down in (
        ("make city", "CREATE TABLE city (id INTEGER PRIMARY KEY, name TEXT)", "DROP TABLE city"),
        ("forget price", "ALTER TABLE book DROP COLUMN note", "ALTER TABLE book ADD COLUMN note TEXT"),
    ):
        await migrator.record(up, down)
        await migrator.seal(name, applied=False)
    return migrator


def field(page: Page, name: str) -> str:
    return re.findall(rf'name="{name}" value="([^"]*)"', page.response.text)[0]


ORIGIN = {"origin": "http://127.0.0.1:8000"}


async def send(browser: Browser, page: Page, **others: Any) -> httpx.Response:
    data = {"csrf": field(page, "csrf"), "names": field(page, "names"), **others}
    return await browser.client.post("/migrations", data=data, headers=ORIGIN)


async def test_migrations_are_shown_and_applied_after_a_confirmation(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE TABLE book (id INTEGER PRIMARY KEY, note TEXT); INSERT INTO book VALUES (1, 'mine')")
    await db.reflect()
    migrator = await sealed(db, tmp_path)
    async with browsing(studio(db, migrations=migrator), db) as browser:
        page = await browser.get("/migrations?confirm=1")
        assert "pending" in page.text
        assert "0001-make-city" in page.text
        assert "The studio is read-only" in page.text
        assert 'name="names"' not in page.response.text
    async with browsing(studio(db, migrations=migrator, write=True), db) as browser:
        page = await browser.get("/migrations?confirm=1")
        assert "Apply 2 migrations to this database?" in page.text
        assert "M102" in page.text
        forged = await browser.client.post("/migrations", data={"names": field(page, "names")}, headers=ORIGIN)
        assert forged.status_code == 400
        assert "city" not in db.t
        other = await send(browser, page, names="0002-forget-price")
        assert other.status_code == 409
        refused = await send(browser, page)
        assert refused.status_code == 409
        assert await db.item("SELECT note FROM book") == "mine"
        again = await browser.get("/migrations?confirm=1")
        assert "Apply 1 migration to this database?" in again.text
        assert (await send(browser, again, lose="book")).status_code == 303
        assert "pending" not in (await browser.get("/migrations")).text
        assert "city" in (await browser.get("/")).text
        assert "no such table" in (doctor := await browser.get("/doctor")).text or "does not exist" in doctor.text


async def test_rules_of_access_leave_these_pages_out(shop: Database, tmp_path: Path) -> None:
    from deebase.web import Access

    app = studio(shop, user=lambda _: "ada", tables={"book": Access()}, migrations=Migrator(shop, tmp_path))
    async with browsing(app, shop) as browser:
        for address in ("/schema", "/schema.sql", "/doctor", "/migrations", "/table/book/schema"):
            assert (await browser.client.get(address)).status_code == 404, address
        assert (await browser.client.post("/migrations", headers=ORIGIN)).status_code == 404
        assert "/doctor" not in (await browser.client.get("/")).text
