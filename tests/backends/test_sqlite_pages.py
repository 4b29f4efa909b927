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
