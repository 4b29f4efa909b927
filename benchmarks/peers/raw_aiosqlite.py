"""aiosqlite: one connection in autocommit, one call, and so one hop to its thread, per operation."""

from __future__ import annotations

from collections.abc import Sequence

import aiosqlite

from benchmarks.flights import Flight
from benchmarks.peers.sql import statements
from benchmarks.target import Target
from benchmarks.workload import FIELDS, Person, Values

SQL = statements("sqlite")


class RawAiosqlite:
    """One connection for all tasks."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        self._connection = await aiosqlite.connect(target.place, isolation_level=None)
        for pragma in target.pragmas:
            await self._connection.execute_fetchall(pragma)

    async def _one(self, sql: str, parameters: Sequence[object]) -> dict[str, object]:
        rows = await self._connection.execute_fetchall(sql, parameters)
        return dict(zip(FIELDS, next(iter(rows)), strict=True))

    async def get(self, key: int) -> dict[str, object]:
        """Read the row with a key."""
        return await self._one(SQL.get, (key,))

    async def insert(self, values: Values) -> dict[str, object]:
        """Store a row under a new key."""
        return await self._one(SQL.insert, tuple(values.values()))

    async def update(self, key: int, score: float) -> dict[str, object]:
        """Change one column."""
        return await self._one(SQL.update, (score, key))

    async def upsert(self, row: Person) -> dict[str, object]:
        """Store a row under its key."""
        return await self._one(SQL.upsert, tuple(row.values()))

    async def delete(self, key: int) -> None:
        """Remove a row."""
        await self._connection.execute_fetchall(SQL.delete, (key,))

    async def select_100(self, after: int) -> list[dict[str, object]]:
        """Read a hundred rows."""
        rows = await self._connection.execute_fetchall(SQL.select_100, (after,))
        return [dict(zip(FIELDS, row, strict=True)) for row in rows]

    async def where_20(self, age: int) -> list[dict[str, object]]:
        """Read twenty rows."""
        rows = await self._connection.execute_fetchall(SQL.where_20, (age,))
        return [dict(zip(FIELDS, row, strict=True)) for row in rows]

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows: executemany in one transaction."""
        await self._many(SQL.add, rows)

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        await self._many(SQL.put, rows)

    async def _many(self, sql: str, rows: Sequence[Values]) -> None:
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        await self._connection.executemany(sql, (tuple(row.values()) for row in rows))
        await self._connection.execute_fetchall("COMMIT")

    async def insert_many_returning(self, rows: Sequence[Values]) -> list[dict[str, object]]:
        """Store many rows: a call each, in one transaction."""
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        stored = [await self._one(SQL.insert, tuple(row.values())) for row in rows]
        await self._connection.execute_fetchall("COMMIT")
        return stored

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        await self._one(SQL.update, (score, first))
        await self._one(SQL.update, (score, second))
        await self._connection.execute_fetchall("COMMIT")

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        await self._connection.execute_fetchall("BEGIN IMMEDIATE")
        await self._connection.executemany(SQL.add_flight, (tuple(row.values()) for row in rows))
        await self._connection.execute_fetchall("COMMIT")

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


PEER = RawAiosqlite
