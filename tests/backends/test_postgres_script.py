"""The schema of a PostgreSQL database as SQL: what it creates in an empty database is the same to pg_dump."""

from __future__ import annotations

import os
import subprocess
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import asyncpg
import pytest

from deebase import Database
from deebase._backends.postgres.script import read_script
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase.tools.access import tools_of
from tests.support.own_server import programs_directory
from tests.support.postgres import PostgresTestServer

EVERYTHING = Path(__file__).parents[1] / "support" / "every_feature.postgresql.sql"
#: Lines that differ from call to call.
_RANDOM = ("\\restrict", "\\unrestrict")


@pytest.fixture
def urls(postgres_server: PostgresTestServer) -> Iterator[tuple[str, str]]:
    """The URLs of two new databases: publications and the like are not emptied for a next test."""
    names = [f"deebase_script_{os.getpid()}_{n}" for n in range(2)]
    postgres_server.execute(*[f"CREATE DATABASE {name} STRATEGY wal_log" for name in names])
    try:
        yield postgres_server.url_of(names[0]), postgres_server.url_of(names[1])
    finally:
        postgres_server.execute(*[f"DROP DATABASE {name} WITH (FORCE)" for name in names])


@asynccontextmanager
async def connected(url: str, search_path: str = "public") -> AsyncIterator[asyncpg.Connection]:
    connection = await asyncpg.connect(url, server_settings={"search_path": search_path})
    try:
        yield connection
    finally:
        await connection.close()


async def script_of(connection: asyncpg.Connection) -> SchemaScript:
    async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        rows: list[Any] = await connection.fetch(sql, *args)
        return rows

    return await read_script(read)


async def create(connection: asyncpg.Connection, script: SchemaScript) -> None:
    """Run a script as a copy does: with the rows between its two halves."""
    async with connection.transaction():
        for item in [*script.before_rows(), *script.after_rows()]:
            for sql in item.create:
                await connection.execute(sql)


async def drop(connection: asyncpg.Connection, script: SchemaScript) -> None:
    for item in reversed(script.objects):
        for sql in item.drop:
            await connection.execute(sql)


def dump(url: str) -> list[str]:
    """Return what pg_dump writes of a database, which reads the catalogs without our code."""
    command = [str(programs_directory() / "pg_dump"), "--schema-only", "--no-owner", url]
    text = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    return [line for line in text.splitlines() if not line.startswith(_RANDOM)]


async def refill(urls: tuple[str, str], sql: str) -> tuple[SchemaScript, SchemaScript]:
    """Run SQL in one database, and its script in the other; return the scripts of both, which are dropped again."""
    async with connected(urls[0]) as one, connected(urls[1]) as other:
        await one.execute(sql)
        script = await script_of(one)
        await create(other, script)
        both = script, await script_of(other)
        assert dump(urls[0]) == dump(urls[1])
        for connection in (one, other):
            await drop(connection, script)
        return both


def keys(script: SchemaScript) -> dict[tuple[str, str], str]:
    return {(item.kind, item.name): item.key for item in script.objects}


def named(script: SchemaScript, label: str) -> SchemaObject:
    (found,) = [item for item in script.objects if item.label == label]
    return found


@pytest.mark.parametrize("search_path", ["public", "shop, public", "nowhere"])
async def test_what_it_creates_is_the_same_to_pg_dump(urls: tuple[str, str], search_path: str) -> None:
    empty = dump(urls[1])
    async with connected(urls[0]) as one:
        await one.execute(EVERYTHING.read_text(encoding="utf-8"))
    async with connected(urls[0], search_path) as one, connected(urls[1], search_path) as other:
        script = await script_of(one)
        await create(other, script)
        assert dump(urls[0]) == dump(urls[1])
        again = await script_of(other)
        assert keys(again) == keys(script)
        assert [item.label for item in again.objects] == [item.label for item in script.objects]
        assert script.not_carried == again.not_carried == ()
        for connection in (one, other):
            await drop(connection, script)
        assert dump(urls[1]) == empty


async def test_names_are_unique(urls: tuple[str, str]) -> None:
    script, _ = await refill(
        urls,
        'CREATE SCHEMA a; CREATE TABLE a.b (id int); CREATE TABLE "a.b" (id int);'
        "CREATE TABLE b (id int PRIMARY KEY); CREATE TABLE a.c (id int PRIMARY KEY)",
    )
    assert len(keys(script)) == len(script.objects)
    assert {item.name for item in script.objects if item.kind == "table"} >= {"b", "a.c", "a.b"}


async def test_conditions_stay_as_they_were_written(urls: tuple[str, str]) -> None:
    """The server shows `x IN (...)` of a varchar in a form that makes another expression."""
    script, again = await refill(
        urls,
        "CREATE TABLE t (x varchar(5) CHECK (x IN ('a', 'it''s')), y varchar CHECK (y NOT IN ('b', 'c')));"
        "CREATE INDEX i ON t (x) WHERE x IN ('a', 'b'); CREATE VIEW v AS SELECT * FROM t WHERE x IN ('a', 'b');"
        "ALTER TABLE t ENABLE ROW LEVEL SECURITY; CREATE POLICY p ON t USING (x IN ('a', 'b'))",
    )
    assert keys(script) == keys(again)


