"""A change of a schema in a block belongs to the tasks of this block until it commits, and is gone after a rollback."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from deebase import Database, DeeBaseError, ForeignKey, SchemaSQL, Table, View

pytestmark = pytest.mark.filterwarnings("ignore:table .* differs")


class Team:
    id: int
    name: str


class Person:
    id: int
    name: str
    age: int | None
    team_id: ForeignKey[int, "team"] | None


class Pet:
    id: int
    name: str


class Toy:
    id: int
    pet_id: ForeignKey[int, "pet"]


class Note:
    id: int
    body: str


Changed = type("Person", (), {"__annotations__": {"id": int, "name": str, "nick": str | None}})

Case = Callable[[Database], Awaitable[object]]


async def _create_with_ddl(db: Database) -> None:
    await db.q("CREATE TABLE loose (id INTEGER PRIMARY KEY)")
    await db.reflect()


async def _drop_with_ddl(db: Database) -> None:
    await db.q("DROP VIEW named")
    await db.script("DROP TABLE person; CREATE TABLE person (other INTEGER PRIMARY KEY)")
    await db.reflect()


async def _reflect_table(db: Database) -> None:
    await db.q("ALTER TABLE team ADD COLUMN motto TEXT")
    await db.reflect_table("team")


async def _reflect_view(db: Database) -> None:
    await db.q("CREATE VIEW other AS SELECT id FROM team")
    await db.reflect_view("other")


async def _apply_plan(db: Database) -> None:
    plan = await db.t.person.transform_plan(rename={"name": "full_name"})
    await plan.apply()


#: What changes a schema, by the public name.
CASES: dict[str, list[Case]] = {
    "Database.create": [
        lambda db: db.create(Pet),
        lambda db: db.create(Person, name="loner", replace=True),
        lambda db: db.create(Team, replace=True),
        lambda db: db.create(Changed, name="person", transform=True),
        lambda db: db.create(Changed, name="person", if_not_exists=True),
    ],
    "Database.create_all": [lambda db: db.create_all(Pet, Toy)],
    "Database.create_from_sql": [
        lambda db: db.create_from_sql(
            SchemaSQL("table", "made", "CREATE TABLE made (id INTEGER PRIMARY KEY)", row_type=dict),
            SchemaSQL("index", "ix_made", "CREATE INDEX ix_made ON person (age)"),
        )
    ],
    "Database.create_view": [
        lambda db: db.create_view("new", "SELECT id FROM person"),
        lambda db: db.create_view("named", "SELECT name FROM person", replace=True),
    ],
    "Database.import_file": [lambda db: db.import_file(b"a,b\n1,2\n", "imported", format="csv")],
    "Database.q": [_create_with_ddl],
    "Database.script": [_drop_with_ddl],
    "Database.reflect": [_create_with_ddl],
    "Database.reflect_table": [_reflect_table],
    "Database.reflect_view": [_reflect_view],
    "Table.add_column": [lambda db: db.t.person.add_column("nick", str | None)],
    "Table.create_index": [lambda db: db.t.person.create_index("age")],
    "Table.disable_search": [lambda db: db.t.note.disable_search()],
    "Table.drop": [lambda db: db.t.loner.drop()],
    "Table.drop_column": [lambda db: db.t.loner.drop_column("age")],
    "Table.drop_index": [lambda db: db.t.person.drop_index("ix_person_name")],
    "Table.duplicate": [lambda db: db.t.person.duplicate("copy")],
    "Table.enable_search": [lambda db: db.t.person.enable_search("name")],
    "Table.extract": [lambda db: db.t.loner.extract("age", table="ages")],
    "Table.import_file": [
        lambda db: db.t.person.import_file(b"name,nick\na,b\n", alter=True),
    ],
    "Table.rename": [lambda db: db.t.team.rename("squad")],
    "Table.rename_column": [lambda db: db.t.team.rename_column("id", "number")],
    "Table.transform": [lambda db: db.t.person.transform(types={"age": str}, rename={"name": "full_name"})],
    "Table.transform_plan": [_apply_plan],
    "View.drop": [lambda db: db.v.named.drop()],
}
#: Public names that leave the schema as it is.
NO_CHANGE = {
    "Database": {
        *["bind", "close", "dataclasses", "diagram", "engine", "item", "metadata", "migrate", "retry", "sql", "stream"],
        *["dialect", "position", "read_only", "reading", "acting", "size", "sync"],
        *["t", "transaction", "v"],
    },
    "Table": {
        *["c", "columns", "convert", "count", "dataclass", "delete", "delete_all", "delete_where", "exists"],
        *[
            "export_file",
            "fk",
            "foreign_keys",
            "get",
            "get_children",
            "get_or_create",
            "get_parent",
            "indexes",
            "insert",
            "insert_all",
        ],
        *["lookup", "name", "page", "pks", "rows_as", "sa_table", "schema", "transform_sql", "truncate", "update"],
        *[
            "schema_editor",
            "search",
            "table_exists",
            "describe",
            "searchable",
            "secure",
            "transaction",
            "avg",
            "group",
            "max",
            "min",
            "sum",
            "values",
        ],
        *["update_all", "update_where", "upsert", "upsert_all", "with_children", "with_parents", "xtra", "row"],
        *["children", "json", "searchable", "secure", "with_related"],
    },
    "View": {
        *[
            "c",
            "columns",
            "count",
            "dataclass",
            "exists",
            "export_file",
            "get",
            "lookup",
            "name",
            "page",
            "pks",
            "refresh",
        ],
        *[
            "rows_as",
            "searchable",
            "secure",
            "sa_table",
            "table_exists",
            "describe",
            "searchable",
            "secure",
            "transaction",
            "xtra",
            "avg",
            "group",
            "json",
            "max",
            "min",
            "sum",
            "values",
        ],
    },
}
ALL = [pytest.param(case, id=f"{name}-{n}") for name, cases in CASES.items() for n, case in enumerate(cases)]


@pytest.mark.parametrize("cls", [Database, Table, View])
def test_every_public_name_has_a_case_or_changes_no_schema(cls: type) -> None:
    public = {name for name in dir(cls) if not name.startswith("_")}
    cased = {name.partition(".")[2] for name in CASES if name.startswith(f"{cls.__name__}.")}
    assert public - cased - NO_CHANGE[cls.__name__] == set(), "add a case to CASES"
    assert cased <= public
    assert not cased & NO_CHANGE[cls.__name__]


class _Stop(Exception):
    pass


async def _by_error(db: Database, case: Case) -> None:
    with pytest.raises(_Stop):
        async with db.transaction():
            await case(db)
            raise _Stop


async def _by_call(db: Database, case: Case) -> None:
    async with db.transaction() as transaction:
        await case(db)
        await transaction.rollback()


async def _by_savepoint(db: Database, case: Case) -> None:
    async with db.transaction():
        with pytest.raises(_Stop):
            async with db.transaction():
                await case(db)
                raise _Stop


async def _by_outer_block(db: Database, case: Case) -> None:
    with pytest.raises(_Stop):
        async with db.transaction():
            async with db.transaction():
                await case(db)
            raise _Stop


async def _by_cancel(db: Database, case: Case) -> None:
    done = asyncio.Event()

    async def work() -> None:
        async with db.transaction():
            await case(db)
            done.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(work())
    waiter = asyncio.create_task(done.wait())
    await asyncio.wait({task, waiter}, return_when=asyncio.FIRST_COMPLETED)
    waiter.cancel()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


WAYS = [_by_error, _by_call, _by_savepoint, _by_outer_block, _by_cancel]


@pytest.fixture
async def world(db: Database) -> Database:
    await db.create(Team)
    await db.create(Person, indexes=["name"])
    await db.create(Person, name="loner", foreign_keys={})
    await db.create(Note, search=["body"])
    await db.create_view("named", "SELECT id, name FROM person")
    return db


def known(db: Database) -> dict[str, Any]:
    """Return what a task knows of the database, with the objects themselves."""
    tables = {table.name: (table.sa_table, table.columns, table.foreign_keys, table.indexes) for table in db.t}
    views = {view.name: (view.sa_table, view.columns, db._core.catalog.facts(view.name)) for view in db.v}
    return {**tables, **views, "classes": [db.t[cls].name for cls in (Team,)]}


async def stored(db: Database) -> dict[str, Any]:
    """Return what another Database knows after it has read everything."""
    qualified_name: dict[str, Any] = {}
    for facts in [db._core.catalog.facts(handle.name) for handle in (*db.t, *db.v)]:
        assert facts is not None
        qualified_name[facts.name] = facts
    return qualified_name


@pytest.mark.parametrize("case", ALL)
async def test_a_rollback_leaves_no_trace(world: Database, case: Case) -> None:
    before = known(world)
    for way in WAYS:
        await way(world, case)
        assert known(world) == before, way.__name__
        assert await world.t.person(limit=1) == [], way.__name__
        assert await world.v.named() == [], way.__name__


@pytest.mark.parametrize("case", ALL)
async def test_a_change_is_known_to_its_block_alone_until_the_commit(world: Database, case: Case) -> None:
    before = known(world)
    changed, seen = asyncio.Event(), asyncio.Event()

    async def work() -> dict[str, Any]:
        async with world.transaction():
            await case(world)
            inside = await stored(world)
            changed.set()
            await seen.wait()
            return inside

    task = asyncio.create_task(work())
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(10):
            await changed.wait()
    meanwhile = known(world)
    seen.set()
    inside = await task
    assert meanwhile == before
    assert await stored(world) == inside


@pytest.mark.parametrize("case", ALL)
async def test_after_a_commit_all_is_as_it_is_stored(world: Database, case: Case) -> None:
    async with world.transaction():
        await case(world)
    published = await stored(world)
    await world.reflect()
    after = await stored(world)
    assert {name: after[name] for name in published} == published


@pytest.mark.parametrize("case", ALL)
async def test_outside_of_a_block_all_is_as_it_is_stored(world: Database, case: Case) -> None:
    await case(world)
    published = await stored(world)
    await world.reflect()
    after = await stored(world)
    assert {name: after[name] for name in published} == published


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_select_of_another_task_does_not_ask_for_an_uncommitted_column(world: Database) -> None:
    changed, seen = asyncio.Event(), asyncio.Event()

    async def work() -> tuple[str, ...]:
        async with world.transaction():
            await world.t.loner.add_column("nick", str | None)
            changed.set()
            await seen.wait()
        return world.t.loner.columns

    task = asyncio.create_task(work())
    await changed.wait()
    names = world.t.loner.columns
    seen.set()
    assert "nick" not in names
    assert "nick" in await task


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_a_row_is_read_while_another_task_adds_a_column(world: Database) -> None:
    await world.t.loner.insert(name="Ada")
    changed, seen = asyncio.Event(), asyncio.Event()

    async def work() -> None:
        async with world.transaction():
            await world.t.loner.add_column("nick", str | None)
            changed.set()
            await seen.wait()

    task = asyncio.create_task(work())
    await changed.wait()
    rows = await world.t.loner()
    seen.set()
    await task
    assert [set(row) for row in rows] == [{"id", "name", "age", "team_id"}]
    assert [set(row) for row in await world.t.loner()] == [{"id", "name", "age", "team_id", "nick"}]


async def test_tasks_of_a_block_know_what_it_changed(world: Database) -> None:
    async with world.transaction(), asyncio.TaskGroup() as group:
        pets = await world.create(Pet)

        async def insert(name: str) -> None:
            await world.t.pet.insert(name=name)

        for name in ("Rex", "Tom"):
            group.create_task(insert(name))
    assert await pets.count() == 2
    assert world.t.pet.sa_table is pets.sa_table


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_lost_connection_leaves_no_trace(world: Database) -> None:
    before = known(world)
    with pytest.raises(DeeBaseError):
        async with world.transaction():
            await world.create(Pet)
            await world.t.loner.drop()
            with contextlib.suppress(DeeBaseError):
                await world.q("SELECT pg_terminate_backend(pg_backend_pid())")
            await world.q("SELECT 1")
    assert known(world) == before
