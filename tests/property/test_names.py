"""Names are only names: any text works as the name of a table, column or index, and has no other effect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from enum import Enum
from typing import Any

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deebase import (
    CheckViolationError,
    Database,
    ForeignKey,
    Index,
    SchemaError,
    UniqueViolationError,
    ValidationError,
)
from tests.conftest import BACKENDS
from tests.support.capabilities import can

HOSTILE = [
    "Robert'); DROP TABLE canary; --",
    'x"; DROP TABLE canary; --',
    'a"b""c',
    "a'b''c",
    "a`b",
    "[a]",
    "a]b",
    "a;b",
    "a%b",
    "%s",
    "%(x)s",
    "%%",
    ":x",
    "a:b",
    "::int",
    "?",
    "??",
    "a?b",
    "$1",
    "{x}",
    "\\",
    "a\nb",
    "a\tb",
    " a ",
    "a.b",
    "a,b",
    "(a)",
    "a--b",
    "/* a */",
    "-a",
    "a desc",
    "a asc",
    "\U0001f600",
    "ünïcödé",
    "名前",
    "select",
    "SELECT",
    "table",
    "user",
    "order",
    "group",
    "nothing",
    "returning",
    "excluded",
    "rowid",
    "limit",
    "MixedCase",
    "1",
    "1a",
    "a b",
    "w0",
    "p0",
    "x" * 63,
    "é" * 31,
]


class Color(Enum):
    RED = "red"


def table_class(column: str, other: str) -> type:
    """Return a class with a generated key, a text column and an Enum column of these names."""
    names = {"id": int, column: str, other: Color}
    return type("Hostile", (), {"__annotations__": names, other: Color.RED, "__module__": __name__})


@pytest.fixture(scope="module", params=BACKENDS)
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Opened]:
    """A database with a canary table, one for all examples of this module and backend."""
    if request.param == "postgres":
        with request.getfixturevalue("postgres_server").fresh_database() as url:
            yield from open_at(url)
    else:
        path = ":memory:" if request.param == "sqlite-memory" else tmp_path_factory.mktemp("names") / "test.db"
        yield from open_at(str(path))


def open_at(target: str) -> Iterator[Opened]:
    with asyncio.Runner() as runner:
        opened = Opened(runner, Database(target, durability="normal"))
        runner.run(opened.make_canary())
        yield opened
        runner.run(opened.db.close())


class Opened:
    """Uses names in every way there is."""

    def __init__(self, runner: asyncio.Runner, db: Database) -> None:
        self.runner = runner
        self.db = db

    async def make_canary(self) -> None:
        await self.db.q("CREATE TABLE canary (id INTEGER PRIMARY KEY, word TEXT)")
        await self.db.q("INSERT INTO canary VALUES (1, 'sings')")
        await self.db.item("SELECT word FROM canary")

    def use(self, table: str, column: str, index: str) -> None:
        self.runner.run(self._use(table, column, index))

    async def _use(self, name: str, column: str, index: str) -> None:
        db, other = self.db, f"{column[:20]}2"
        # Rolled back, the next example finds the database as this one did.
        async with db.transaction() as tx:
            hostile = await db.create(
                table_class(column, other), name=name, indexes=[Index(index, column, unique=True)]
            )
            assert (hostile.name, list(hostile.c.keys())) == (name, ["id", column, other])
            await self._write_and_read(name, column, other)
            assert await db.q("SELECT * FROM canary") == [{"id": 1, "word": "sings"}]
            await tx.rollback()
        db._core.catalog.forget(name)
        assert await db.q("SELECT * FROM canary") == [{"id": 1, "word": "sings"}]

    async def _write_and_read(self, name: str, column: str, other: str) -> None:
        db = self.db
        hostile = db.t[name]
        row = await hostile.insert({column: "b"})
        assert row == {"id": 1, column: "b", other: Color.RED}
        assert (await hostile.insert({"id": 5, column: "a"}))["id"] == 5
        assert await hostile.insert_all([{column: "c"}, {column: "d", other: "red"}]) == 2
        assert await hostile.update({"id": 1, column: "bb"}) == {**row, column: "bb"} == await hostile[1]
        assert (await hostile.upsert({column: "bb", other: Color.RED}, on=column))["id"] == 1
        assert (await hostile.upsert({"id": 1, column: "b"}, update=[column]))[column] == "b"
        assert await hostile.update_where({column: "e"}, hostile.c[column] == "d") == 1
        found, made = await hostile.get_or_create({column: "a"})
        assert (found["id"], made) == (5, False)
        assert [r[column] for r in await hostile(order_by=column)] == ["a", "b", "c", "e"]
        assert [r[column] for r in await hostile(order_by=f"-{column}", limit=1)] == ["e"]
        assert [r[column] for r in await hostile(order_by=[f"{column} desc", "id"])] == ["e", "c", "b", "a"]
        assert await hostile(hostile.c[column] == "a", select=[column]) == [{column: "a"}]
        assert await hostile(order_by=column, limit=1).scalars(column) == ["a"]
        if column not in ("limit", "where"):
            assert await hostile.count(**{column: ["a", "b"]}) == 2
            assert (await hostile.lookup(**{column: "b"}))["id"] == 1
            assert await hostile.delete_where(**{column: "c"}) == 1
        with pytest.raises(UniqueViolationError):
            async with db.transaction():
                await hostile.insert({column: "a"})
        again = await db.create(table_class(column, other), name=name, if_not_exists=True)
        await again.delete(5)
        assert not await again.exists(5)
        replaced = await db.create(table_class(column, other), name=name, replace=True)
        assert await replaced.count() == 0


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_work_everywhere_and_the_canary_lives(opened: Opened, name: str) -> None:
    opened.use(name, name, f"{name[:30]} ix")


class Owner:
    id: int


async def use_elsewhere(db: Database, name: str) -> None:
    """Use a name for a view, a schema, a key, a reference, and in every change of a table."""
    quoted = '"' + name.replace('"', '""') + '"'
    await db.create(Owner)
    child = type("Child", (), {"__annotations__": {name: str, "parent": ForeignKey[int, "owner"] | None}})
    table = await db.create(child, pk=name)
    await db.t["owner"].insert(id=1)
    await table.insert({name: "k", "parent": 1})
    assert await table.fk.parent(await table.get("k")) == {"id": 1}
    view = await db.create_view(f"v {name[:25]}", f"SELECT {quoted}, parent FROM child")
    assert await view.xtra(parent=1).lookup(**{name: "k"}) == {name: "k", "parent": 1} == await view["k"]
    assert (await view.page(size=5, order_by=f"-{name}")).rows == await view()
    await view.drop()
    table = await table.rename_column("parent", f"{name[:20]}3")
    table = await table.add_column(f"{name[:20]}4", str, default=name)
    assert (await table.get("k"))[f"{name[:20]}4"] == name
    table = await table.drop_column(f"{name[:20]}3")
    table = await table.rename(f"r {name[:25]}")
    assert await table.exists("k")
    if can(db).has_schemas:
        await db.q(f"CREATE SCHEMA {quoted}")
        await db.q(f"CREATE TABLE {quoted}.inside (id int PRIMARY KEY, CONSTRAINT {quoted} CHECK (id < 5))")
        inside = await db.reflect_table("inside", schema=name)
        assert await inside.insert(id=1) == {"id": 1} == await inside[1]
        with pytest.raises(CheckViolationError) as caught:
            async with db.transaction():
                await inside.insert(id=9)
        assert caught.value.constraint_name == name


ELSEWHERE = [name for name in HOSTILE if name not in ("where", "limit")]


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.long if place % 4 else ()) for place, name in enumerate(ELSEWHERE)],
)
def test_hostile_names_work_as_views_schemas_keys_and_references(opened: Opened, name: str) -> None:
    async def work() -> None:
        db = opened.db
        async with db.transaction() as tx:
            await use_elsewhere(db, name)
            assert await db.q("SELECT * FROM canary") == [{"id": 1, "word": "sings"}]
            await tx.rollback()
        for made in [name for name in [*db.t._names(), *db.v._names()] if name != "canary"]:
            db._core.catalog.forget(made)
        assert await db.q("SELECT * FROM canary") == [{"id": 1, "word": "sings"}]

    opened.runner.run(work())


names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=12)


@given(names, names, names)
@example("'", '"', "`")
@example("a", "A", "a")
@example("\ufeff", "\u200b", "\x7f")
@example("İ", "ı", "ß")
def test_names_of_any_text(opened: Opened, table: str, column: str, index: str) -> None:
    assume(table.lower() not in ("canary", index.lower()) and not table.lower().startswith(("sqlite_", "pg_")))
    assume(not index.lower().startswith(("sqlite_", "pg_")) and column.lower() not in ("id", "limit", "where"))
    assume(not column.startswith("_") and all(part.strip() for part in (table, column, index)))
    opened.use(table, column, index)


#: Longer than any name that is generated here, as the database is shared.
REFUSED = "a_table_that_is_never_made"
BAD = ["", "a\0b", "\ud800", 5, None]


@pytest.mark.parametrize("name", BAD, ids=repr)
def test_what_can_be_no_name_is_refused_before_anything_is_sent(opened: Opened, name: Any) -> None:
    async def work() -> None:
        db = opened.db
        calls: list[Any] = [lambda: Index(name, "x"), lambda: Index("ix", name)]
        calls.append(lambda: db.create(table_class("x", "y"), name=REFUSED, pk=[name]))
        if name is not None:
            # None stands for the name and the key of the class.
            calls.append(lambda: db.create(table_class("x", "y"), pk=name))
            calls.append(lambda: db.create(table_class("x", "y"), name=name))
        if isinstance(name, str) and name:
            calls.append(lambda: db.create(table_class(name, "y"), name=REFUSED))
            calls.append(lambda: db.create(table_class("x", "y"), name=REFUSED, indexes=[Index(name, "x")]))
        for call in calls:
            with pytest.raises((ValidationError, SchemaError)) as caught:
                made = call()
                if not isinstance(made, Index):
                    await made
                else:
                    await db.create(table_class("x", "y"), name=REFUSED, indexes=[made])
            assert caught.value.hint
        assert REFUSED not in db.t

    opened.runner.run(work())


def test_names_that_postgresql_would_cut_are_refused_there(opened: Opened) -> None:
    long = "é" * 32

    async def work() -> None:
        db = opened.db
        calls = [
            lambda: db.create(table_class("x", "y"), name=long),
            lambda: db.create(table_class(long, "y"), name="t"),
            lambda: db.create(table_class("x", "y"), name="t", indexes=[Index(long, "x")]),
            lambda: db.create_view(long, "SELECT id FROM canary WHERE id > 1"),
        ]
        for call in calls:
            async with db.transaction() as tx:
                if can(db).max_name_bytes is None:
                    table = await call()
                    assert await table.count() == 0
                else:
                    with pytest.raises(ValidationError, match="63"):
                        await call()
                await tx.rollback()

    opened.runner.run(work())


@pytest.mark.parametrize("name", [*HOSTILE, "", "a\0b", "\ud800"], ids=ascii)
def test_names_that_are_no_columns_are_refused_wherever_they_are_given(opened: Opened, name: str) -> None:
    async def work() -> None:
        db = opened.db
        async with db.transaction() as tx:
            table = await db.create(table_class("x", "y"), name="t")
            for call in (
                lambda: table.insert({name: "v"}),
                lambda: table.insert_all([{name: "v"}]),
                lambda: table.update({"id": 1, name: "v"}),
                lambda: table.update_where({name: "v"}, id=1),
                lambda: table.upsert({"id": 1, name: "v"}),
                lambda: table.upsert({"id": 1, "x": "v"}, on=name),
                lambda: table.upsert({"id": 1, "x": "v"}, update=[name]),
                lambda: table.get_or_create({name: "v"}),
                lambda: table(order_by=name),
                lambda: table(order_by=[f"-{name}"]),
                lambda: table(order_by=f"{name} desc"),
                lambda: table(select=["id", name]),
                lambda: table().scalars(name),
                lambda: table.delete_where(**{name: "v"}) if name != "limit" else table(select=[name]),
            ):
                with pytest.raises(SchemaError):
                    await call()
            assert await db.q("SELECT * FROM canary") == [{"id": 1, "word": "sings"}]
            await tx.rollback()
        db._core.catalog.forget("t")

    opened.runner.run(work())
