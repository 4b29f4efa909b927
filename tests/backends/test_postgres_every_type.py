"""Values of every type that PostgreSQL stores: each is read, streamed and exported, and inserted again unchanged."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from deebase import Database

SETUP = """
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION vector;
CREATE SCHEMA app;
CREATE TYPE mood AS ENUM ('sad', 'it''s "x", {y}');
CREATE TYPE app."Odd Color" AS ENUM ('red', 'blue');
CREATE TYPE pair AS (a int, "b c" text);
CREATE TYPE nested AS (p pair, list int[]);
CREATE TYPE price_range AS RANGE (subtype = numeric);
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN small_text AS varchar(5);
CREATE DOMAIN feeling AS mood;
CREATE DOMAIN numbers AS int[];
CREATE DOMAIN pairs AS pair;
CREATE DOMAIN spread AS int4range;
CREATE DOMAIN far AS date;
"""
DATES = ["infinity", "-infinity", "0044-03-15 BC", "4713-01-01 BC", "20000-12-31", "5874897-12-31", "0001-01-01"]
TIMESTAMPS = [
    *("infinity", "-infinity", "0044-03-15 12:00:00.5 BC", "4713-01-01 00:00:00 BC", "294276-12-31 23:59:59.999999"),
    *("10000-01-01", "9999-12-31 23:59:59.999999", "0001-12-31 23:59:59.999999 BC", "2000-01-01 00:00:00.000001"),
]
NUMBERS = ["NaN", "1e20", "-0.00", "12345678901234567890.123456789", "0.000"]
INTERVALS = [
    *("1 year 2 mons -3 days 04:05:06.7", "-1 mon", "100:00:00", "178000000 years", "-178000000 years", "infinity"),
    *("-infinity", "0"),
]
FLOATS = ["NaN", "Infinity", "-Infinity", "-0", "1e-40", "0.1", "16777216", "3.4028235e38", "1.17549435e-38", "0.3"]
#: Types, and texts of their values.
VALUES: dict[str, list[str]] = {
    "smallint": ["-32768"],
    "integer": ["-2147483648", "2147483647"],
    "bigint": ["-9223372036854775808"],
    "numeric": [*NUMBERS, "Infinity", "-Infinity"],
    "numeric(10,2)": ["NaN", "99999999.99", "1"],
    "numeric(3,-2)": ["99900"],
    "numeric(2,4)": ["0.0099"],
    "real": [*FLOATS, "3.1415927"],
    "double precision": [*FLOATS, "5e-324", "1.7976931348623157e308"],
    "money": ["$1,234.50", "-$92,233,720,368,547,758.08"],
    "text": ["", "\\x00 '\"\n"],
    "varchar(3)": ["a  ", "äöü"],
    "char(5)": ["a", ""],
    '"char"': ["a", "", "\\351"],
    "name": ["x" * 63],
    "citext": ["MiXed"],
    "bytea": ["\\x", "\\x00ff"],
    "boolean": ["t", "f"],
    "date": DATES,
    "timestamp": TIMESTAMPS,
    "timestamp(0)": ["0044-03-15 BC"],
    "timestamptz": TIMESTAMPS,
    "timestamptz(3)": ["0044-03-15 12:00:00.123+02 BC"],
    "time": ["24:00:00", "00:00:00.000001", "23:59:59.999999"],
    "time(2)": ["24:00:00"],
    "timetz": ["24:00:00-15:59", "10:00:00.5+05:30:15"],
    "interval": INTERVALS,
    "interval year to month": ["1 year 2 mons"],
    "interval second(2)": ["1.25"],
    "uuid": ["00000000-0000-0000-0000-000000000000"],
    "inet": ["10.0.0.1/8", "10.0.0.1", "::1/64", "::ffff:1.2.3.4", "0.0.0.0/0"],
    "cidr": ["10.0.0.0/8", "10.0.0.1/32", "::/0"],
    "macaddr": ["08:00:2b:01:02:03"],
    "macaddr8": ["08:00:2b:01:02:03:04:05"],
    "bit(5)": ["10101"],
    "bit": ["1"],
    "bit varying": ["", "101"],
    "bit varying(4)": ["1010"],
    "json": ['{"a":1, "a" : 2,"n":123456789012345678901234567890.10}', "null", "  [1,2 ]", '"\\u00e9"', "1.50", " 12 "],
    "jsonb": ['{"n": 123456789012345678901234567890.10, "b": null}', "null", "1E400", '"x"', "[[]]"],
    "jsonpath": ['$."a"[*]?(@ > 1)'],
    "hstore": ['"a"=>NULL, "b c"=>"\\"x\\""'],
    "ltree": ["Top.Science", ""],
    "lquery": ["*.foo{2}"],
    "ltxtquery": ["a & b*"],
    "tsvector": ["'a b':1A,2 'it''s'", ""],
    "tsquery": ["'a' & !'b':*A", ""],
    "vector(3)": ["[1,2.5,-3e-05]"],
    "int4range": ["empty", "(,)", "[1,5)", "(,5)"],
    "numrange": ["(,Infinity)", "[1.10,2.20]"],
    "daterange": ["[-infinity,infinity)", '["0044-03-15 BC",)'],
    "tsrange": ['["2000-01-01 00:00:00",infinity]'],
    "price_range": ["[1.50,2.50)"],
    "int4multirange": ["{}", "{[1,2),[5,9)}"],
    "point": ["(NaN,Infinity)", "(0.1,-0)"],
    "line": ["{1,-1,0}"],
    "lseg": ["[(0,0),(1,1)]"],
    "box": ["(1,1),(0,0)"],
    "path": ["((0,0),(1,1))", "[(0,0),(1,1)]"],
    "polygon": ["((0,0),(1,1),(2,0))"],
    "circle": ["<(0,0),1.5>"],
    "pg_lsn": ["16/B374D848"],
    "oid": ["4294967295"],
    "regclass": ["pg_class"],
    "regtype": ["timestamp with time zone"],
    "xid": ["4294967295"],
    "tid": ["(4294967295,65535)"],
    "mood": ['it\'s "x", {y}'],
    'app."Odd Color"': ["red"],
    "pair": ['(1,"x, ""y"" ")', "(,)", '(,"")'],
    "nested": ['("(1,""a b"")","{1,NULL}")'],
    "positive": ["5"],
    "small_text": ["abc"],
    "feeling": ["sad"],
    "numbers": ["{1,NULL}", "[0:1]={1,2}"],
    "pairs": ["(1,x)"],
    "spread": ["[1,3)"],
    "far": ["0044-03-15 BC"],
    "int[]": ["{}", "{NULL}", "[-1:0]={1,2}", "{{1,2},{3,NULL}}", "[2:2][3:4]={{1,2}}"],
    "smallint[]": ["{-32768}"],
    "text[]": ['{NULL,"NULL","","a\\"b\\\\"}', "{{a,b},{c,d}}"],
    "varchar(3)[]": ["{abc}"],
    "char(3)[]": ["{a}"],
    "boolean[]": ["{t,NULL}"],
    "real[]": ["{0.1,NaN,-0,NULL}"],
    "numeric[]": ["{NaN,1.50,Infinity}"],
    "numeric(5,2)[]": ["{1.50}"],
    "date[]": ['{infinity,"0044-03-15 BC",NULL}'],
    "timestamptz[]": ['{infinity,"0044-03-15 12:00:00+00 BC"}'],
    "time[]": ["{24:00:00}"],
    "interval[]": ['{"1 mon",infinity}'],
    "bytea[]": ['{"\\\\x00"}'],
    "uuid[]": ["{00000000-0000-0000-0000-000000000000}"],
    "inet[]": ["{10.0.0.1/8,::1,NULL}"],
    "cidr[]": ["{10.0.0.0/8}"],
    "macaddr[]": ["{08:00:2b:01:02:03}"],
    "jsonb[]": ['{"{\\"a\\": [1, 2.50]}","[1]","null",NULL}'],
    "json[]": ['{"{\\"a\\":1}","[ 1]"}'],
    "mood[]": ['{sad,"it\'s \\"x\\", {y}",NULL}'],
    'app."Odd Color"[]': ["{{red,blue}}"],
    "pair[]": ['{"(1,\\"a b\\")",NULL}'],
    "positive[]": ["{1,NULL}"],
    "small_text[]": ["{abc}"],
    "feeling[]": ["{sad}"],
    "numbers[]": ['{"{1,2}"}'],
    "int4range[]": ['{"[1,2)",empty}'],
    "hstore[]": ['{"\\"a\\"=>\\"1\\""}'],
    "citext[]": ["{A}"],
    "ltree[]": ["{a.b}"],
    "money[]": ["{$1.00}"],
    "bit(3)[]": ["{101}"],
    "point[]": ['{"(0,0)"}'],
}


#: A JSON null is read as None, which is NULL; documents that are no objects or arrays, and those in arrays, are written
#: in our form; the elements of an array are numbered from 1.
IN_ANOTHER_FORM = {
    ("json", "null"),
    ("json", '"\\u00e9"'),
    ("json", " 12 "),
    ("jsonb", "null"),
    ("jsonb[]", '{"{\\"a\\": [1, 2.50]}",[1],"null",NULL}'),
    ("json[]", '{"{\\"a\\":1}","[ 1]"}'),
    ("numbers", "[0:1]={1,2}"),
    ("int[]", "[-1:0]={1,2}"),
    ("int[]", "[2:2][3:4]={{1,2}}"),
}
COLUMNS = ", ".join([f"c{n} {kind}" for n, kind in enumerate(VALUES)])
_TYPES = """
    SELECT a.attname, format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
    WHERE a.attrelid = CAST(? AS regclass) AND a.attnum > 0 ORDER BY a.attnum
