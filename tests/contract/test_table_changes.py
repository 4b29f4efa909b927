"""Tables that change: columns, names, indexes; and what refuses to."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    CheckViolationError,
    ColumnNotFoundError,
    Database,
    DeeBaseError,
    ForeignKey,
    ForeignKeyViolationError,
    InvalidOperationError,
    QueryError,
    SchemaError,
    Table,
    UniqueViolationError,
    UnsupportedTypeError,
    ValidationError,
)
from deebase.types import ForeignKeyMark
from tests.support.capabilities import can


class Color(Enum):
    RED = "red"
    BLUE = "it's blue"


@dataclass
class User:
    id: int
    name: str
    age: int | None = None


class Post:
    id: int
    author_id: ForeignKey[int, "user"]
    title: str


@pytest.fixture
async def users(db: Database) -> Table[User]:
    table = await db.create(User, indexes=["age"])
    await table.insert_all({"name": f"u{n}", "age": n} for n in range(3))
    return table


async def test_the_schema_and_the_indexes_are_shown(db: Database, users: Table[User]) -> None:
    assert users.schema.startswith("CREATE TABLE")
    assert "name VARCHAR NOT NULL" in users.schema
    assert users.columns == ("id", "name", "age")
    assert users.indexes == [{"name": "ix_user_age", "columns": ["age"], "unique": False}]
    await db.reflect()
    assert "VARCHAR" in db.t.user.schema
    assert db.t.user.indexes == users.indexes


async def test_an_index_is_made_and_dropped(db: Database, users: Table[User]) -> None:
    await users.create_index("name", unique=True)
    assert users.indexes[1] == {"name": "ix_user_name", "columns": ["name"], "unique": True}
    with pytest.raises(UniqueViolationError):
        await users.insert(name="u0")
    # What is unique now is known to the handle that made it.
    assert (await users.get_or_create({"name": "u0"}))[1] is False
    assert db.t[User].name == "user"
    await users.create_index(["age", "name"], name="of my own", where="age > 1")
    with pytest.raises(DeeBaseError):
        await users.create_index("name", unique=True)
    await users.create_index("name", unique=True, if_not_exists=True)
    await users.drop_index("of my own")
    await users.drop_index("ix_user_name")
    assert [index["name"] for index in users.indexes] == ["ix_user_age"]
    await users.insert(name="u0")
    with pytest.raises(UniqueViolationError):
        await users.create_index("name", unique=True)
    with pytest.raises(ColumnNotFoundError):
        await users.create_index("nope")
    with pytest.raises(SchemaError, match="no index 'nope'"):
        await users.drop_index("nope")


async def test_an_index_over_expressions(db: Database, users: Table[User]) -> None:
    c = users.c
    await users.create_index(sa.func.lower(c.name), name="by lower", unique=True)
    await users.create_index([c.age.desc(), "name", (c.age + 1).asc()], name="mixed", where="age > 0")
    assert [(index["name"], index["columns"]) for index in users.indexes] == [
        ("by lower", [None]),
        ("ix_user_age", ["age"]),
        ("mixed", ["age", "name", None]),
    ]
    with pytest.raises(UniqueViolationError):
        await users.insert(name="U0")
    plan = await users.rows_as(dict)(sa.func.lower(c.name) == "u1").explain()
    assert "by lower" in str(plan) or can(db).has_hash_joins
    await db.reflect()
    assert [index["columns"] for index in db.t.user.indexes] == [[None], ["age"], ["age", "name", None]]
    posts = await db.create(Post)
    for wrong, error in (
        (sa.func.lower(c.name), ValidationError),
        ([sa.func.lower(posts.c.title)], SchemaError),
        ([1], ValidationError),
        ([], ValidationError),
    ):
        with pytest.raises(error):
            await users.create_index(wrong, name=None if error is ValidationError else "x")
    await users.drop_index("by lower")
    await users.drop_index("mixed")


async def test_a_column_is_added_with_its_default(db: Database, users: Table[User]) -> None:
    with_city = await users.add_column("city", str | None)
    with_rank = await with_city.add_column("rank", int, default=7)
    full = await with_rank.add_column("price", Decimal, default=Decimal("1.50"))
    full = await full.add_column("color", Color, default=Color.BLUE)
    assert full.columns == ("id", "name", "age", "city", "rank", "price", "color")
    row = await full.rows_as(dict)[1]
    assert row == {
        "id": 1,
        "name": "u0",
        "age": 0,
        "city": None,
        "rank": 7,
        "price": Decimal("1.50"),
        "color": Color.BLUE,
    }
    # The class of the rows still fits, and so stays.
    assert await full[1] == User(1, "u0", 0)
    assert db.t[User].columns == full.columns
    with pytest.raises(CheckViolationError):
        await db.q("UPDATE \"user\" SET color = 'green'")
    changed = await full.rows_as(dict).insert(name="new", city="Rome", color=Color.RED)
    assert (changed["rank"], changed["color"]) == (7, Color.RED)
    await db.reflect()
    assert await db.t.user.rows_as(dict)[1] == row


async def test_a_column_that_cannot_be_added_is_refused(db: Database, users: Table[User]) -> None:
    with pytest.raises(SchemaError, match="has a column 'name'"):
        await users.add_column("name", str)
    with pytest.raises(UnsupportedTypeError):
        await users.add_column("odd", object)
    with pytest.raises(ValidationError):
        await users.add_column("n", int, default="x")
    with pytest.raises(ValidationError):
        await users.add_column("", int)
    # Rows are there, and nothing says what they should hold.
    with pytest.raises(DeeBaseError):
        await users.add_column("must", int)
    assert await users.count() == 3
    assert users.columns == ("id", "name", "age")


async def test_a_foreign_key_is_added(db: Database, users: Table[User]) -> None:
    class Team:
        id: int

    await db.create(Team)
    table = await users.add_column("team_id", ForeignKey[int, "team"] | None)
    table = await table.add_column("second", int | None, fk=ForeignKeyMark("team.id", on_delete="set null"))
    assert table.foreign_keys == [
        {"column": "team_id", "references": "team.id"},
        {"column": "second", "references": "team.id", "on_delete": "set null"},
    ]
    with pytest.raises(ForeignKeyViolationError):
        await table.update(pk=1, team_id=9)
    team = await db.t.team.insert({})
    row = await table.rows_as(dict).update(pk=1, team_id=team["id"])
    assert await table.fk.team_id(row) == team


async def test_a_column_is_renamed(db: Database, users: Table[User]) -> None:
    renamed = await users.rename_column("age", "years")
    assert renamed.columns == ("id", "name", "years")
    assert renamed.indexes == [{"name": "ix_user_age", "columns": ["years"], "unique": False}]
    assert [row["years"] for row in await renamed.rows_as(dict)(order_by="id")] == [0, 1, 2]
    with pytest.raises(SchemaError):
        await renamed.rename_column("years", "name")
    with pytest.raises(ColumnNotFoundError):
        await renamed.rename_column("age", "other")


async def test_a_column_is_dropped(db: Database, users: Table[User]) -> None:
    await users.drop_index("ix_user_age")
    dropped = await users.drop_column("age")
    assert dropped.columns == ("id", "name")
    assert await dropped.rows_as(dict)[1] == {"id": 1, "name": "u0"}
    with pytest.raises(InvalidOperationError):
        await dropped.drop_column("id")
    with pytest.raises(ColumnNotFoundError):
        await dropped.drop_column("age")


async def test_a_table_is_renamed_and_others_follow(db: Database, users: Table[User]) -> None:
    posts = await db.create(Post)
    await posts.insert(author_id=1, title="x")
    people = await users.rename("people of ours")
    assert people.name == "people of ours"
    assert await people[1] == User(1, "u0", 0)
    assert db.t[User].name == "people of ours"
    assert "user" not in db.t
    await db.reflect()
    post = await db.t.post[1]
    assert await db.t.post.fk.author_id(post) == User(1, "u0", 0)
    with pytest.raises(QueryError):
        await people.rename("post")
    with pytest.raises(ValidationError):
        await people.rename("")


async def test_a_table_that_others_refer_to_keeps_its_rows(db: Database, users: Table[User]) -> None:
    posts = await db.create(Post, foreign_keys={"author_id": ForeignKeyMark("user.id", on_delete="cascade")})
    await posts.insert(author_id=1, title="x")
    for call in (users.drop, users.truncate):
        with pytest.raises(InvalidOperationError, match="rows of post refer to it"):
            await call()
    assert await users.count() == 3
    assert await posts.count() == 1
    await posts.truncate()
    await users.truncate()
    assert await users.count() == 0
    await posts.drop()
    await users.drop()
    assert dir(db.t) == []
    assert not await users.table_exists()


async def test_changes_are_part_of_the_transaction(db: Database, users: Table[User]) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await users.add_column("city", str | None)
            await users.create_index("name", name="ux", unique=True)
            raise ZeroDivisionError
    for _ in range(2):
        assert db.t.user.columns == ("id", "name", "age")
        assert [index["name"] for index in db.t.user.indexes] == ["ix_user_age"]
        await db.reflect()
    assert await db.t.user.insert(name="u0")


async def test_what_is_known_of_tables_follows_the_transaction(db: Database, users: Table[User]) -> None:
    class Gone:
        id: int

    await db.create(Gone, name="old")
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.create(Gone)
            people = await users.rename("people")
            people = await people.transform(rename={"age": "years"}, defaults={"name": "x"})
            await people.duplicate("copy")
            await db.create_view("seen", "SELECT name FROM people")
            await db.t.old.drop()
            assert sorted(dir(db.t)) == ["copy", "gone", "people"]
            assert dir(db.v) == ["seen"]
            raise ZeroDivisionError
    assert sorted(dir(db.t)) == ["old", "user"]
    assert dir(db.v) == []
    assert await db.t[User][1] == User(1, "u0", 0)
    assert await db.t.old.count() == 0
    async with db.transaction():
        with pytest.raises(ZeroDivisionError):
            async with db.transaction():
                async with db.transaction():
                    await db.create(Gone)
                raise ZeroDivisionError
        assert "gone" not in db.t
        kept = await users.add_column("city", str | None)
    assert db.t.user.columns == kept.columns
    assert await db.t.user.insert(name="new", city="Rome")


async def test_a_handle_with_a_scope_changes_no_structure(users: Table[User]) -> None:
    mine = users.xtra(name="u0")
    calls: list[Any] = [
        mine.create_index("age", name="x"),
        mine.drop_index("ix_user_age"),
        mine.add_column("city", str | None),
        mine.rename_column("age", "years"),
        mine.drop_column("age"),
        mine.rename("other"),
        mine.truncate(),
        mine.drop(),
    ]
    for call in calls:
        with pytest.raises(InvalidOperationError, match="scope"):
            await call
    assert await users.count() == 3


HOSTILE = ["we ird", 'qu"ote', "select", "semi;colon--", "ünïcode", "Capital", "per%cent", "co:lon", "que?stion"]


@pytest.mark.parametrize("name", HOSTILE)
async def test_any_name_survives_changes(db: Database, users: Table[User], name: str) -> None:
    table = await users.rename(name)
    table = await table.add_column(f"{name} 2", int, default=3)
    table = await table.rename_column(f"{name} 2", f"{name} 3")
    await table.create_index(f"{name} 3", name=f"{name} ix", unique=False)
    assert table.indexes[0]["columns"] in (["age"], [f"{name} 3"])
    assert (await table.rows_as(dict)[1])[f"{name} 3"] == 3
    await table.drop_index(f"{name} ix")
    table = await table.drop_column(f"{name} 3")
    assert await table[1] == User(1, "u0", 0)
    await table.drop()
    assert name not in db.t


async def test_a_column_is_dropped_though_its_foreign_key_leads_to_a_namesake_of_the_key(db: Database) -> None:
    class Author:
        id: int

    class Book:
        id: int
        author_id: ForeignKey[int, "author"] | None

    await db.create(Author)
    books = await db.create(Book)
    assert (await books.drop_column("author_id")).foreign_keys == []


async def test_a_reflected_table_is_found_after_another_was_made_that_refers_to_it(db: Database) -> None:
    class Book:
        id: int
        author_id: ForeignKey[int, "author"] | None

    await db.q("CREATE TABLE author (id integer PRIMARY KEY, name text)")
    await db.reflect()
    await db.create(Book)
    assert list(db.t["author"].columns) == ["id", "name"]