async def test_a_serial_column_is_one_only_if_its_sequence_is_as_usual(urls: tuple[str, str]) -> None:
    script, _ = await refill(
        urls,
        "CREATE TABLE plain (id serial PRIMARY KEY, n bigserial); CREATE TABLE was (id serial);"
        "ALTER TABLE was RENAME TO renamed; CREATE TABLE odd (id serial); ALTER SEQUENCE odd_id_seq INCREMENT 5;"
        "CREATE TABLE wider (id serial); ALTER TABLE wider ALTER id TYPE bigint;"
        "CREATE TABLE other (id int DEFAULT nextval('plain_id_seq') NOT NULL)",
    )
    (table,) = named(script, "table plain").create
    assert "id serial" in table
    assert "n bigserial" in table
    assert len(named(script, "table renamed").create) == 3
    assert "INCREMENT BY 5" in named(script, "table odd").create[0]
    assert "AS integer" in named(script, "table wider").create[0]
    assert not [item for item in script.objects if item.kind == "sequence"]


async def test_what_depends_on_itself_is_taken_apart(urls: tuple[str, str]) -> None:
    script, _ = await refill(
        urls,
        "CREATE TABLE t (id int, n int); CREATE FUNCTION ok(t) RETURNS bool LANGUAGE sql IMMUTABLE AS 'SELECT true';"
        "ALTER TABLE t ADD CONSTRAINT c CHECK (ok(t.*));"
        "CREATE FUNCTION following() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT max(id) + 1 FROM t; END;"
        "ALTER TABLE t ALTER id SET DEFAULT following()",
    )
    assert named(script, "constraint c on t").table == named(script, "default t.id").table == "t"


async def test_what_needs_rows_comes_after_them(urls: tuple[str, str]) -> None:
    script, _ = await refill(
        urls,
        "CREATE TABLE t (id int); CREATE MATERIALIZED VIEW m AS SELECT * FROM t; CREATE VIEW v AS SELECT * FROM m;"
        "CREATE VIEW w AS SELECT * FROM t; ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;"
        "CREATE POLICY p ON t USING (id > 0); CREATE RULE r AS ON DELETE TO t DO INSTEAD NOTHING",
    )
    assert [item.label for item in script.before_rows()] == ["table t", "view w"]
    assert {item.label for item in script.after_rows()} == {
        "materialized view m",
        "view v",
        "row security t",
        "policy p on t",
        "rule r on t",
    }


@pytest.mark.parametrize(
    ("sql", "undo", "expected"),
    [
        ("GRANT SELECT ON t TO pg_monitor", "", "privileges of table public.t: {"),
        ("GRANT UPDATE (id) ON t TO PUBLIC", "", "privileges of column t.id: {"),
        ("REVOKE EXECUTE ON FUNCTION f() FROM PUBLIC", "", "privileges of function public.f(): {"),
        ("ALTER TABLE t OWNER TO pg_monitor", "", "owner pg_monitor of table public.t"),
        ("SELECT lo_create(0)", "SELECT lo_unlink(oid) FROM pg_largeobject_metadata", "1 large objects"),
        (
            "CREATE OPERATOR CLASS c FOR TYPE text USING btree AS OPERATOR 1 <, FUNCTION 1 bttextcmp(text, text)",
            "",
            "operator class public.c USING btree",
        ),
        (
            "ALTER DEFAULT PRIVILEGES IN SCHEMA public GRANT SELECT ON TABLES TO pg_monitor",
            "",
            "default privileges of postgres in schema public",
        ),
    ],
)
async def test_what_is_not_carried_is_named(postgres_url: str, sql: str, undo: str, expected: str) -> None:
    async with connected(postgres_url) as connection:
        await connection.execute("CREATE TABLE t (id int); CREATE FUNCTION f() RETURNS int LANGUAGE sql AS 'SELECT 1'")
        await connection.execute(sql)
        found = (await script_of(connection)).not_carried
        if undo:
            await connection.execute(undo)
        assert any(line.startswith(expected) or expected in line for line in found), found


async def test_the_number_of_queries_does_not_depend_on_the_number_of_tables(postgres_url: str) -> None:
    async def count() -> int:
        queries = 0

        async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
            nonlocal queries
            queries += 1
            rows: list[Any] = await connection.fetch(sql, *args)
            return rows

        await read_script(read)
        return queries

    async with connected(postgres_url) as connection:
        empty = await count()
        for n in range(20):
            await connection.execute(f"CREATE TABLE t{n} (id serial PRIMARY KEY, v text UNIQUE)")
        assert await count() == empty


async def test_the_tools_return_it(postgres_url: str) -> None:
    async with Database(postgres_url) as db:
        await db.q("CREATE TABLE t (id int)")
        assert [item.label for item in (await tools_of(db).schema_script()).objects] == ["table t"]