"""

pytestmark = pytest.mark.filterwarnings("ignore:.*read and written as text")


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as database:
        await database.script(SETUP)
        yield database


async def filled(db: Database) -> tuple[Any, Any]:
    """Return two tables with a column of each type, the first with a row for each value."""
    for name in ("t", "other"):
        await db.q(f"CREATE TABLE {name} (id int PRIMARY KEY, {COLUMNS})")
    number = 0
    async with db.transaction():
        for n, (kind, texts) in enumerate(VALUES.items()):
            for text in texts:
                number += 1
                # As text, so that nothing of the driver's has a say in what is stored.
                await db.q(f"INSERT INTO t (id, c{n}) SELECT ?, CAST(CAST(? AS text) AS {kind})", [number, text])
    await db.reflect()
    return db.t.t, db.t.other


async def stored(db: Database, table: str) -> list[tuple[str, str]]:
    """Return the type of each value of a table, and its text as the server writes it."""
    listed = ", ".join([f"CAST(c{n} AS text) AS c{n}" for n in range(len(VALUES))])
    rows = await db.q(f"SELECT {listed} FROM {table} ORDER BY id")
    found = [[(kind, row[f"c{n}"]) for n, kind in enumerate(VALUES)] for row in rows]
    return [next((value for value in row if value[1] is not None), ("", "")) for row in found]


def in_another_form(before: list[tuple[str, str]], after: list[tuple[str, str]]) -> set[tuple[str, str]]:
    return {one for one, other in zip(before, after, strict=True) if one != other}


async def test_every_value_is_read_and_inserted_again_unchanged(db: Database) -> None:
    table, other = await filled(db)
    before = await stored(db, "t")
    assert "" not in dict(before)
    await other.insert_all(await table(order_by="id"))
    assert in_another_form(before, await stored(db, "other")) == IN_ANOTHER_FORM
    await db.q("TRUNCATE other")
    async with db.transaction():
        for row in [row async for row in table(order_by="id")]:
            await other.insert(row)
    assert in_another_form(before, await stored(db, "other")) == IN_ANOTHER_FORM


async def test_every_value_is_exported_and_imported_unchanged(db: Database, tmp_path: Path) -> None:
    table, other = await filled(db)
    for format in ("csv", "json", "ndjson"):
        assert await table(order_by="id").export(tmp_path / f"t.{format}") == sum(map(len, VALUES.values()))
    # The numbers of documents are those of JSON in a file of JSON.
    documents = [f"c{n}" for n, kind in enumerate(VALUES) if kind.startswith("json")]
    await db.q(f"DELETE FROM t WHERE num_nonnulls({', '.join(documents)}) > 0")
    before = await stored(db, "t")
    await table(order_by="id").export(tmp_path / "t.ndjson", overwrite=True)
    await db.import_file(tmp_path / "t.ndjson", "other")
    assert await other.count() == len(before)
    assert in_another_form(before, await stored(db, "other")) == {
        pair for pair in IN_ANOTHER_FORM if not pair[0].startswith("json")
    }


async def test_a_class_with_its_annotations_makes_the_same_columns(db: Database) -> None:
    await db.q(f"CREATE TABLE t (id int PRIMARY KEY, {COLUMNS})")
    table = await db.reflect_table("t")
    made = await db.create(table.dataclass(), name="made")
    types = await db.q(_TYPES, ["t"])
    assert await db.q(_TYPES, ["made"]) == types
    kinds = [[repr(column.type) for column in each.sa_table.c] for each in (made, table)]
    assert kinds[0] == kinds[1]
    # No warning says that it differs.
    await db.create(table.dataclass(), name="t", if_not_exists=True)
    await db.create(table.dataclass(), name="t", transform=True)
    assert await db.q(_TYPES, ["t"]) == types
