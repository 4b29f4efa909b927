"""Full-text search: the same hits on both databases, kept by every write."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from deebase import Database, Search


@dataclass
class Article:
    id: int | None
    title: str
    body: str | None
    tenant: int = 1


ROWS = [
    {"title": "SQLite and full text", "body": "A full text search in a file. Data everywhere."},
    {"title": "MySQL", "body": "sqlite is not mysql, which has a server"},
    {"title": "Databases", "body": "text full of words"},
    {"title": "Nothing", "body": None},
]


async def ids(found):
    return sorted([row["id"] if isinstance(row, dict) else row.id for row in await found])


async def test_the_grammar(db: Database) -> None:
    articles = await db.create(Article, search=["title", "body"])
    await articles.insert_all(ROWS)

    async def hits(text, **more):
        return await ids(articles.search(text, rows=True, **more))

    assert await hits("sqlite") == [1, 2]
    assert await hits("sqlite -mysql") == [1]
    assert await hits('"full text"') == [1]
    assert await hits("full text") == [1, 3]
    assert await hits("data*") == [1, 3]
    assert await hits("databases OR nothing") == [3, 4]
    assert await hits("") == await hits("-sqlite") == await hits('"') == []
    assert await hits("sqlite", id=[2, 3]) == [2]
    assert await articles.search("sqlite").count() == 2
    hit = (await articles.search("sqlite", highlight="body", limit=1, offset=0))[0]
    assert "<mark>" in (await articles.search('file', highlight="body"))[0].snippet
    assert hit.score > 0


async def test_changes_of_the_table_keep_its_search(db: Database) -> None:
    articles = await db.create(Article, search=Search("title", "body", weights={"title": 4}, language="english"))
    await articles.insert_all(ROWS)
    articles = await articles.rename_column("body", "text")
    articles = await articles.transform(types={"title": str, "tenant": str}, rename={"title": "heading"})
    articles = await articles.rename("essay")
    await articles.rows_as(dict).insert({"heading": "Searching", "text": "sqlite words", "tenant": "1"})
    assert await ids(articles.rows_as(dict).search("sqlite", rows=True)) == [1, 2, 5]
