"""t-strings: values are bound, tables and columns are quoted, templates stand in templates."""

from __future__ import annotations

import string
import sys
from typing import Any

import pytest

from deebase import Database, ValidationError
from tests.support.templates import tstring

HOSTILE = 'x\'; DROP TABLE "post"; -- ? :a'


class Post:
    id: int
    title: str
    views: int | None


@pytest.fixture
async def posts(db: Database) -> Any:
    posts = await db.create(Post)
    await posts.insert_all([{"title": "a", "views": 1}, {"title": HOSTILE, "views": 2}, {"title": "c"}])
    return posts


async def test_values_are_bound_and_names_are_quoted(db: Database, posts: Any) -> None:
    found = await db.q(
        tstring("SELECT {posts.c.title} FROM {posts} WHERE {posts.c.title} = {title}", posts=posts, title=HOSTILE)
    )
    assert found == [{"title": HOSTILE}]
    assert await db.item(tstring("SELECT count(*) FROM {t} WHERE {t.c.views} > {n}", t=posts.sa_table, n=0)) == 2
    streamed = db.stream(tstring("SELECT id FROM {posts} ORDER BY id LIMIT {n}", posts=posts, n=2))
    assert [row async for row in streamed] == [{"id": 1}, {"id": 2}]
    statement = "INSERT INTO {posts} ({posts.c.title:name}) VALUES ({a}), ({b}) RETURNING {posts.c.id:name}"
    assert await db.q(tstring(statement, posts=posts, a="d", b=HOSTILE)) == [{"id": 4}, {"id": 5}]
    async with db.read_only() as ro:
        assert await ro.item(tstring("SELECT count(*) FROM {posts} WHERE title = {a}", posts=posts, a=HOSTILE)) == 2


async def test_templates_stand_in_templates(db: Database, posts: Any) -> None:
    some = tstring("{posts.c.views} BETWEEN {low} AND {high}", posts=posts, low=2, high=9)
    both = tstring("({some}) OR title = {title}", some=some, title="a")
    assert await db.q(tstring("SELECT id FROM {posts} WHERE {both} ORDER BY {posts.c.id}", posts=posts, both=both)) == [
        {"id": 1},
        {"id": 2},
    ]


async def test_templates_are_conditions(posts: Any) -> None:
    low = tstring("{posts.c.views} > {n}", posts=posts, n=1)
    assert [row["id"] for row in await posts(low)] == [2]
    assert await posts.count(where=low) == 1
    assert await posts.count(low, title="a") == 0
    scoped = posts.xtra(title="a")
    assert await scoped.count(tstring("views < {n} OR 1 = {n}", n=1)) == 1
    with pytest.raises(ValidationError, match="parenthesis"):
        await scoped.count(tstring("1 = {n}) OR (1 = 1", n=1))


async def test_names_that_need_quotes(db: Database) -> None:
    await db.q('CREATE TABLE "my ""table" ("order" INTEGER, "a.b" INTEGER, "%s" INTEGER)')
    await db.reflect()
    table = db.t['my "table']
    assert str(table) == '"my ""table"'
    assert f"{table.c['a.b']}" == '"my ""table"."a.b"'
    await db.q(f'INSERT INTO {table} ("order", "a.b", "%s") VALUES (1, 2, 3)')
    selected = ", ".join(str(column) for column in table.c)
    assert await db.q(f"SELECT {selected} FROM {table} WHERE {table.c['%s']} = ?", [3]) == [
        {"order": 1, "a.b": 2, "%s": 3}
    ]
    assert await db.q(tstring("SELECT {t.c['%s']} FROM {t} WHERE {t.c['order']} = {n}", t=table, n=1)) == [{"%s": 3}]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("SELECT '{n}'", r"\{n\} stands inside quotes or a comment"),
        ("SELECT 1 -- {n}", r"\{n\} stands inside quotes or a comment"),
        ("SELECT {n}, :other", r"the template has the placeholder :other"),
        ("SELECT {n!r}", r"\{n!r\} has a conversion or a format"),
        ("SELECT {n:5}", r"\{n:5\} has a conversion or a format"),
        ("SELECT {n:name}", r"\{n:name\} is not a column"),
        ("SELECT {posts.c.id > 1}", r"\{posts.c.id > 1\} is an expression of SQLAlchemy"),
        ("SELECT * FROM {posts.xtra(id=1)}", "a handle with a scope cannot stand in SQL text"),
        ("SELECT {n}; SELECT 1", "more than one statement"),
    ],
)
async def test_what_a_template_refuses(db: Database, posts: Any, text: str, message: str) -> None:
    with pytest.raises(Exception, match=message) as caught:
        await db.q(tstring(text, posts=posts, n=1))
    assert type(caught.value).__module__ == "deebase.errors"


async def test_a_template_takes_no_parameters(db: Database) -> None:
    with pytest.raises(ValidationError, match="takes no parameters"):
        await db.q(tstring("SELECT {n}", n=1), [1])
    with pytest.raises(ValidationError, match="not Template"):
        await db.q(string.Template("SELECT $n"))  # type: ignore[call-overload]


@pytest.mark.skipif(sys.version_info < (3, 14), reason="Python has t-strings since 3.14; the others use a stand-in")
async def test_the_t_strings_of_python(db: Database, posts: Any) -> None:
    found = eval('t"SELECT id FROM {posts} WHERE title = {title}"', {"posts": posts, "title": HOSTILE})
    assert await db.q(found) == [{"id": 2}]
