"""Makes and refills the tables behind the peers' backs, so that every measurement starts from the same rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from typing import Any, Protocol

from benchmarks.target import Target, table_statements
from benchmarks.workload import DELETABLE, FIELDS, ROWS, Person, person, values


class Store(Protocol):
    """The workload's own access to one database."""

    async def create(self) -> None:
        """Make the tables and fill the first."""

    async def reset(self, deletable: int) -> None:
        """Remove what was added, add rows to be deleted, and bring the files into the same state again."""

    async def count_flights(self) -> int:
        """Count the imported rows."""
        ...

    async def count_added(self) -> int:
        """Count the persons beyond those that were there."""
        ...

    async def close(self) -> None:
        """Close the connection."""


def _rows(first: int, count: int) -> list[tuple[object, ...]]:
    rows: Sequence[Person] = [{"id": first + number, **values(number)} for number in range(count)]
    return [tuple(row.values()) for row in rows]


def _seed() -> list[tuple[object, ...]]:
    return [tuple(person(key).values()) for key in range(1, ROWS + 1)]


class SQLiteStore:
    """A file."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._connection = sqlite3.connect(target.place, isolation_level=None)

    async def create(self) -> None:
        """Make the tables and fill the first."""
        for statement in (*self._target.pragmas, *table_statements("sqlite")):
            self._connection.execute(statement)
        self._add(_seed())

    def _add(self, rows: list[tuple[object, ...]]) -> None:
        self._connection.execute("BEGIN IMMEDIATE")
        self._connection.executemany(
            "INSERT INTO person (id, name, email, age, score, created) VALUES (?,?,?,?,?,?)", rows
        )
        self._connection.execute("COMMIT")

    async def reset(self, deletable: int) -> None:
        """Remove what was added, add rows to be deleted, write the log back into the file."""
        self._connection.execute("DELETE FROM person WHERE id > ?", (ROWS,))
        self._connection.execute("DELETE FROM flight_row")
        self._add(_rows(DELETABLE, deletable))
        self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()

    async def count_flights(self) -> int:
        """Count the imported rows."""
        return int(self._connection.execute("SELECT count(*) FROM flight_row").fetchone()[0])

    async def count_added(self) -> int:
        """Count the persons beyond those that were there."""
        return int(self._connection.execute("SELECT count(*) FROM person WHERE id > ?", (ROWS,)).fetchone()[0])

    async def close(self) -> None:
        """Close the connection."""
        self._connection.close()


class PostgresStore:
    """A database of the server."""

    def __init__(self, target: Target) -> None:
        self._target = target

    async def _open(self) -> None:
        import asyncpg

        self._connection: Any = await asyncpg.connect(self._target.url)

    async def create(self) -> None:
        """Make the tables and fill the first."""
        await self._open()
        for statement in table_statements("postgres"):
            await self._connection.execute(statement)
        await self._add(_seed())
        await self._connection.execute(f"SELECT setval(pg_get_serial_sequence('person', 'id'), {ROWS})")

    async def _add(self, rows: list[tuple[object, ...]]) -> None:
        if rows:
            await self._connection.copy_records_to_table("person", records=rows, columns=FIELDS)

    async def reset(self, deletable: int) -> None:
        """Remove what was added, add rows to be deleted, clear the dead rows away."""
        await self._connection.execute(f"DELETE FROM person WHERE id > {ROWS}")
        await self._connection.execute("TRUNCATE flight_row")
        await self._add(_rows(DELETABLE, deletable))
        await self._connection.execute("VACUUM ANALYZE person")

    async def count_flights(self) -> int:
        """Count the imported rows."""
        return int(await self._connection.fetchval("SELECT count(*) FROM flight_row"))

    async def count_added(self) -> int:
        """Count the persons beyond those that were there."""
        return int(await self._connection.fetchval("SELECT count(*) FROM person WHERE id > $1", ROWS))

    async def close(self) -> None:
        """Close the connection."""
        await self._connection.close()


def store_for(target: Target) -> Store:
    """Return the access to a target's database."""
    return SQLiteStore(target) if target.backend == "sqlite" else PostgresStore(target)
