"""The script of a SQLite schema creates the same schema in another file."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deebase import Database
from deebase._backends.schema_script import SchemaScript
from deebase.tools.access import tools_of

SCHEMA = """
    PRAGMA user_version = 7;
    PRAGMA application_id = 1196444487;
    CREATE TABLE "order by" (a INTEGER PRIMARY KEY AUTOINCREMENT, [b c] TEXT COLLATE NOCASE DEFAULT NULL,
        `d` VARCHAR(5) CHECK (`d` <> "x") /* of a customer */, e UNIQUE ON CONFLICT IGNORE) -- not stored
    ;
    CREATE TABLE pairs (a TEXT, b INT, c TEXT AS (a || b) STORED, PRIMARY KEY (a, b DESC)) STRICT, WITHOUT ROWID;
    CREATE TABLE child (p INTEGER PRIMARY KEY REFERENCES missing DEFERRABLE INITIALLY DEFERRED);
    CREATE VIEW early AS SELECT * FROM later;
    CREATE VIEW later AS SELECT a FROM pairs;
    CREATE TRIGGER writes INSTEAD OF INSERT ON early BEGIN SELECT no_such_function(1); END;
    CREATE UNIQUE INDEX once ON pairs (b COLLATE RTRIM DESC) WHERE a > 'x';
    CREATE INDEX long ON "order by" (length("b c"), e DESC);
    CREATE TRIGGER after_one AFTER INSERT ON child BEGIN DELETE FROM child; END;
    CREATE VIRTUAL TABLE words USING fts4(content="later");
    CREATE VIRTUAL TABLE places USING rtree(id, x0, x1);
    CREATE TABLE made AS SELECT 1 AS one, 'x' AS "two words";
    ALTER TABLE made ADD COLUMN three DEFAULT -3;
    ALTER TABLE child RENAME TO "grand child";
"""


async def script_of(path: Path, **options: Any) -> SchemaScript:
    async with Database(path, **options) as db:
        return await tools_of(db).schema_script()


def objects(path: Path) -> list[tuple[Any, ...]]:
    """Return the objects of a file, and its numbers, by an independent connection."""
    with closing(sqlite3.connect(path)) as raw:
        numbers = raw.execute("SELECT user_version, application_id FROM pragma_user_version, pragma_application_id")
        found = raw.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2")
        return [*numbers, *found]


async def test_the_statements_create_the_same_schema(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
        raw.executescript(SCHEMA)
    script = await script_of(tmp_path / "old.db")
    with closing(sqlite3.connect(tmp_path / "new.db")) as raw:
        for statement in [sql for item in script.objects for sql in item.create]:
            raw.execute(statement)
    assert objects(tmp_path / "new.db") == objects(tmp_path / "old.db")
    assert script.not_carried == ()
    # Foreign keys may need a unique index while rows are inserted.
    assert {item.name for item in script.after_rows()} == {"long", "writes", "after_one"}


async def test_the_statements_in_reverse_drop_everything(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as raw:
        raw.executescript(SCHEMA)
    script = await script_of(path)
    with closing(sqlite3.connect(path)) as raw:
        for statement in [sql for item in reversed(script.objects) for sql in item.drop]:
            raw.execute(statement)
    assert objects(path) == [
        (0, 0),
        ("table", "sqlite_sequence", "sqlite_sequence", "CREATE TABLE sqlite_sequence(name,seq)"),
    ]


async def test_what_is_not_carried_is_listed(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "old.db")) as raw:
        raw.executescript("""
            PRAGMA page_size = 1024; PRAGMA encoding = 'UTF-16le'; PRAGMA auto_vacuum = 1;
            CREATE TABLE t (a); CREATE INDEX i ON t (a); INSERT INTO t VALUES (1); ANALYZE;
            PRAGMA writable_schema = ON;
            INSERT INTO sqlite_master VALUES ('table', 'g', 'g', 0, 'CREATE VIRTUAL TABLE g USING VirtualShape(x)');
        """)
    script = await script_of(tmp_path / "old.db")
    assert [item.label for item in script.objects] == ["table t", "index i"]
    assert sorted(script.not_carried) == [
        "pragma auto_vacuum = 1: only an empty file accepts it",
        "pragma encoding = UTF-16le: only an empty file accepts it",
        "pragma page_size = 1024: only an empty file accepts it",
        "sqlite_stat1: the statistics that ANALYZE collects",
        "virtual table g: this SQLite library has no module virtualshape",
    ]


@pytest.mark.parametrize("written", ["CREATE TABLE main.t(a)", "create temp table t(a)", "ATTACH ':memory:' AS o"])
async def test_only_the_database_itself_is_read(written: str) -> None:
    async with Database(":memory:") as db:
        await db.q(written)
        script = await tools_of(db).schema_script()
    assert [item.name for item in script.objects] == (["t"] if "main" in written else [])
