"""The SQL that one Database sends is recorded; that of others in the process is not."""

from __future__ import annotations

import logging

from deebase import Database
from deebase._engine.core import core_of
from deebase.cli.recording import rehearsed


async def test_the_statements_of_one_database_are_recorded(db: Database, db_url: str) -> None:
    async with Database(db_url) as other:
        with core_of(db).recording() as statements:
            await db.q("SELECT 1")
            await other.q("SELECT 2")
            async with db.transaction():
                await db.q("SELECT 3")
        await db.q("SELECT 4")
    assert statements == ["SELECT 1", "SELECT 3"]


async def test_recordings_may_overlap(db: Database) -> None:
    core = core_of(db)
    with core.recording() as outer, core.recording() as inner:
        await db.q("SELECT 1")
    assert outer == inner == ["SELECT 1"]


async def test_a_dry_run_leaves_the_log_as_it_is_and_shows_its_own_database_alone(db: Database) -> None:
    level = logging.getLogger("deebase.sql").level

    async with Database(":memory:") as other:

        async def work() -> int:
            await other.script("CREATE TABLE two (id INTEGER)")
            await db.script("CREATE TABLE one (id INTEGER PRIMARY KEY)")
            return logging.getLogger("deebase.sql").level

        statements, seen = await rehearsed(db, work())
    assert statements == ["CREATE TABLE one (id INTEGER PRIMARY KEY)"]
    assert seen == level
