"""The types of the public API; mypy and pyright check this file, and it never runs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, assert_type

from sqlalchemy.sql import ColumnElement

from deebase import Database, Page, Query, Rows, SchemaEditor, Table, Transaction, TransformPlan, View
from deebase.migrations import Migrator, Step, chunked
from deebase.queries import JsonValue, count, max_, merge
from deebase.types import Merge


@dataclass
class User:
    id: int | None
    name: str


class Plain:
    id: int
    name: str


Row = dict[str, Any]


async def tables(db: Database) -> None:
    assert_type(await db.create(User), Table[User])
    assert_type(await db.create(User, pk="id", indexes=["name"], if_not_exists=True), Table[User])
    assert_type(await db.create(Plain), Table[Row])
    assert_type(db.t[User], Table[User])
    assert_type(db.t["user"], Table[Row])
    assert_type(db.t.user, Table[Row])


async def rows(users: Table[User], plain: Table[Row]) -> None:
    assert_type(await users.insert(name="Ada"), User)
    assert_type(await plain.insert({"name": "Ada"}), Row)
    assert_type(await users.update({"id": 1, "name": "Grace"}), User)
    assert_type(await users.upsert(User(1, "Ada")), User)
    assert_type(await users.get_or_create({"name": "Ada"}), tuple[User, bool])
    assert_type(await users[1], User)
    assert_type(await users.get(1), User)
    assert_type(await users.get(1, default=None), User | None)
    assert_type(await users.lookup(name="Ada"), User)
    assert_type(await users.insert_all([{"name": "Ada"}]), int)
    assert_type(await users.insert_all([{"name": "Ada"}], returning=True), list[User])
    assert_type(await users.update_where({"name": "x"}, users.c.id > 1), int)
    assert_type(await users.delete_where(users.c.id > 1), int)
    assert_type(await users.count(), int)
    assert_type(await users.exists(1), bool)
    assert_type(await users.table_exists(), bool)
    assert_type(await users.export_file("users.csv", order_by="id", overwrite=True), int)
    assert_type(users.rows_as(dict[str, Any]), Table[Row])
    assert_type(users.xtra(name="Ada"), Table[User])
    assert_type(await users.upsert_all([{"id": 1, "name": "Ada"}]), int)
    assert_type(await users.upsert_all([{"id": 1, "name": "Ada"}], returning=True), list[User])
    assert_type(await users.update_all([{"id": 1, "name": "Ada"}]), int)
    assert_type(await users.delete_all([1, 2]), int)
    assert_type(users(select={"writer": "boss.name"}), Query[Row])
    assert_type(users(select=["name"], where={"boss.name": "Ada"}, distinct=True), Query[User])
    assert_type(users.json("meta", "tags", 0), JsonValue)
    assert_type(users.json("meta", "tags").contains("bug"), ColumnElement[bool])
    assert_type(users.json("meta", "views", as_=int), ColumnElement[int])
    assert_type(merge({"seen": True}), Merge)
    assert_type(await users.group("name", n=count(), last=max_(users.c.id)), list[Row])
    assert_type(await users.values("name"), list[Any])
    assert_type(await users.values("name", counts=True), dict[Any, int])
    assert_type(await users.count(distinct="name"), int)
    page = await users.page(size=10, order_by="-id")
    assert_type(page.rows, list[User])
    assert_type(page.next, str | None)


async def relations(db: Database, users: Table[User], plain: Table[Row]) -> None:
    assert_type(await plain.with_parents(plain(), "author_id"), list[tuple[Row, Any]])
    assert_type(await users.with_children(users(), "plain"), list[tuple[User, list[Any]]])
    assert_type(users.get_children(User(1, "Ada"), plain), Query[Row])
    assert_type(users.get_children(User(1, "Ada"), "plain"), Query[Any])
    assert_type(await db.reflect_table("user"), Table[Row])
    view = await db.create_view("adult", "SELECT 1 AS id")
    assert_type(view, View[Row])
    assert_type(await view[1], Row)
    assert_type(db.v.adult, View[Row])
    assert_type(db.t["user", "plain"], tuple[Table[Row], ...])


async def queries(users: Table[User]) -> None:
    query = users(name="Ada", order_by="-id", limit=1)
    assert_type(query, Query[User])
    assert_type(await query, list[User])
    assert_type(await query.first(), User | None)
    assert_type(await query.one(), User)
    assert_type(await query.page(size=10), Page[User])
    assert_type(await query.export("users.csv"), int)
    async for user in query.stream():
        assert_type(user, User)
    async for user in query:
        assert_type(user, User)


async def changes(users: Table[User]) -> None:
    assert_type(users.schema_editor, SchemaEditor[Table[User]])
    assert_type(await users.add_column("city", str), Table[User])
    assert_type(await users.schema_editor.drop_column("city"), Table[User])
    plan = await users.transform_plan(drop="city", rename={"name": "full_name"}, pk=None)
    assert_type(plan, TransformPlan[Table[User]])
    assert_type(plan.statements, tuple[str, ...])
    assert_type(await plan.apply(), Table[User])
    assert_type(await users.transform(types={"name": int}), Table[User])
    assert_type(await users.transform_sql(not_null="name"), list[str])


async def raw(db: Database) -> None:
    assert_type(await db.q("SELECT 1"), Rows[Row])
    assert_type(await db.q("SELECT 1", row_type=User), Rows[User])
    async with db.read_only(seconds=1, rows=10) as ro:
        assert_type(ro, Database)
        assert_type((await ro.q("SELECT 1")).truncated, bool)
    async for row in db.stream("SELECT 1"):
        assert_type(row, Row)
    async for user in db.stream("SELECT 1", row_type=User):
        assert_type(user, User)


async def transactions(db: Database) -> int:
    async def work() -> int:
        return 1

    assert_type(await db.retry(work), int)
    async with db.transaction(isolation="serializable") as tx:
        assert_type(tx, Transaction)
        assert_type(tx.outcome, str | None)
        return 1


async def rejected(db: Database, users: Table[User]) -> None:
    db.transaction(isolation="chaos")  # type: ignore[arg-type]
    Database("x.db", durability="fast")  # type: ignore[arg-type]
    await users.insert_all([], on_conflict="replace")  # type: ignore[call-overload]
    users(limit="1")  # type: ignore[call-overload]
    await users().page(size="10")  # type: ignore[arg-type]
    await users.page(after=1)  # type: ignore[arg-type]
    await users.transform(dorp="name")  # type: ignore[call-arg]
    await users.transform_plan(rename="name")  # type: ignore[arg-type]
    await users.delete()  # type: ignore[call-arg]
    await db.retry(1)  # type: ignore[arg-type]


async def migrations(db: Database) -> None:
    async for rows in chunked(db.t["user"], size=100, active=True):
        assert_type(rows, list[Row])
    async for users in chunked(db.t[User], db.t[User].c.id > 3):
        assert_type(users, list[User])
    assert_type(await Migrator(db).up(plan=True), list[Step])
    assert_type(await db.migrate.up(backup=True), list[Step])
