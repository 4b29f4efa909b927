"""How SQLite finds the rows of a page, and those of several keys."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import pytest

from deebase import Database


@pytest.mark.parametrize("order", ["kind", "-kind", ["kind", "-id"], "rank", "-rank", ["rank", "-id"]], ids=repr)
async def test_a_page_begins_inside_an_index(tmp_path: Path, caplog: pytest.LogCaptureFixture, order: Any) -> None:
    class Event:
        id: int
        kind: int
        rank: int | None

    async with Database(tmp_path / "test.db") as db:
        events = await db.create(Event, indexes=[("kind", "id"), ("rank", "id")])
        await events.insert_all({"kind": n % 3, "rank": n % 3 or None} for n in range(300))
        page = await events.page(size=100, order_by=order)
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await events.page(size=10, order_by=order, after=page.next)
        sql = caplog.records[-1].getMessage()
        plan = await db.q(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?"))
    reads = [step["detail"] for step in plan if " event" in step["detail"]]
    assert reads
    assert [read for read in reads if not read.startswith("SEARCH event USING")] == []


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


async def test_a_scope_is_not_read_for_a_few_keys(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    class Note:
        id: int
        owner: int
        code: str

    async with Database(tmp_path / "test.db") as db:
        notes = await db.create(Note, indexes=["owner"])
        await notes.insert_all({"owner": 7, "code": f"c{n}"} for n in range(300))
        mine = notes.xtra(owner=7)
        caplog.set_level(logging.DEBUG, logger="deebase.sql")
        await asyncio.gather(*(mine.get(n) for n in range(1, 30)))
        await mine.delete_all(range(1, 9))
        sent = [sql for record in caplog.records if "WHERE" in (sql := record.getMessage())]
        assert len(sent) > 2
        for sql in sent:
            (step,) = await db.q(f"EXPLAIN QUERY PLAN {sql}", [1] * sql.count("?"))
            assert step["detail"].endswith("USING INTEGER PRIMARY KEY (rowid=?)")
