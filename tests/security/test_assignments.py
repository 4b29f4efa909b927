"""The new value of a column, as an expression: written through a scoped handle it is that value and nothing else."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database, DeeBaseError, Table, ValidationError

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "postgres"], indirect=True)

MINE, OTHER = 7, 8


class Note:
    id: int
    owner: int
    title: str
    n: int = 0


ROWS = [{"id": 1, "owner": MINE, "title": "mine", "n": 1}, {"id": 2, "owner": OTHER, "title": "theirs", "n": 2}]


@pytest.fixture
async def notes(db: Database) -> Table[Any]:
    table = await db.create(Note)
    await table.insert_all(ROWS)
    return table


#: Text that would end the assignment to ``title`` and begin another, or end the statement's WHERE.
ESCAPES = [
    "'y', owner = 8",
    "'y', owner = (8",
    "'y'), owner = (8",
    "'y', \"owner\" = 8",
    "'y',owner=8",
    "'y'\n,\nowner\n=\n8",
    "'y' , (owner, n) = (8, 9)",
    "('y'), owner = 8",
    "(('y')), owner = ((8))",
    "'y', owner = 8 WHERE 1 = 1 --",
    "'y' WHERE 1 = 1 --",
    "'y' WHERE 1 = 1 /*",
    "'y' /* */, owner = 8",
    "'y' -- x\n, owner = 8",
    "'y'; DELETE FROM note",
    "'y' WHERE 1 = 1 OR owner = 8; --",
    "'y') WHERE (1 = 1",
    "'y''', owner = 8, title = 'z'",
    "'\\', owner = 8, title = '",
    "'\\'', owner = 8, title = '''",
    "E'\\'', owner = 8, title = E'\\''",
    "$$y$$, owner = 8",
    "$a$ ' $a$, owner = 8",
    "ARRAY['a', 'b'][1], owner = 8",
    "[a], owner = 8",
    "'y'] , owner = [8",
    "`title`, owner = 8",
    "CASE WHEN 1=1 THEN 'y' END, owner = 8",
    "coalesce(title, 'y'), owner = coalesce(8, 8)",
    "(SELECT 'y'), owner = (SELECT 8)",
    "'y'",
    "'y' WHERE owner = 8 RETURNING *",
    "'y' FROM note AS other",
    "'y', owner",
    ",",
    "",
    "DEFAULT, owner = 8",
]


def spellings(text: str) -> Iterator[Any]:
    """Yield the ways to bring text into an expression."""
    raw: Any = sa.literal_column(text)
    yield raw
    yield sa.literal_column(text, sa.String())
    yield sa.func.coalesce(raw, "z")
    yield sa.case((sa.true(), raw), else_="z")
    yield sa.cast(raw, sa.String())
    yield sa.type_coerce(raw, sa.String())
    yield sa.literal("a").op(f"|| {text} ||")("b")
    yield sa.literal("a").concat(raw)
    yield sa.select(raw).scalar_subquery()
    yield sa.select(sa.literal("a")).where(sa.text(text)).scalar_subquery()
    yield sa.column(text, is_literal=True)
    yield getattr(sa.func, f"coalesce({text}")("z")
    yield sa.collate(sa.literal("a"), f'C" || {text} || "')


@pytest.mark.parametrize("text", ESCAPES)
async def test_an_expression_assigns_its_own_column_alone(db: Database, notes: Table[Any], text: str) -> None:
    mine = notes.xtra(owner=MINE)
    for element in [*spellings(text), f"{text}", f"{text})", f"'y'), owner = (8{text}"]:
        value = db.sql(element)
        for call in (
            lambda value=value: mine.update(pk=1, title=value),
            lambda value=value: mine.update({"id": 1, "title": value}),
            lambda value=value: mine.update_where({"title": value}, all=True),
            lambda value=value: mine.update_where({"title": value, "n": db.sql(notes.c.n + 0)}, notes.c.id == 1),
            lambda value=value: mine.upsert({"id": 1, "title": value}),
            lambda value=value: mine.update_all([{"id": 1, "title": value}]),
            lambda value=value: mine.insert({"id": 3, "title": value}),
            lambda value=value: mine.insert_all([{"id": 3, "title": value}], on_conflict="update"),
        ):
            with contextlib.suppress(DeeBaseError):
                await call()
            rows = await notes(order_by="id")
            assert [(row["id"], row["owner"], row["n"]) for row in rows] == [(1, MINE, 1), (2, OTHER, 2)], text
            assert rows[1]["title"] == "theirs", text
        await notes.update({"id": 1, "title": "mine"})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("'y', owner = 8", "a comma outside of parentheses"),
        ("'y'), owner = (8", "an unbalanced parenthesis"),
        ("'y' -- x", "a comment"),
        ("'y' /* x */", "a comment"),
        ("'y'; SELECT 1", "a semicolon"),
        ("'y", "an unclosed quote or comment"),
        ("('y'", "an unbalanced parenthesis"),
    ],
)
async def test_it_is_refused_before_anything_is_sent(db: Database, notes: Table[Any], text: str, fault: str) -> None:
    mine = notes.xtra(owner=MINE)
    async with db.transaction():
        with pytest.raises(ValidationError, match=f"the expression for title has {fault}") as caught:
            await mine.update(pk=1, title=db.sql(sa.literal_column(text)))
        assert caught.value.field == "title"
        assert "without a scope" in str(caught.value.hint)
        # Nothing failed in the database: the block goes on.
        assert await mine.count() == 1


async def test_expressions_that_are_one_value_are_taken(db: Database, notes: Table[Any], backend_name: str) -> None:
    mine = notes.xtra(owner=MINE)
    c = notes.c
    other = notes.sa_table.alias()
    values: list[tuple[Any, str]] = [
        (sa.func.coalesce(sa.null(), "a"), "a"),
        (sa.func.upper(sa.func.substr(c.title, 1, 1)), "A"),
        (sa.case((c.n > 0, "b"), (c.n > 1, "c"), else_="d"), "b"),
        (sa.select(sa.func.max(other.c.title)).where(other.c.owner == c.owner).scalar_subquery(), "b"),
        (sa.cast(c.n + 1, sa.String()), "2"),
        (c.title + "x,y;z--(", "2x,y;z--("),
        (sa.literal_column("'it''s, (fine'"), "it's, (fine"),
        (sa.literal_column("coalesce(NULL, 'e')"), "e"),
        (sa.literal("f"), "f"),
    ]
    if backend_name == "postgres":
        values += [
            (sa.literal_column("(ARRAY['a', 'g'])[2]"), "g"),
            (sa.literal_column("$$a, b; -- $$"), "a, b; -- "),
            (sa.literal_column(r"E'\', h'"), "', h"),
        ]
    for element, expected in values:
        assert (await mine.update(pk=1, title=db.sql(element)))["title"] == expected
        assert await mine.update_where({"title": db.sql(element)}, notes.c.id == 1) == 1
        await mine.update({"id": 1, "title": expected})
    assert (await mine.update(pk=1, n=db.sql("n + 1")))["n"] == 2


async def test_the_default_of_a_column_is_a_value(db: Database, notes: Table[Any], backend_name: str) -> None:
    if backend_name != "postgres":
        with pytest.raises(DeeBaseError):
            await notes.xtra(owner=MINE).update(pk=1, n=db.sql(sa.literal_column("DEFAULT")))
        return
    assert (await notes.xtra(owner=MINE).update(pk=1, n=db.sql(sa.literal_column("DEFAULT"))))["n"] == 0


async def test_a_scoped_view_is_neither_dropped_nor_refreshed(
    db: Database, notes: Table[Any], backend_name: str
) -> None:
    views = [await db.create_view("note_view", "SELECT id, owner FROM note")]
    if backend_name == "postgres":
        views.append(await db.create_view("note_kept", "SELECT id, owner FROM note", materialized=True))
    for view in views:
        mine = view.xtra(owner=MINE)
        for operation in (mine.drop, mine.refresh):
            with pytest.raises(DeeBaseError, match=f"changes all of {view.name}, and this handle has a scope"):
                await operation()
        assert await mine.count() == 1
        await view.drop()
