"""The verbs that clean up a table: files into a table or scope, columns into a lookup table, values by a function."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from deebase import (
    ColumnNotFoundError,
    Database,
    DeeBaseError,
    Index,
    IntegrityError,
    InvalidOperationError,
    NotNullViolationError,
    SchemaError,
    ScopeError,
    Text,
    ValidationError,
)
from deebase.fields import Computed
from deebase.types import ForeignKey


@dataclass
class Note:
    id: int | None
    tenant_id: int
    title: str
    n: int | None = None


# -- files -------------------------------------------------------------------------------------


async def test_a_file_goes_into_a_scope(db: Database) -> None:
    notes = await db.create(Note)
    mine = notes.xtra(tenant_id=7)
    returned = await mine.import_file(b"title,n\na,1\nb,2\n")
    assert [(row.tenant_id, row.title) for row in await returned(order_by="id")] == [(7, "a"), (7, "b")]
    await mine.import_file(b"title,tenant_id\nc,7\n")
    await mine.import_file(b'[{"title": "d"}, {"title": "e", "tenant_id": 7}]')
    assert await notes.count(tenant_id=7) == 5
    with pytest.raises(ScopeError, match=r"line 3: note\.tenant_id"):
        await mine.import_file(b"title,tenant_id\nf,7\ng,8\n")
    with pytest.raises(ScopeError, match=r"note\.tenant_id"):
        await mine.import_file(b"title\nf\n", extra={"tenant_id": 8})
    with pytest.raises(InvalidOperationError, match="scope"):
        await mine.import_file(b"title,x\nf,7\n", alter=True)
    assert await notes.count() == 5


async def test_extra_values_are_in_every_row(db: Database) -> None:
    notes = await db.create(Note)
    await notes.import_file([b"title\na\n", b"title,tenant_id\nb,1\n"], extra={"tenant_id": 1, "n": None})
    await notes.import_file(b'{"title": "c"}\n{"title": "d", "tenant_id": 1}\n', extra={"tenant_id": 1})
    assert await notes.values("tenant_id") == [1]
    before = await notes.count()
    with pytest.raises(ValidationError, match=r"line 3: note\.tenant_id: the file has another value"):
        await notes.import_file(b"title,tenant_id\nb,1\nc,2\n", extra={"tenant_id": 1})
    with pytest.raises(ValidationError, match=r"line 2: note\.tenant_id: the file has another value"):
        await notes.import_file(b'{"title": "c"}\n{"title": "d", "tenant_id": null}\n', extra={"tenant_id": 1})
    for extra in ({"tenant": 1}, {"n": "x"}, {"n": db.sql("1")}, 5):
        with pytest.raises(DeeBaseError):
            await notes.import_file(b"title\na\n", extra=extra)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="takes no delimeter"):
        await notes.import_file(b"title\na\n", delimeter=";")  # type: ignore[call-arg]
    assert await notes.count() == before


async def test_alter_adds_the_columns_that_are_missing(db: Database) -> None:
    notes = await db.create(Note)
    await notes.insert(tenant_id=1, title="old")
    reports: list[Any] = []
    notes = await notes.import_file(
        [b"title,day,price,zip\na,2024-02-29,1.10,007\n", b"title,zip,doc it\nb,,x\n"],
        extra={"tenant_id": 2, "source": "file", "more": Decimal("1.5")},
        alter=True,
        types={"price": Decimal},
        report=reports.append,
    )
    rows = await notes.rows_as(dict)(order_by="id")
    assert rows[1] == {
        "id": 2, "tenant_id": 2, "title": "a", "n": None, "day": date(2024, 2, 29), "price": Decimal("1.10"),
        "zip": "007", "doc it": None, "source": "file", "more": Decimal("1.5"),
    }  # fmt: skip
    assert rows[0]["day"] is None
    assert rows[2]["zip"] is None
    assert isinstance((await notes(limit=1))[0], Note)
    assert "the column is added" in str(reports[0])
    with pytest.raises(ValidationError, match="with its own type"):
        await notes.import_file(b"title\na\n", extra={"tenant_id": 1}, alter=True, types={"title": int})
    with pytest.raises(DeeBaseError):
        await notes.import_file(b"title,more2\na,1\n", alter=True)
    assert "more2" not in db.t["note"].columns
    again = await db.import_file(b"title,more2\na,1\n", "note", extra={"tenant_id": 1}, alter=True)
    assert "more2" in again.columns


async def test_a_new_table_gets_the_extra_columns(db: Database) -> None:
    table = await db.import_file(b"id,x\n1,2\n", "fresh", extra={"tenant_id": 3}, pk=["tenant_id", "id"])
    assert table.pks == ("tenant_id", "id")
    assert await table() == [{"id": 1, "x": 2, "tenant_id": 3}]
    with pytest.raises(ValidationError, match="NULL does not say"):
        await db.import_file(b"id,x\n1,2\n", "fresh2", extra={"tenant_id": None})


# -- convert -----------------------------------------------------------------------------------


class Level(Enum):
    LOW = "low"
    HIGH = "high"


@dataclass
class Person:
    id: int
    phone: str | None
    level: Level
    day: date | None
    tags: list[str]
    n: int
    twice: Annotated[int, Computed("n * 2")] = 0


async def people(db: Database, count: int = 3) -> Any:
    table = await db.create(Person)
    await table.insert_all(
        {
            "id": i,
            "phone": f" {i} " if i % 3 else None,
            "level": Level.LOW,
            "day": date(2024, 1, 1),
            "tags": ["a"],
            "n": i,
        }
        for i in range(1, count + 1)
    )
    return table


async def test_convert_writes_the_rows_that_change(db: Database) -> None:
    table = await people(db, 2500)
    seen: list[Any] = []

    def stripped(phone: str | None) -> str | None:
        seen.append(phone)
        return phone and phone.strip()

    assert await table.convert("phone", stripped) == 2500 - 833
    assert len(seen) == 2500
    assert seen[2] is None
    assert await table.convert("phone", stripped) == 0
    assert (await table[2500]).phone == "2500"
    assert await table.convert("phone", lambda _: None, where="id <= :n", params={"n": 2}) == 2
    assert await table.convert("level", lambda level: Level.HIGH, id=[1, 2]) == 2
    assert await table.convert("day", lambda day: day.replace(year=2000), table.c.id < 4) == 3
    row = await table[1]
    assert (row.phone, row.level, row.day) == (None, Level.HIGH, date(2000, 1, 1))


async def test_convert_takes_several_columns_and_values_that_change_in_place(db: Database) -> None:
    table = await people(db)

    def longer(tags: list[str]) -> list[str]:
        tags.append("b")
        return tags

    assert await table.convert("tags", longer) == 3
    assert (await table[1]).tags == ["a", "b"]
    assert await table.convert(["phone", "n"], lambda phone, n: (phone, n + (n == 2))) == 1
    assert [row.n for row in await table(order_by="id")] == [1, 3, 3]


async def test_convert_changes_all_or_nothing_and_names_the_row(db: Database) -> None:
    table = await people(db)
    before = await table(order_by="id")

    async def later(_: Any) -> None: ...

    def broken(n: int) -> int:
        return n + 1 if n < 3 else 1 // 0

    wrong: list[tuple[Any, Any, str]] = [
        ("n", broken, r"the row with id=3: person\.n: the function raised ZeroDivisionError"),
        ("phone", lambda phone: phone.strip(), r"id=3: person\.phone: the function raised AttributeError of NULL"),
        ("n", lambda n: "x" if n == 2 else n + 1, r"the row with id=2: .*\bn\b"),
        ("n", lambda n: None if n == 3 else 7, "the row with id=3"),
        ("n", later, "the function is async"),
        (["phone", "n"], lambda *_: 1, "did not return 2 values"),
        ("id", lambda i: i, "id is part of the key"),
        ("twice", lambda i: i, "twice is computed"),
        ("nn", lambda i: i, "no column 'nn'"),
        ("n", 5, "takes a function, not int"),
        ([], len, "one or more"),
        (["n", "n"], len, "different columns"),
        (5, len, "columns is the name"),
    ]
    for columns, function, message in wrong:
        with pytest.raises(DeeBaseError, match=message) as caught:
            await table.convert(columns, function)
        if function is broken:
            assert isinstance(caught.value.__cause__, ZeroDivisionError)
            assert isinstance(caught.value, ValidationError)
            assert caught.value.value == 3
        assert await table(order_by="id") == before


async def test_convert_of_a_composite_key_stays_within_the_scope(db: Database) -> None:
    class Part:
        owner: int
        name: str
        size: int

    parts = await db.create(Part, pk=["owner", "name"])
    await parts.insert_all({"owner": o, "name": f"{o}{n}", "size": n} for o in (1, 2) for n in range(3))
    mine = parts.xtra(owner=1)
    assert await mine.convert("size", lambda size: size + 10) == 3
    assert [row["size"] for row in await parts(order_by=["owner", "name"])] == [10, 11, 12, 0, 1, 2]
    with pytest.raises(ValidationError, match="owner=1") as caught:
        await mine.convert("size", lambda size: 1 // 0)
    assert caught.value.value == (1, "10")
    scoped = parts.xtra(size=0)
    with pytest.raises(ScopeError):
        await scoped.convert("size", lambda size: 5)


# -- extract -----------------------------------------------------------------------------------


class Home:
    id: int
    city: str | None
    country: Literal["de", "fr"] | None
    zip: Text


ROWS = [
    ("Köln", "de", "1"),
    ("Paris", "fr", "2"),
    ("Köln", "de", "3"),
    ("PARIS", "fr", "4"),
    (None, "fr", "5"),
    (None, None, "6"),
    ("", None, "7"),
    (None, "fr", "8"),
]


async def homes(db: Database, **options: Any) -> Any:
    table = await db.create(Home, **options)
    await table.insert_all({"city": city, "country": country, "zip": code} for city, country, code in ROWS)
    return table


async def restored(table: Any, places: Any, fk: str = "place_id") -> list[Any]:
    known = {row["id"]: (row["city"], row["country"]) for row in await places()}
    known[None] = (None, None)
    return [(*known[row[fk]], row["zip"]) for row in await table(order_by="id")]


async def test_extract_moves_columns_and_loses_nothing(db: Database) -> None:
    table = await homes(db, checks=["city <> 'x'"])
    table = await table.extract("city", "country", table="place", fk="place_id")
    places = db.t["place"]
    assert table.columns == ("id", "zip", "place_id")
    assert await restored(table, places) == ROWS
    assert await places.count() == 5
    assert (await table[6])["place_id"] is None
    assert [key["references"] for key in table.foreign_keys] == ["place.id"]
    assert any(index["columns"] == ["place_id"] for index in table.indexes)
    assert any(index["unique"] and index["columns"] == ["city", "country"] for index in places.indexes)
    with pytest.raises(IntegrityError):
        await db.q("INSERT INTO place (city, country) VALUES ('x', 'de')")
    with pytest.raises(DeeBaseError):
        await places.insert(city="y", country="it")
    assert (await table.fk.place_id(await table[1]))["city"] == "Köln"


async def test_extract_uses_a_lookup_table_that_exists(db: Database) -> None:
    class Place:
        id: int
        city: str | None
        country: str | None
        note: str | None

    places = await db.create(Place)
    await places.insert_all([{"city": "Köln", "country": "de", "note": "kept"}, {"city": None, "country": None}])
    table = await homes(db)
    table = await table.extract("city", "country", table="place")
    assert await restored(table, places) == ROWS
    assert (await table[1])["place_id"] == 1
    assert (await places[1])["note"] == "kept"
    assert (await table[6])["place_id"] is None
    assert await places.count() == 6


async def test_extract_keeps_not_null_and_composite_keys(db: Database) -> None:
    @dataclass
    class Visit:
        user: int
        day: date
        place_name: str
        size: Decimal

    table = await db.create(Visit, pk=["user", "day"])
    sizes = [Decimal("1.10"), Decimal("1.1"), Decimal("2")]
    await table.insert_all(Visit(n, date(2024, 1, 1 + n), "b" if n else "a", size) for n, size in enumerate(sizes))
    table = await table.extract("place_name", table='odd "name"; --', fk="the fk")
    with pytest.raises(NotNullViolationError):
        await table.insert({"user": 9, "day": date(2024, 1, 1), "size": Decimal(1)})
    table = await table.extract("size", table="sizes")
    assert sorted((row["size"] for row in await db.t["sizes"]()), key=str) == sorted(sizes, key=str)
    joined = await table(select={"name": "the fk.place_name", "size": "sizes_id.size"}, order_by="day")
    assert joined == [{"name": "b" if n else "a", "size": size} for n, size in enumerate(sizes)]
    assert [str(row["size"]) for row in joined] == [str(size) for size in sizes]


async def test_extract_refuses_what_it_cannot_keep(db: Database) -> None:
    class Country:
        id: int
        name: str

    @dataclass
    class Place:
        id: int | None
        city: str
        state: str
        country_id: ForeignKey[int, "country"]
        n: int = 0
        twice: Annotated[int, Computed("n * 2")] = 0

    countries = await db.create(Country)
    await countries.insert(name="de")
    table = await db.create(Place, indexes=["state", Index("ux_n", "n", unique=True)], search=["city"])
    await table.insert(city="a", state="b", country_id=1)
    await db.create_view("states", "SELECT state FROM place")
    wrong: list[tuple[tuple[Any, ...], dict[str, Any], type[DeeBaseError], str]] = [
        (("state",), {"table": "s"}, InvalidOperationError, "ix_place_state|states"),
        (("city",), {"table": "s"}, InvalidOperationError, "search"),
        (("n",), {"table": "s"}, InvalidOperationError, "ux_n|twice"),
        (("id",), {"table": "s"}, InvalidOperationError, "key"),
        (("country_id",), {"table": "s"}, InvalidOperationError, "refers to country"),
        (("twice",), {"table": "s"}, InvalidOperationError, "computed"),
        (("town",), {"table": "s"}, ColumnNotFoundError, "town"),
        ((), {"table": "s"}, ValidationError, "one or more"),
        (("n", "n"), {"table": "s"}, ValidationError, "different"),
        (("n",), {"table": ""}, ValidationError, "table is a name"),
        (("n",), {"table": "s", "fk": 5}, ValidationError, "fk is a name"),
        (("n",), {"table": "s", "fk": "city"}, SchemaError, "has a column 'city'"),
        (("n",), {"table": "place"}, InvalidOperationError, "into the table itself"),
        (("state",), {"table": "states"}, InvalidOperationError, "ix_place_state|states"),
    ]
    for columns, options, kind, message in wrong:
        with pytest.raises(kind, match=message):
            await table.extract(*columns, **options)
    with pytest.raises(InvalidOperationError, match="scope"):
        await table.xtra(n=0).extract("state", table="s")
    await table.drop_index("ix_place_state")
    await db.v["states"].drop()
    with pytest.raises(ColumnNotFoundError, match="country has no column 'state'"):
        await table.extract("state", table="country", fk="lookup_id")
    assert table.columns == ("id", "city", "state", "country_id", "n", "twice")
    assert "s" not in db.t
    again = await table.extract("state", table="s")
    assert (await again.search("a"))[0].row


async def test_extract_needs_keys_for_new_rows(db: Database) -> None:
    class Place:
        id: UUID
        city: str | None
        country: str | None

    places = await db.create(Place)
    table = await homes(db)
    with pytest.raises(InvalidOperationError, match="makes no keys"):
        await table.extract("city", "country", table="place")
    assert await table.count() == 8
    assert "city" in db.t["home"].columns
    combinations = {(city, country) for city, country, _ in ROWS}
    await places.insert_all({"id": UUID(int=n), "city": c, "country": d} for n, (c, d) in enumerate(combinations))
    table = await table.extract("city", "country", table="place")
    assert await restored(table, places) == ROWS


async def test_extract_is_undone_with_its_transaction(db: Database) -> None:
    table = await homes(db)
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await table.extract("city", "country", table="place")
            raise ZeroDivisionError
    assert "place" not in db.t
    assert "city" in db.t["home"].columns
    assert [(row["city"], row["country"], row["zip"]) for row in await db.t["home"](order_by="id")] == ROWS
