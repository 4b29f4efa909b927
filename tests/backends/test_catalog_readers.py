"""The readers of the catalogs that judge DeeBase see each property of a schema: one that is lost is a difference."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from benchmarks.real_databases import sqlite_catalog
from benchmarks.real_databases.postgres_catalog import PostgresTools
from benchmarks.real_databases.values import catalog_differences, compared, unnamed
from tests.support.postgres import PostgresTestServer

#: A schema with a property, and the same without it.
SQLITE = {
    "type": ("CREATE TABLE t (a varchar(5))", "CREATE TABLE t (a varchar)"),
    "default null": ("CREATE TABLE t (a DEFAULT NULL)", "CREATE TABLE t (a)"),
    "required": ("CREATE TABLE t (a NOT NULL)", "CREATE TABLE t (a)"),
    "collation": ("CREATE TABLE t (a COLLATE NOCASE)", "CREATE TABLE t (a)"),
    "check": ("CREATE TABLE t (a CHECK (a > 1))", "CREATE TABLE t (a)"),
    "generated": ("CREATE TABLE t (a, b AS (a + 1))", "CREATE TABLE t (a, b AS (a + 2))"),
    "stored": ("CREATE TABLE t (a, b AS (a + 1) STORED)", "CREATE TABLE t (a, b AS (a + 1))"),
    "without rowid": ("CREATE TABLE t (a PRIMARY KEY) WITHOUT ROWID", "CREATE TABLE t (a PRIMARY KEY)"),
    "strict": ("CREATE TABLE t (a INT) STRICT", "CREATE TABLE t (a INT)"),
    "autoincrement": (
        "CREATE TABLE t (a INTEGER PRIMARY KEY AUTOINCREMENT)",
        "CREATE TABLE t (a INTEGER PRIMARY KEY)",
    ),
    "foreign key": ("CREATE TABLE t (a REFERENCES t (b), b UNIQUE)", "CREATE TABLE t (a, b UNIQUE)"),
    "action": (
        "CREATE TABLE t (a REFERENCES t (b) ON DELETE CASCADE, b UNIQUE)",
        "CREATE TABLE t (a REFERENCES t (b), b UNIQUE)",
    ),
    "deferrable": (
        "CREATE TABLE t (a REFERENCES t (b) DEFERRABLE INITIALLY DEFERRED, b UNIQUE)",
        "CREATE TABLE t (a REFERENCES t (b), b UNIQUE)",
    ),
    "unique": ("CREATE TABLE t (a UNIQUE)", "CREATE TABLE t (a)"),
    "index": ("CREATE TABLE t (a); CREATE INDEX i ON t (a)", "CREATE TABLE t (a)"),
    "order": (
        "CREATE TABLE t (a); CREATE INDEX i ON t (a DESC)",
        "CREATE TABLE t (a); CREATE INDEX i ON t (a)",
    ),
    "condition": (
        "CREATE TABLE t (a); CREATE INDEX i ON t (a) WHERE a > 1",
        "CREATE TABLE t (a); CREATE INDEX i ON t (a) WHERE a > 2",
    ),
    "view": ("CREATE TABLE t (a); CREATE VIEW v AS SELECT 1", "CREATE TABLE t (a)"),
    "trigger": (
        "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 1; END",
        "CREATE TABLE t (a); CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT 2; END",
    ),
    "virtual": ("CREATE VIRTUAL TABLE s USING fts5(a)", "CREATE VIRTUAL TABLE s USING fts5(a, tokenize = porter)"),
}

_TABLE = "CREATE TABLE t (a integer, b text); "
POSTGRES = {
    "type": ("CREATE TABLE t (a varchar(5))", "CREATE TABLE t (a varchar)"),
    "identity": ("CREATE TABLE t (a int GENERATED ALWAYS AS IDENTITY)", "CREATE TABLE t (a serial)"),
    "generated": (
        "CREATE TABLE t (a int, b int GENERATED ALWAYS AS (a) STORED)",
        "CREATE TABLE t (a int, b int)",
    ),
    "collation": ('CREATE TABLE t (a text COLLATE "C")', "CREATE TABLE t (a text)"),
    "nulls": ("CREATE TABLE t (a int UNIQUE NULLS NOT DISTINCT)", "CREATE TABLE t (a int UNIQUE)"),
    "not valid": (
        f"{_TABLE}ALTER TABLE t ADD CHECK (a > 1) NOT VALID",
        f"{_TABLE}ALTER TABLE t ADD CHECK (a > 1)",
    ),
    "exclude": ("CREATE TABLE t (s int4range, EXCLUDE USING gist (s WITH &&))", "CREATE TABLE t (s int4range)"),
    "match": (
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t MATCH FULL)",
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t)",
    ),
    "deferrable": (
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t DEFERRABLE)",
        "CREATE TABLE t (a int PRIMARY KEY, b int REFERENCES t)",
    ),
    "unlogged": ("CREATE UNLOGGED TABLE t (a int)", "CREATE TABLE t (a int)"),
    "storage": ("CREATE TABLE t (a int) WITH (fillfactor=70)", "CREATE TABLE t (a int)"),
    "partition": (
        "CREATE TABLE t (a int) PARTITION BY RANGE (a); CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (9)",
        "CREATE TABLE t (a int) PARTITION BY RANGE (a); CREATE TABLE p PARTITION OF t FOR VALUES FROM (1) TO (8)",
    ),
    "inherits": (f"{_TABLE}CREATE TABLE d () INHERITS (t)", f"{_TABLE}CREATE TABLE d (a integer, b text)"),
    "row security": (f"{_TABLE}ALTER TABLE t ENABLE ROW LEVEL SECURITY", _TABLE),
    "policy": (f"{_TABLE}CREATE POLICY p ON t USING (a > 1)", f"{_TABLE}CREATE POLICY p ON t USING (a > 2)"),
    "rule": (f"{_TABLE}CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING", _TABLE),
    "comment": (f"{_TABLE}COMMENT ON COLUMN t.a IS 'x'", _TABLE),
    "replica identity": (f"{_TABLE}ALTER TABLE t REPLICA IDENTITY FULL", _TABLE),
    "index method": (f"{_TABLE}CREATE INDEX i ON t USING hash (b)", f"{_TABLE}CREATE INDEX i ON t (b)"),
    "include": (f"{_TABLE}CREATE INDEX i ON t (a) INCLUDE (b)", f"{_TABLE}CREATE INDEX i ON t (a)"),
    "operators": (f"{_TABLE}CREATE INDEX i ON t (b text_pattern_ops)", f"{_TABLE}CREATE INDEX i ON t (b)"),
    "view option": (
        f"{_TABLE}CREATE VIEW v WITH (security_barrier) AS SELECT a FROM t",
        f"{_TABLE}CREATE VIEW v AS SELECT a FROM t",
    ),
    "statistics": (f"{_TABLE}CREATE STATISTICS s ON a, b FROM t", _TABLE),
    "domain": ("CREATE DOMAIN d AS int CHECK (VALUE > 1)", "CREATE DOMAIN d AS int CHECK (VALUE > 2)"),
    "extension": ("CREATE EXTENSION citext", "SELECT 1"),
    "sequence": ("CREATE SEQUENCE s START 5", "CREATE SEQUENCE s"),
    "function": (
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 2'",
    ),
}


def made(path: Path, sql: str) -> Path:
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(sql)
    return path


@pytest.mark.parametrize("name", SQLITE)
def test_a_property_of_a_file_that_is_lost_is_seen(tmp_path: Path, name: str) -> None:
    one, other = (made(tmp_path / f"{number}.db", sql) for number, sql in enumerate(SQLITE[name]))
    for read in (sqlite_catalog.exact, sqlite_catalog.meaning):
        assert catalog_differences(read(one), read(other))
        assert catalog_differences(read(one), read(one)) == []


def test_the_meaning_of_a_file_does_not_depend_on_how_it_is_written(tmp_path: Path) -> None:
    one = made(tmp_path / "one.db", 'CREATE TABLE "t" ("a" integer not null default (1), check (("a" > 1)))')
    other = made(tmp_path / "other.db", "CREATE TABLE t (a INTEGER DEFAULT 1 NOT NULL CHECK (a>1))")
    assert catalog_differences(sqlite_catalog.meaning(one), sqlite_catalog.meaning(other)) == []


@pytest.mark.parametrize("name", POSTGRES)
def test_a_property_of_a_database_that_is_lost_is_seen(postgres_server: PostgresTestServer, name: str) -> None:
    tools = PostgresTools()
    with postgres_server.fresh_database() as one, postgres_server.fresh_database() as other:
        for url, sql in zip((one, other), POSTGRES[name], strict=True):
            tools.psql(url, text=sql)
        before = tools.exact(one)
        assert catalog_differences(before, tools.exact(other))
        assert catalog_differences(before, tools.exact(one)) == []
        # A sequence that belongs to no column is no part of the meaning of tables.
        if name != "sequence":
            assert catalog_differences(tools.meaning(one), tools.meaning(other))


def test_rows_are_equal_by_their_values(tmp_path: Path) -> None:
    one = made(
        tmp_path / "one.db", "CREATE TABLE t (a, b); INSERT INTO t VALUES (2, '2024-01-02 03:04:05'), (NULL, '')"
    )
    other = made(
        tmp_path / "other.db", "CREATE TABLE t (a, b); INSERT INTO t VALUES ('2.00', '2024-01-02T03:04:05.000')"
    )
    rows = [sqlite_catalog.rows(path, loose=True) for path in (one, other)]
    assert compared(rows[0], rows[1]) == ["table t: 1 rows lost, 0 rows new"]
    assert compared(rows[0], rows[0]) == []


def test_a_difference_is_named_by_a_line_with_its_object_and_table() -> None:
    differences = ["policy public.t.own is missing", "index i is missing"]
    assert unnamed(differences, "the policy own of t is not carried\nindexes are not carried") == ["index i is missing"]
