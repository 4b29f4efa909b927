"""SQLAlchemy Core with its asyncio extension: a connection per call, `engine.begin()` for writes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from benchmarks.flights import COLUMNS, TEXT_COLUMNS, Flight
from benchmarks.target import POOL_SIZE, Target
from benchmarks.workload import FIELDS, Person, Values

PERSON = sa.Table(
    "person",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, primary_key=True),
    sa.Column("name", sa.String, nullable=False),
    sa.Column("email", sa.String, nullable=False),
    sa.Column("age", sa.BigInteger, nullable=False),
    sa.Column("score", sa.Double, nullable=False),
    sa.Column("created", sa.String, nullable=False),
)
FLIGHT = sa.Table(
    "flight_row",
    sa.MetaData(),
    sa.Column("id", sa.BigInteger, sa.Identity(), primary_key=True),
    *(sa.Column(name, sa.String if name in TEXT_COLUMNS else sa.BigInteger) for name in COLUMNS),
)


def engine_for(target: Target) -> AsyncEngine:
    """Return an engine with the settings that all peers have."""
    if target.backend == "postgres":
        url = target.url.replace("postgresql:", "postgresql+asyncpg:", 1)
        return create_async_engine(url, pool_size=POOL_SIZE, max_overflow=0)
    engine = create_async_engine(f"sqlite+aiosqlite:///{target.place}", pool_size=POOL_SIZE, max_overflow=0)

    def set_pragmas(connection: Any, _record: object) -> None:
        cursor = connection.cursor()
        for pragma in target.pragmas:
            cursor.execute(pragma)
        cursor.close()

    event.listen(engine.sync_engine, "connect", set_pragmas)
    return engine


class SqlalchemyCore:
    """Statements are built per call, as its users do."""

    async def setup(self, target: Target) -> None:
        """Make the engine."""
        self._engine = engine_for(target)
        self._insert: Any = postgresql.insert if target.backend == "postgres" else sqlite.insert

    async def _written(self, statement: sa.Executable) -> Mapping[str, object]:
        async with self._engine.begin() as connection:
            return dict((await connection.execute(statement)).mappings().one())

    async def get(self, key: int) -> Mapping[str, object]:
        """Read the row with a key."""
        async with self._engine.connect() as connection:
            result = await connection.execute(sa.select(PERSON).where(PERSON.c.id == key))
            return dict(result.mappings().one())

    async def insert(self, values: Values) -> Mapping[str, object]:
        """Store a row under a new key."""
        return await self._written(sa.insert(PERSON).values(**values).returning(PERSON))

    async def update(self, key: int, score: float) -> Mapping[str, object]:
        """Change one column."""
        return await self._written(_scored(key, score))

    async def upsert(self, row: Person) -> Mapping[str, object]:
        """Store a row under its key."""
        statement = self._insert(PERSON).values(**row)
        changed = {name: statement.excluded[name] for name in FIELDS[1:]}
        return await self._written(
            statement.on_conflict_do_update(index_elements=["id"], set_=changed).returning(PERSON)
        )

    async def delete(self, key: int) -> None:
        """Remove a row."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.delete(PERSON).where(PERSON.c.id == key))

    async def select_100(self, after: int) -> Sequence[Mapping[str, object]]:
        """Read a hundred rows."""
        statement = sa.select(PERSON).where(PERSON.c.id > after).order_by(PERSON.c.id).limit(100)
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    async def where_20(self, age: int) -> Sequence[Mapping[str, object]]:
        """Read twenty rows."""
        statement = sa.select(PERSON).where(PERSON.c.age == age).order_by(PERSON.c.id).limit(20)
        async with self._engine.connect() as connection:
            return [dict(row) for row in (await connection.execute(statement)).mappings()]

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.insert(PERSON), list(rows))

    async def insert_many_returning(self, rows: Sequence[Values]) -> Sequence[Mapping[str, object]]:
        """Store many rows and return them."""
        statement = sa.insert(PERSON).returning(PERSON, sort_by_parameter_order=True)
        async with self._engine.begin() as connection:
            return [dict(row) for row in (await connection.execute(statement, list(rows))).mappings()]

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        statement = self._insert(PERSON)
        changed = {name: statement.excluded[name] for name in FIELDS[1:]}
        async with self._engine.begin() as connection:
            await connection.execute(statement.on_conflict_do_update(index_elements=["id"], set_=changed), list(rows))

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        async with self._engine.begin() as connection:
            for key in (first, second):
                (await connection.execute(_scored(key, score))).mappings().one()

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        async with self._engine.begin() as connection:
            await connection.execute(sa.insert(FLIGHT), list(rows))

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


def _scored(key: int, score: float) -> sa.Executable:
    return sa.update(PERSON).where(PERSON.c.id == key).values(score=score).returning(PERSON)


PEER = SqlalchemyCore
