"""The parser of CREATE TABLE finds what SQLite finds, whatever tokens the text is made of."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest

from deebase._sqltext.create_table import collations, parse
from deebase.errors import InvalidOperationError

TEXTS = [
    "CREATE TABLE t (id INTEGER PRIMARY KEY, a TEXT)",
    "CREATE TABLE t (a DEFAULT x'ff', b DEFAULT -1.5e-3, c DEFAULT .5, d DEFAULT 0xFF, e DEFAULT +1.e5)",
    "CREATE TABLE t (a DEFAULT 'x,y)', b DEFAULT ('(' || ')'), c BLOB DEFAULT X'00' NOT NULL)",
    "CREATE TABLE t (\"a\"\"b\" INT, [c d] TEXT, `e``f` REAL, 'g''h' NUMERIC)",
    "CREATE TABLE t (a CHECK (a ->> '$.x' <> '' AND a -> 0 == 1), b CHECK (b || '' != x'00'))",
    "CREATE TABLE t (a /* , b */ INT, -- , c\n d INT)",
    "CREATE TABLE t (a INT, b INT) /* not closed, (",
    "CREATE TABLE t (a DECIMAL(10, 2), b VARCHAR (5) COLLATE NOCASE, c DOUBLE PRECISION)",
    "CREATE TABLE t (\u00e9 INT, a$b INT, _ INT, \u00a0 INT, \u540d\u524d INT)",
    "CREATE TABLE t (a INT \f\r\n \v, b INT)",
    "CREATE TABLE t (a INT GENERATED ALWAYS AS (b << 1 >> 1) STORED, b INT, c AS (a <= b))",
    "CREATE TABLE t (a INT REFERENCES u (x) ON DELETE SET NULL, b INT, UNIQUE (a, b), CHECK (a % 2 = 0 | 1 & ~b))",
]


@pytest.mark.parametrize("sql", TEXTS)
def test_the_columns_are_those_of_sqlite(sql: str) -> None:
    with closing(sqlite3.connect(":memory:")) as connection:
        connection.execute(sql)
        found = connection.execute("PRAGMA table_xinfo(t)").fetchall()
        (stored,) = connection.execute("SELECT sql FROM sqlite_master WHERE name = 't'").fetchone()
    table = parse(stored)
    assert [column.name for column in table.columns] == [row[1] for row in found]
    for column, (_, _, kind, not_null, default, _, _) in zip(table.columns, found, strict=True):
        written = "".join([token.text for token in column.type])
        assert written == kind.replace(" ", "").replace("GENERATEDALWAYS", "")
        assert bool(column.of("NOT NULL")) == bool(not_null)
        texts = ["".join([token.text for token in clause.tokens[1:]]) for clause in column.of("DEFAULT")]
        # SQLite shows an expression without its parentheses.
        shown = [] if default is None else ["".join(default.split())]
        assert [text.removeprefix("(").removesuffix(")") for text in texts] == shown


def test_collations_are_read() -> None:
    sql = "CREATE TABLE t (a TEXT COLLATE nocase, b TEXT DEFAULT x'ff' COLLATE \"RTRIM\", c TEXT) -- collate"
    assert collations(sql) == {"a": "NOCASE", "b": "RTRIM"}


def test_a_virtual_table_is_refused() -> None:
    with pytest.raises(InvalidOperationError):
        parse("CREATE VIRTUAL TABLE t USING fts5(a)")
    assert collations("CREATE VIRTUAL TABLE t USING fts5(a, 'collate')") == {}
