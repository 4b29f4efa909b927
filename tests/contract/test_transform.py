"""transform: types, keys, defaults and foreign keys of a table that has rows, the same on both databases."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from typing import Any, Literal
from uuid import UUID

import pytest

from deebase import (
    CheckViolationError,
    ColumnNotFoundError,
    Database,
    DataError,
    DeeBaseError,
    ForeignKey,
    ForeignKeyViolationError,
    InvalidOperationError,
    NotNullViolationError,
    SchemaError,
    Table,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
)
from deebase.types import ForeignKeyMark
from tests.support.capabilities import can


class Color(Enum):
    RED = "red"
    BLUE = "blue"


@dataclass
class Team:
    id: int
    code: str


@dataclass
class Person:
    id: int
    name: str
    team_id: ForeignKey[int, "team"] | None = None
    text: str | None = None
    number: int | None = None


@pytest.fixture
async def people(db: Database) -> Table[Person]:
    teams = await db.create(Team, indexes=["code"])
    people = await db.create(
        Person, indexes=["name"], foreign_keys={"team_id": ForeignKeyMark("team.id", on_delete="cascade")}
    )
    await teams.insert_all([{"code": "a"}, {"code": "b"}])
    await people.insert_all([{"name": f"p{n}", "team_id": n % 2 + 1, "number": n} for n in range(4)])
    return people


async def facts(db: Database, name: str = "person") -> tuple[Any, ...]:
    """What another handle on the database says of the table."""
    await db.reflect()
    table = db.t[name]
    return table.columns, table.pks, table.foreign_keys, [index["name"] for index in table.indexes]


STORED = "2024-02-29 12:30:00"
CONVERSIONS: list[tuple[Any, Any, Any, Any]] = [
    (str, "12", int, 12),
    (str, "1.25", float, 1.25),
    (str, "1.250", Decimal, Decimal("1.250")),
    (str, "2024-02-29", date, date(2024, 2, 29)),
    (str, STORED, datetime, datetime(2024, 2, 29, 12, 30)),
    (str, "true", bool, True),
    (str, "12345678-1234-5678-1234-567812345678", UUID, UUID("12345678-1234-5678-1234-567812345678")),
    (str, "red", Color, Color.RED),
    (int, 7, str, "7"),
    (int, 7, float, 7.0),
    (int, 7, Decimal, Decimal(7)),
    (int, 1, bool, True),
    (bool, True, int, 1),
    (float, 2.0, int, 2),
    (datetime, datetime(2024, 2, 29, 12, 30), UTCDateTime, datetime(2024, 2, 29, 12, 30, tzinfo=UTC)),
    (date, date(2024, 2, 29), str, "2024-02-29"),
    (Color, Color.BLUE, str, "blue"),
]


@pytest.mark.parametrize(("before", "value", "after", "expected"), CONVERSIONS)
async def test_values_are_converted(db: Database, before: Any, value: Any, after: Any, expected: Any) -> None:
    class Thing:
        id: int
        x: before | None  # type: ignore[valid-type]

    things = await db.create(Thing)
    await things.insert_all([{"x": value}, {"x": None}])
    changed = await things.transform(types={"x": after})
    rows = await changed(order_by="id")
    assert [row["x"] for row in rows] == [expected, None]
    assert type(rows[0]["x"]) is type(expected)
    assert await changed.count(x=expected) == 1
    assert (await changed.insert(x=expected))["x"] == expected


@pytest.mark.parametrize(
    ("value", "after"),
    [("x y", int), ("1.5", int), ("2024-02-30", date), ("green", Color), ("maybe", bool), ("", float)],
)
async def test_a_value_that_does_not_fit_is_refused(db: Database, value: str, after: Any) -> None:
    class Thing:
        id: int
        x: str

    things = await db.create(Thing)
    await things.insert_all([{"x": value}, {"x": value}])
    with pytest.raises(DeeBaseError) as caught:
        await things.transform(types={"x": after})
    assert isinstance(caught.value, (DataError, CheckViolationError))
    assert value == "" or value not in str(caught.value)
    assert [row["x"] for row in await things(order_by="id")] == [value, value]
    assert "thing.x" in str(caught.value)
    assert (await facts(db, "thing"))[0] == ("id", "x")


async def test_choices_follow_the_type(db: Database, people: Table[Person]) -> None:
    await people.update_where({"text": "a"}, people.c.id > 0)
    table = await people.transform(types={"text": Literal["a", "b"]})
    with pytest.raises(CheckViolationError):
        await db.q("UPDATE person SET text = 'c'")
    table = await table.transform(types={"text": str})
    await db.q("UPDATE person SET text = 'c'")
    assert (await table.rows_as(dict)[1])["text"] == "c"


async def test_nothing_else_changes(db: Database, people: Table[Person]) -> None:
    before = await people(order_by="id")
    changed = await people.transform(not_null="number", defaults={"number": 5}, types={"text": int})
    assert await changed(order_by="id") == before
    assert await facts(db) == (
        ("id", "name", "team_id", "text", "number"),
        ("id",),
        [{"column": "team_id", "references": "team.id", "on_delete": "cascade"}],
        ["ix_person_name", "ix_person_team_id_fk"],
    )
    assert (await changed.insert(name="new")).number == 5
    with pytest.raises(NotNullViolationError):
        await db.q("UPDATE person SET number = NULL")
    relaxed = await changed.transform(not_null={"number": False}, defaults={"number": None})
    assert (await relaxed.insert(name="newer")).number is None


async def test_the_rows_of_children_stay(db: Database, people: Table[Person]) -> None:
    teams = db.t.team
    changed = await teams.transform(not_null={"code": False}, types={"code": str | None}, column_order=None)
    assert await changed.count() == 2
    assert await people.count() == 4
    await changed.delete(1)
    assert await people.count() == 2


async def test_several_changes_at_once_use_the_old_names(db: Database, people: Table[Person]) -> None:
    table = await people.transform(
        rename={"name": "full_name", "number": "age"},
        drop="text",
        types={"number": float},
        not_null=["number"],
        drop_foreign_keys="team_id",
    )
    assert table.columns == ("id", "full_name", "team_id", "age")
    assert await facts(db) == (table.columns, ("id",), [], ["ix_person_name"])
    assert await table.rows_as(dict)[2] == {"id": 2, "full_name": "p1", "team_id": 2, "age": 1.0}
    swapped = await table.transform(rename={"full_name": "team_id", "team_id": "full_name"})
    assert await swapped.rows_as(dict)[2] == {"id": 2, "team_id": "p1", "full_name": 2, "age": 1.0}


async def test_another_key(db: Database, people: Table[Person]) -> None:
    table = await people.transform(pk=("name", "id"))
    assert (await facts(db))[1] == ("name", "id")
    assert (await table["p1", 2]).number == 1
    with pytest.raises(UniqueViolationError, match="cannot be the key"):
        await table.transform(pk="team_id")
    table = await table.transform(pk="number", not_null=["id"])
    assert (await table[3]).name == "p3"
    with pytest.raises(UniqueViolationError):
        await table.insert(id=9, name="x", number=3)
    bare = await table.transform(pk=None)
    assert bare.pks == ()
    assert await bare.count() == 4


async def test_a_foreign_key_is_made_only_where_rows_are(db: Database, people: Table[Person]) -> None:
    with pytest.raises(ForeignKeyViolationError, match="refers to no row of team in 2 rows"):
        await people.transform(add_foreign_keys={"number": "team"})
    await people.update_where({"number": 2}, people.c.id > 0)
    table = await people.transform(add_foreign_keys={"number": ForeignKeyMark("team.id", on_delete="set null")})
    assert {"column": "number", "references": "team.id", "on_delete": "set null"} in table.foreign_keys
    with pytest.raises(ForeignKeyViolationError):
        await table.insert(name="x", number=99)
    with pytest.raises(SchemaError, match="which does not exist"):
        await table.transform(add_foreign_keys={"id": "nowhere"})
    with pytest.raises(SchemaError, match="is not unique"):
        await table.transform(add_foreign_keys={"name": "team.code"})
    with pytest.raises(SchemaError, match="no foreign key of name"):
        await table.transform(drop_foreign_keys="name")


async def test_what_is_in_the_way_is_named(db: Database, people: Table[Person]) -> None:
    with pytest.raises(NotNullViolationError, match=r"person\.text is NULL in 4 rows"):
        await people.transform(not_null="text")
    with pytest.raises(InvalidOperationError, match=r"person\.name is used by index ix_person_name") as caught:
        await people.transform(drop="name")
    assert caught.value.hint
    with pytest.raises(InvalidOperationError, match="part of the key"):
        await people.transform(drop=["id"])
    for wrong in ({}, {"drop": "text", "types": {"text": int}}, {"pk": ("id", "id")}, {"not_null": {"id": False}}):
        with pytest.raises(ValidationError):
            await people.transform(**wrong)
    for argument in ("types", "rename", "defaults", "add_foreign_keys"):
        with pytest.raises(ColumnNotFoundError):
            await people.transform(**{argument: {"nope": "id"}})
    with pytest.raises(SchemaError, match="has a column 'name'"):
        await people.transform(rename={"text": "name"})
    assert (await facts(db))[0] == ("id", "name", "team_id", "text", "number")
    assert await people.count() == 4


async def test_statements_are_shown_and_run_elsewhere(db: Database, people: Table[Person]) -> None:
    statements = await people.transform_sql(defaults={"number": 3}, rename={"text": "note"})
    assert statements
    assert people.columns == (await facts(db))[0]
    assert any("note" in statement for statement in statements)


async def test_a_plan_holds_the_statements_and_runs_them_when_it_is_applied(
    db: Database, people: Table[Person]
) -> None:
    before = await facts(db)
    plan = await people.transform_plan(types={"number": str}, rename={"text": "note"}, not_null="number")
    assert list(plan.statements) == await people.transform_sql(
        types={"number": str}, rename={"text": "note"}, not_null="number"
    )
    assert str(plan) == "".join(f"{statement};\n" for statement in plan.statements)
    assert repr(plan).startswith("<TransformPlan of person: ")
    assert await facts(db) == before
    changed = await plan.apply()
    assert changed.columns == db.t.person.columns == ("id", "name", "team_id", "note", "number")
    assert (await changed.rows_as(dict)[2])["number"] == "1"


async def test_a_plan_is_not_applied_to_a_table_that_changed_meanwhile(db: Database, people: Table[Person]) -> None:
    await people.delete_where(all=True)
    plan = await people.transform_plan(add_foreign_keys={"number": "team"})
    # The index of the foreign key is no longer needed.
    await people.create_index("number")
    before = await facts(db)
    with pytest.raises(InvalidOperationError, match="person changed after the plan was made") as caught:
        await plan.apply()
    assert "transform_plan" in str(caught.value.hint)
    assert await facts(db) == before
    again = await people.transform_plan(add_foreign_keys={"number": "team"})
    table = await again.apply()
    assert {"column": "number", "references": "team.id"} in table.foreign_keys
    # Applied once, it asks for a change that the table has.
    with pytest.raises(DeeBaseError):
        await again.apply()


async def test_a_plan_refuses_what_the_change_would_refuse(people: Table[Person]) -> None:
    with pytest.raises(ColumnNotFoundError):
        await people.transform_plan(drop="nope")
    with pytest.raises(ValidationError, match="without a change"):
        await people.transform_plan()
    with pytest.raises(TypeError, match=r"transform_plan\(\) .* 'dorp'; it takes types, rename"):
        await people.transform_plan(dorp="text")  # type: ignore[call-arg]


async def test_the_editor_changes_the_table_as_its_shorthands_do(people: Table[Person]) -> None:
    editor = people.schema_editor
    assert repr(editor) == "<SchemaEditor of person>"
    shorthands = {name for name in dir(editor) if not name.startswith("_")} - {"name"}
    for name in shorthands:
        of_table = inspect.signature(getattr(people, name)).replace(return_annotation=None)
        assert of_table == inspect.signature(getattr(editor, name)).replace(return_annotation=None), name
    table = await editor.add_column("city", str | None)
    assert isinstance(table, Table)
    assert (await table.insert(name="new", city="Bonn")).name == "new"
    assert (await table.schema_editor.rename("human")).name == "human"


async def test_a_change_is_part_of_the_transaction(db: Database, people: Table[Person]) -> None:
    before = await facts(db)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await people.insert(name="gone")
            await people.transform(types={"number": str}, drop="text")
            raise ZeroDivisionError
    assert await facts(db) == before
    assert await db.t.person.count() == 4


async def test_the_order_of_columns(db: Database, people: Table[Person]) -> None:
    if can(db).alters_in_place:
        with pytest.raises(InvalidOperationError, match="PostgreSQL cannot change the order"):
            await people.transform(column_order=["name"])
        return
    table = await people.transform(column_order=["name", "id"])
    assert table.columns == ("name", "id", "team_id", "text", "number")
    assert (await table[2]).name == "p1"


@pytest.mark.parametrize("name", ["we ird", 'qu"ote', "select", "semi;colon--", "ünï", "per%cent", "co:lon", "que?s"])
async def test_any_name_can_be_transformed(db: Database, people: Table[Person], name: str) -> None:
    table = await people.rename(name)
    table = await table.transform(rename={"text": name, "number": f"{name} 2"}, not_null="number")
    table = await table.transform(types={name: int}, defaults={f"{name} 2": 4})
    assert (await table.rows_as(dict).insert(name="x"))[f"{name} 2"] == 4
    copy = await table.duplicate(f"{name} copy")
    assert await copy.rows_as(dict)(order_by="id") == await table.rows_as(dict)(order_by="id")


# -- duplicate ---------------------------------------------------------------------------------


async def test_a_copy_has_rows_constraints_and_indexes(db: Database, people: Table[Person]) -> None:
    copy = await people.duplicate("before")
    assert await copy(order_by="id") == await people(order_by="id")
    assert copy.foreign_keys == people.foreign_keys
    assert [(index["columns"], index["unique"]) for index in copy.indexes] == [(["name"], False), (["team_id"], False)]
    assert (await copy.insert(name="x", team_id=1)).id == 5
    assert await people.count() == 4
    with pytest.raises(ForeignKeyViolationError):
        await copy.insert(name="x", team_id=9)
    for taken in ("before", "team"):
        with pytest.raises(SchemaError, match="exists"):
            await people.duplicate(taken)
    with pytest.raises(ValidationError):
        await people.duplicate("")


async def test_a_copy_of_a_table_that_refers_to_itself(db: Database) -> None:
    class Node:
        id: int
        parent: ForeignKey[int, "node"] | None
        doc: dict[str, Any]

    nodes = await db.create(Node)
    await nodes.insert_all([{"parent": None, "doc": {"a": [1]}}, {"parent": 1, "doc": {}}, {"parent": 2, "doc": {}}])
    await nodes.delete(3)
    copy = await nodes.duplicate("node2")
    assert copy.foreign_keys == [{"column": "parent", "references": "node2.id"}]
    assert (await copy[1])["doc"] == {"a": [1]}
    await nodes.delete_where(all=True)
    assert await copy.count() == 2


# -- create(transform=True) --------------------------------------------------------------------


async def test_a_table_follows_its_class(db: Database, people: Table[Person]) -> None:
    @dataclass
    class Person:
        id: int
        name: str
        number: float | None = None
        color: Color = Color.RED
        chief: ForeignKey[int, "person"] | None = None
        team_id: int | None = None

    before = await people(order_by="id")
    table = await db.create(Person, transform=True, indexes=["name", ("name", "number")])
    assert set((await facts(db))[0]) == {"id", "name", "team_id", "number", "color", "chief"} == set(table.columns)
    assert table.foreign_keys == [{"column": "chief", "references": "person.id"}]
    assert {index["name"] for index in table.indexes} == {
        "ix_person_chief_fk",
        "ix_person_name",
        "ix_person_name_number",
    }
    rows = await table(order_by="id")
    assert [(row.name, row.number, row.color) for row in rows] == [(row.name, row.number, Color.RED) for row in before]
    again = await db.create(Person, transform=True, indexes=["name", ("name", "number")])
    assert await again(order_by="id") == rows


async def test_a_table_that_is_not_there_is_made(db: Database) -> None:
    table = await db.create(Team, transform=True)
    assert await table.insert(code="x") == Team(1, "x")


async def test_values_are_never_dropped_by_a_class(db: Database, people: Table[Person]) -> None:
    class Person:
        id: int
        name: str

    with pytest.raises(InvalidOperationError, match=r"person\.team_id is not in Person, and rows have values in it"):
        await db.create(Person, transform=True)
    assert (await facts(db))[0] == ("id", "name", "team_id", "text", "number")

    class Must:
        id: int
        code: str
        extra: int

    with pytest.raises(DeeBaseError):
        await db.create(Must, name="team", transform=True)
    assert (await facts(db, "team"))[0] == ("id", "code")
    with pytest.raises(ValidationError):
        await db.create(Team, transform=True, replace=True)


async def test_several_tables_follow_their_classes(db: Database, people: Table[Person]) -> None:
    @dataclass
    class Club:
        id: int
        founder: ForeignKey[int, "person"] | None = None

    @dataclass
    class Member(Person):
        club_id: ForeignKey[int, "club"] | None = None

    before = await people(order_by="id")
    named = {Member: {"name": "person"}}
    clubs, persons = await db.create_all(Club, Member, transform=True, options=named)
    club = await clubs.insert(founder=1)
    await persons.update(pk=1, club_id=club.id)
    assert [row.name for row in await persons(order_by="id")] == [row.name for row in before]
    assert {key["references"] for key in persons.foreign_keys} == {"team.id", "club.id"}

    @dataclass
    class Player:
        id: int
        club_id: ForeignKey[int, "club"]

    class Other:
        id: int
        name: int
        team_id: ForeignKey[int, "team"] | None
        text: str | None
        number: int | None
        club_id: ForeignKey[int, "club"] | None

    with pytest.raises(DataError):
        await db.create_all(Player, Other, transform=True, options={Other: {"name": "person"}})
    assert (await facts(db))[0] == ("id", "name", "team_id", "text", "number", "club_id")
    await db.reflect()
    assert "player" not in db.t
    with pytest.raises(ValidationError, match="exclude each other"):
        await db.create_all(Club, Member, transform=True, if_not_exists=True, options=named)


async def test_a_row_that_the_changed_table_refuses_is_told_of_the_table(db: Database, people: Table[Person]) -> None:
    with pytest.raises(NotNullViolationError) as caught:
        await people.add_column("size", int)
    assert caught.value.table_name == "person"
    assert caught.value.message.startswith("person.size")
