"""How SQLite finds the rows of a page."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from deebase import Database


@pytest.mark.parametrize("order", ["kind", "-kind", ["kind", "-id"]], ids=repr)
async def test_a_page_begins_inside_an_index(tmp_path: Path, caplog: pytest.LogCaptureFixture, order: Any) -> None:
    class Event:
        id: int
        kind: int

    async with Database(tmp_path / "test.db") as db:
        events = await db.create(Event, indexes=[("kind", "id")])
        await events.insert_all({"kind": n % 3} for n in range(300))
        page = await events.page(size=100, order_by=order)
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await events.page(size=10, order_by=order, after=page.next)
        sql = caplog.records[-1].getMessage()
        plan = await db.q(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?"))
    assert "SEARCH event USING" in plan[0]["detail"]


@pytest.mark.parametrize(
    "declared", ["INT", "REAL", "TEXT", "BOOLEAN", "DECIMAL TEXT", "UUID CHAR", "BLOB", "DURATION REAL"]
)
@pytest.mark.parametrize("sign", ["", "-"])
async def test_pages_walk_over_values_of_other_types(tmp_path: Path, declared: str, sign: str) -> None:
    async with Database(tmp_path / "test.db") as db:
        await db.q(f"CREATE TABLE event (id INTEGER PRIMARY KEY, n {declared})")
        await db.q("INSERT INTO event (n) VALUES (1), ('abc'), (1.5), (x'01'), (1e300), ('NaN'), (''), (NULL), (7)")
        await db.reflect()
        whole = [row["id"] for row in await db.t.event(order_by=[f"{sign}n", f"{sign}id"])]
        page = await db.t.event.page(size=1, order_by=f"{sign}n")
        walked = [page.rows[0]["id"]]
        while page.next is not None:
            page = await db.t.event.page(size=1, order_by=f"{sign}n", after=page.next)
            walked.append(page.rows[0]["id"])
            assert len(walked) < 20
    assert walked == whole
