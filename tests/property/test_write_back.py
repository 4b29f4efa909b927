"""A row that is read and written back stays byte for byte what it was, and its other columns are saved.

The stored values are compared as the databases write them out, by a reader of its own.
"""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import asyncpg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from deebase import Database, DataError

digits = st.text("0123456789", min_size=1, max_size=25)
decimals = st.builds("{}{}.{}".format, st.sampled_from(["", "-"]), digits, digits)
exponents = st.builds("{}e{}".format, decimals, st.integers(-320, 320))
words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=6)
plain = st.text("abcXYZ 19_-", max_size=5)
blanks = st.sampled_from(["", " ", "\n", "\t "])
numbers = st.integers(-(10**20), 10**20).map(str) | decimals.map(lambda text: f"0{text}".replace("0-", "-"))


def _json_text(value: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    names = st.sampled_from(['"a"', '"b"', '"\\u00e9"', '"é"', '""'])
    items = st.lists(st.tuples(names, blanks, value), max_size=3)
    return items.map(lambda found: "{" + ",".join(f"{n}{b}:{v}" for n, b, v in found) + "}") | st.lists(
        st.tuples(blanks, value), max_size=3
    ).map(lambda found: "[" + ",".join(f"{b}{v}" for b, v in found) + "]")


leaves = st.sampled_from(["null", "true", "false", '"x"', '"\\u0041\\n"', "1E5", "-0.0", "1.50", "1e-400", "1e400"])
json_numbers = st.integers(-(10**25), 10**25).map(str) | st.decimals(-(10**9), 10**9, places=22).map(lambda n: f"{n:f}")
documents = st.builds("{}{}{}".format, blanks, st.recursive(leaves | json_numbers, _json_text, max_leaves=5), blanks)
moments = st.datetimes().map(str) | st.sampled_from(
    ["infinity", "-infinity", "9999-12-31 23:59:59.999999", "0044-03-15 BC"]
)
days = st.dates().map(str) | st.sampled_from(["infinity", "-infinity", "9999-12-31", "0001-01-01", "20000-01-01"])
intervals = st.builds(
    "{} mons {} days {} seconds".format,
    st.integers(-50, 50),
    st.integers(-9999, 9999),
    st.decimals(-(10**7), 10**7, places=6),
)
floats = st.floats().map(repr)
addresses = st.ip_addresses(v=4).map(str)


def _array(element: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    quoted = st.none() | element.filter(lambda text: "\\" not in text and '"' not in text)
    rows = st.lists(quoted.map(lambda text: "NULL" if text is None else f'"{text}"'), max_size=3)
    starts = st.none() | st.integers(-5, 5)

    def written(found: list[str], start: int | None) -> str:
        bounds = "" if start is None or not found else f"[{start}:{start + len(found) - 1}]="
        return f"{bounds}{{{','.join(found)}}}"

    return st.builds(written, rows, starts)


#: Texts that PostgreSQL reads as values of a type; some it refuses.
POSTGRES: dict[str, st.SearchStrategy[str]] = {
    **dict.fromkeys(("smallint", "integer", "bigint", "oid"), st.integers(0, 30000).map(str)),
    **dict.fromkeys(("real", "double precision"), floats | st.just("-0")),
    "numeric": numbers | st.sampled_from(["NaN", "Infinity", "-Infinity", "1e10", "0.000"]),
    "numeric(30,10)": numbers,
    "money": st.integers(-(10**12), 10**12).map(str),
    **dict.fromkeys(("text", "varchar(30)", "name", "citizen"), words),
    **dict.fromkeys(("char(8)", '"char"'), plain),
    "bytea": st.binary(max_size=9).map(lambda found: "\\x" + found.hex()),
    "boolean": st.sampled_from(["t", "f"]),
    "json": documents,
    **dict.fromkeys(("jsonb", "document"), documents),
    "date": days,
    **dict.fromkeys(("timestamp", "timestamptz", "timestamp(3)"), moments),
    "time": st.times().map(str) | st.just("24:00"),
    "timetz": st.times().map(lambda found: f"{found}+05:30"),
    "interval": intervals,
    "uuid": st.uuids().map(str),
    **dict.fromkeys(("inet", "cidr"), addresses),
    "macaddr": st.binary(min_size=6, max_size=6).map(bytes.hex),
    **dict.fromkeys(("bit(5)", "bit varying"), st.text("01", min_size=5, max_size=5)),
    **dict.fromkeys(("mood", "feeling"), st.sampled_from(["sad", "it''s".replace("''", "'")])),
    "pair": st.builds('({},"{}")'.format, st.integers(-9, 9), plain),
    "int4range": st.builds("[{},{})".format, st.integers(-9, 9), st.integers(10, 99)) | st.just("empty"),
    "daterange": st.builds("[{},{}]".format, st.just("-infinity"), days),
    "tsrange": st.builds('["{}",)'.format, moments),
    "point": st.builds("({},{})".format, floats, floats),
    "box": st.builds("({},{}),(1,1)".format, floats, floats),
    **dict.fromkeys(("path", "polygon"), st.builds("(({},{}),(1,2))".format, floats, floats)),
    "tsvector": plain,
    "jsonpath": st.just("$.a[*] ? (@ > 1)"),
    "xml": st.builds("<a> {}</a>".format, st.text("abc é", max_size=5)),
    "int[]": _array(st.integers(-9, 9).map(str)),
    "int[][]": st.sampled_from(["{{1,2},{3,4}}", "[2:2][3:4]={{1,2}}", "{}"]),
    **dict.fromkeys(("text[]", "varchar(9)[]"), _array(plain)),
    "double precision[]": _array(floats | st.just("-0")),
    "numeric[]": _array(numbers | st.just("NaN")),
    "date[]": _array(days),
    "timestamptz[]": _array(moments),
    "interval[]": _array(intervals),
    "mood[]": _array(st.sampled_from(["sad", "it's"])),
    "inet[]": _array(addresses),
    **dict.fromkeys(("json[]", "jsonb[]"), _array(st.sampled_from(["null", "1.50", " [1, 2.0]", "{}"]))),
}
_SETUP = """
CREATE TYPE mood AS ENUM ('sad', 'it''s'); CREATE DOMAIN feeling AS mood; CREATE DOMAIN citizen AS text;
CREATE DOMAIN document AS jsonb; CREATE TYPE pair AS (a int, b text);
"""

anything = st.none() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | words | st.binary(max_size=5)
#: What is stored in columns of SQLite, which take everything; values that are usual there, beside others.
SQLITE: dict[str, st.SearchStrategy[Any]] = {
    "INTEGER": st.integers(-99, 99),
    "BIGINT": st.sampled_from(["12", "abc", 1.5, ""]),
    "REAL": st.floats(allow_nan=False),
    "DOUBLE PRECISION": st.sampled_from([-0.0, 1, "x"]),
    **dict.fromkeys(("VARCHAR(9)", "TEXT", "CLOB"), words),
    "BLOB": st.binary(max_size=9),
    "BOOLEAN": st.sampled_from([0, 1, 2, "t", "true"]),
    "JSON": documents | words,
    "JSONB": documents,
    "DECIMAL TEXT": numbers | st.sampled_from(["1E+3", " 1.5", "+1", ".5", "1_0", "NaN", "sNaN", "-0"]),
    **dict.fromkeys(("NUMERIC", "DECIMAL(10,2)"), numbers),
    "UUID CHAR(32)": st.uuids().map(str) | st.uuids().map(lambda found: found.hex.upper()),
    "DURATION REAL": st.floats(-(10**9), 10**9),
    "POINT": anything,
    "": anything,
}


def examples(kinds: dict[str, st.SearchStrategy[Any]], mixed: st.SearchStrategy[Any] | None = None) -> Any:
    """Return pairs of the number of a column and a value for it."""
    pairs = [
        st.tuples(st.just(n), values if mixed is None else values | mixed) for n, values in enumerate(kinds.values())
    ]
    return st.one_of(pairs)


async def written_back(table: Any, key: int, shown: Callable[[], Awaitable[Any]]) -> None:
    """Write a row back in every way, and see that nothing but ``n`` changes."""
    before = await shown()
    try:
        row = await table[key]
    except DataError:
        # A value that Python cannot hold is refused when it is read.
        return
    assert await table.update(row) is not None
    await table.update({**row, "n": 1})
    assert (await shown(), (await table[key])["n"]) == (before, 1)
    await table.upsert({**row, "n": 2})
    assert (await shown(), (await table[key])["n"]) == (before, 2)
    assert await table.update_all([{**row, "n": 3}]) == 1
    assert (await shown(), (await table[key])["n"]) == (before, 3)
    assert await table.upsert_all([{**row, "n": 4}]) == 1
    assert (await shown(), (await table[key])["n"]) == (before, 4)


class Postgres:
    def __init__(self, db: Database, table: Any, raw: asyncpg.Connection) -> None:
        self.db, self.table, self.raw = db, table, raw

    async def holds(self, column: int, text: str) -> None:
        kind = list(POSTGRES)[column]
        try:
            await self.raw.execute("DELETE FROM t")
            # As text, so that nothing of the driver's has a say in what is stored.
            await self.raw.execute(f"INSERT INTO t (id, c{column}) SELECT 1, CAST(CAST($1 AS text) AS {kind})", text)
        except (asyncpg.DataError, asyncpg.FeatureNotSupportedError):
            # No value of the type; or a type that the server was built without.
            return
        await written_back(self.table, 1, lambda: self.raw.fetchval(f"SELECT CAST(c{column} AS text) FROM t"))


@pytest.fixture
async def postgres(postgres_url: str) -> AsyncIterator[Postgres]:
    raw = await asyncpg.connect(postgres_url)
    await raw.execute(_SETUP)
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(POSTGRES))
    await raw.execute(f"CREATE TABLE t (id int PRIMARY KEY, n int, {columns})")
    async with Database(postgres_url, pool_size=1) as db:
        yield Postgres(db, await db.reflect_table("t"), raw)
    await raw.close()


class Sqlite:
    def __init__(self, table: Any, path: Path) -> None:
        self.table, self.path = table, path

    def run(self, sql: str, *values: Any) -> Any:
        with sqlite3.connect(self.path) as raw:
            found = raw.execute(sql, values).fetchall()
        raw.close()
        return found

    async def holds(self, column: int, value: Any) -> None:
        self.run("DELETE FROM t")
        self.run(f"INSERT INTO t (id, c{column}) VALUES (1, ?)", value)
        stored = f"SELECT typeof(c{column}), quote(c{column}) FROM t"

        async def shown() -> Any:
            return self.run(stored)

        await written_back(self.table, 1, shown)


@pytest.fixture
async def sqlite(tmp_path: Path) -> AsyncIterator[Sqlite]:
    path = tmp_path / "test.db"
    columns = ", ".join(f"c{n} {kind}" for n, kind in enumerate(SQLITE))
    async with Database(path, durability="normal") as db:
        await db.q(f"CREATE TABLE t (id INTEGER PRIMARY KEY, n int, {columns})")
        yield Sqlite(await db.reflect_table("t"), path)


slow = settings(
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
    deadline=None,
)
each_type = settings(slow, max_examples=2)
thorough = settings(slow, max_examples=1000)


@pytest.mark.filterwarnings("ignore:.*read and written as text")
@each_type
@given(st.tuples(*POSTGRES.values()))
async def test_a_row_of_each_type_of_postgres(postgres: Postgres, stored: tuple[str, ...]) -> None:
    for column, text in enumerate(stored):
        await postgres.holds(column, text)


@each_type
@given(st.tuples(*SQLITE.values()), anything)
async def test_a_row_of_each_type_of_sqlite(sqlite: Sqlite, stored: tuple[Any, ...], other: Any) -> None:
    for column, value in enumerate(stored):
        await sqlite.holds(column, value)
        await sqlite.holds(column, other)


@pytest.mark.filterwarnings("ignore:.*read and written as text")
@pytest.mark.long
@thorough
@given(examples(POSTGRES))
async def test_a_thousand_values_of_postgres(postgres: Postgres, stored: tuple[int, str]) -> None:
    await postgres.holds(*stored)


@pytest.mark.long
@thorough
@given(examples(SQLITE, anything))
async def test_a_thousand_values_of_sqlite(sqlite: Sqlite, stored: tuple[int, Any]) -> None:
    await sqlite.holds(*stored)
