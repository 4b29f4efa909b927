"""Comparing schemas by Alembic: without a second look at the database, in several threads, without side effects."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from deebase import Database
from deebase.migrations.compare.schema import Schema
from tests.support.migrations import compare, read

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)

#: With a key from "a" to "part" they are a cycle, which SQLAlchemy cannot sort.
_TABLES = """
    CREATE TABLE a (id integer PRIMARY KEY, b_id integer);
    CREATE TABLE b (id integer PRIMARY KEY, a_id integer REFERENCES a (id));
    CREATE TABLE part (
        id integer PRIMARY KEY, code varchar(9) NOT NULL UNIQUE, size integer DEFAULT 3 CHECK (size > 0),
        b_id integer REFERENCES b (id)
    );
    CREATE INDEX part_size ON part (size);
    CREATE VIEW sizes AS SELECT size FROM part;
"""


async def test_each_part_of_a_schema_is_compared_without_asking_the_database_again(db: Database) -> None:
    await db.script(_TABLES)
    before = await read(db)
    await db.script(
        "DROP VIEW sizes; DROP INDEX part_size; ALTER TABLE part ADD COLUMN more text;"
        "ALTER TABLE a ADD COLUMN part_id integer REFERENCES part (id); CREATE TABLE other (id integer PRIMARY KEY)"
    )
    assert sorted(map(str, (await compare(db, before)).differences())) == [
        "a.part_id: is not wanted",
        "a: should not have a foreign key of (part_id) to part (id)",
        "other: is a table that is not wanted",
        "part.more: is not wanted",
        "part: lacks the index part_size",
        "sizes: is a view that is missing",
    ]


async def test_two_threads_compare_at_once(db: Database, db_url: str) -> None:
    await db.script(_TABLES)
    schemas: list[Schema] = []
    for column in ("first", "second"):
        await db.script(f"ALTER TABLE part ADD COLUMN {column} text")
        schemas.append(await read(db))
        await db.script(f"ALTER TABLE part DROP COLUMN {column}")
    await db.script("ALTER TABLE a ADD COLUMN part_id integer REFERENCES part (id)")
    loop = asyncio.get_running_loop()
    with ThreadPoolExecutor(2) as threads:
        turns = [loop.run_in_executor(threads, asyncio.run, _compared(db_url, schema)) for schema in schemas]
        first, second = await asyncio.gather(*turns)
    surplus = ["a.part_id: is not wanted", "a: should not have a foreign key of (part_id) to part (id)"]
    assert first == [[*surplus, "part.first: is missing, text"]] * 5
    assert second == [[*surplus, "part.second: is missing, text"]] * 5


async def _compared(db_url: str, schema: Schema) -> Sequence[Sequence[str]]:
    async with Database(db_url) as own:
        return [sorted(str(found).lower() for found in (await compare(own, schema)).differences()) for _ in range(5)]


async def test_no_warning_is_raised_or_filtered(db: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    await db.script(_TABLES)
    await db.script("ALTER TABLE a ADD COLUMN part_id integer REFERENCES part (id)")
    before = await read(db)
    filters = list(warnings.filters)

    def refused(**options: object) -> None:
        raise AssertionError("the filters of warnings belong to the whole process")

    with monkeypatch.context() as patch:
        patch.setattr(warnings, "catch_warnings", refused)
        found = await compare(db, before)
    assert not list(found.differences())
    assert list(warnings.filters) == filters
