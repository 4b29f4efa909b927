"""What only one of the databases has of a search: REPLACE and foreign full-text tables, configurations of the user."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from deebase import Database, Index, InvalidOperationError, Search, Table, ValidationError

on_sqlite = pytest.mark.parametrize("backend_name", ["sqlite-file"])
on_postgres = pytest.mark.parametrize("backend_name", ["postgres"])


@dataclass
class Article:
    id: int | None
    title: str
    body: str | None = None


@dataclass
class Note:
    slug: str
    title: str


async def ids(table: Table[Any], text: str) -> list[Any]:
    return sorted([row[table.pks[0]] for row in await table.rows_as(dict).search(text, rows=True)])


@on_sqlite
async def test_replace_and_vacuum_keep_the_search(db: Database, db_url: str) -> None:
    articles = await db.create(Article, search=["title"], indexes=[Index("ux", "body", unique=True)])
    notes = await db.create(Note, pk="slug", search=["title"])
    for number, word in enumerate(("one", "two", "three", "one again")):
        await db.q("INSERT OR REPLACE INTO article VALUES (?, ?, ?)", [number % 2 + 1, word, f"b{number}"])
        await db.q("REPLACE INTO note VALUES (?, ?)", [f"s{number % 2}", word])
    # The row goes for another unique column than the key.
    await db.q("INSERT OR REPLACE INTO article VALUES (9, 'four', 'b3')")
    assert [await ids(articles, word) for word in ("one", "two", "three", "again", "four")] == [
        [],
        [],
        [1],
        [],
        [9],
    ]
    assert [await ids(notes, word) for word in ("one", "two", "three")] == [["s1"], [], ["s0"]]
    await db.q("INSERT INTO article VALUES (2, 'once more', NULL)")
    await db.q("VACUUM")
    await db.q("INSERT INTO article_search(article_search) VALUES ('integrity-check')")
    await db.q("INSERT INTO note_search(note_search) VALUES ('integrity-check')")
    assert [await ids(articles, "more"), await ids(notes, "three")] == [[2], ["s0"]]


@on_sqlite
async def test_any_table_and_its_renames_in_sql(db: Database) -> None:
    await db.script(
        'CREATE TABLE "odd ""name" ("a key" TEXT PRIMARY KEY, "a */ b" TEXT) WITHOUT ROWID;'
        'CREATE TABLE "odd ""name_search" (a); CREATE TABLE keyless (a TEXT)'
    )
    await db.reflect()
    table = db.t['odd "name']
    await table.insert({"a key": "k", "a */ b": "word"})
    await table.enable_search("a */ b", weights={"a */ b": 2})
    await db.q('ALTER TABLE "odd ""name" RENAME COLUMN "a */ b" TO new')
    await db.q('ALTER TABLE "odd ""name" RENAME TO plain')
    await db.reflect()
    plain = db.t.plain
    await plain.insert({"a key": "l", "new": "word more"})
    assert await ids(plain, "word") == ["k", "l"]
    assert sorted(one.name for one in db.t) == ["keyless", 'odd "name_search', "plain"]
    comment = await plain.rename("/* c */")
    await comment.disable_search()
    await comment.enable_search("new")
    assert await ids(comment, "word") == ["k", "l"]
    plain = await comment.rename("plain")
    with pytest.raises(InvalidOperationError, match="no primary key"):
        await db.t.keyless.enable_search("a")
    # What a dropped table leaves is neither shown nor in the way.
    await db.q("DROP TABLE plain")
    await db.reflect()
    assert "plain" not in [one.name for one in db.t]
    assert len(list(db.t)) == 2


@on_sqlite
async def test_full_text_tables_of_others_stay_as_they_are(db: Database) -> None:
    await db.script(
        "CREATE VIRTUAL TABLE docs USING fts5(title, body); CREATE VIRTUAL TABLE old USING fts4(title);"
        "INSERT INTO docs VALUES ('a', 'word'); INSERT INTO old VALUES ('word')"
    )
    articles = await db.create(Article, search=["title"])
    await db.reflect()
    assert sorted(one.name for one in db.t) == ["article", "docs", "old"]
    assert await db.t.docs("docs MATCH ?", ["word"]).count() == 1
    with pytest.raises(InvalidOperationError, match="not searchable"):
        db.t.docs.search("word")
    with pytest.raises(InvalidOperationError):
        await db.t.docs.enable_search("title")
    # Another program has dropped the index.
    await db.q("DROP TABLE article_search")
    await articles.disable_search()
    await articles.enable_search("title")
    assert (await articles.insert({"title": "word"})).id == (await ids(articles, "word"))[0]
    await db.q("DROP TABLE article_search")
    await articles.drop()
    assert await db.q("SELECT name FROM sqlite_master WHERE name LIKE 'article%'") == []


@on_postgres
async def test_a_configuration_of_the_user_needs_a_trigger(db: Database) -> None:
    await db.script(
        "CREATE TEXT SEARCH CONFIGURATION mine (COPY = english);"
        "CREATE SCHEMA other; CREATE TEXT SEARCH CONFIGURATION other.mine (COPY = simple)"
    )
    articles = await db.create(Article, search=Search("title", "body", language="public.mine"))
    await articles.insert({"title": "Indexes", "body": "words"})
    articles = (await articles.rename_column("title", "heading")).rows_as(dict)  # type: ignore[assignment]
    await articles.insert({"heading": "indexing"})
    assert await ids(articles, "index") == [1, 2]
    await articles.update({"id": 1, "heading": "none"})
    assert await ids(articles, "index") == [2]
    await db.reflect()
    facts = db._core.catalog.facts("article")
    assert facts is not None
    assert facts.search is not None
    assert facts.search.search == Search("heading", "body", language="public.mine")
    copy = await articles.duplicate("copied")
    assert await ids(copy, "index") == [2]
    await copy.update({"id": 2, "heading": "else"})
    assert [await ids(copy, "index"), await ids(articles, "index")] == [[], [2]]
    await copy.drop()
    await articles.drop()
    assert await db.q("SELECT proname FROM pg_proc WHERE proname LIKE '%_search'") == []
    with pytest.raises(ValidationError, match="no text search configuration 'mine'"):
        await db.create(Article, search=Search("title", language="mine"))


@on_postgres
async def test_a_table_of_another_schema(db: Database) -> None:
    await db.script("CREATE SCHEMA app; CREATE TABLE app.page (id serial PRIMARY KEY, title text, deebase_query text)")
    pages = await db.reflect_table("page", schema="app")
    await pages.enable_search("title")
    await pages.insert(title="a word")
    assert await ids(pages, "word") == [1]
    assert pages.columns == ("id", "title", "deebase_query")
    await pages.disable_search()
    await db.q("ALTER TABLE app.page ADD COLUMN deebase_search text")
    with pytest.raises(InvalidOperationError, match="deebase_search"):
        await (await db.reflect_table("page", schema="app")).enable_search("title")
