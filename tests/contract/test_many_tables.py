"""Schemas of many tables: of more than a hundred, Alembic asks other questions; changes ask few for each table."""

from __future__ import annotations

import logging
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, ForeignKey
from deebase.migrations import Migrator
from tests.support.migrations import compare, read

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)


async def make(db: Database, count: int) -> None:
    await db.script("".join(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, name TEXT NOT NULL);" for n in range(count)))


async def test_150_tables_are_compared(db: Database) -> None:
    await make(db, 150)
    before = await read(db)
    assert not list((await compare(db, before)).differences())
    await db.script("ALTER TABLE t149 ADD COLUMN more TEXT; DROP TABLE t148")
    assert len(list((await compare(db, before)).differences())) == 2


async def test_101_tables_are_a_baseline_and_drift(db: Database, tmp_path: Path) -> None:
    await make(db, 101)
    migrator = Migrator(db, tmp_path / "migrations")
    assert len(await migrator.drift()) == 101
    assert await migrator.baseline() == "0001-baseline"


# -- statements per table -------------------------------------------------------------------------

MANY = 60


def classes(**more: Any) -> list[type]:
    """Return classes that refer to one another, with further columns."""
    made: list[type] = []
    for n in range(MANY):
        annotations: dict[str, Any] = {"id": int, "name": str}
        if n:
            annotations["parent_id"] = ForeignKey[int, f"c{n - 1}"]
        made.append(type(f"C{n}", (), {"__annotations__": {**annotations, **more}}))
    return made


async def counted(caplog: pytest.LogCaptureFixture, work: Awaitable[object]) -> int:
    """Return how many statements were sent, by the log of the library."""
    caplog.clear()
    with caplog.at_level(logging.DEBUG, logger="deebase.sql"):
        await work
    return len(caplog.records)


async def test_unchanged_tables_are_matched_with_few_statements(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    await db.create_all(*classes())
    assert await counted(caplog, db.create_all(*classes(), transform=True)) <= MANY


async def test_changed_tables_are_matched_with_ten_statements_each(
    db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    await db.create_all(*classes())
    count = await counted(caplog, db.create_all(*classes(city=str | None, size=float | None), transform=True))
    assert count <= 10 * MANY
    assert [column.name for column in db.t["c59"].c] == ["id", "name", "parent_id", "city", "size"]


async def test_new_tables_are_matched_with_ten_statements_each(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    assert await counted(caplog, db.create_all(*classes(), transform=True)) <= 10 * MANY


async def test_a_change_reads_the_table_and_its_neighbours(db: Database, caplog: pytest.LogCaptureFixture) -> None:
    await db.create_all(*classes())
    with caplog.at_level(logging.DEBUG, logger="deebase.sql"):
        table = await db.t["c30"].add_column("city", str | None)
        assert "city" in table.c
        read = [record for record in caplog.records if "c30" in record.getMessage()]
    assert len(caplog.records) <= 20
    assert read
