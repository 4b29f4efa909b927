"""What an extension makes is not part of the user's schema (PostgreSQL)."""

from __future__ import annotations

from pathlib import Path

import pytest

from deebase import Database
from deebase.migrations import Migrator
from deebase.tools.copying import copy_database
from tests.support.postgres import PostgresTestServer
from tests.support.worlds import only_on

#: Extensions that make tables or views, types, functions and sequences.
EXTENSIONS = ["pg_stat_statements", "pg_buffercache", "citext", "hstore", "ltree", "seg"]


#: One database alone has extensions.
backend_name = only_on("postgres")


@pytest.fixture
async def extended(db: Database) -> Database:
    for name in EXTENSIONS:
        await db.q(f"CREATE EXTENSION {name}")
    await db.q("CREATE SCHEMA parts")
    await db.q("CREATE EXTENSION tablefunc SCHEMA parts")
    await db.script(
        "CREATE TABLE word (id integer PRIMARY KEY, name text); CREATE VIEW named AS SELECT name FROM word; "
        "CREATE TYPE mood AS ENUM ('fine', 'sad')"
    )
    return db


async def test_reflection_leaves_it_out(extended: Database) -> None:
    await extended.reflect()
    assert dir(extended.t) == ["word"]
    assert dir(extended.v) == ["named"]


async def test_migrations_create_the_extensions_and_leave_out_what_they_make(
    extended: Database, tmp_path: Path
) -> None:
    await extended.q("ALTER TABLE word ADD COLUMN folded citext")
    migrator = Migrator(extended, tmp_path / "migrations")
    await migrator.baseline()
    text = next((tmp_path / "migrations").glob("*.py")).read_text()
    upgrade, downgrade = text.split("async def downgrade")
    for name in [*EXTENSIONS, "tablefunc"]:
        assert f"CREATE EXTENSION IF NOT EXISTS {name}" in upgrade
        assert f"DROP EXTENSION {name}" in downgrade
    assert "FUNCTION" not in text
    assert await migrator.drift() == []
    assert await migrator.check() == []
    # What a database has besides may be there for every database of the server.
    await extended.q("CREATE EXTENSION unaccent")
    assert await migrator.drift() == []
    await extended.q("DROP EXTENSION pg_buffercache")
    assert [str(found) for found in await migrator.drift()] == ["pg_buffercache: is an extension that is missing"]


async def test_a_migration_may_create_an_extension(db: Database, tmp_path: Path) -> None:
    migrations = tmp_path / "migrations"
    migrator = Migrator(db, migrations)
    migrations.mkdir()
    (migrations / "0001-words.sql").write_text(
        "-- upgrade\nCREATE EXTENSION citext;\nCREATE TABLE word (id integer PRIMARY KEY, name citext);\n"
        "-- downgrade\nDROP TABLE word;\nDROP EXTENSION citext;\n"
    )
    await migrator.seal("0001-words")
    await migrator.up()
    assert await migrator.drift() == []
    assert await migrator.check() == []


async def test_a_copy_leaves_it_out(extended: Database, postgres_server: PostgresTestServer, tmp_path: Path) -> None:
    await extended.q("INSERT INTO word VALUES (1, 'a')")
    async with Database(tmp_path / "copy.db") as target:
        report = await copy_database(extended, target)
        await target.reflect()
        assert dir(target.t) == ["word"]
        assert dir(target.v) == ["named"]
    assert "pg_stat_statements" not in repr(report)
