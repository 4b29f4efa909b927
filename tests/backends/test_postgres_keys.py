"""PostgreSQL's types whose values have several spellings, as keys."""

from __future__ import annotations

import asyncio
from decimal import Decimal
from typing import Any

import pytest

from deebase import Database

pytestmark = pytest.mark.filterwarnings("ignore:.*read and written as text")


@pytest.mark.parametrize(
    ("kind", "stored", "keys"),
    [
        ("char(3)", "('a'), ('b')", ["b", "a  ", "a", "b ", "q"]),
        ("citext", "('a'), ('b')", ["b", "a", "A", "q"]),
        ("inet", "('10.0.0.1'), ('10.0.0.0/8')", ["10.0.0.0/8", "10.0.0.1", "10.0.0.1/32", "10.0.0.2"]),
        ("numeric", "(1), (2.50)", [Decimal(1), Decimal("2.5"), Decimal("2.50"), Decimal("1.0"), Decimal(3)]),
        ("float8", "(1), (2.5)", [1.0, 2.5, 3.0]),
    ],
)
async def test_each_shared_read_finds_what_it_would_find_alone(
    postgres_url: str, kind: str, stored: str, keys: list[Any]
) -> None:
    async with Database(postgres_url) as db:
        await db.q("CREATE EXTENSION IF NOT EXISTS citext")
        await db.script(
            f"CREATE TABLE k (code {kind} PRIMARY KEY); INSERT INTO k VALUES {stored};"
            f"CREATE TABLE c (n int PRIMARY KEY, k {kind} REFERENCES k)"
        )
        await db.reflect()
        table = db.t.k
        await asyncio.gather(*(table.get(key, default=None) for key in keys))
        shared = await asyncio.gather(*(table.get(key, default=None) for key in keys))
        alone = [await table.get(key, default=None) for key in keys]
        parents = await asyncio.gather(*(db.t.c.fk.k({"k": key}) for key in keys))
        joined = [parent for _, parent in await db.t.c.with_parents([{"k": key} for key in keys], "k")]
    assert shared == alone == parents == joined
    assert [row is None for row in shared] == [False] * (len(keys) - 1) + [True]
