"""Views: made, read like tables, replaced without losing the old one, and never written through."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    ColumnNotFoundError,
    Database,
    InvalidOperationError,
    NotFoundError,
    QueryError,
    Table,
    TableExistsError,
    ValidationError,
    View,
)
from tests.support.capabilities import can


class User:
    id: int
    name: str
    age: int


Rows = Table[dict[str, Any]]


@pytest.fixture
async def users(db: Database) -> Rows:
    table = await db.create(User)
    await table.insert_all([{"name": f"u{n}", "age": n * 10} for n in range(6)])
    return table


@pytest.fixture
async def adults(db: Database, users: Rows) -> View[dict[str, Any]]:
    return await db.create_view("adult", 'SELECT id, name, age FROM "user" WHERE age >= 18')


async def test_a_view_is_read_like_a_table(db: Database, adults: View[dict[str, Any]]) -> None:
    assert await adults(order_by="-age", limit=1, select=["name"]) == [{"name": "u5"}]
    assert await adults[3] == {"id": 3, "name": "u2", "age": 20}
    assert await adults.get(1, default=None) is None
    assert await adults.lookup(name="u4") == {"id": 5, "name": "u4", "age": 40}
    assert await adults.count(adults.c.age > 20) == 3
    assert await adults.exists(3)
    assert not await adults.exists(1)
    assert await adults.exists()
    page = await adults.page(size=3, order_by="-age")
    assert [row["name"] for row in page.rows] == ["u5", "u4", "u3"]
    assert [row["name"] for row in (await adults.page(size=3, order_by="-age", after=page.next)).rows] == ["u2"]
    assert [row["id"] async for row in adults(order_by="id")] == [3, 4, 5, 6]
    assert await adults.xtra(name="u2")() == [{"id": 3, "name": "u2", "age": 20}]
    assert db.v.adult.name == adults.name
    assert repr(adults) == "<View adult (id, name, age)>"


async def test_rows_of_a_view_may_be_of_a_class(adults: View[dict[str, Any]]) -> None:
    @dataclass
    class Short:
        id: int
        name: str

    assert await adults.rows_as(Short)[3] == Short(3, "u2")
    cls = adults.dataclass()
    assert (await adults[3]) == cls(3, "u2", 20)


async def test_a_view_may_come_from_a_select_and_have_a_key(db: Database, users: Rows) -> None:
    select = sa.select(users.c.id, users.c.name.label("called")).where(users.c.name.in_(["u1", "it's :x ?"]))
    view = await db.create_view("picked", select, key="called")
    assert await view["u1"] == {"id": 2, "called": "u1"}
    with pytest.raises(NotFoundError):
        await view["u2"]
    with pytest.raises(ColumnNotFoundError):
        await db.create_view("other", select, key="name")
    assert "other" not in db.v
    assert not await db.q("SELECT 1 FROM picked WHERE 1 = 0")


@pytest.mark.parametrize(
    "method",
    ["insert", "insert_all", "update", "update_all", "update_where", "upsert", "upsert_all", "delete", "delete_all"],
)
async def test_writing_through_a_view_is_refused(adults: Any, method: str) -> None:
    with pytest.raises(InvalidOperationError) as caught:
        await getattr(adults, method)({"id": 1})
    assert (caught.value.operation, caught.value.target) == (method, "adult")


def test_a_view_has_no_other_attributes(runner: Any) -> None:
    assert not hasattr(View.__new__(View), "inserted")


async def test_a_name_that_is_taken_is_refused(db: Database, users: Rows, adults: View[Any]) -> None:
    with pytest.raises(TableExistsError, match="view adult"):
        await db.create_view("adult", "SELECT 1 AS one")
    for replace in (False, True):
        with pytest.raises(TableExistsError, match="table user"):
            await db.create_view("user", "SELECT 1 AS one", replace=replace)
    assert await users.count() == 6


@pytest.mark.parametrize(
    "definition",
    ["", 'DELETE FROM "user"', "SELECT 1; SELECT 2", "CREATE TABLE x (a int)", 5, None, "'"],
)
async def test_what_is_no_select_is_refused(db: Database, users: Rows, definition: Any) -> None:
    with pytest.raises(ValidationError):
        await db.create_view("odd", definition)
    assert await users.count() == 6


async def test_a_view_is_replaced_with_other_columns(db: Database, adults: View[Any]) -> None:
    view = await db.create_view("adult", 'SELECT name, age FROM "user" WHERE age > 40', replace=True)
    assert await view() == [{"name": "u5", "age": 50}]
    assert db.v.adult.columns == ("name", "age")


@pytest.mark.parametrize("wrong", ['SELECT nope FROM "user"', "SELECT * FROM nowhere", "SELECT id FROM"])
async def test_a_wrong_replacement_leaves_the_old_view(db: Database, adults: View[Any], wrong: str) -> None:
    with pytest.raises((QueryError, ValidationError)):
        await db.create_view("adult", wrong, replace=True)
    assert await adults.count() == 4
    assert await db.v.adult[3] == {"id": 3, "name": "u2", "age": 20}


async def test_a_view_is_rolled_back_with_its_transaction(db: Database, users: Rows) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.create_view("gone", 'SELECT id FROM "user"')
            raise ZeroDivisionError
    with pytest.raises(QueryError):
        await db.q("SELECT * FROM gone")


async def test_a_dropped_view_is_not_known(db: Database, users: Rows, adults: View[Any]) -> None:
    await adults.drop()
    assert "adult" not in db.v
    with pytest.raises(QueryError):
        await adults()
    assert await users.count() == 6


async def test_only_postgresql_has_materialized_views(db: Database, users: Rows, adults: View[Any]) -> None:
    definition = 'SELECT id, age FROM "user"'
    with pytest.raises(InvalidOperationError):
        await adults.refresh()
    if not can(db).has_materialized_views:
        with pytest.raises(InvalidOperationError):
            await db.create_view("kept", definition, materialized=True)
        return
    kept = await db.create_view("kept", definition, materialized=True, key="id")
    await users.insert(name="late", age=99)
    assert await kept.count() == 6
    await kept.refresh()
    assert await kept.count() == 7
    await users.insert(name="later", age=99)
    await kept.refresh(concurrently=True)
    assert await kept.count() == 8
    again = await db.create_view("kept", 'SELECT id, name FROM "user"', materialized=True, replace=True)
    assert await again[7] == {"id": 7, "name": "late"}
    await users.delete(7)
    await again.refresh(concurrently=True)
    assert await again.get(7, default=None) is None
    await again.drop()
    assert "kept" not in db.v
