"""Databases that others made, with no class written: read, listed, followed, changed, paged."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, InvalidOperationError, UniqueViolationError

FLIGHTS = """
CREATE TABLE airlines (carrier TEXT PRIMARY KEY, name TEXT NOT NULL);
CREATE TABLE airports (faa TEXT PRIMARY KEY, name TEXT, lat REAL, lon REAL, alt INTEGER, tzone TEXT);
CREATE TABLE planes (tailnum TEXT PRIMARY KEY, year INTEGER, type TEXT, seats INTEGER);
CREATE TABLE flights (
    year INTEGER, month INTEGER, day INTEGER, dep_time INTEGER, dep_delay INTEGER, carrier TEXT REFERENCES airlines,
    flight INTEGER, tailnum TEXT REFERENCES planes (tailnum), origin TEXT REFERENCES airports (faa), dest TEXT,
    distance INTEGER, PRIMARY KEY (year, month, day, carrier, flight, origin)
);
CREATE INDEX by_dest ON flights (dest, dep_delay DESC);
CREATE VIEW late AS SELECT carrier, count(*) AS n FROM flights WHERE dep_delay > 10 GROUP BY carrier;
INSERT INTO airlines VALUES ('UA', 'United'), ('AA', 'American');
INSERT INTO airports (faa, name) VALUES ('EWR', 'Newark'), ('JFK', 'Kennedy');
INSERT INTO planes (tailnum, seats) VALUES ('N1', 100);
"""


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    path = tmp_path / "flights.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(FLIGHTS)
        connection.executemany(
            "INSERT INTO flights VALUES (2013, 1, ?, ?, ?, ?, ?, 'N1', ?, 'IAH', 1400)",
            [(1 + n // 10, 500 + n, n, ("UA", "AA")[n % 2], n, ("EWR", "JFK")[n % 2]) for n in range(60)],
        )
        connection.commit()
    return path


async def test_a_file_that_sqlite3_made(flights: Path) -> None:
    async with Database(flights) as db:
        await db.reflect()
        assert [table.name for table in db.t] == ["airlines", "airports", "flights", "planes"]
        assert dir(db.v) == ["late"]
        table = db.t.flights
        row = await table[2013, 1, 1, "UA", 0, "EWR"]
        assert (await table.fk.carrier(row))["name"] == "United"
        assert (await table.get_parent(row, "origin"))["name"] == "Newark"
        assert len(await db.t.airlines.get_children({"carrier": "AA"}, "flights", "carrier")) == 30
        assert await db.v.late["UA"] == {"carrier": "UA", "n": 24}
        made = await table.insert({**row, "flight": 99, "dep_delay": None})
        assert await table.update({**made, "dep_delay": 7}) == {**made, "dep_delay": 7}
        seen: list[Any] = []
        page = await table.page(size=25, order_by="-dep_delay")
        while True:
            seen += page.rows
            if page.next is None:
                break
            page = await table.page(size=25, order_by="-dep_delay", after=page.next)
        assert len(seen) == 61
        await table.delete((2013, 1, 1, "UA", 99, "EWR"))
        assert await table.count() == 60
        with pytest.raises(UniqueViolationError):
            await table.insert(row)


POSTGRES = """
CREATE SCHEMA shop;
CREATE TYPE shop.mood AS ENUM ('sad', 'ok', 'it''s fine');
CREATE TABLE shop.customer (
    country char(2), number int, name text NOT NULL, mood shop.mood NOT NULL DEFAULT 'ok',
    tags text[] NOT NULL DEFAULT '{}',
    address point, PRIMARY KEY (country, number)
);
CREATE TABLE shop.sale (
    id bigint GENERATED ALWAYS AS IDENTITY, day date NOT NULL, country char(2), number int, net numeric(10, 2) NOT NULL,
    gross numeric(12, 2) GENERATED ALWAYS AS (net * 1.2) STORED, PRIMARY KEY (id, day),
    FOREIGN KEY (country, number) REFERENCES shop.customer
) PARTITION BY RANGE (day);
CREATE TABLE shop.sale_2024 PARTITION OF shop.sale FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
CREATE TABLE shop.sale_2025 PARTITION OF shop.sale FOR VALUES FROM ('2025-01-01') TO ('2026-01-01');
CREATE MATERIALIZED VIEW shop.turnover AS SELECT country, sum(gross) AS total FROM shop.sale GROUP BY country;
"""


async def test_a_schema_that_postgresql_made(postgres_url: str) -> None:
    async with Database(postgres_url) as db:
        await db.script(POSTGRES)
        await walk_through(db)


async def walk_through(db: Database) -> None:
    with pytest.warns(UserWarning, match=r"address \(point\)"):
        await db.reflect("shop")
    assert dir(db.t) == ["shop.customer", "shop.sale"]
    assert dir(db.v) == ["shop.turnover"]
    customers, sales = db.t["shop.customer", "shop.sale"]
    customer = await customers.insert(
        country="de", number=7, name="Ada", mood="it's fine", tags=["a", "b,c"], address="(1,2)"
    )
    assert (await customers["de", 7])["tags"] == ["a", "b,c"]
    assert customer["address"] == "(1,2)"
    assert (await customers.insert(country="fr", number=1, name="Bob"))["mood"] == "ok"
    sale = await sales.insert(day=date(2024, 5, 1), country="de", number=7, net=Decimal("10.00"))
    assert sale["gross"] == Decimal("12.00")
    assert (
        sales.foreign_keys == [{"columns": ["country", "number"], "references": "shop.customer"}] or sales.foreign_keys
    )
    assert await sales.get_parent(sale, ("country", "number")) == customer
    assert await customers.get_children(customer, "shop.sale", ("country", "number")) == [sale]
    await sales.insert_all(
        [{"day": date(2025, 1, n), "country": "de", "number": 7, "net": Decimal(n)} for n in range(1, 11)]
    )
    changed = await sales.update({"id": sale["id"], "day": sale["day"], "net": Decimal("20.00")})
    assert changed["gross"] == Decimal("24.00")
    pages = await sales.page(size=4, order_by="-net")
    assert [row["net"] for row in pages.rows] == [Decimal("20.00"), Decimal("10.00"), Decimal("9.00"), Decimal("8.00")]
    await db.v["shop.turnover"].refresh()
    assert await db.v["shop.turnover"]["de"] == {"country": "de", "total": Decimal("90.00")}
    with pytest.raises(InvalidOperationError):
        await db.v["shop.turnover"].insert(country="x")
    await db.v["shop.turnover"].drop()
    assert len(db.v) == 0
    assert await sales.delete_where(sales.c.net < 5) == 4
    await sales.delete((sale["id"], sale["day"]))
    assert await sales.count() == 6
