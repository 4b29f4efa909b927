"""Schemas of many tables: of more than a hundred, Alembic asks other questions; changes ask few for each table."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from deebase import Database, ForeignKey
from deebase.migrations import Migrator
from tests.support.migrations import compare, read

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)


async def make(db: Database, count: int) -> None:
    await db.script("".join(f"CREATE TABLE t{n} (id INTEGER PRIMARY KEY, name TEXT NOT NULL);" for n in range(count)))


@pytest.mark.on_a_file
async def test_150_tables_are_compared(db: Database) -> None:
    await make(db, 150)
    before = await read(db)
    assert not list((await compare(db, before)).differences())
    await db.script("ALTER TABLE t149 ADD COLUMN more TEXT; DROP TABLE t148")
    assert len(list((await compare(db, before)).differences())) == 2


@pytest.mark.on_a_file
async def test_101_tables_are_a_baseline_and_drift(db: Database, tmp_path: Path) -> None:
    await make(db, 101)
    migrator = Migrator(db, tmp_path / "migrations")
    assert len(await migrator.drift()) == 101
    assert await migrator.baseline() == "0001-baseline"


# -- statements per table -------------------------------------------------------------------------

MANY = 60


def classes(count: int = MANY, **more: Any) -> list[type]:
    """Return classes each of which refers to the one before, with further columns."""
    made: list[type] = []
    for n in range(count):
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


@pytest.mark.on_a_file
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


# -- growth ---------------------------------------------------------------------------------------


@contextmanager
def functions_counted() -> Iterator[list[int]]:
    """Count the Python functions that are called in the thread of the test."""
    counts = [0]

    def profile(_frame: FrameType, event: str, _: object) -> None:
        if event == "call":
            counts[0] += 1

    sys.setprofile(profile)
    try:
        yield counts
    finally:
        sys.setprofile(None)


async def change_one(db: Database) -> None:
    """Change one table of a chain in several ways, alone and inside of a transaction."""
    await db.t["c5"].add_column("city", str | None)
    await db.t["c5"].transform(rename={"city": "town"}, not_null={"name": False})
    async with db.transaction():
        await db.t["c5"].transform(drop={"town"})
        await db.t["c5"].rename("other")
        assert db.t["c6"].c.parent_id is not None
    await db.t["other"].rename("c5")
    await db.create(type("Extra", (), {"__annotations__": {"id": int, "c_id": ForeignKey[int, "c5"]}}))
    await db.t["extra"].duplicate("more")
    await db.t["more"].drop()
    await db.create_view("extra_names", "SELECT id FROM extra")
    await db.v["extra_names"].drop()
    await db.t["extra"].drop()


async def work_for(url: str, count: int, caplog: pytest.LogCaptureFixture) -> dict[str, tuple[int, int]]:
    """Return the statements and function calls of work on a schema with this number of tables."""
    costs: dict[str, tuple[int, int]] = {}

    async def measure(name: str, work: Callable[[], Awaitable[object]]) -> None:
        caplog.clear()
        with functions_counted() as calls, caplog.at_level(logging.DEBUG, logger="deebase.sql"):
            await work()
        costs[name] = len(caplog.records), calls[0]

    async with Database(url) as db:
        await db.q("SELECT 1")
        await measure("create_all", lambda: db.create_all(*classes(count)))
        await measure("unchanged", lambda: db.create_all(*classes(count), transform=True))
        await measure("changed", lambda: db.create_all(*classes(count, city=str | None), transform=True))
        await measure("dropped", lambda: db.create_all(*classes(count), transform=True))
    async with Database(url) as db:
        await db.q("SELECT 1")
        await measure("reflect", db.reflect)
        await measure("built", lambda: all_built(db))
        await measure("one changed", lambda: change_one(db))
        await db.script("".join(f"DROP TABLE c{n};" for n in reversed(range(count))))
    return costs


async def all_built(db: Database) -> None:
    assert all(table.columns for table in db.t)


@pytest.mark.on_a_file
async def test_work_on_a_schema_grows_with_it_and_work_on_a_table_does_not(
    db: Database, db_url: str, caplog: pytest.LogCaptureFixture, long_run: bool
) -> None:
    few, many = (20, 200) if long_run else (12, 36)
    await work_for(db_url, few, caplog)
    small, large = await work_for(db_url, few, caplog), await work_for(db_url, many, caplog)
    growth = many / few
    for name, (statements, calls) in small.items():
        # All that is the same for any number of tables makes the growth smaller.
        most = 1.05 if name == "one changed" else growth
        assert large[name][0] <= statements * most, (name, small[name], large[name])
        # Dictionaries and caches that fill up need some more now and then.
        assert large[name][1] <= calls * most * 1.08, (name, small[name], large[name])
