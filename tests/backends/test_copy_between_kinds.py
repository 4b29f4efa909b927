"""Copies between SQLite and PostgreSQL: whatever a column holds arrives, or is named; there and back it is the same."""

from __future__ import annotations

import csv
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import closing
from datetime import date, datetime, time
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest

from deebase import (
    Database,
    DataError,
    DeeBaseError,
    Default,
    PrimaryKey,
    UTCDateTime,
    ValidationError,
    now,
    uuid4,
    uuid7,
)
from deebase.tools.copying import CopyReport, copy_database


@pytest.fixture
async def server(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as database:
        yield database


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A SQLite file to copy from."""
    return tmp_path / "from.db"


def write(path: Path, script: str, *rows: Sequence[Any], table: str = "t") -> None:
    """Create a file with a script, and insert rows into a table."""
    with closing(sqlite3.connect(path)) as file:
        file.executescript(script)
        for row in rows:
            file.execute(f"INSERT INTO {table} VALUES ({', '.join('?' * len(row))})", row)
        file.commit()


def stored(path: Path, table: str = "t") -> list[tuple[Any, ...]]:
    """Return the stored values of a table."""
    with closing(sqlite3.connect(path)) as file:
        return file.execute(f'SELECT * FROM "{table}"').fetchall()


async def there(path: Path, server: Database, **options: Any) -> CopyReport:
    async with Database(path) as source:
        return await copy_database(source, server, **options)


async def back(server: Database, path: Path) -> CopyReport:
    async with Database(path) as target:
        return await copy_database(server, target)


async def type_of(server: Database, column: str, table: str = "t") -> str:
    sql = "SELECT format_type(atttypid, atttypmod) FROM pg_attribute WHERE attrelid = to_regclass(:t) AND attname = :c"
    return str(await server.item(sql, {"t": f'"{table}"', "c": column}))


async def texts(server: Database, column: str, table: str = "t") -> list[str | None]:
    """Return the values of a column as psql shows them."""
    shown = f'CASE WHEN num_nulls("{column}") = 0 THEN format(\'%s\', "{column}") END'
    return [row["v"] for row in await server.q(f'SELECT {shown} AS v FROM "{table}" ORDER BY ctid')]


async def held(server: Database, count: int) -> list[tuple[str, list[str | None]]]:
    """Return type and values of the tables t0, t1, ..."""
    return [(await type_of(server, "v", f"t{n}"), await texts(server, "v", f"t{n}")) for n in range(count)]


NAIVE = ("timestamp without time zone", ["2024-01-02 03:04:05", "2024-01-02 03:04:00"])
ODD: list[str | None] = ["2024-01-02 03:04:05", "2024-01-02 03:04:00.+00:00"]
ALIKE: list[str | None] = ["2024-01-02 03:04:05", "2024-01-02T03:04:05"]
#: A declared type, values, the type in PostgreSQL, the values as psql shows them.
HELD: list[tuple[str, list[Any], str, list[str | None]]] = [
    ("INTEGER", [1, -(2**63), None], "bigint", ["1", str(-(2**63)), None]),
    ("INTEGER", [1, 2.5], "numeric", ["1", "2.5"]),
    ("INTEGER", [10.0**19], "numeric", ["1" + "0" * 19]),
    ("SMALLINT", [1, 40_000], "bigint", ["1", "40000"]),
    ("SMALLINT", [1, 2], "smallint", ["1", "2"]),
    ("REAL", [1, 0.1, float("inf"), "NaN"], "double precision", ["1", "0.1", "Infinity", "NaN"]),
    ("NUMERIC", [2, 0.1, 1e-7, 1e22], "numeric", ["2", "0.1", "0.0000001", "1" + "0" * 22]),
    ("NUMERIC(10,2)", [2, 0.25], "numeric(10,2)", ["2.00", "0.25"]),
    ("DECIMAL(5, 2)", [2, 0.125], "numeric", ["2", "0.125"]),
    ("DECIMAL(3,2)", [12], "numeric", ["12"]),
    ("BOOLEAN", [0, 1, "t", "No", "TRUE"], "boolean", ["f", "t", "t", "f", "t"]),
    ("BOOL", [0, 1, -1], "bigint", ["0", "1", "-1"]),
    ("DATE", ["2024-02-29", "2024-01-02 00:00:00"], "date", ["2024-02-29", "2024-01-02"]),
    ("DATE", ["2024-02-29", "2024-01-02T00:00:00Z"], "text", ["2024-02-29", "2024-01-02T00:00:00Z"]),
    ("DATE", [20240229], "date", ["2024-02-29"]),
    (
        "DATE",
        ["2024-02-29", "2024-01-02 03:04"],
        "timestamp without time zone",
        ["2024-02-29 00:00:00", "2024-01-02 03:04:00"],
    ),
    ("DATE", [1997, 2001], "bigint", ["1997", "2001"]),
    ("DATETIME", [1704164645, 1704164646], "timestamp without time zone", [f"2024-01-02 03:04:0{n}" for n in (5, 6)]),
    ("DATETIME", [1704164645, 1704164645000], "bigint", ["1704164645", "1704164645000"]),
    ("DATETIME", [1704164645, "2024-01-02"], "text", ["1704164645", "2024-01-02"]),
    ("DATETIME", ["2024-01-02 03:04:05", "2024-01-02T03:04"], *NAIVE),
    ("DATETIME", ["2024-01-02 03:04:05", "2024-01-02 03:04:00.+00:00"], "text", ODD),
    (
        "DATETIME",
        ["2024-01-02 24:00:00", "2024-01-02 23:59:60"],
        "text",
        ["2024-01-02 24:00:00", "2024-01-02 23:59:60"],
    ),
    ("DATETIME", ["10000-02-29 24:00:00"], "text", ["10000-02-29 24:00:00"]),
    ("DATETIME", ["0000-00-00 00:00:00"], "text", ["0000-00-00 00:00:00"]),
    ("DATETIME", ["2024-01-02 03:04:05.1234567"], "text", ["2024-01-02 03:04:05.1234567"]),
    ("DATETIME UNIQUE", ["2024-01-02 03:04:05", "2024-01-02T03:04:05"], "text", ALIKE),
    ("DATETIME", [2460311.5], "double precision", ["2460311.5"]),
    (
        "TIMESTAMP",
        ["2024-01-02 03:04:05", "2024-01-02T03:04:05.5+02:00"],
        "text",
        ["2024-01-02 03:04:05", "2024-01-02T03:04:05.5+02:00"],
    ),
    (
        "TIMESTAMP",
        ["2024-01-02 03:04:05+00:00", "2024-01-02T03:04:05.5+02:00"],
        "timestamp with time zone",
        ["2024-01-02 03:04:05+00", "2024-01-02 01:04:05.5+00"],
    ),
    ("TIMESTAMP", ["2024-01-02T03:04:05Z"], "timestamp with time zone", ["2024-01-02 03:04:05+00"]),
    ("TIME", ["10:30", "23:59:59.25"], "time without time zone", ["10:30:00", "23:59:59.25"]),
    ("VARCHAR(3)", ["abc", None], "character varying(3)", ["abc", None]),
    ("VARCHAR(3)", ["abcd"], "text", ["abcd"]),
    ("TEXT", ["", "tab\tline\n\\N \\.", "é"], "text", ["", "tab\tline\n\\N \\.", "é"]),
    ("TEXT", [b"abc"], "text", ["abc"]),
    ("BLOB", [b"\x00\xff", "abc"], "bytea", ["\\x00ff", "\\x616263"]),
    ("JSON", ['{"b": 1.50}', "[1]", 5], "jsonb", ['{"b": 1.50}', "[1]", "5"]),
    ("JSON", ['{"a": 1, "a": 2}'], "json", ['{"a": 1, "a": 2}']),
    ("UUID", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"], "uuid", ["6ba7b810-9dad-11d1-80b4-00c04fd430c8"]),
    ("UUID", ["none"], "text", ["none"]),
    ("", [1, 2], "bigint", ["1", "2"]),
    ("", [1.5, 2.0], "double precision", ["1.5", "2"]),
    ("", [1, 2.5], "numeric", ["1", "2.5"]),
    ("STRING", ["a", 7], "text", ["a", "7"]),
    ("", [b"\xff", "a"], "bytea", ["\\xff", "\\x61"]),
    ("POINT", [b"GP\x00"], "bytea", ["\\x475000"]),
]


async def test_a_column_gets_the_type_that_holds_its_values(path: Path, tmp_path: Path, server: Database) -> None:
    for n, (declared, values, *_) in enumerate(HELD):
        write(path, f"CREATE TABLE t{n} (v {declared})", *[[value] for value in values], table=f"t{n}")
    expected = [(kind, shown) for _, _, kind, shown in HELD]
    report = await there(path, server)
    assert await held(server, len(HELD)) == expected
    assert report.bad_value_count == 0
    # There and back it holds the same values, which go there again in the same type.
    await back(server, tmp_path / "back.db")
    await server.q(f"DROP TABLE {', '.join(f't{n}' for n in range(len(HELD)))}")
    await there(tmp_path / "back.db", server)
    assert await held(server, len(HELD)) == expected


#: A declared type, and values whose class and content are the same after a way there and back.
KEPT: list[tuple[str, list[Any]]] = [
    ("NUMERIC", [2, 0.1, -3]),
    ("DECIMAL(10,2)", [2, 0.25]),
    ("FLOAT", [1.5, 2.0]),
    ("", [1, 2]),
    ("", [1.5, 2.0]),
    ("", [1, 2.5]),
    ("STRING", ["a", 7]),
    ("INT", [3]),
    ("NVARCHAR(20)", ["x"]),
    ("BLOB", [b"\x00\xff"]),
    ("BOOL", [5]),
    ("COMPOUNDCURVE", [b"GP"]),
    ("BIG THING", ["y", 2]),
    ("TIMESTAMP", ["2013-01-20 10:51:59.627949+00:00", "2013-01-20 10:51:59+00:00", None]),
    ("TIMESTAMP", ["2024-01-02T03:04:05Z", "1900-01-01T00:00:00Z"]),
    ("DATETIME", ["2024-01-02T03:04:05.818Z", "2024-01-02T03:04:05.000Z"]),
    ("DATETIME", ["2024-01-02 03:04:05.818000", "2024-01-02 03:04:05"]),
    ("DATETIME", ["2024-01-02 03:04:05.8", "2024-01-02 03:04:05.812", "2024-01-02 03:04:05"]),
    ("DATETIME", ["2024-01-02 03:04:05.818", "2024-01-02 03:04:05.000"]),
    ("DATETIME", ["2024-01-02 03:04"]),
    ("DATETIME", ["2024-01-02", "0001-01-01"]),
    ("DATETIME", ["2024-01-02 03:04:05-05:30"]),
    ("DATETIME", ["2024-01-02 03:04:05", "2024-01-02T03:04:05Z"]),
    ("DATETIME", ["2011-09-01 06:00:00.+00:00", "2011-09-01 06:00:00+00:00"]),
    ("DATETIME", [1704164645, 1704164646]),
    ("DATETIME", [1704164645123, 1704164646000]),
    ("DATETIME", [1704164645.123456, 1704164645]),
    ("DATETIME", [1704164645, 1704164645000]),
    ("DATETIME", [1704164645, "2024-01-02"]),
    ("TIMESTAMPTZ", ["2024-01-02 03:04:05+02"]),
    ("DATE", [20240102, 20240103]),
    ("DATE", ["2024-01-02T00:00:00"]),
    ("DATE", ["2024-01-02T00:00:00Z", "2024-01-02"]),
    ("TIME", ["10:30", "11:45"]),
    ("TIME", ["10:30:00.5+02:00", "2024-01-02 10:30:00"]),
]


async def test_values_are_stored_as_before_after_a_way_there_and_back(
    path: Path, tmp_path: Path, server: Database
) -> None:
    for n, (declared, values) in enumerate(KEPT):
        write(path, f"CREATE TABLE t{n} (v {declared})", *[[value] for value in values], table=f"t{n}")
    await there(path, server)
    await back(server, tmp_path / "back.db")
    before, after = ([stored(file, f"t{n}") for n in range(len(KEPT))] for file in (path, tmp_path / "back.db"))
    assert repr(after) == repr(before)


#: A type, literals of it; each is the same text after a way to SQLite and back.
NATIVE = [
    ("smallint", "1", "-32768"),
    ("real", "0.1", "NaN", "-Infinity", "3.4028235e+38"),
    ("double precision", "0.1", "NaN", "Infinity"),
    ("numeric(10,2)", "2.00", "NaN"),
    ("numeric", "1.10", "123456789012345678901234567890.123", "NaN", "Infinity"),
    ("text", "a\\b\tc\nd", ""),
    ("varchar(5)", "abc"),
    ("char(4)", "ab"),
    ("bytea", r"\x00ff"),
    ("boolean", "t", "f"),
    ("date", "2024-02-29", "infinity", "0044-03-15 BC", "10000-01-01"),
    ("time", "10:30:00.5", "24:00:00"),
    ("timetz", "10:30:00+02"),
    ("timestamp", "2024-01-02 03:04:05.000006", "-infinity", "0044-03-15 10:00:00 BC"),
    ("timestamptz", "2024-01-02 03:04:05+00", "infinity", "0044-03-15 10:00:00+00 BC"),
    ("interval", "1 day", "24:00:00", "1 mon -2 days +00:00:01.5", "-00:00:01"),
    ("uuid", "6ba7b810-9dad-11d1-80b4-00c04fd430c8"),
    ("json", '{"b":  1, "b": 1.50}'),
    ("jsonb", '{"a": 1.50}', "null", '"5"', "[]"),
    ("inet", "10.0.0.1", "10.0.0.1/8", "::1"),
    ("cidr", "10.0.0.0/8"),
    ("macaddr", "08:00:2b:01:02:03"),
    ("money", "$1,234.50"),
    ("bit(3)", "011"),
    ("varbit", "0110"),
    ("int4range", "[1,5)", "empty"),
    ("tstzrange", '["2024-01-01 00:00:00+00",)'),
    ("int4multirange", "{[1,3),[5,7)}"),
    ("tsvector", "'5'", "'a':1 'b':2"),
    ("tsquery", "'a' & 'b'"),
    ("point", "(1,2)"),
    ("polygon", "((0,0),(1,1))"),
    ("pg_lsn", "16/B374D848"),
    ("jsonpath", '$."a"'),
    ("integer[]", "{1,NULL,3}", "{{1,2},{3,4}}", "{}"),
    ("text[]", '{"a \\"b\\"",NULL,"NULL",""}'),
    ("numeric[]", "{1.50,2}"),
    ("timestamp[]", '{"2024-01-02 03:04:05"}'),
    ("jsonb[]", '{"{\\"a\\": [1]}","[2]"}'),
    ("bytea[]", r'{"\\x00ff"}'),
    ("boolean[]", "{t,f}"),
]


async def test_a_type_of_postgresql_is_the_same_after_a_way_to_sqlite_and_back(
    tmp_path: Path, server: Database
) -> None:
    for n, (native, *values) in enumerate(NATIVE):
        await server.q(f"CREATE TABLE t{n} (v {native})")
        for value in (*values, None):
            await server.q(f"INSERT INTO t{n} VALUES (:v::text::{native})", {"v": value})
    before = await held(server, len(NATIVE))
    await back(server, tmp_path / "file.db")
    await server.q(f"DROP TABLE {', '.join(f't{n}' for n in range(len(NATIVE)))}")
    report = await there(tmp_path / "file.db", server)
    assert report.left_out == ()
    assert await held(server, len(NATIVE)) == before


# -- values that cannot be converted ------------------------------------------------------------

BAD = """CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL, d DATE, s TEXT);
    INSERT INTO t VALUES (1, 5, '2024-01-01', 'a'), (2, 'five', '2024-01-02', 'b'), (3, 6, 'soon', 'c'),
        (4, 7, NULL, 'x' || char(0) || 'y'), (5, '', '', CAST(x'61ff' AS TEXT));"""


async def test_all_values_that_cannot_be_converted_are_named_before_anything_is_created(
    path: Path, tmp_path: Path, server: Database
) -> None:
    write(path, BAD)
    listed = tmp_path / "bad.csv"
    with pytest.raises(DataError, match="6 values cannot be converted") as caught:
        await there(path, server, report=listed)
    assert "t.n of id=2: not an integer" in caught.value.message
    assert "on_error='text'" in str(caught.value)
    with listed.open(encoding="utf-8", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["table", "key", "column", "value", "reason"]
    assert [row[:3] for row in sorted(rows[1:])] == [
        ["t", "id=2", "n"],
        ["t", "id=3", "d"],
        ["t", "id=4", "s"],
        ["t", "id=5", "d"],
        ["t", "id=5", "n"],
        ["t", "id=5", "s"],
    ]
    assert await server.item("SELECT count(*) FROM pg_class WHERE relnamespace = current_schema()::regnamespace") == 0


async def test_a_day_that_does_not_exist_cannot_be_converted(path: Path, server: Database) -> None:
    write(path, "CREATE TABLE t (d DATE, at DATETIME)", ["2024-02-30", "2024-01-02"], ["2024-02-29", "10000-13-01"])
    with pytest.raises(DataError, match=r"t\.d of row 1: not a date or time; t\.at of row 2: not a date or time"):
        await there(path, server)


async def test_null_takes_the_place_of_values_that_cannot_be_converted(path: Path, server: Database) -> None:
    write(path, BAD)
    report = await there(path, server, on_error="null")
    assert await server.q("SELECT n, d::text, s FROM t ORDER BY id") == [
        {"n": 5, "d": "2024-01-01", "s": "a"},
        {"n": None, "d": "2024-01-02", "s": "b"},
        {"n": 6, "d": None, "s": "c"},
        {"n": 7, "d": None, "s": None},
        {"n": None, "d": None, "s": None},
    ]
    assert report.bad_value_count == 6
    assert [(one.key, one.column) for one in report.bad_values][:2] == [("id=2", "n"), ("id=5", "n")]
    assert "t: NOT NULL of n" in report.left_out


async def test_rows_with_values_that_cannot_be_converted_are_left_out(path: Path, server: Database) -> None:
    write(path, BAD)
    report = await there(path, server, on_error="skip")
    assert await server.q("SELECT id FROM t") == [{"id": 1}]
    assert report.tables[0].rows == 1


async def test_columns_become_text_or_bytes_where_values_cannot_be_converted(
    path: Path, tmp_path: Path, server: Database
) -> None:
    write(path, BAD)
    report = await there(path, server, on_error="text")
    assert [await type_of(server, name) for name in "nds"] == ["text", "text", "bytea"]
    assert await texts(server, "n") == ["5", "five", "6", "7", ""]
    assert report.bad_value_count == 6
    await back(server, tmp_path / "back.db")
    assert [row[:3] for row in stored(tmp_path / "back.db")] == [
        (1, 5, "2024-01-01"),
        (2, "five", "2024-01-02"),
        (3, 6, "soon"),
        (4, 7, None),
        (5, "", ""),
    ]


async def test_another_choice_is_refused(path: Path, server: Database) -> None:
    write(path, BAD)
    with pytest.raises(ValidationError, match="on_error is one of stop, null, text, skip"):
        await there(path, server, on_error="ignore")


async def test_a_report_that_cannot_be_written_is_refused(path: Path, tmp_path: Path, server: Database) -> None:
    write(path, BAD)
    with pytest.raises(DeeBaseError, match="cannot be written"):
        await there(path, server, report=tmp_path / "no" / "bad.csv")


# -- schemas -------------------------------------------------------------------------------------


async def test_any_name_is_a_name(path: Path, tmp_path: Path, server: Database) -> None:
    names = ["_under", "select", "two words", 'quo"te', "do.t", "UPPER", "Zoë"]
    columns = ", ".join(f'"{name.replace(chr(34), chr(34) * 2)}" TEXT' for name in names)
    with closing(sqlite3.connect(path)) as file:
        for name in names:
            quoted = name.replace('"', '""')
            file.execute(f'CREATE TABLE "{quoted}" ({columns})')
            file.execute(f'INSERT INTO "{quoted}" VALUES ({", ".join("?" * len(names))})', names)
        file.commit()
    report = await there(path, server)
    assert report.notes == ()
    assert [table.rows for table in report.tables] == [1] * len(names)
    await back(server, tmp_path / "back.db")
    for name in names:
        assert stored(tmp_path / "back.db", name.replace('"', '""')) == [tuple(names)]


async def test_names_that_the_target_cannot_have_are_changed_and_told(
    path: Path, tmp_path: Path, server: Database
) -> None:
    long = "n" * 70
    write(path, f"CREATE TABLE t (ctid INTEGER, xmin TEXT, {long}1 TEXT, {long}2 TEXT)", [1, "a", "b", "c"])
    report = await there(path, server)
    assert await server.q("SELECT * FROM t") == [{"ctid_2": 1, "xmin_2": "a", "n" * 63: "b", "n" * 61 + "_2": "c"}]
    assert len(report.notes) == 4
    await server.q('CREATE TABLE "T" (a text)')
    told = await back(server, tmp_path / "back.db")
    assert "table t is named t_2" in told.notes or "table T is named T_2" in told.notes


async def test_tables_without_a_key_are_copied_row_by_row(path: Path, tmp_path: Path, server: Database) -> None:
    write(path, "CREATE TABLE t (a, b)", [1, "x"], [1, "x"], [None, None])
    report = await there(path, server)
    assert report.tables[0].rows == 3
    await back(server, tmp_path / "back.db")
    assert sorted(stored(tmp_path / "back.db"), key=repr) == sorted(stored(path), key=repr)


async def test_foreign_keys_that_rows_violate_are_kept_without_validation(path: Path, server: Database) -> None:
    write(
        path,
        """CREATE TABLE p (id INTEGER PRIMARY KEY, other TEXT); INSERT INTO p VALUES (1, 'a');
        CREATE TABLE c (id INTEGER PRIMARY KEY, p_id INTEGER REFERENCES p, self INTEGER REFERENCES c,
            gone INTEGER REFERENCES nowhere, other TEXT REFERENCES p (other));
        INSERT INTO c VALUES (1, 1, 2, 1, 'a'), (2, 7, 1, NULL, NULL), (3, 8, NULL, NULL, NULL);""",
    )
    report = await there(path, server)
    assert (
        "c: foreign key (p_id) to p (id) is not validated, since rows of the source violate it: 2 rows, the first "
        in (report.notes[0])
    )
    assert any("to nowhere" in note and "no table nowhere" in note for note in report.left_out)
    assert any("to p (other): these columns of p are not unique" in note for note in report.left_out)
    valid = "SELECT pg_get_constraintdef(oid) AS k FROM pg_constraint WHERE contype = 'f' ORDER BY 1"
    assert [row["k"] for row in await server.q(valid)] == [
        "FOREIGN KEY (p_id) REFERENCES p(id) NOT VALID",
        "FOREIGN KEY (self) REFERENCES c(id)",
    ]


async def test_sql_of_one_database_is_translated_for_the_other(path: Path, tmp_path: Path, server: Database) -> None:
    await server.script(
        """CREATE TYPE mood AS ENUM ('ok', 'it''s sad');
        CREATE TABLE "T x" (id int GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY, kind varchar(9) DEFAULT 'a'::text,
            m mood DEFAULT 'ok', live boolean DEFAULT true NOT NULL, made timestamptz DEFAULT now(),
            n numeric DEFAULT 1.5, CHECK (kind::text = ANY (ARRAY['a'::text, 'b'::text])), CHECK (n > 0),
            CHECK (kind LIKE 'a%' OR live = true));
        CREATE UNIQUE INDEX one ON "T x" (kind) WHERE live AND kind::text <> 'b'::text;
        CREATE INDEX two ON "T x" (lower(kind::text) DESC);
        CREATE INDEX three ON "T x" USING gin (to_tsvector('simple', kind));
        CREATE VIEW v AS SELECT id, kind::text || '!' AS k FROM "T x" WHERE kind::text = 'a'::text;
        CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NEW; END';
        CREATE TRIGGER g BEFORE INSERT ON "T x" FOR EACH ROW EXECUTE FUNCTION f();
        INSERT INTO "T x" (id) VALUES (5);"""
    )
    report = await back(server, tmp_path / "file.db")
    told = "\n".join([*report.notes, *report.left_out])
    assert "index three" in told
    assert "trigger g on" in told
    assert "function public.f()" in told
    assert "CHECK" not in told
    async with Database(tmp_path / "file.db") as file:
        await file.reflect()
        assert await file.v.v() == [{"id": 5, "k": "a!"}]
        row = await file.t["T x"].insert(kind="b")
        assert (row["id"], row["m"], row["live"], str(row["n"])) == (6, "ok", True, "1.5")
        assert row["made"] is not None
        for wrong in ({"kind": "z"}, {"n": -1}, {"m": "none"}, {"kind": "a"}):
            with pytest.raises(DeeBaseError):
                await file.t["T x"].insert(**wrong)


async def test_sql_of_sqlite_is_translated_for_postgresql(path: Path, server: Database) -> None:
    write(
        path,
        """CREATE TABLE Person (Id INTEGER PRIMARY KEY AUTOINCREMENT, Name TEXT NOT NULL COLLATE NOCASE DEFAULT 'x',
            Live BOOLEAN DEFAULT 1, Made TIMESTAMP DEFAULT CURRENT_TIMESTAMP, Age INT CHECK (Age >= 0),
            CHECK (Live IN (0, 1)), CHECK (Name GLOB '*'), UNIQUE (Name, Age));
        CREATE INDEX by_name ON Person (Name COLLATE NOCASE, Age DESC) WHERE Live = 1;
        CREATE VIEW Living AS SELECT Id, ifnull(Name, "none") AS Named FROM Person WHERE Live = 1;
        CREATE TRIGGER g AFTER INSERT ON Person BEGIN SELECT 1; END;
        INSERT INTO Person (Name, Age) VALUES ('a', 1), ('b', 2); DELETE FROM Person WHERE Id = 2;""",
    )
    report = await there(path, server)
    assert [note.partition(":")[0] for note in report.left_out if "GLOB" in note] == ["Person"]
    assert "trigger g of Person" in report.left_out
    assert report.views == ("Living",), report.left_out
    await server.reflect()
    row = await server.t.Person.insert(Name="c", Age=3)
    assert (row["Id"], row["Live"]) == (3, True)
    assert [one["Named"] for one in await server.v.Living(order_by="Id")] == ["a", "c"]
    for wrong in ({"Name": "c", "Age": 3}, {"Age": -1}):
        with pytest.raises(DeeBaseError):
            await server.t.Person.insert(**wrong)


class Stamped:
    id: Annotated[UUID, PrimaryKey, Default(uuid7())]
    text4: Annotated[str, Default(uuid4())]
    at: Annotated[datetime, Default(now())]
    aware: Annotated[UTCDateTime, Default(now())]
    day: Annotated[date, Default(now())]
    clock: Annotated[time, Default(now())]


async def test_defaults_that_the_database_makes_are_those_of_the_target(
    path: Path, tmp_path: Path, server: Database
) -> None:
    async with Database(path) as source, Database(tmp_path / "back.db") as target:
        await (await source.create(Stamped)).insert({})
        for report in (await copy_database(source, server), await copy_database(server, target)):
            assert not report.left_out
        for database in (server, target):
            row = await database.bind(Stamped).insert({})
            assert (row["id"].version, UUID(row["text4"]).version) == (7, 4)
            assert row["at"] == row["aware"].replace(tzinfo=None) == datetime.combine(row["day"], row["clock"])


async def test_rows_of_partitions_and_children_are_copied_once(tmp_path: Path, server: Database) -> None:
    await server.script(
        """CREATE TABLE parted (n int) PARTITION BY RANGE (n);
        CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (1) TO (10); INSERT INTO parted VALUES (1), (2);
        CREATE TABLE base (n int); CREATE TABLE child (m int) INHERITS (base);
        INSERT INTO base VALUES (1); INSERT INTO child VALUES (2, 3); CREATE TABLE bare ();
        CREATE TABLE twice (n int, d int GENERATED ALWAYS AS (n * 2) STORED); INSERT INTO twice VALUES (4)"""
    )
    report = await back(server, tmp_path / "file.db")
    rows = {table.name: table.rows for table in report.tables}
    assert rows == {"parted": 2, "base": 1, "child": 1, "twice": 1}
    assert "table public.bare: it has no columns" in report.left_out
    assert stored(tmp_path / "file.db", "twice") == [(4, 8)]


async def test_foreign_keys_that_rows_of_postgresql_violate_are_left_out(tmp_path: Path, server: Database) -> None:
    await server.script(
        """CREATE TABLE p (id int PRIMARY KEY); CREATE TABLE c (id int PRIMARY KEY, p_id int, q_id int REFERENCES p);
        INSERT INTO p VALUES (1); INSERT INTO c VALUES (1, 1, 1), (2, 7, NULL), (3, 8, NULL);
        ALTER TABLE c ADD FOREIGN KEY (p_id) REFERENCES p NOT VALID;"""
    )
    report = await back(server, tmp_path / "file.db")
    assert report.left_out == ("c: the foreign key (p_id) to p (id): 2 rows violate it",)
    with closing(sqlite3.connect(tmp_path / "file.db")) as file:
        keys = file.execute('SELECT "from", "table" FROM pragma_foreign_key_list(?)', ["c"]).fetchall()
    assert keys == [("q_id", "p")]


async def test_columns_of_foreign_keys_have_one_form_where_all_values_allow_it(
    path: Path, tmp_path: Path, server: Database
) -> None:
    write(
        path,
        """CREATE TABLE p (id INTEGER PRIMARY KEY, code TEXT UNIQUE, odd TEXT UNIQUE);
        INSERT INTO p VALUES (1, '10', 'x');
        CREATE TABLE c (id TEXT PRIMARY KEY REFERENCES p, code INTEGER REFERENCES p (code), odd INT REFERENCES p (odd));
        INSERT INTO c VALUES ('1', 10, NULL);
        CREATE TABLE g (id TEXT REFERENCES c); INSERT INTO g VALUES ('1');
        CREATE TABLE h (id TEXT REFERENCES p); INSERT INTO h VALUES ('01');""",
    )
    report = await there(path, server)
    types = [await type_of(server, *place) for place in (("id", "c"), ("code", "c"), ("odd", "c"), ("id", "g"))]
    assert types == ["bigint", "text", "text", "bigint"]
    assert "c: id is integer, as p.id is" in report.notes
    assert [note.partition(": ")[2].partition(":")[0] for note in report.left_out] == ["foreign key (id) to p (id)"]
    await back(server, tmp_path / "back.db")
    assert [stored(tmp_path / "back.db", name) for name in "cgh"] == [[("1", 10, None)], [("1",)], [("01",)]]


HOLES = """CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT); INSERT INTO t VALUES (1, 'a'), (2, NULL);
    PRAGMA writable_schema = ON;
    UPDATE sqlite_master SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT NOT NULL)' WHERE name = 't';"""


async def test_null_in_a_not_null_column_is_a_value_that_cannot_be_converted(path: Path, server: Database) -> None:
    write(path, HOLES)
    with pytest.raises(DataError, match=r"t\.n of id=2: NULL in a NOT NULL column"):
        await there(path, server)


@pytest.mark.parametrize(
    ("on_error", "kept", "told"),
    [
        ("null", ["a", None], "t: NOT NULL of n"),
        ("text", ["a", None], "t: n holds NULL, and is not NOT NULL"),
        ("skip", ["a"], None),
    ],
)
async def test_rows_with_null_in_a_not_null_column_are_kept_or_left_out(
    path: Path, server: Database, on_error: str, kept: list[str | None], told: str | None
) -> None:
    write(path, HOLES)
    report = await there(path, server, on_error=on_error)
    assert [row["n"] for row in await server.q("SELECT n FROM t ORDER BY id")] == kept
    assert [*report.left_out, *report.notes] == ([] if told is None else [told])
    assert report.bad_value_count == 1
