"""Full-text search: the same hits on both databases, kept by every write and every change of the table."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from deebase import (
    ColumnNotFoundError,
    Database,
    Index,
    InvalidOperationError,
    Search,
    Table,
    ValidationError,
)
from tests.support.hostile_searches import HOSTILE
from tests.support.search_model import is_found


@dataclass
class Article:
    id: int | None
    title: str
    body: str | None
    tenant: int = 1


@dataclass
class Note:
    slug: str
    region: int
    title: str
    body: str | None = None


ROWS = [
    {"title": "SQLite and full text", "body": "A full text search in a file. Data everywhere."},
    {"title": "MySQL", "body": "sqlite is not mysql, which has a server"},
    {"title": "Databases", "body": "text full of words"},
    {"title": "Nothing", "body": None},
]


async def found(table: Table[Any], text: str, *conditions: Any, **keywords: Any) -> list[Any]:
    """Return the sorted keys of all hits, with or without their key columns as attributes."""
    rows = await table.rows_as(dict).search(text, *conditions, limit=10_000, rows=True, **keywords)
    keys = [tuple([row[name] for name in table.pks]) for row in rows]
    return sorted([key[0] if len(key) == 1 else key for key in keys])


async def test_words_phrases_prefixes_and_what_is_left_out(db: Database) -> None:
    articles = await db.create(Article, search=["title", "body"])
    await articles.insert_all(ROWS)
    searches = {
        "sqlite": [1, 2],
        "SQLITE": [1, 2],
        "sqlite -mysql": [1],
        '"full text"': [1],
        "full text": [1, 3],
        "data*": [1, 3],
        '"full te"*': [1],
        "databases OR nothing": [3, 4],
        "text file OR words": [1, 3],
        '-"full text" full': [3],
        "OR sqlite OR": [1, 2],
        '"sqlite': [1, 2],
        "-sqlite": [],
        "": [],
        "?!": [],
        "data-everywhere": [1],
        "data-file": [],
        "file.data": [1],
    }
    assert {text: await found(articles, text) for text in searches} == searches
    assert await found(articles, "sqlite", articles.c.id > 1) == [2]
    assert await found(articles, "sqlite", "id < ?", [2]) == [1]
    assert await articles.search("sqlite", limit=1).count() == 2
    first, second = await articles.search("sqlite", limit=1), await articles.search("sqlite", limit=1, offset=1)
    assert {first[0].row.id, second[0].row.id} == {1, 2}
    assert first[0].score >= second[0].score > 0


async def test_weights_order_the_hits_and_snippets_are_safe_html(db: Database) -> None:
    articles = await db.create(Article, search=Search("title", "body", weights={"title": 10}))
    await articles.insert_all(
        [{"title": "other", "body": "needle and <b>more</b>"}, {"title": "needle", "body": "words"}]
    )
    hits = await articles.search("needle", highlight="body")
    assert [hit.row.id for hit in hits] == [2, 1]
    assert hits[1].snippet == "<mark>needle</mark> and &lt;b&gt;more&lt;/b&gt;"
    await articles.enable_search("title", "body", weights={"body": 10})
    assert articles.searchable == ("title", "body")
    assert [row.id for row in await articles.search("needle", rows=True)] == [1, 2]


async def test_every_write_keeps_the_search(db: Database) -> None:
    articles = await db.create(Article, search=["title", "body"], indexes=[Index("ux", "title", unique=True)])
    one = await articles.insert({"title": "one", "body": "first"})
    await articles.insert_all([{"title": "two", "body": "second"}, {"title": "three", "body": None}])
    await articles.upsert({"title": "two", "body": "changed"}, on="title")
    await articles.update({"id": one.id, "body": "other"})
    await articles.update({"id": 77}, pk=3)
    assert [await found(articles, word) for word in ("first", "second", "changed", "other", "three")] == [
        [], [], [2], [1], [77],
    ]  # fmt: skip
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await articles.insert({"title": "four"})
            assert len(await found(articles, "four")) == 1
            raise ZeroDivisionError
    assert await found(articles, "four") == []
    await articles.delete(2)
    await articles.update_where({"body": "all alike"}, all=True)
    assert await found(articles, "changed") == []
    assert await found(articles, "alike") == [1, 77]
    await articles.truncate()
    assert await articles.search("alike").count() == 0


@pytest.mark.parametrize("pk", [["slug"], ["region", "slug"]])
async def test_any_key(db: Database, pk: list[str]) -> None:
    notes = await db.create(Note, pk=pk, search=["title", "body"])
    await notes.insert_all([{"slug": f"s{n}", "region": n, "title": f"title{n}", "body": "same"} for n in range(4)])
    await notes.update(
        {"slug": "other", "region": 9, "title": "moved"}, pk=tuple([{"slug": "s1", "region": 1}[name] for name in pk])
    )
    keys = {"slug": ["other", "s0", "s2", "s3"], "region": [(0, "s0"), (2, "s2"), (3, "s3"), (9, "other")]}[pk[0]]
    assert await found(notes, "same") == keys
    assert len(await found(notes, "moved")) == 1
    await notes.delete_where(region=9)
    assert await found(notes, "moved OR title1") == []
    # With another key, the rows get new numbers.
    notes = await notes.transform(pk=["region"])
    assert await found(notes, "same") == [0, 2, 3]
    await notes.insert({"slug": "x", "region": 5, "title": "new", "body": "same"})
    assert await found(notes, "same") == [0, 2, 3, 5]


async def test_changes_of_the_table_keep_its_search(db: Database) -> None:
    articles = await db.create(Article, search=Search("title", "body", weights={"title": 4}, language="english"))
    await articles.insert_all(ROWS)
    changed = await articles.rename_column("body", "text")
    changed = await changed.transform(types={"tenant": str}, not_null={"text": False}, rename={"title": "heading"})
    changed = await (await changed.add_column("extra", str | None)).rename("essay")
    await changed.insert({"heading": "Searching", "text": "sqlite words", "tenant": "1"})
    assert await found(changed, "sqlite") == [1, 2, 5]
    # A table that takes the old name has a search of its own.
    others = await db.create(Article, search=["title"])
    copy = await changed.duplicate("copied")
    await changed.delete(1)
    assert [await found(table, "sqlite") for table in (others, copy, changed)] == [[], [1, 2, 5], [2, 5]]
    for refused in ({"drop": "text"}, {"types": {"text": int}}):
        with pytest.raises(InvalidOperationError, match="the search of the table uses text"):
            await changed.transform(**refused)
    assert await found(await changed.drop_column("extra"), "sqlite") == [2, 5]
    for table in (others, copy, changed):
        await table.drop()
    assert await db.create(Article, replace=True, search=["title"])
    again = await db.create(Article, replace=True, search=["body"])
    await again.insert({"title": "one", "body": "two"})
    assert [await found(again, "one"), await found(again, "two")] == [[], [1]]


async def test_another_database_object_knows_the_search(db: Database, db_url: str) -> None:
    wanted = Search("title", "body", weights={"body": 2.5}, language="english", prefix=True)
    articles = await db.create(Article, search=wanted)
    await articles.insert_all(ROWS)
    await db.reflect()
    facts = db._core.catalog.facts("article")
    assert facts is not None
    assert facts.search is not None
    assert facts.search.search == wanted
    assert articles.columns == ("id", "title", "body", "tenant")
    assert articles.indexes == []
    if db_url != ":memory:":
        async with Database(db_url) as other:
            await other.reflect()
            assert [table.name for table in other.t] == ["article"]
            row = await other.t.article.insert({"title": "Words", "body": "sqlite", "tenant": 1})
            assert set(row) == {"id", "title", "body", "tenant"}
            assert await found(other.t.article, "sqlite") == [1, 2, 5]
    await articles.disable_search()
    await articles.disable_search()
    with pytest.raises(InvalidOperationError, match="not searchable"):
        articles.search("sqlite")
    await articles.insert({"title": "Words", "body": "sqlite"})


@pytest.mark.parametrize("tokenize", ["words", "trigram"])
async def test_rows_of_other_scopes_change_no_score(db: Database, tokenize: Any) -> None:
    search = Search("title", "body", tokenize=tokenize, weights={"title": 4})
    mine = (await db.create(Article, search=search)).xtra(tenant=1)
    await mine.insert_all(
        [
            {"title": "rare", "body": "common"},
            {"title": "common", "body": "rare rare common"},
            {"title": "none", "body": None},
            *[{"title": "rare", "body": "other"}] * 2,
        ]
    )

    async def hits() -> list[Any]:
        texts = ("rare", "rare common", "rare OR none", "com*")
        return [await mine.search(text, highlight="body") for text in texts]

    before = await hits()
    assert [hit.row.id for hit in before[0]] == [1, 4, 5, 2]
    assert all(hit.score > 0 for found in before for hit in found)
    others = [{"title": "rare " * 9, "body": "common", "tenant": 2}, {"title": "x", "body": None, "tenant": 2}]
    await db.t.article.insert_all(others * 40)
    assert await hits() == before


async def test_a_search_stays_in_its_scope(db: Database) -> None:
    articles = await db.create(Article, search=["title", "body"])
    await articles.insert_all([{"title": "secret", "body": "best " * 9, "tenant": 2} for _ in range(30)])
    await articles.insert_all([{"title": "mine", "body": "secret best", "tenant": 1} for _ in range(3)])
    mine = articles.xtra(tenant=1)
    assert await found(mine, "secret") == [31, 32, 33]
    assert [hit.row.tenant for hit in await mine.search("best", limit=3, highlight="body")] == [1, 1, 1]
    assert await mine.search("best").count() == 3
    assert await found(mine, "best", articles.c.tenant == 2) == await found(mine, "best", "1=1 or 1=1", id=1) == []
    first = sa.select(articles.c.id).where(articles.c.tenant == 1).order_by(articles.c.id).limit(1)
    assert await found(mine, "secret", articles.c.id.in_(first)) == [31]
    assert await mine.search("secret", articles.c.id.in_(first)).count() == 1
    for text in HOSTILE:
        assert {row.tenant for row in await mine.search(text, rows=True)} <= {1}
    for call in (mine.enable_search("title"), mine.disable_search()):
        with pytest.raises(InvalidOperationError, match="scope"):
            await call


@pytest.mark.parametrize("tokenize", ["words", "trigram"])
async def test_any_text_is_a_valid_search(db: Database, tokenize: Any) -> None:
    articles = await db.create(Article, search=Search("title", "body", tokenize=tokenize))
    await articles.insert({"title": "a title", "body": "some body"})
    assert len(HOSTILE) >= 100
    for text in HOSTILE:
        found = articles.search(text, highlight="body")
        assert len(await found) == await found.count() <= 1


async def test_parts_of_words(db: Database) -> None:
    articles = await db.create(Article, search=Search("title", "body", tokenize="trigram"))
    await articles.insert_all(
        [
            {"title": "全文検索の話", "body": None},
            {"title": "Donaudampfschiff", "body": "100% \\_sure_ it's <here>"},
            {"title": "Ding", "body": "dampfend"},
        ]
    )
    searches = {
        "全文": [1], "全文検": [1], "DAMPF": [2, 3], "dampf -schiff": [2], "dampf -xq": [2, 3], "ng fend": [3],
        "ng OR 検索": [1, 3], "0% \\_s": [2], "a__b": [], "%": [2], '"it\'s <h"': [2], "%%": [], "da*": [2, 3],
    }  # fmt: skip
    searches["dampf -schiff"] = [3]
    assert {text: await found(articles, text) for text in searches} == searches
    hits = await articles.search("here", highlight="body")
    assert hits[0].snippet == "100% \\_sure_ it&#x27;s &lt;<mark>here</mark>&gt;"


WORDS = st.sampled_from(["a", "b1", "cat", "cats", "the", "Full", "TEXT", "2", "x2y", "10", "1e5", "ab"])
GLUE = st.sampled_from([" ", "  ", "-", ", ", ".", "_", " (", "/", "'", "\n", " OR ", ' "', '" ', "* ", " -", "@"])
TEXTS = st.lists(st.tuples(WORDS, GLUE), max_size=7).map(lambda parts: "".join([word + glue for word, glue in parts]))


@given(rows=st.lists(st.tuples(TEXTS, st.none() | TEXTS), max_size=5), searches=st.lists(TEXTS, min_size=1, max_size=6))
async def test_the_hits_are_those_of_a_plain_model(db: Database, rows: list[Any], searches: list[str]) -> None:
    articles = await db.create(Article, if_not_exists=True, search=["title", "body"])
    await articles.truncate()
    stored = await articles.insert_all([{"title": title, "body": body} for title, body in rows], returning=True)
    for text in searches:
        wanted = [row.id for row in stored if is_found(text, (row.title, row.body))]
        assert await found(articles, text) == wanted, text


@pytest.mark.parametrize("cls", [Article, Note])
async def test_after_random_writes_the_index_equals_a_fresh_one(db: Database, cls: type[Any], long_run: bool) -> None:
    chance = random.Random(20)
    pk = "id" if cls is Article else "slug"
    table: Table[Any] = (await db.create(cls, pk=pk, search=["title", "body"])).rows_as(dict)
    words = [f"w{n}" for n in range(30)]

    def values() -> dict[str, Any]:
        return {name: " ".join(chance.choices(words, k=4)) for name in ("title", "body")}

    for _ in range(10_000 if long_run else 300):
        key: Any = chance.randrange(1, 40) if cls is Article else f"s{chance.randrange(40)}"
        more = {} if cls is Article else {"region": 1}
        match chance.randrange(5):
            case 0:
                await table.insert_all([{pk: key, **values(), **more}], on_conflict="ignore")
            case 1:
                await table.upsert({pk: key, **values(), **more})
            case 2:
                await table.update_where(values(), table.c[pk] == key)
            case 3:
                await table.delete_where(table.c[pk] == key)
            case _:
                await table.update_where({"body": None}, table.c[pk] == key)

    async def hits() -> dict[str, Any]:
        return {word: await found(table, word) for word in words}

    rows = await table()
    for _ in range(2):
        assert await hits() == {
            word: sorted([row[pk] for row in rows if is_found(word, (row["title"], row["body"]))]) for word in words
        }
        kept = await hits()
        scores = [hit.score for hit in await table.search("w1 OR w2", limit=100)]
        table = (await table.transform(types={"body": str})).rows_as(dict)
        assert await hits() == kept
    await table.disable_search()
    await table.enable_search("title", "body")
    assert [hit.score for hit in await table.search("w1 OR w2", limit=100)] == pytest.approx(scores)


async def test_wrong_searches_are_refused_before_anything_is_sent(db: Database) -> None:
    articles = await db.create(Article)
    for call in (
        lambda: articles.enable_search(),
        lambda: articles.enable_search("title", weights={"body": 2}),
        lambda: articles.enable_search("title", weights={"title": -1}),
        lambda: articles.enable_search("title", tokenize="letters"),  # type: ignore[arg-type]
        lambda: articles.enable_search("title", language="english", tokenize="trigram"),
        lambda: articles.enable_search("title", language="klingon"),
        lambda: articles.enable_search("tenant"),
        lambda: db.create(Article, name="other", search=["tenant"]),
        lambda: db.create(Article, name="other", search=3),  # type: ignore[arg-type]
    ):
        with pytest.raises(ValidationError):
            await call()
    for call in (lambda: articles.enable_search("titel"), lambda: db.create(Article, name="other", search=["titel"])):
        with pytest.raises(ColumnNotFoundError, match="titel"):
            await call()
    await articles.enable_search("title")
    for search in ({"limit": -1}, {"highlight": "body"}, {"offset": "x"}):
        with pytest.raises(ValidationError):
            articles.search("x", **search)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="takes text, not int"):
        articles.search(5)  # type: ignore[arg-type]
