"""COPY into columns whose types were changed: values are stored as themselves, never as other ones."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from deebase import Database, DataError

CHANGES = [("bigint", "double precision", 1.0), ("double precision", "bigint", 1), ("bigint", "numeric", Decimal(1))]


@pytest.mark.parametrize(("before", "after", "value"), CHANGES)
@pytest.mark.parametrize("inside", [False, True], ids=["another connection", "the same transaction"])
async def test_a_type_that_somebody_changed(
    postgres_url: str, before: str, after: str, value: Any, inside: bool
) -> None:
    async with Database(postgres_url, pool_size=1) as db, Database(postgres_url) as other:
        await db.q(f"CREATE TABLE t (id bigint PRIMARY KEY, x {before})")
        await db.reflect()
        await db.t.t.insert_all({"id": n, "x": 1} for n in range(10))
        change = f"ALTER TABLE t ALTER COLUMN x TYPE {after}"
        if inside:
            async with db.transaction():
                await db.q(change)
                await db.reflect()
                await db.t.t.insert_all({"id": n, "x": value} for n in range(10, 20))
        else:
            await other.q(change)
            await db.reflect()
            await db.t.t.insert_all({"id": n, "x": value} for n in range(10, 20))
        assert await db.t.t(x=value).count() == 20


async def test_a_table_that_is_created_again_with_other_types(postgres_url: str) -> None:
    async with Database(postgres_url, pool_size=1) as db:
        for turn in range(2):
            for kind, value in (("bigint", 1), ("text", "a"), ("bigint", 2), ("double precision", 0.5)):
                await db.q(f"CREATE TABLE t (id bigint PRIMARY KEY, x {kind})")
                await db.reflect()
                await db.t.t.insert_all({"id": n, "x": value} for n in range(10))
                assert await db.t.t(x=value).count() == 10, (turn, kind)
                await db.t.t.drop()


async def test_a_type_that_this_program_does_not_know_of_yet(postgres_url: str) -> None:
    async with Database(postgres_url, pool_size=1) as db, Database(postgres_url) as other:
        await db.q("CREATE TABLE t (id bigint PRIMARY KEY, x bigint)")
        await db.reflect()
        await db.t.t.insert_all({"id": n, "x": 1} for n in range(10))
        await other.q("ALTER TABLE t ALTER COLUMN x TYPE text USING x::text")
        with pytest.raises(DataError):
            await db.t.t.insert_all({"id": n, "x": 1} for n in range(10, 20))
        assert await other.item("SELECT count(*) FROM t WHERE x = '1'") == 10
        await db.reflect()
        await db.t.t.insert_all({"id": n, "x": "1"} for n in range(10, 20))
        assert await other.item("SELECT count(*) FROM t WHERE x = '1'") == 20


async def test_types_that_are_changed_again_and_again(postgres_url: str) -> None:
    async with Database(postgres_url, pool_size=1) as db:
        await db.q("CREATE TABLE t (id bigint PRIMARY KEY, x bigint)")
        for n, (kind, value) in enumerate(
            [("bigint", 1), ("double precision", 1.0), ("bigint", 1), ("numeric", 1)] * 2
        ):
            await db.q(f"ALTER TABLE t ALTER COLUMN x TYPE {kind}")
            await db.reflect()
            await db.t.t.insert_all([{"id": n, "x": value}])
        assert await db.t.t(x=1).count() == 8
