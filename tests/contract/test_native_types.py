"""MaxLength and Native: annotations that name the length of a text, and the declared type of a column."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

import pytest

from deebase import Database, MaxLength, Native, Text, UnsupportedTypeError, ValidationError
from tests.support.capabilities import can


class Track:
    id: Annotated[int, Native("integer")]
    name: Annotated[str, MaxLength(5)]
    title: Annotated[str, MaxLength(8), Native("char(8)", sqlite="NVARCHAR(8)")] = ""
    seconds: Annotated[int, Native("smallint", sqlite="INT")] = 0
    price: Annotated[Decimal, Native("numeric(5,2)")] = Decimal("1.50")
    tags: Annotated[list[str], Native("varchar(9)[]")] | None = None
    marks: Annotated[list[Decimal], Native("numeric[]")] | None = None


async def types_of(db: Database, table: str) -> dict[str, str]:
    if can(db).checks_types:
        sql = """SELECT attname AS name, format_type(atttypid, atttypmod) AS type
                 FROM pg_attribute WHERE attrelid = CAST(? AS regclass) AND attnum > 0 ORDER BY attnum"""
    else:
        sql = "SELECT name, type FROM pragma_table_info(?)"
    return {row["name"]: row["type"] for row in await db.q(sql, [table])}


async def test_create_declares_what_the_annotations_say(db: Database) -> None:
    await db.create(Track)
    if can(db).checks_types:
        expected = ["integer", "character varying(5)", "character(8)", "smallint", "numeric(5,2)"]
        expected += ["character varying(9)[]", "numeric[]"]
    else:
        expected = ["INTEGER", "VARCHAR(5)", "NVARCHAR(8)", "INT", "DECIMAL TEXT", "JSON", "JSON"]
    assert list((await types_of(db, "track")).values()) == expected


async def test_values_are_those_of_the_python_type(db: Database) -> None:
    tracks = await db.create(Track)
    row = await tracks.insert(name="äöüßé", title="abcdefgh", tags=["a", "b"], marks=[Decimal("1.50"), None])
    assert row == {
        "id": 1,
        "name": "äöüßé",
        "title": "abcdefgh",
        "seconds": 0,
        "price": Decimal("1.50"),
        "tags": ["a", "b"],
        "marks": [Decimal("1.50"), None],
    }
    assert await tracks[1] == row == await tracks.update(row)
    assert await tracks.insert_all([{**row, "id": 2}, {**row, "id": 3}]) == 2
    assert await tracks.count(tags=["a", "b"]) == await tracks.count(name="äöüßé") == 3


async def test_a_longer_text_is_refused_when_it_is_written(db: Database) -> None:
    tracks = await db.create(Track)
    await tracks.insert(name="short")
    message = r"track\.name: holds at most 5 characters, and this text has 6"
    writes: list[Callable[[], Awaitable[Any]]] = [
        lambda: tracks.insert(name="longer"),
        lambda: tracks.insert_all([{"name": "short"}, {"name": "longer"}]),
        lambda: tracks.update({"id": 1, "name": "longer"}),
        lambda: tracks.update_all([{"id": 1, "name": "longer"}]),
        lambda: tracks.update_where({"name": "longer"}, id=1),
        lambda: tracks.upsert({"id": 1, "name": "longer"}),
    ]
    for write in writes:
        with pytest.raises(ValidationError, match=message) as caught:
            await write()
        assert caught.value.field == "name"
    # A condition compares with any text.
    assert await tracks(name="longer") == await tracks(tracks.c.name == "longer") == []
    assert await tracks.count(name=["longer", "short"]) == 1


async def test_rows_with_longer_texts_are_read_and_saved(db: Database) -> None:
    if can(db).checks_types:
        # PostgreSQL never stores a longer text: ALTER TABLE refuses a shorter length while such a row exists.
        await db.q("CREATE TABLE track (id bigint PRIMARY KEY, name varchar(9))")
    else:
        await db.q("CREATE TABLE track (id INTEGER PRIMARY KEY, name VARCHAR(5))")
    await db.q("INSERT INTO track VALUES (1, 'much more')")

    class Short:
        id: int
        name: Annotated[str, MaxLength(9 if can(db).checks_types else 5)] | None

    tracks = await db.create(Short, name="track", if_not_exists=True)
    row = await tracks[1]
    assert row["name"] == "much more"
    assert await tracks.update(row) == row


async def test_numbers_beyond_the_declared_type_are_refused(db: Database) -> None:
    tracks = await db.create(Track)
    if not can(db).checks_types:
        # An integer of SQLite has 64 bits, and a decimal all of its digits.
        row = await tracks.insert(name="a", seconds=2**40, price=Decimal("123456.789"))
        assert (row["seconds"], row["price"]) == (2**40, Decimal("123456.789"))
        return
    for values, message in (
        ({"id": 2**31}, r"track\.id: holds integers of 32 bits"),
        ({"seconds": 2**15}, r"track\.seconds: holds integers of 16 bits"),
        ({"price": Decimal("1.234")}, r"track\.price: holds 2 digits after the point"),
        ({"price": Decimal(1000)}, r"track\.price: holds 3 digits before the point"),
    ):
        with pytest.raises(ValidationError, match=message):
            await tracks.insert(name="a", **values)
        with pytest.raises(ValidationError, match=message):
            await tracks.insert_all([{"name": "a", **values}])
    assert await tracks.count(tracks.c.price < Decimal("1.234")) == 0


async def test_transform_changes_a_length_and_a_size(db: Database) -> None:
    class First:
        id: int
        name: Annotated[str, MaxLength(5)]
        size: Annotated[int, Native("integer", sqlite="INT")]

    class Second:
        id: int
        name: Annotated[str, MaxLength(80)]
        size: int

    table = await db.create(First, name="t")
    await table.insert(name="a", size=1)
    with pytest.warns(UserWarning, match="name is .*5.*, the class says .*80.*; size is") as caught:
        await db.create(Second, name="t", if_not_exists=True)
    assert len(caught) == 1
    await db.create(Second, name="t", transform=True)
    size = "bigint" if can(db).checks_types else "INTEGER"
    length = "character varying(80)" if can(db).checks_types else "VARCHAR(80)"
    assert await types_of(db, "t") == {"id": size, "name": length, "size": size}
    assert await db.t.t() == [{"id": 1, "name": "a", "size": 1}]


async def test_an_enum_of_the_database_has_the_members_of_its_class(db: Database) -> None:
    class Mood(Enum):
        SAD = "sad"
        OK = "ok"

    class Person:
        id: int
        mood: Annotated[Mood, Native("mood")] = Mood.OK

    if can(db).checks_types:
        await db.q("CREATE TYPE mood AS ENUM ('sad', 'ok')")
    people = await db.create(Person)
    assert (await people.insert({}))["mood"] is Mood.OK
    assert (await people.insert(mood=Mood.SAD))["mood"] is Mood.SAD
    assert await people(mood=Mood.SAD) == await people(people.c.mood == Mood.SAD) == [{"id": 2, "mood": Mood.SAD}]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Native(),
        lambda: Native(""),
        lambda: Native("int); DROP TABLE t; --"),
        lambda: Native("integer, more text"),
        lambda: Native(sqlite="TEXT)"),
        lambda: Native(sqlite="TEXT, x INT"),
        lambda: Native(5),
        lambda: MaxLength(0),
        lambda: MaxLength(True),
        lambda: MaxLength("5"),
    ],
)
def test_marks_that_are_no_type_are_refused(make: Any) -> None:
    with pytest.raises(ValidationError):
        make()


async def test_a_length_is_for_a_str(db: Database) -> None:
    class Wrong:
        id: int
        n: Annotated[int, MaxLength(5)]

    class WrongText:
        id: int
        n: Annotated[Text, MaxLength(5)]

    for cls in (Wrong, WrongText):
        with pytest.raises(UnsupportedTypeError, match=r"n: MaxLength is for a str"):
            await db.create(cls)
