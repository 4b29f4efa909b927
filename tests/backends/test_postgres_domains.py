"""Domains, enums, arrays and other types are compared in every kind of statement."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import date, datetime
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface
from typing import Any
from uuid import UUID

import pytest

from deebase import Database, ValidationError

SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'ok');
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN strong_feeling AS feeling NOT NULL;
CREATE DOMAIN feelings AS mood[];
CREATE DOMAIN word AS varchar(10);
CREATE DOMAIN short_word AS word CHECK (length(VALUE) < 5);
CREATE DOMAIN code AS char(5);
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN small AS int;
CREATE DOMAIN price AS numeric(10, 2);
CREATE DOMAIN moment AS timestamp;
CREATE DOMAIN day AS date;
CREATE DOMAIN uid AS uuid;
CREATE DOMAIN single AS real;
CREATE DOMAIN document AS jsonb;
CREATE TYPE pair AS (a int, b text);
CREATE DOMAIN couple AS pair;
CREATE DOMAIN address AS inet;
CREATE DOMAIN span AS int4range;
CREATE SCHEMA other;
CREATE TYPE other.color AS ENUM ('red', 'blue');
CREATE DOMAIN other.shade AS other.color;
"""
#: A type and two values of it.
KINDS: dict[str, tuple[Any, Any]] = {
    **dict.fromkeys(("mood", "feeling", "strong_feeling"), ("sad", "ok")),
    **dict.fromkeys(("other.color", "other.shade"), ("red", "blue")),
    **dict.fromkeys(("mood[]", "feelings"), (["ok"], ["sad", "ok"])),
    "feeling[]": ("{ok}", "{sad}"),
    **dict.fromkeys(("word", "short_word", "name", '"char"'), ("a", "b")),
    **dict.fromkeys(("char(5)", "code"), ("a    ", "b    ")),
    "numbers": ([1, 2], [3]),
    "small[]": ("{1,2}", "{3}"),
    "price": (Decimal("1.50"), Decimal("2.00")),
    "moment": (datetime(2024, 1, 1), datetime.max),
    "day": (date(2024, 1, 1), date.max),
    "uid": (UUID(int=1), UUID(int=2)),
    "single": (0.5, 1.5),
    "document": ({"a": 1}, {"a": 2}),
    **dict.fromkeys(("pair", "couple"), ("(1,x)", "(2,y)")),
    **dict.fromkeys(("inet", "address"), (IPv4Address("10.0.0.1"), IPv4Interface("10.0.0.2/8"))),
    **dict.fromkeys(("int4range", "span"), ("[1,5)", "[2,6)")),
    **dict.fromkeys(("citext", "letters"), ("a", "b")),
    "bit(3)": ("101", "111"),
    "money": ("$1.00", "$2.00"),
}
#: PostgreSQL itself makes no foreign key of these.
WITHOUT_REFERENCES = {"feeling", "strong_feeling", "other.shade"}


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url, pool_size=1) as opened:
        yield opened


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:.*read and written as text")
async def test_a_type_is_compared(db: Database, kind: str) -> None:
    await db.script(SETUP)
    if kind in ("citext", "letters"):
        if not await db.q("SELECT FROM pg_available_extensions WHERE name = 'citext'"):
            pytest.skip("the server has no citext")
        await db.script("CREATE EXTENSION citext; CREATE DOMAIN letters AS citext;")
    for check in (conditions, keys, composite_keys, pages, references):
        await check(db, kind)
        await db.q("DROP TABLE t CASCADE")


async def filled(db: Database, kind: str) -> Any:
    await db.q(f"CREATE TABLE t (v {kind} PRIMARY KEY, n int)")
    table = await db.reflect_table("t")
    first, second = KINDS[kind]
    await table.insert(v=first, n=1)
    await table.insert_all([{"v": second, "n": 2}])
    return table


async def conditions(db: Database, kind: str) -> None:
    table = await filled(db, kind)
    first, second = KINDS[kind]
    column = table.c.v
    assert (
        await table.count(v=first) == await table(column == first).count() == await table(column != first).count() == 1
    )
    assert await table(column.in_([first, second])).count() == 2
    if not isinstance(first, (list, dict)):
        assert await table.count(v=[first, second]) == 2
    scoped = table.xtra(v=first)
    assert await scoped.count() == await scoped.update_where({"n": 1}, n=1) == await scoped.delete_where(n=1) == 1
    assert await table.delete_where(v=second) == 1


async def keys(db: Database, kind: str) -> None:
    table = await filled(db, kind)
    first, second = KINDS[kind]
    rows = await table(order_by="n")
    assert await asyncio.gather(*(table.get((value,)) for value in (first, second, first))) == [*rows, rows[0]]
    assert await table.update({"v": first, "n": 1}) == await table.upsert({"v": first, "n": 1}) == rows[0]
    assert await table.update_all(rows) == await table.upsert_all(rows) == 2
    assert list(await table.get_or_create(rows[1])) == [rows[1], False]
    assert await table(order_by="n") == rows
    assert sorted(row["n"] for row in await table(order_by="v")) == [1, 2]
    await table.delete((first,))
    assert await table.delete_all([(first,), (second,)]) == 1


async def composite_keys(db: Database, kind: str) -> None:
    await filled(db, kind)
    await db.q(f"CREATE TABLE many (v {kind}, id int, n int, PRIMARY KEY (v, id))")
    table = await db.reflect_table("many")
    first, second = KINDS[kind]
    await table.insert_all([{"v": first, "id": 1, "n": 1}, {"v": second, "id": 1, "n": 2}])
    rows = await table(order_by="n")
    assert await asyncio.gather(*(table.get((value, 1)) for value in (first, second))) == rows
    assert await table.update_all(rows) == 2
    if not isinstance(first, (list, dict)):
        page = await table.page(size=1)
        assert sorted(row["n"] for row in [*page.rows, *(await table.page(size=1, after=page.next)).rows]) == [1, 2]
    assert await table.delete_all([(first, 1), (second, 1)]) == 2


async def pages(db: Database, kind: str) -> None:
    table = await filled(db, kind)
    if isinstance(KINDS[kind][0], (list, dict)):
        with pytest.raises(ValidationError):
            await table.page(size=1, order_by="v")
        return
    for order in ("v", "-v"):
        await two_pages(table, order)


async def two_pages(table: Any, order: str) -> None:
    page = await table.page(size=1, order_by=order)
    rows = [*page.rows, *(await table.page(size=1, order_by=order, after=page.next)).rows]
    assert rows == await table(order_by=order)


async def references(db: Database, kind: str) -> None:
    table = await filled(db, kind)
    if kind in WITHOUT_REFERENCES:
        return
    await db.q(f"CREATE TABLE child (id int PRIMARY KEY, v {kind} REFERENCES t)")
    child = await db.reflect_table("child")
    parents = await table(order_by="n")
    children = await child.insert_all([{"id": row["n"], "v": row["v"]} for row in parents], returning=True)
    assert await asyncio.gather(*(child.fk.v(row) for row in children)) == parents
    assert await child.with_parents(child(order_by="id"), "v") == list(zip(children, parents, strict=True))
    assert await table.with_children(parents, "child", "v") == [
        (parent, [row]) for parent, row in zip(parents, children, strict=True)
    ]
