"""After an error of the database a block is over, until a savepoint is rolled back: the same for each kind, on each."""

from __future__ import annotations

import pytest

from deebase import (
    CheckViolationError,
    Database,
    DeeBaseError,
    ForeignKeyViolationError,
    NotNullViolationError,
    QueryError,
    TransactionAbortedError,
    UniqueViolationError,
)
from tests.support.worlds import keys, put

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file", "postgres"], indirect=True)

SCHEMA = """
    CREATE TABLE parent (id INTEGER PRIMARY KEY);
    CREATE TABLE t (
        id INTEGER PRIMARY KEY, n INTEGER NOT NULL CHECK (n < 100), parent INTEGER REFERENCES parent (id)
    );
    INSERT INTO t VALUES (1, 1, NULL);
"""

KINDS: list[tuple[str, type[DeeBaseError]]] = [
    ("INSERT INTO t VALUES (1, 1, NULL)", UniqueViolationError),
    ("INSERT INTO t VALUES (2, NULL, NULL)", NotNullViolationError),
    ("INSERT INTO t VALUES (2, 1, 99)", ForeignKeyViolationError),
    ("INSERT INTO t VALUES (2, 100, NULL)", CheckViolationError),
    ("UPDATE t SET n = 100", CheckViolationError),
    ("SELECT * FROM no_such_table", QueryError),
    ("SELECT no_such_column FROM t", QueryError),
    ("INSERT INTO t VALUES (2, 1", QueryError),
]


@pytest.fixture
async def t(db: Database) -> Database:
    await db.script(SCHEMA)
    return db


async def test_going_on_is_refused_and_nothing_is_saved(t: Database) -> None:
    for sql, kind in KINDS:
        tx = t.transaction()
        with pytest.raises(TransactionAbortedError) as caught:
            async with tx:
                await put(t, 10)
                with pytest.raises(kind) as first:
                    await t.q(sql)
                for _ in range(2):
                    with pytest.raises(TransactionAbortedError):
                        await put(t, 11)
                with pytest.raises(TransactionAbortedError):
                    await keys(t)
        assert caught.value.__cause__ is first.value, sql
        assert tx.outcome == "rolled back", sql
        assert await keys(t) == [1], sql


async def test_a_nested_block_contains_it(t: Database) -> None:
    for sql, kind in KINDS:
        async with t.transaction() as tx:
            await put(t, 10)
            with pytest.raises(kind):
                async with t.transaction():
                    await put(t, 11)
                    await t.q(sql)
            await put(t, 12)
        assert tx.outcome == "committed", sql
        assert await keys(t) == [1, 10, 12], sql
        await t.q("DELETE FROM t WHERE id > 1")


async def test_leaving_by_it_rolls_back(t: Database) -> None:
    for sql, kind in KINDS:
        tx = t.transaction()
        with pytest.raises(kind):
            async with tx:
                await put(t, 10)
                await t.q(sql)
        assert tx.outcome == "rolled back", sql
        assert await keys(t) == [1], sql
