"""What SQLite files of other programs hold: any type or none, and values that do not match it."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deebase import ConfigurationError, Database, DataError, ValidationError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "test.db"


@pytest.fixture
def by_hand(path: Path) -> Iterator[sqlite3.Connection]:
    """A connection of another program to the same file."""
    connection = sqlite3.connect(path, isolation_level=None)
    yield connection
    connection.close()


NUMBERS = (1, -(2**63), 2**63 - 1)
TEXTS = ("x", "", "it's :x ? %s", "名前")
STORED = (*NUMBERS, 1.5, *TEXTS, b"\x00\xff")
#: Declared types, and what is written and read back identical.
TYPES: dict[str, tuple[Any, ...]] = {
    "": STORED,
    "ANY": (1, 1.5, "x", b"\x00"),
    "BIGINT": NUMBERS,
    "BLOB": (b"", b"\x00\xff"),
    "BOOLEAN": (True, False),
    "CHARACTER(20)": TEXTS,
    "CLOB": TEXTS,
    "DATE": (date(2024, 2, 29),),
    "DATETIME": (datetime(2024, 2, 29, 1, 2, 3, 4),),
    "DECIMAL(10,2)": (1, 1.5, -3),
    "DOUBLE PRECISION": (1.0, 1.5, -0.25),
    "FLOAT": (1.0, 1.5),
    "FLOATING POINT": (1, 1.5, "x"),
    "GEOMETRY": (5, b"\x00"),
    "INT UNSIGNED": NUMBERS,
    "INT8": NUMBERS,
    "INTERVAL": (1, 1.5, "x"),
    "JSON": ({"a": [1, None]}, [1], "x", 5, True),
    "LONGBLOB": (b"\x00",),
    "NATIVE CHARACTER(70)": TEXTS,
    "NUMERIC": (1, 1.5),
    "POINT": (1, 1.5, "x"),
    "REAL": (1.0, 1.5),
    "TIME": (time(1, 2, 3),),
    "TIMESTAMP": (datetime(2024, 2, 29),),
    "TINYINT(1)": NUMBERS,
    "UNSIGNED BIG INT": NUMBERS,
    "VARBINARY(10)": (b"\x00",),
    "VARCHAR(30)": TEXTS,
    "bigint": NUMBERS,
    '"JSON integer[]"': ([1, 2], {"a": 1}),
    "no such type": (1, 1.5, "x", b"\x00"),
    "timestamp(6)": (datetime(2024, 2, 29),),
}


@pytest.mark.parametrize("declared", TYPES)
async def test_columns_of_any_type_are_written_and_read(
    path: Path, by_hand: sqlite3.Connection, declared: str, recwarn: pytest.WarningsRecorder
) -> None:
    by_hand.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    async with Database(path) as db:
        await db.reflect()
        table = db.t.t
        for value in (*TYPES[declared], None):
            row = await table.insert(v=value)
            for found in (row, await table[row["id"]], await table.update(row)):
                assert (found["v"], type(found["v"])) == (value, type(value))
            if value is not None and not isinstance(value, (dict, list)):
                assert row in await table(v=value)
        values = [row["v"] for row in await table(order_by="id")]
        assert await table.insert_all([{"v": value} for value in values]) == len(values)
        again = await table.insert_all([{"v": value} for value in values], returning=True)
        assert [row["v"] for row in again] == values
    assert not recwarn.list


@pytest.mark.parametrize("declared", ["", "DECIMAL(10,2)", "INTERVAL"])
@pytest.mark.parametrize(
    "value", [Decimal("1.5"), datetime(2024, 1, 1), float("nan"), {"a": 1}, 2**63, "a\0b"], ids=repr
)
async def test_what_sqlite_does_not_store_is_refused_with_the_field(
    path: Path, by_hand: sqlite3.Connection, declared: str, value: Any
) -> None:
    by_hand.execute(f"CREATE TABLE t (v {declared})")
    async with Database(path) as db:
        await db.reflect()
        with pytest.raises(ValidationError) as caught:
            await db.t.t.insert(v=value)
        assert caught.value.field == "v"
        assert await db.t.t() == []


@pytest.mark.parametrize("declared", [kind for kind in TYPES if kind])
async def test_values_that_do_not_match_their_column_are_read_as_they_are_stored(
    path: Path, by_hand: sqlite3.Connection, declared: str
) -> None:
    by_hand.execute(f"CREATE TABLE t (id INTEGER PRIMARY KEY, v {declared})")
    odd = (*STORED, "2024-01-02", "2024-01-02T03:04:05", "nan", "t", "f", "-1", "{", 1e300, b"\xff\xfe")
    by_hand.executemany("INSERT INTO t (v) VALUES (?)", [(value,) for value in odd])
    stored = [value for (value,) in by_hand.execute("SELECT v FROM t ORDER BY id")]
    async with Database(path) as db:
        await db.reflect()
        rows = await db.t.t(order_by="id")
        assert rows == [row async for row in db.t.t(order_by="id")]
        assert [await db.t.t[row["id"]] for row in rows] == rows
        assert await db.t.t(order_by="id").scalars("v") == [row["v"] for row in rows]
    for row, value in zip(rows, stored, strict=True):
        made = row["v"]
        if isinstance(made, (bool, date, time, dict, list)) or declared == "JSON":
            continue
        assert (made, type(made)) == (value, type(value))


async def test_only_one_and_zero_are_true_and_false(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE t (v BOOLEAN)")
    by_hand.executemany("INSERT INTO t VALUES (?)", [(1,), (0,), ("t",), ("f",), ("",), (5,), (None,)])
    async with Database(path) as db:
        await db.reflect()
        assert await db.t.t().scalars("v") == [True, False, "t", "f", "", 5, None]


async def test_text_that_is_no_utf8_is_an_error_of_ours(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE t (v TEXT)")
    by_hand.execute("INSERT INTO t VALUES (CAST(x'ff41' AS TEXT))")
    async with Database(path) as db:
        await db.reflect()
        with pytest.raises(DataError):
            await db.t.t()


TABLES = """
CREATE TABLE rowless (a TEXT, b INT, v TEXT, PRIMARY KEY (a, b)) WITHOUT ROWID;
CREATE TABLE rowless_id (id INTEGER PRIMARY KEY, v TEXT) WITHOUT ROWID;
CREATE TABLE strict (id INTEGER PRIMARY KEY, n INT, x ANY, r REAL, b BLOB, t TEXT) STRICT;
CREATE TABLE backwards (id INTEGER PRIMARY KEY DESC, v TEXT);
CREATE TABLE counted (id INTEGER PRIMARY KEY AUTOINCREMENT, v TEXT COLLATE NOCASE);
CREATE TABLE keyed (id INT PRIMARY KEY, v TEXT);
CREATE TABLE computed (a INT, b INT AS (a * 2), c INT GENERATED ALWAYS AS (a + 1) STORED);
CREATE TABLE _hidden (a); CREATE TABLE sqlitelike (a);
CREATE VIRTUAL TABLE words USING fts5 (title, body);
CREATE VIRTUAL TABLE places USING rtree (id, low, high);
CREATE TEMP TABLE passing (a);
"""


async def test_tables_of_every_kind_are_known(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.executescript(TABLES)
    async with Database(path) as db:
        await db.reflect()
        # Without the shadow tables of the virtual ones, and what SQLite keeps for itself.
        tables = {
            "rowless",
            "rowless_id",
            "strict",
            "backwards",
            "counted",
            "keyed",
            "computed",
            "_hidden",
            "sqlitelike",
        }
        assert dir(db.t) == sorted(tables | {"words", "places"})
        t = db.t
        assert await t.rowless.insert(a="x", b=1) == {"a": "x", "b": 1, "v": None} == await t.rowless["x", 1]
        assert await t.strict.insert(n=1, x="5", r=1, b=b"x", t="a") == {
            **{"id": 1, "n": 1, "x": "5", "r": 1.0},
            **{"b": b"x", "t": "a"},
        }
        assert await t.counted.insert(v="x") == {"id": 1, "v": "x"} == await t.counted.lookup(v="X")
        assert await t.computed.insert(a=3) == {"a": 3, "b": 6, "c": 4}
        assert await t._hidden.insert(a=1) == {"a": 1}
        assert await t.words.insert_all([{"title": "a", "body": "b"}, {"title": "c", "body": "d"}]) == 2
        assert await t.words("words MATCH ?", ["c"]) == [{"title": "c", "body": "d"}]
        assert await t.words.update_where({"title": "z"}, body="d") == 1
        assert await t.words.delete_where(title="z") == 1
        assert await t.places.insert(id=1, low=0.5, high=1.5) == {"id": 1, "low": 0.5, "high": 1.5}


@pytest.mark.parametrize("name", ["rowless_id", "backwards", "keyed"])
async def test_a_key_that_is_not_the_rowid_is_given(path: Path, by_hand: sqlite3.Connection, name: str) -> None:
    by_hand.executescript(TABLES)
    async with Database(path) as db:
        await db.reflect()
        with pytest.raises(ValidationError) as caught:
            await db.t[name].insert(v="x")
        assert caught.value.field == "id"
        assert await db.t[name].insert(id=3, v="x") == {"id": 3, "v": "x"} == await db.t[name][3]


async def test_names_in_foreign_keys_may_be_written_in_other_capitals(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.executescript("""
        CREATE TABLE Author (Id INTEGER PRIMARY KEY, Name TEXT UNIQUE, a INT, b INT, UNIQUE (a, b));
        CREATE TABLE book (
            id INTEGER PRIMARY KEY, Author_id INT REFERENCES AUTHOR (ID), nick TEXT REFERENCES author (NAME),
            itself INT REFERENCES book, gone INT REFERENCES nowhere (id), x INT, y INT,
            FOREIGN KEY (X, Y) REFERENCES author (A, B) ON DELETE SET NULL ON UPDATE CASCADE DEFERRABLE
        );
        INSERT INTO author VALUES (1, 'ada', 5, 6);
        PRAGMA foreign_keys = OFF;
        INSERT INTO book VALUES (1, 1, 'ada', 1, 7, 5, 6);
    """)
    async with Database(path) as db:
        await db.reflect()
        book, ada = db.t.book, await db.t.Author[1]
        assert [key["references"] for key in book.foreign_keys] == [
            *("Author.Id", "Author.Name", "book.id", "nowhere.id"),
            ["Author.a", "Author.b"],
        ]
        row = await book[1]
        assert await book.fk.Author_id(row) == await book.fk.nick(row) == ada
        assert await book.get_parent(row, ["x", "y"]) == ada
        assert await book.fk.itself(row) == row
        assert await db.t.Author.get_children(ada, "book", "nick") == [row]


async def test_defaults_of_every_form_apply(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("""
        CREATE TABLE t (
            id INTEGER PRIMARY KEY, a TEXT DEFAULT 'it''s :x ?', b INT DEFAULT (1 + 2),
            c DATETIME DEFAULT CURRENT_TIMESTAMP, d BLOB DEFAULT x'00ff', e DEFAULT NULL,
            f INT NOT NULL DEFAULT -5, g TEXT DEFAULT (lower('A:B'))
        )
    """)
    async with Database(path) as db:
        await db.reflect()
        row = await db.t.t.insert({})
        assert isinstance(row.pop("c"), datetime)
        assert row == {"id": 1, "a": "it's :x ?", "b": 3, "d": b"\x00\xff", "e": None, "f": -5, "g": "a:b"}


async def test_indexes_tell_what_they_are(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.executescript("""
        CREATE TABLE t (a INT, b TEXT, UNIQUE (a, b));
        CREATE UNIQUE INDEX part ON t (a) WHERE b > ''; CREATE INDEX expression ON t (lower(b), a DESC);
        CREATE UNIQUE INDEX whole ON t (b);
    """)
    async with Database(path) as db:
        await db.reflect()
        assert db.t.t.indexes == [
            {"name": "expression", "columns": [None, "a"], "unique": False},
            {"name": "part", "columns": ["a"], "unique": True},
            {"name": "sqlite_autoindex_t_1", "columns": ["a", "b"], "unique": True},
            {"name": "whole", "columns": ["b"], "unique": True},
        ]
        facts = db._core.catalog.facts("t")
        assert facts is not None
        assert [index.name for index in facts.indexes if index.is_unique_key] == ["sqlite_autoindex_t_1", "whole"]
        assert await db.t.t.upsert({"a": 1, "b": "x"}, on="b") == {"a": 1, "b": "x"}


async def test_a_table_of_an_extension_that_is_not_there_hides_no_other(
    path: Path, by_hand: sqlite3.Connection
) -> None:
    by_hand.executescript("""
        CREATE TABLE good (id INTEGER PRIMARY KEY);
        PRAGMA writable_schema = ON;
        INSERT INTO sqlite_master VALUES ('table', 'odd', 'odd', 0, 'CREATE VIRTUAL TABLE odd USING not_there (x)');
    """)
    async with Database(path) as db:
        with pytest.warns(UserWarning, match="table odd is left out") as caught:
            await db.reflect()
        assert [warning.filename for warning in caught] == [__file__]
        assert dir(db.t) == ["good"]


async def test_a_temporary_table_does_not_stand_for_another(path: Path, by_hand: sqlite3.Connection) -> None:
    by_hand.execute("CREATE TABLE t (id INTEGER PRIMARY KEY, v TEXT)")
    async with Database(path) as db, db.transaction():
        await db.q("CREATE TEMP TABLE t (other)")
        await db.reflect()
        assert db.t.t.columns == ("id", "v")
        await db.q("DROP TABLE temp.t")


async def test_sqlite_has_no_schemas(path: Path, by_hand: sqlite3.Connection) -> None:
    async with Database(path) as db:
        with pytest.raises(ConfigurationError):
            await db.reflect("other")
