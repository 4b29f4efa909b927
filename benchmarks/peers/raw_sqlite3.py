"""The standard library's sqlite3, called directly.

It blocks the event loop, and shows what the database itself costs.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence

from benchmarks.flights import Flight
from benchmarks.peers.sql import statements
from benchmarks.target import Target
from benchmarks.workload import FIELDS, Person, Values

SQL = statements("sqlite")


class RawSqlite3:
    """One connection in autocommit."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        self._connection = sqlite3.connect(target.place, isolation_level=None)
        for pragma in target.pragmas:
            self._connection.execute(pragma)

    def _one(self, sql: str, parameters: Sequence[object]) -> dict[str, object]:
        return dict(zip(FIELDS, self._connection.execute(sql, parameters).fetchall()[0], strict=True))

    async def get(self, key: int) -> dict[str, object]:
        """Read the row with a key."""
        return self._one(SQL.get, (key,))

    async def insert(self, values: Values) -> dict[str, object]:
        """Store a row under a new key."""
        return self._one(SQL.insert, tuple(values.values()))

    async def update(self, key: int, score: float) -> dict[str, object]:
        """Change one column."""
        return self._one(SQL.update, (score, key))

    async def upsert(self, row: Person) -> dict[str, object]:
        """Store a row under its key."""
        return self._one(SQL.upsert, tuple(row.values()))

    async def delete(self, key: int) -> None:
        """Remove a row."""
        self._connection.execute(SQL.delete, (key,))

    async def select_100(self, after: int) -> list[dict[str, object]]:
        """Read a hundred rows."""
        rows = self._connection.execute(SQL.select_100, (after,)).fetchall()
        return [dict(zip(FIELDS, row, strict=True)) for row in rows]

    async def where_20(self, age: int) -> list[dict[str, object]]:
        """Read twenty rows."""
        rows = self._connection.execute(SQL.where_20, (age,)).fetchall()
        return [dict(zip(FIELDS, row, strict=True)) for row in rows]

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        self._many(SQL.add, rows)

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        self._many(SQL.put, rows)

    def _many(self, sql: str, rows: Sequence[Values]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(sql, (tuple(row.values()) for row in rows))
        self._connection.execute("COMMIT")

    async def insert_many_returning(self, rows: Sequence[Values]) -> list[dict[str, object]]:
        """Store many rows and return them."""
        self._connection.execute("BEGIN IMMEDIATE")
        stored = [self._one(SQL.insert, tuple(row.values())) for row in rows]
        self._connection.execute("COMMIT")
        return stored

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._one(SQL.update, (score, first))
        self._one(SQL.update, (score, second))
        self._connection.execute("COMMIT")

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(SQL.add_flight, (tuple(row.values()) for row in rows))
        self._connection.execute("COMMIT")

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


PEER = RawSqlite3
