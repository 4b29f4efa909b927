"""Copies from one PostgreSQL database to another: the same by pg_dump, in schema and rows."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from deebase import ConnectionError, Database, InvalidOperationError, SchemaError
from deebase.tools.copying import copy_database
from tests.support.own_server import programs_directory
from tests.support.postgres import PostgresTestServer

EVERY_FEATURE = Path(__file__).parents[1] / "support" / "every_feature.postgresql.sql"
#: Rows of many types, in partitions and children, with generated columns, sequences and a policy.
ROWS = """
    CREATE TYPE mood AS ENUM ('ok', 'sad'); CREATE TYPE pair AS (a int, b text);
    CREATE TABLE plain (id serial PRIMARY KEY, m mood, p pair, r int4range, ts timestamptz, f real, x numeric[],
        twice int GENERATED ALWAYS AS (id * 2) STORED, self int REFERENCES plain);
    INSERT INTO plain (m, p, r, ts, f, x, self)
        SELECT 'ok', row(n, 'é' || n)::pair, int4range(n, n + 5), '2024-01-01'::timestamptz + n * interval '1 day',
            n / 7.0, ARRAY[n, NULL, 1.50], CASE WHEN n < 5000 THEN n + 1 END FROM generate_series(1, 5000) n;
    CREATE TABLE parted (n int, t text) PARTITION BY RANGE (n);
    CREATE TABLE part_1 PARTITION OF parted FOR VALUES FROM (0) TO (10);
    CREATE TABLE part_2 PARTITION OF parted DEFAULT;
    INSERT INTO parted VALUES (1, 'a'), (100, NULL);
    CREATE SCHEMA other; CREATE TABLE other.child (id int REFERENCES plain (id), made int) ;
    INSERT INTO other.child VALUES (1, 2); CREATE TABLE grandchild (more text) INHERITS (other.child);
    INSERT INTO grandchild VALUES (2, 3, 'x'); CREATE TABLE nothing (); INSERT INTO nothing DEFAULT VALUES;
    CREATE SEQUENCE loose START 7; SELECT nextval('loose');
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RAISE EXCEPTION ''no''; END';
    CREATE TRIGGER never BEFORE INSERT ON plain FOR EACH ROW EXECUTE FUNCTION refuse();
    ALTER TABLE plain ENABLE ROW LEVEL SECURITY; CREATE POLICY own ON plain USING (id > 10);
    CREATE MATERIALIZED VIEW total AS SELECT count(*) AS n FROM plain; CREATE INDEX ON plain (ts);
