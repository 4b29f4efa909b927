"""A table that is read as Arrow and stored again is the same, and the same on both databases."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase import Database, Table, UTCDateTime
from deebase.types import Native
from tests.support.postgres import PostgresTestServer


class Color(Enum):
    RED = "red"
    ODD = "it's; \\ :odd ?"
    NONE = ""


class Everything:
    id: int
    n: int | None
    x: float | None
    flag: bool | None
    name: str | None
    raw: bytes | None
    price: Annotated[Decimal, Native("numeric(12,2)")] | None
    exact: Decimal | None
    day: date | None
    at: datetime | None
    utc: UTCDateTime | None
    clock: time | None
    span: timedelta | None
    uid: UUID | None
    color: Color | None
    doc: dict[str, Any] | None
    counts: Annotated[list[int], Native("bigint[]")] | None


texts = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
whole = st.integers(-(2**63), 2**63 - 1)
documents = st.recursive(st.none() | st.booleans() | st.integers(-9, 9) | texts, st.lists, max_leaves=4)
rows = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "n": whole,
            "x": st.floats(allow_nan=False).map(lambda value: value + 0.0),
            "flag": st.booleans(),
            "name": texts,
            "raw": st.binary(),
            "price": st.decimals(-(10**9), 10**9, places=2),
            "exact": st.decimals(-(10**15), 10**15, allow_nan=False, places=18),
            "day": st.dates(),
            "at": st.datetimes(),
            "utc": st.datetimes(timezones=st.just(UTC)),
            "clock": st.times(),
            "span": st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
            "uid": st.uuids(),
            "color": st.sampled_from(Color),
            "doc": st.dictionaries(texts, documents, max_size=2),
            "counts": st.lists(whole, max_size=3),
        },
    ),
    max_size=4,
)

Both = tuple[asyncio.Runner, list[tuple[Database, Table[Any]]]]


@pytest.fixture(scope="module")
def both(postgres_server: PostgresTestServer) -> Iterator[Both]:
    with postgres_server.fresh_database() as url, asyncio.Runner() as runner:
        opened: list[tuple[Database, Table[Any]]] = []
        for target in (":memory:", url):
            db = Database(target)
            opened.append((db, runner.run(_create(db))))
        yield runner, opened
        for db, _ in opened:
            runner.run(db.close())


async def _create(db: Database) -> Table[Any]:
    return await db.create(Everything)


async def _round_trip(table: Table[Any], given: list[dict[str, Any]]) -> list[Any]:
    await table.truncate()
    await table.insert_all([{"id": place, **row} for place, row in enumerate(given, 1)])
    query = table(order_by="id")
    stored, made = await query, await query.arrow()
    frame = await query.polars()
    for again in (made, frame):
        await table.truncate()
        await table.insert_all(again)
        assert await query == stored
    return [made.schema, _without_keys_order(made.to_pylist())]


def _without_keys_order(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # JSONB has the keys of an object in an order of its own.
    return [{**row, "doc": None if row["doc"] is None else sorted(row["doc"])} for row in rows]


@given(rows)
def test_what_is_read_as_arrow_is_stored_again_as_it_was(both: Both, given: list[dict[str, Any]]) -> None:
    runner, opened = both
    results = [runner.run(_round_trip(table, given)) for _, table in opened]
    assert results[0] == results[1]
