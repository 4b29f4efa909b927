"""Whatever a database, a driver or the network answers, what leaves DeeBase is a DeeBaseError with its cause."""

from __future__ import annotations

import asyncio
import datetime as dt
import decimal
import pickle
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database, DeeBaseError, TransactionAbortedError
from tests.support.capabilities import can

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)

SCHEMA = """
    CREATE TABLE parent (id INTEGER PRIMARY KEY, name VARCHAR(5) NOT NULL UNIQUE, n INTEGER CHECK (n < 100));
    CREATE TABLE child (id INTEGER PRIMARY KEY, parent_id INTEGER NOT NULL REFERENCES parent (id));
    CREATE VIEW seen AS SELECT id FROM parent;
    INSERT INTO parent VALUES (1, 'one', 1);
    INSERT INTO child VALUES (1, 1);
"""

#: Statements that every database refuses.
REFUSED: list[tuple[str, Any]] = [
    ("SELEC 1", None),
    ("SELECT * FROM no_such_table", None),
    ("SELECT no_such_column FROM parent", None),
    ("SELECT no_such_function(1)", None),
    ("INSERT INTO parent (id, nope) VALUES (2, 'x')", None),
    ("INSERT INTO parent VALUES (1, 'two', 1)", None),
    ("INSERT INTO parent VALUES (2, 'one', 1)", None),
    ("INSERT INTO parent VALUES (2, NULL, 1)", None),
    ("INSERT INTO parent VALUES (2, 'two', 100)", None),
    ("INSERT INTO child VALUES (2, 99)", None),
    ("DELETE FROM parent WHERE id = 1", None),
    ("UPDATE child SET parent_id = 99", None),
    ("UPDATE parent SET no_such = 1", None),
    ("CREATE TABLE parent (id INTEGER)", None),
    ("CREATE INDEX i ON no_such_table (id)", None),
    ("DROP TABLE no_such_table", None),
    ("DROP INDEX no_such_index", None),
    ("ALTER TABLE parent ADD COLUMN n INTEGER", None),
    ("SELECT count(*) FROM parent GROUP BY", None),
    ("SELECT id FROM parent UNION SELECT id, name FROM parent", None),
    ("SELECT (SELECT 1, 2)", None),
    ("SELECT 1 WHERE id", None),
    ("INSERT INTO seen VALUES (3, 1, 1, 1)", None),
    ("SELECT 1; SELECT 2", None),
    ("SELECT ?", []),
    ("SELECT ?", [1, 2]),
    ("SELECT :a", {"b": 1}),
    ("SELECT :a", None),
    ("BEGIN", None),
    ("COMMIT", None),
    ("SELECT 'a", None),
    ('SELECT "', None),
    ("SELECT * FROM parent WHERE id = ?", [object()]),
    ("SELECT * FROM parent WHERE id = ?", [2**80]),
    ("SELECT * FROM parent WHERE name = ?", ["\ud800"]),
    ("SELECT * FROM parent WHERE id = ?", [{1, 2}]),
    ("SELECT * FROM parent WHERE id IN (?)", [asyncio]),
    ("SELECT \ud800", None),
]

#: Those PostgreSQL alone refuses: SQLite stores any value in any column, and knows no such functions.
REFUSED_BY_POSTGRES: list[tuple[str, Any]] = [
    ("INSERT INTO parent VALUES (2, 'too long', 1)", None),
    ("SELECT * FROM parent WHERE id = ?", ["one"]),
    ("SELECT * FROM parent WHERE id = ?", [2**40]),
    ("SELECT * FROM parent WHERE id = ?", [dt.date(2024, 1, 1)]),
    ("SELECT * FROM parent WHERE name = ?", ["a\0b"]),
    ("SELECT CAST(? AS timestamp)", [decimal.Decimal(1)]),
    ("SELECT CAST('x' AS integer)", None),
    ("SELECT 1 / 0", None),
    ("SELECT CAST('2024-02-30' AS date)", None),
    ("SELECT CAST('{' AS jsonb)", None),
    ("SELECT CAST(? AS jsonb)", [float("nan")]),
    ("SELECT ARRAY[1, 2][", None),
    ("SELECT pg_sleep('x')", None),
    ("SELECT pg_terminate_backend(pg_backend_pid())", None),
    ("DO $$ BEGIN RAISE EXCEPTION 'by the user'; END $$", None),
    ("DO $$ BEGIN ASSERT false; END $$", None),
    ("SET no_such_setting = 1", None),
    ("VACUUM no_such_table", None),
    ("COPY parent FROM STDIN", None),
    ("copy parent\nTO STDOUT", None),
    ("LISTEN", None),
    ("CREATE DATABASE postgres", None),
    ("PREPARE TRANSACTION 'x'", None),
    ("SELECT lo_get(1)", None),
    ("SELECT repeat('x', 2000000000)", None),
]


