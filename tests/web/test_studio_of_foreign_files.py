"""SQLite files of other programs: every page answers, whatever names and values they hold."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from deebase import Database
from deebase.web import studio
from deebase.web._studio.addresses import encoded
from tests.support.browser import browsing
from tests.support.worlds import only_on

backend_name = only_on("sqlite-file")

SCHEMA = """
CREATE TABLE author (id INTEGER PRIMARY KEY, name TEXT);
CREATE TABLE "odd -t/a.b" ("-a b" INTEGER PRIMARY KEY, "x.y" TEXT, d DATE, n INTEGER,
    author_id INTEGER REFERENCES author (id), "sele""ct" BLOB, j JSON, ts TIMESTAMP, b BOOLEAN, p DECIMAL(8, 2));
INSERT INTO author VALUES (1, 'Ada');
INSERT INTO "odd -t/a.b" VALUES (1, 't', 'not a date', 'abc', 1, x'0001', '{bad', 'x', 'maybe', 'dear');
INSERT INTO "odd -t/a.b" VALUES (2, x'ff00', '2020-01-01', 3, 99, 'text', '{"a": 1}', '2020-01-01 00:00:00', 1, 1.5);
INSERT INTO "odd -t/a.b" VALUES (3, NULL, 20.5, 9e300, 'x', NULL, '[]', '', 7, '');
CREATE TABLE no_key (a, b TEXT);
INSERT INTO no_key VALUES (1, 'x'), ('1', NULL), (x'31', '=1+1'), (1.5, 'y');
CREATE TABLE text_key (k TEXT PRIMARY KEY, v);
INSERT INTO text_key VALUES (NULL, 1), ('a/b?', 2), (x'01', 3), ('', 4), ('..', 5);
CREATE VIEW by_name AS SELECT name, count(*) AS n FROM author GROUP BY name;
CREATE VIRTUAL TABLE words USING fts5 (a, b);
INSERT INTO words VALUES ('q', 'r');
CREATE TABLE pairs (a TEXT, b INT, c INT REFERENCES gone (id), PRIMARY KEY (a, b)) WITHOUT ROWID;
INSERT INTO pairs VALUES ('x.y', 1, 1), ('', 2, NULL);
CREATE TABLE "" (a);
INSERT INTO "" VALUES (1);
CREATE TABLE self (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES self (id), "group" TEXT, "order" INTEGER);
INSERT INTO self VALUES (1, NULL, 'g', 1), (2, 1, 'g', 2);
CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns});
INSERT INTO wide (id) VALUES (1), (2);
CREATE TABLE large (id INTEGER PRIMARY KEY, t TEXT, b BLOB);
INSERT INTO large VALUES (1, printf('%.*c', 300000, 'x'), zeroblob(300000));
CREATE TABLE wrong (ref TEXT REFERENCES author (name), id INTEGER PRIMARY KEY);
INSERT INTO wrong VALUES ('Ada', 1), ('Bob', 2);
"""


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    path = tmp_path / "foreign.db"
    columns = ", ".join([f"column_{n} TEXT DEFAULT 'value {n} {'y' * 200}'" for n in range(120)])
    with sqlite3.connect(path) as raw:
        raw.executescript(SCHEMA.replace("{columns}", columns))
    raw.close()
    return path


async def test_every_page_of_any_file_answers(foreign: Path) -> None:
    before = foreign.read_bytes()
    async with (
        Database(foreign, read_only=True, pragmas={"journal_mode": None}) as db,
        browsing(studio(db), db) as browser,
    ):
        await db.reflect()
        # Arrow has a type for each column, which such values may not be of; a key may lead to no row.
        seen = await browser.crawl("/", 160, skips=["export.parquet", "/table/author/row/99"])
        for name in dir(db.t):
            assert any(address.startswith(f"/table/{name.replace(' ', '~20')}"[:10]) for address in seen)
        for name in ("author_id", "d", "n", "j", "ts", "b", "p", "sele%22ct", "x.y", "-a%20b"):
            for parameter in ("column", "facet", "sort", "desc", "null"):
                given = f"{parameter}.{name}=1" if parameter == "null" else f"{parameter}={name}"
                await browser.get(f"/table/odd~20-t~2Fa~2Eb?{given}")
    assert foreign.read_bytes() == before


async def test_every_form_of_any_file_answers_and_changes_one_value_alone(foreign: Path) -> None:
    async with (
        Database(foreign, pragmas={"journal_mode": None}) as db,
        browsing(studio(db, write=True), db) as browser,
    ):
        await db.reflect()
        seen = await browser.crawl("/", 260, skips=["/export.", "/table/author/row/99", "facet=", "column=n"])
        for kind in ("/edit", "/delete", "/add", "like=", "edit?column="):
            assert any(kind in address for address in seen), kind
        # Values that their columns would not accept stay as they are, and can be replaced.
        place = f"/table/{encoded('odd -t/a.b')}/row"
        for key in (1, 2, 3):
            page = await browser.get(f"{place}/{key}/edit")
            assert "Nothing is changed." in (await browser.send(page)).text, key
            name = f"v.{encoded('x.y')}"
            is_file = page.form.controls[name] == "file"
            # The text column holds bytes in one row.
            assert is_file == (key == 2)
            typed: tuple[dict[str, str | None], dict[str, bytes]] = (
                ({}, {name: b"new"}) if is_file else ({name: "new"}, {})
            )
            review = await browser.send(page, typed[0], files=typed[1])
            await browser.send(review, step="apply")
        rows = await db.q('SELECT "x.y", d, n, p, j FROM "odd -t/a.b" ORDER BY 1, "-a b"')
        assert [tuple(row.values()) for row in rows][0] == ("new", "not a date", "abc", "dear", "{bad")
        page = await browser.get(f"{place}/1/edit?column=d")
        await browser.send(await browser.send(page, {"v.d": "2020-02-03"}), step="apply")
        assert await db.item('SELECT d FROM "odd -t/a.b" WHERE "-a b" = 1') == "2020-02-03"
        several = await browser.get(f"{place.removesuffix('/row')}/several?key=1&key=3&column=n")
        await browser.send(await browser.send(several, {"v.n": "4"}), step="apply")
        assert await db.item('SELECT count(*) FROM "odd -t/a.b" WHERE n = 4') == 2
        for name in ("no_key", "words", "by_name"):
            assert "cannot be" in (await browser.get(f"/table/{name}")).text
