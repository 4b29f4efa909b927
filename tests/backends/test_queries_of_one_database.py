"""Paths and groups over what only one of the databases has: schemas and infinity, or several stored forms."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from deebase import Database, ForeignKey, UTCDateTime
from deebase.queries import count, max_, min_, month, sum_, year


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_paths_between_schemas(db: Database) -> None:
    await db.script(
        "CREATE SCHEMA shop; CREATE SCHEMA people;"
        "CREATE TABLE people.client (id bigint PRIMARY KEY, name text);"
        "CREATE TABLE shop.sale (id bigint PRIMARY KEY, name text, client_id bigint REFERENCES people.client)"
    )
    await db.reflect(schema="people")
    await db.reflect(schema="shop")
    sales, clients = db.t["shop.sale"], db.t["people.client"]
    await clients.insert_all([{"id": 1, "name": "Ada"}, {"id": 2, "name": "Bob"}])
    await sales.insert_all([{"id": n, "name": "x", "client_id": n % 2 + 1} for n in range(4)])
    client = sales.fk.client_id.c
    assert await sales(client.name == "Ada", select=["id", "client_id.name"], order_by="id") == [
        {"id": 0, "client_id.name": "Ada"},
        {"id": 2, "client_id.name": "Ada"},
    ]
    # Text names columns without their table, and cannot mean those of the other one.
    assert await sales.count("name = 'x' AND id > ?", [0], client.name == "Ada") == 1
    assert await sales.update_where({"name": "y"}, "name = 'x'", client.name == "Bob") == 2
    assert await sales.group("client_id.name", n=count(), where="name = 'y'") == [{"client_id.name": "Bob", "n": 2}]
    async with db.transaction():
        assert len(await sales("id >= 0", client.name == "Ada", for_update=True, skip_locked=True)) == 2


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_infinity_has_no_year(db: Database) -> None:
    class Event:
        id: int
        at: datetime | None
        utc: UTCDateTime | None

    events = await db.create(Event)
    await db.q("INSERT INTO event (at, utc) VALUES ('infinity', '-infinity'), ('2024-05-06', '2024-05-06 00:00Z')")
    rows = await events.group({"a": year("at"), "u": year("utc")}, n=count(), order_by="a")
    assert rows == [{"a": 2024, "u": 2024, "n": 1}, {"a": None, "u": None, "n": 1}]
    assert len(await events.values(month("at"))) == 2


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_values_of_several_forms_are_one_group(db: Database) -> None:
    class Visit:
        id: int
        price: Decimal
        day: date
        at: datetime
        utc: UTCDateTime

    class Note:
        id: int
        visit_id: ForeignKey[int, "visit"]

    visits = await db.create(Visit, indexes=["at"])
    notes = await db.create(Note)
    forms = [
        ("1.10", "2024-02-29", "2024-02-29 12:30:00.000000", "2024-02-29 12:30:00.000000"),
        ("1.1", "2024-02-29 00:00:00", "2024-02-29T12:30", "2024-02-29T13:30:00+01:00"),
        ("01.100", "2024-02-29", 1709209800, "2024-02-29 12:30:00Z"),
    ]
    for price, day, at, utc in forms:
        await db.q("INSERT INTO visit (price, day, at, utc) VALUES (?, ?, ?, ?)", [price, day, at, utc])
    await notes.insert_all([{"visit_id": n} for n in (1, 2, 3)])
    moment = datetime(2024, 2, 29, 12, 30)
    for name, value in (("price", Decimal("1.1")), ("day", date(2024, 2, 29)), ("at", moment)):
        assert await visits.values(name, counts=True) == {value: 3}
        assert await visits.count(distinct=name) == 1
        assert await notes.group(f"visit_id.{name}", n=count()) == [{f"visit_id.{name}": value, "n": 3}]
        assert await notes.count(**{f"visit_id.{name}": value}) == 3
        assert len(await visits(select=[name], distinct=True)) == 1
    assert await visits.group("utc", n=count()) == [{"utc": moment.replace(tzinfo=UTC), "n": 3}]
    assert await visits.group(month("at"), year("utc"), n=count(), total=sum_("price")) == [
        {"month": date(2024, 2, 1), "year": 2024, "n": 3, "total": Decimal("3.300")}
    ]
    assert await visits.group(a=min_("at"), b=max_("utc")) == [{"a": moment, "b": moment.replace(tzinfo=UTC)}]
    assert await visits.max("at") == moment