@pytest.fixture
async def known(db: Database) -> Database:
    await db.script(SCHEMA)
    return db


def cases(db: Database) -> list[tuple[str, Any]]:
    return REFUSED + (REFUSED_BY_POSTGRES if can(db).checks_types else [])


async def error_of(db: Database, sql: str, params: Any) -> DeeBaseError:
    try:
        await db.q(sql, params)
    except DeeBaseError as error:
        return error
    except BaseException as error:
        raise AssertionError(f"{sql!r} {params!r} raised {error!r}") from error
    raise AssertionError(f"{sql!r} {params!r} was not refused")


async def test_a_refused_statement_raises_our_error(known: Database) -> None:
    for sql, params in cases(known):
        error = await error_of(known, sql, params)
        assert str(error), sql
        copy = pickle.loads(pickle.dumps(error))
        assert (type(copy), str(copy)) == (type(error), str(error))
        assert known._core.executor.lanes_in_use == 0
    assert await known.item("SELECT count(*) FROM parent") == 1


async def test_the_same_inside_a_transaction(known: Database) -> None:
    for sql, params in cases(known):
        try:
            async with known.transaction():
                await known.q("INSERT INTO parent VALUES (50, 'x', 1)")
                expected = await error_of(known, sql, params)
        except TransactionAbortedError as aborted:
            assert aborted.__cause__ is expected  # noqa: PT017 - or no error at all
        else:
            # Refused before anything was sent, so the block is as it was.
            await known.q("DELETE FROM parent WHERE id = 50")
        assert known._core.executor.lanes_in_use == 0
    assert await known.item("SELECT count(*) FROM parent") == 1


async def test_the_same_in_a_stream(known: Database) -> None:
    for sql, params in cases(known):
        with pytest.raises(DeeBaseError):
            rows = [row async for row in known.stream(sql, params)]
            raise AssertionError(f"{sql!r} {params!r} gave {rows!r}")
        assert known._core.executor.lanes_in_use == 0


async def test_the_same_in_a_script(known: Database) -> None:
    for sql, params in cases(known):
        if params is None and sql != "SELECT 1; SELECT 2":
            with pytest.raises(DeeBaseError):
                await known.script(f"INSERT INTO parent VALUES (60, 'y', 1); {sql}")
                raise AssertionError(f"{sql!r} was not refused")
    assert await known.item("SELECT count(*) FROM parent") == 1


async def test_the_same_in_statements_of_sqlalchemy(known: Database) -> None:
    statements = [
        sa.text("SELECT * FROM no_such_table"),
        sa.text("INSERT INTO parent VALUES (1, 'two', 1)"),
        sa.text("INSERT INTO child VALUES (2, 99)"),
        sa.select(sa.column("x")).select_from(sa.table("nowhere")),
        sa.text("SELECT :a"),
        sa.text("SELECT CAST(:a AS INTEGER)").bindparams(a=object()),
        sa.text("SELECT :a").bindparams(a="\ud800"),
    ]
    for statement in statements:
        with pytest.raises(DeeBaseError):
            await known.q(statement)
        assert known._core.executor.lanes_in_use == 0
    assert await known.item(sa.text("SELECT count(*) FROM parent")) == 1


async def test_a_value_is_never_part_of_the_text(known: Database) -> None:
    canary = "canary-v4lue"
    attempts = [
        ("INSERT INTO parent VALUES (2, ?, 1000)", [canary[:5]]),
        ("INSERT INTO parent VALUES (?, NULL, 1)", [424242]),
        ("INSERT INTO child VALUES (?, 99)", [424242]),
        ("SELECT no_such(?)", [canary]),
        ("INSERT INTO parent VALUES (1, ?, 1)", ["cana"]),
    ]
    for sql, params in attempts:
        error = await error_of(known, sql, params)
        assert "cana" not in str(error)
        assert "424242" not in str(error)
