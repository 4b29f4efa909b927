"""Schemas of more than a hundred tables, which Alembic asks other questions about."""

from __future__ import annotations

from pathlib import Path

import pytest

from deebase import Database
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
