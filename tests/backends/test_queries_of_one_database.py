"""Paths and groups over what only one of the databases has: schemas and infinity, or several stored forms."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from deebase import Database, ForeignKey, Table, UTCDateTime
from deebase._engine.core import core_of
from deebase.queries import count, max_, min_, month, sum_, year
from tests.support.capabilities import can


class City:
    id: int
    name: str


class Customer:
    id: int
    city_id: ForeignKey[int, "city"] | None


class Sale:
    id: int
    customer_id: ForeignKey[int, "customer"] | None
    text: str


async def make_sales(db: Database) -> Table[dict[str, object]]:
    """Create 4,000 sales to 400 customers in 40 cities, with statistics."""
    options = {Sale: {"search": ["text"]}}
    cities, customers, sales = await db.create_all(City, Customer, Sale, options=options)
    await cities.insert_all({"id": n, "name": f"city {n}"} for n in range(1, 41))
    await customers.insert_all({"id": n, "city_id": n % 40 + 1} for n in range(1, 401))
    await sales.insert_all({"id": n, "customer_id": n % 400 + 1, "text": f"word{n % 500} more"} for n in range(4_000))
    await db.q("ANALYZE")
    return sales


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_condition_by_path_and_a_search_begin_at_an_index(db: Database) -> None:
    sales = await make_sales(db)
    at_path = {"customer_id.city_id.name": "city 7"}
    city = sales.fk.customer_id.fk.city_id.c
    select = ["id", "customer_id.city_id.name"]
    for query in (
        sales(where=at_path, select=select),
        sales((city.name == "city 7") & (sales.c.id > 0), select=select),
        sales((city.name == "city 7") | (city.name.in_(["city 8"])), select=select),
        sales.xtra(text="word1 more")(where=at_path, select=select),
    ):
        with core_of(db).recording() as sent:
            await query
        assert " LEFT OUTER JOIN " not in sent[0]
        plan = await query.explain()
        # PostgreSQL may read all of the few customers.
        for scan in ("SCAN sale", "SCAN deebase_customer_id\n", "Seq Scan on sale"):
            assert scan not in f"{plan}\n"
    found = sales.search("word7", limit=20)
    async with db.transaction():
        if can(db).has_schemas:
            # It would rather read 4,000 rows, which are few.
            await db.q("SET LOCAL enable_seqscan = off")
        assert re.search("Index Scan on sale_search|SCAN sale_search VIRTUAL TABLE", await found.explain())
        assert len(await found) == 8


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
async def test_a_row_without_a_related_one_is_found_by_what_null_may_be(db: Database) -> None:
    sales = await make_sales(db)
    await sales.insert({"id": 9_000, "customer_id": None, "text": "alone"})
    customer = sales.fk.customer_id
    conditions = [
        customer.c.id.is_(None),
        (customer.c.id == -1) | (sales.c.text == "alone"),
        ~customer.c.id.in_([]) & (sales.c.text == "alone"),
        customer.fk.city_id.c.name.is_distinct_from("city 1") & (sales.c.text == "alone"),
    ]
    for condition in conditions:
        assert await sales(condition).scalars("id") == [9_000]
    assert await sales(where={"customer_id.id": [None, -1]}).scalars("id") == [9_000]
    for condition in (customer.c.id != 1, customer.c.id.not_in([1])):
        assert await sales.count(condition) == 3_990


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