"""


@pytest.fixture
def urls(postgres_server: PostgresTestServer) -> Iterator[tuple[str, str]]:
    """Two empty databases."""
    with postgres_server.fresh_database() as one, postgres_server.fresh_database() as other:
        yield one, other


def run(program: str, url: str, *arguments: str, text: str | None = None) -> str:
    command = [str(programs_directory() / program), "--dbname", url, *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def fill(url: str, sql: str) -> None:
    run("psql", url, "--quiet", "--set=ON_ERROR_STOP=1", "--output=/dev/null", text=sql)


def dumped(url: str, *options: str) -> list[str]:
    """Return the lines of a dump without comments and its random key."""
    lines = run("pg_dump", url, "--no-owner", *options).splitlines()
    # A database that another test has used has lost the comment of its schema.
    others = ("--", "\\restrict", "\\unrestrict", "COMMENT ON SCHEMA public")
    return [line for line in lines if line and not line.startswith(others)]


def rows(url: str) -> list[str]:
    return sorted(dumped(url, "--data-only", "--inserts"))


@pytest.fixture
def own_urls(postgres_server: PostgresTestServer) -> Iterator[tuple[str, str]]:
    """Two empty databases that are dropped: publications and event triggers belong to no schema."""
    names = "deebase_copied", "deebase_copy"
    postgres_server.execute(*[f"CREATE DATABASE {name}" for name in names])
    yield postgres_server.url_of(names[0]), postgres_server.url_of(names[1])
    postgres_server.execute(*[f"DROP DATABASE {name} WITH (FORCE)" for name in names])


async def test_every_object_is_copied_by_its_own_definition(own_urls: tuple[str, str]) -> None:
    fill(own_urls[0], EVERY_FEATURE.read_text(encoding="utf-8"))
    async with Database(own_urls[0]) as one, Database(own_urls[1]) as other:
        await copy_database(one, other)
    assert dumped(own_urls[1], "--schema-only") == dumped(own_urls[0], "--schema-only")


async def test_rows_sequences_and_views_are_the_same(urls: tuple[str, str]) -> None:
    fill(urls[0], ROWS)
    told: list[tuple[str, int, int]] = []

    def tell(table: str, done: int, total: int) -> None:
        told.append((table, done, total))

    async with Database(urls[0]) as one, Database(urls[1]) as other:
        report = await copy_database(one, other, progress=tell)
        assert await other.item("SELECT n FROM total") == 5000
        with pytest.raises(SchemaError, match=r"table other\.child already exists"):
            await copy_database(one, other)
    assert dumped(urls[1], "--schema-only") == dumped(urls[0], "--schema-only")
    assert rows(urls[1]) == rows(urls[0])
    counted = {table.name: table.rows for table in report.tables}
    assert counted == {
        "grandchild": 1,
        "nothing": 1,
        "part_1": 1,
        "part_2": 1,
        "plain": 5000,
        "other.child": 1,
    }
    assert report.views == ("total",)
    assert ("plain", 5000, 5000) in told


async def test_some_tables_are_copied_with_what_belongs_to_them(urls: tuple[str, str]) -> None:
    fill(urls[0], ROWS)
    async with Database(urls[0]) as one, Database(urls[1]) as other:
        report = await copy_database(one, other, tables=["parted", "other.child"])
        assert {table.name: table.rows for table in report.tables} == {"part_1": 1, "part_2": 1, "other.child": 1}
        assert await other.item("SELECT sum(n)::int FROM parted") == 101
        assert any("foreign key" in note or "constraint" in note for note in report.left_out), report.left_out
        with pytest.raises(SchemaError, match="table nowhere does not exist"):
            await copy_database(one, other, tables=["nowhere"])


async def test_an_interrupted_copy_goes_on_or_starts_again(urls: tuple[str, str]) -> None:
    fill(urls[0], ROWS)

    def stop(table: str, *_: int) -> None:
        if table == "plain":
            raise ZeroDivisionError

    async with Database(urls[0]) as one, Database(urls[1]) as other:
        with pytest.raises(ZeroDivisionError):
            await copy_database(one, other, progress=stop)
        with pytest.raises(InvalidOperationError, match="unfinished copy"):
            await copy_database(one, other)
        with pytest.raises(InvalidOperationError, match="of other tables"):
            await copy_database(one, other, resume=True, tables=["parted"])
        await one.q("INSERT INTO parted VALUES (2, 'later')")
        with pytest.raises(InvalidOperationError, match="part_1 of the source has changed"):
            await copy_database(one, other, resume=True)
        await one.q("DELETE FROM parted WHERE n = 2")
        with pytest.raises(ZeroDivisionError):
            await copy_database(one, other, resume=True, progress=stop)
        await copy_database(one, other, resume=True)
        assert rows(urls[1]) == rows(urls[0])


async def test_a_copy_that_starts_again_drops_what_it_made(urls: tuple[str, str]) -> None:
    fill(urls[0], ROWS)

    def stop(table: str, *_: int) -> None:
        raise ZeroDivisionError

    async with Database(urls[0]) as one, Database(urls[1]) as other:
        with pytest.raises(ZeroDivisionError):
            await copy_database(one, other, progress=stop)
        await copy_database(one, other, restart=True)
    assert dumped(urls[1], "--schema-only") == dumped(urls[0], "--schema-only")
    assert rows(urls[1]) == rows(urls[0])


#: Makes the rows of the copy wait for a lock.
_WAITING = """
    CREATE FUNCTION wait() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN PERFORM pg_advisory_xact_lock(1); RETURN new; END';
    CREATE FUNCTION add_wait() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN
        IF to_regclass('wide') IS NOT NULL THEN
            CREATE OR REPLACE TRIGGER waits BEFORE INSERT ON wide FOR EACH ROW EXECUTE FUNCTION wait(); END IF; END $$;
    CREATE EVENT TRIGGER waits ON ddl_command_end WHEN TAG IN ('CREATE TABLE') EXECUTE FUNCTION add_wait();
"""
_STANDS_STILL = """
    SELECT count(*) = 2 FROM pg_stat_activity
    WHERE datname = ANY (:names) AND (wait_event = 'ClientWrite' OR wait_event_type = 'Lock' AND query LIKE 'COPY%')
"""
_END_SESSION = """
    SELECT pg_terminate_backend(pid) FROM pg_stat_activity
    WHERE datname = current_database() AND query LIKE 'COPY%'
"""


@pytest.mark.parametrize("how", ["cancelled", "disconnected"])
async def test_a_copy_ends_while_the_target_waits(own_urls: tuple[str, str], how: str) -> None:
    source, target = own_urls
    fill(source, "CREATE TABLE wide AS SELECT n, repeat('x', 5000) AS t FROM generate_series(1, 10000) n")
    fill(target, _WAITING)
    async with Database(source) as one, Database(target) as other, Database(target) as third:
        names = [await db.item("SELECT current_database()") for db in (one, other)]
        async with third.transaction():
            await third.q("SELECT pg_advisory_xact_lock(1)")
            copy = asyncio.create_task(copy_database(one, other))
            async with asyncio.timeout(30):
                while not await third.item(_STANDS_STILL, {"names": names}):
                    assert not copy.done()
                    await third.q("SELECT pg_stat_clear_snapshot()")
            if how == "cancelled":
                copy.cancel()
            else:
                await third.q(_END_SESSION)
            await asyncio.wait([copy], timeout=30)
        assert copy.done()
        assert copy.cancelled() if how == "cancelled" else isinstance(copy.exception(), ConnectionError)
        assert await other.item("SELECT count(*) FROM wide") == 0
