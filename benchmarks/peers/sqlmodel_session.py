"""SQLModel with SQLAlchemy's AsyncSession: one session per operation, as in its documentation."""

from __future__ import annotations

import types
from collections.abc import Sequence
from typing import Any

from sqlalchemy.ext.asyncio import async_sessionmaker
from sqlmodel import Field, SQLModel, col, select
from sqlmodel.ext.asyncio.session import AsyncSession

from benchmarks.flights import COLUMNS, TEXT_COLUMNS, Flight
from benchmarks.peers.sqlalchemy_core import engine_for
from benchmarks.target import Target
from benchmarks.workload import Person, Values


class PersonModel(SQLModel, table=True):
    """The table of the workload."""

    __tablename__ = "person"  # pyright: ignore[reportAssignmentType] as in SQLModel's documentation

    id: int | None = Field(default=None, primary_key=True)
    name: str
    email: str
    age: int
    score: float
    created: str


_FLIGHT_MEMBERS: dict[str, Any] = {
    "__tablename__": "flight_row",
    "__module__": __name__,
    "__annotations__": {
        "id": int | None,
        **{name: (str | None if name in TEXT_COLUMNS else int | None) for name in COLUMNS},
    },
    "id": Field(default=None, primary_key=True),
    **dict.fromkeys(COLUMNS),
}
# A class statement cannot declare twenty columns in a loop; `types` calls the metaclass of SQLModel.
FlightModel: Any = types.new_class(
    "FlightModel",
    (SQLModel,),
    {"table": True},
    lambda namespace: namespace.update(_FLIGHT_MEMBERS),
)


class SqlmodelSession:
    """Rows are models."""

    async def setup(self, target: Target) -> None:
        """Make the engine."""
        self._engine = engine_for(target)
        self._session = async_sessionmaker(self._engine, class_=AsyncSession, expire_on_commit=False)

    async def get(self, key: int) -> PersonModel:
        """Read the row with a key."""
        async with self._session() as session:
            return await session.get_one(PersonModel, key)

    async def insert(self, values: Values) -> PersonModel:
        """Store a row under a new key."""
        async with self._session() as session:
            row = PersonModel(**values)
            session.add(row)
            await session.commit()
            return row

    async def update(self, key: int, score: float) -> PersonModel:
        """Change one column."""
        async with self._session() as session:
            row = await session.get_one(PersonModel, key)
            row.score = score
            await session.commit()
            return row

    async def upsert(self, row: Person) -> PersonModel:
        """Store a row under its key."""
        async with self._session() as session:
            merged = await session.merge(PersonModel(**row))
            await session.commit()
            return merged

    async def delete(self, key: int) -> None:
        """Remove a row."""
        async with self._session() as session:
            await session.delete(await session.get_one(PersonModel, key))
            await session.commit()

    async def select_100(self, after: int) -> Sequence[PersonModel]:
        """Read a hundred rows."""
        statement = select(PersonModel).where(col(PersonModel.id) > after).order_by(col(PersonModel.id)).limit(100)
        async with self._session() as session:
            return (await session.exec(statement)).all()

    async def where_20(self, age: int) -> Sequence[PersonModel]:
        """Read twenty rows."""
        statement = select(PersonModel).where(col(PersonModel.age) == age).order_by(col(PersonModel.id)).limit(20)
        async with self._session() as session:
            return (await session.exec(statement)).all()

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        await self.insert_many_returning(rows)

    async def insert_many_returning(self, rows: Sequence[Values]) -> list[PersonModel]:
        """Store many rows and return them."""
        async with self._session() as session:
            models = [PersonModel(**row) for row in rows]
            session.add_all(models)
            await session.commit()
            return models

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows."""
        async with self._session() as session:
            for key in (first, second):
                row = await session.get_one(PersonModel, key)
                row.score = score
            await session.commit()

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        async with self._session() as session:
            session.add_all(FlightModel(**row) for row in rows)
            await session.commit()

    async def close(self) -> None:
        """Close the pool."""
        await self._engine.dispose()


PEER = SqlmodelSession
