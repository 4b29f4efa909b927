"""Piccolo: dict rows; on SQLite it opens a connection for every query."""

from __future__ import annotations

import itertools
import sqlite3
from collections.abc import Sequence
from typing import Any

from piccolo.columns import BigInt, BigSerial, DoublePrecision, Real, Serial, Varchar
from piccolo.engine.postgres import PostgresEngine
from piccolo.engine.sqlite import SQLiteEngine
from piccolo.table import create_table_class

from benchmarks.flights import COLUMNS, TEXT_COLUMNS, Flight
from benchmarks.target import POOL_SIZE, Target
from benchmarks.workload import FIELDS, Person, Values

#: A statement has at most 32,767 parameters on PostgreSQL (the protocol counts them in 16 bits).
_BATCH = 1_000


def _connection_factory(durability: str) -> type[sqlite3.Connection]:
    class Connection(sqlite3.Connection):
        """Piccolo has no hook for new connections, so this connection configures itself."""

        def __init__(self, *args: Any, **kwargs: Any) -> None:
            super().__init__(*args, **kwargs)
            self.execute(f"PRAGMA synchronous={durability}")

    return Connection


def _tables(target: Target) -> tuple[Any, Any]:
    sqlite = target.backend == "sqlite"
    key, real = (Serial, Real) if sqlite else (BigSerial, DoublePrecision)
    engine: Any
    if sqlite:
        engine = SQLiteEngine(path=str(target.place), timeout=30, factory=_connection_factory(target.durability))
    else:
        config = {"host": str(target.place), "port": target.port, "user": "postgres", "database": target.database}
        engine = PostgresEngine(config, extensions=())
    person = create_table_class(
        "Person",
        class_kwargs={"tablename": "person", "db": engine},
        class_members={
            "id": key(primary_key=True),
            "name": Varchar(),
            "email": Varchar(),
            "age": BigInt(),
            "score": real(),
            "created": Varchar(),
        },
    )
    columns = {name: Varchar(null=True) if name in TEXT_COLUMNS else BigInt(null=True) for name in COLUMNS}
    flight = create_table_class(
        "FlightRow",
        class_kwargs={"tablename": "flight_row", "db": engine},
        class_members={"id": key(primary_key=True), **columns},
    )
    return person, flight


class PiccoloTables:
    """SELECT and RETURNING return dicts."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        self._person, self._flight = _tables(target)
        self._engine = self._person._meta.db
        self._pooled = target.backend == "postgres"
        self._changed = [getattr(self._person, name) for name in FIELDS[1:]]
        if self._pooled:
            await self._engine.start_connection_pool(min_size=POOL_SIZE, max_size=POOL_SIZE)

    async def get(self, key: int) -> object:
        """Read the row with a key."""
        return await self._person.select().where(self._person.id == key).first()

    async def insert(self, values: Values) -> object:
        """Store a row under a new key."""
        rows = await self._person.insert(self._person(**values)).returning(*self._person.all_columns())
        return rows[0]

    async def update(self, key: int, score: float) -> object:
        """Change one column."""
        return (await self._scored(key, score))[0]

    def _scored(self, key: int, score: float) -> Any:
        update = self._person.update({self._person.score: score}).where(self._person.id == key)
        return update.returning(*self._person.all_columns())

    async def upsert(self, row: Person) -> object:
        """Store a row under its key."""
        # An instance omits its key from the INSERT unless the key is set after the instance is created.
        instance = self._person(**{name: value for name, value in row.items() if name != "id"})
        instance.id = row["id"]
        insert = self._person.insert(instance).on_conflict(
            target=self._person.id, action="DO UPDATE", values=self._changed
        )
        return (await insert.returning(*self._person.all_columns()))[0]

    async def delete(self, key: int) -> None:
        """Remove a row."""
        await self._person.delete().where(self._person.id == key)

    async def select_100(self, after: int) -> Sequence[object]:
        """Read a hundred rows."""
        query = self._person.select().where(self._person.id > after).order_by(self._person.id).limit(100)
        rows: list[object] = await query
        return rows

    async def where_20(self, age: int) -> Sequence[object]:
        """Read twenty rows."""
        query = self._person.select().where(self._person.age == age).order_by(self._person.id).limit(20)
        rows: list[object] = await query
        return rows

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        await self.insert_many_returning(rows)

    async def insert_many_returning(self, rows: Sequence[Values]) -> list[object]:
        """Store many rows and return them."""
        pending, stored = iter(rows), list[object]()
        async with self._engine.transaction():
            while batch := list(itertools.islice(pending, _BATCH)):
                insert = self._person.insert(*(self._person(**row) for row in batch))
                stored += await insert.returning(*self._person.all_columns())
        return stored

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        async with self._engine.transaction():
            await self._scored(first, score)
            await self._scored(second, score)

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        pending = iter(rows)
        async with self._engine.transaction():
            while batch := list(itertools.islice(pending, _BATCH)):
                await self._flight.insert(*(self._flight(**row) for row in batch))

    async def close(self) -> None:
        """Close the pool."""
        if self._pooled:
            await self._engine.close_connection_pool()


PEER = PiccoloTables
