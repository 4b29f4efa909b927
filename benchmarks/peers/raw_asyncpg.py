"""asyncpg: its own pool, `Pool.fetchrow` for each operation."""

from __future__ import annotations

from collections.abc import Sequence

import asyncpg

from benchmarks.flights import COLUMNS, Flight
from benchmarks.peers.sql import statements
from benchmarks.target import POOL_SIZE, Target
from benchmarks.workload import FIELDS, Person, Values

SQL = statements("postgres")


class RawAsyncpg:
    """A pool that is full from the start."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        self._pool = await asyncpg.create_pool(target.url, min_size=POOL_SIZE, max_size=POOL_SIZE)

    async def _one(self, sql: str, *parameters: object) -> dict[str, object]:
        row = await self._pool.fetchrow(sql, *parameters)
        if row is None:
            raise LookupError(sql)
        return dict(row)

    async def get(self, key: int) -> dict[str, object]:
        """Read the row with a key."""
        return await self._one(SQL.get, key)

    async def insert(self, values: Values) -> dict[str, object]:
        """Store a row under a new key."""
        return await self._one(SQL.insert, *values.values())

    async def update(self, key: int, score: float) -> dict[str, object]:
        """Change one column."""
        return await self._one(SQL.update, score, key)

    async def upsert(self, row: Person) -> dict[str, object]:
        """Store a row under its key."""
        return await self._one(SQL.upsert, *row.values())

    async def delete(self, key: int) -> None:
        """Remove a row."""
        await self._pool.execute(SQL.delete, key)

    async def select_100(self, after: int) -> list[dict[str, object]]:
        """Read a hundred rows."""
        return [dict(row) for row in await self._pool.fetch(SQL.select_100, after)]

    async def where_20(self, age: int) -> list[dict[str, object]]:
        """Read twenty rows."""
        return [dict(row) for row in await self._pool.fetch(SQL.where_20, age)]

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows by COPY."""
        async with self._pool.acquire() as connection:
            records = (tuple(row.values()) for row in rows)
            await connection.copy_records_to_table("person", records=records, columns=FIELDS[1:])

    async def insert_many_returning(self, rows: Sequence[Values]) -> list[dict[str, object]]:
        """Store many rows in one pipeline."""
        async with self._pool.acquire() as connection:
            stored = await connection.fetchmany(SQL.insert, [tuple(row.values()) for row in rows])
        return [dict(row) for row in stored]

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        async with self._pool.acquire() as connection:
            await connection.executemany(SQL.put, [tuple(row.values()) for row in rows])

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        async with self._pool.acquire() as connection, connection.transaction():
            dict(await connection.fetchrow(SQL.update, score, first) or {})
            dict(await connection.fetchrow(SQL.update, score, second) or {})

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        async with self._pool.acquire() as connection:
            records = (tuple(row.values()) for row in rows)
            await connection.copy_records_to_table("flight_row", records=records, columns=COLUMNS)

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()


PEER = RawAsyncpg
