"""Tortoise ORM: rows are model instances; updated rows are read again, because updates do not return them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tortoise import Model, Tortoise, fields
from tortoise.transactions import in_transaction

from benchmarks.flights import COLUMNS, TEXT_COLUMNS, Flight
from benchmarks.target import POOL_SIZE, Target
from benchmarks.workload import FIELDS, Person, Values

_APP = "bench"


class PersonModel(Model):
    """The table of the workload."""

    id = fields.BigIntField(primary_key=True)
    name = fields.TextField()
    email = fields.TextField()
    age = fields.BigIntField()
    score = fields.FloatField()
    created = fields.TextField()

    class Meta(Model.Meta):
        """Name of the table."""

        table = "person"
        app = _APP


FlightModel: Any = type(
    "FlightModel",
    (Model,),
    {
        "__module__": __name__,
        "id": fields.BigIntField(primary_key=True),
        **{
            name: fields.TextField(null=True) if name in TEXT_COLUMNS else fields.BigIntField(null=True)
            for name in COLUMNS
        },
        "Meta": type("Meta", (), {"table": "flight_row", "app": _APP}),
    },
)


def _connection(target: Target) -> dict[str, object]:
    if target.backend == "sqlite":
        pragmas = {"journal_mode": "WAL", "synchronous": target.durability, "busy_timeout": 30000}
        return {"engine": "tortoise.backends.sqlite", "credentials": {"file_path": str(target.place), **pragmas}}
    credentials = {
        "host": str(target.place),
        "port": target.port,
        "user": "postgres",
        "password": None,
        "database": target.database,
        "minsize": POOL_SIZE,
        "maxsize": POOL_SIZE,
    }
    return {"engine": "tortoise.backends.asyncpg", "credentials": credentials}


class TortoiseModels:
    """Its state belongs to the task that sets it up, and to the tasks which that starts."""

    async def setup(self, target: Target) -> None:
        """Connect."""
        # A name per backend: Tortoise caches its compiled statements per process under the name of the connection.
        app = {"models": [__name__], "default_connection": target.backend}
        await Tortoise.init(config={"connections": {target.backend: _connection(target)}, "apps": {_APP: app}})

    async def get(self, key: int) -> PersonModel:
        """Read the row with a key."""
        return await PersonModel.get(id=key)

    async def insert(self, values: Values) -> PersonModel:
        """Store a row under a new key."""
        return await PersonModel.create(**values)

    async def update(self, key: int, score: float) -> PersonModel:
        """Change one column and read the row."""
        await PersonModel.filter(id=key).update(score=score)
        return await PersonModel.get(id=key)

    async def upsert(self, row: Person) -> PersonModel:
        """Store a row under its key."""
        model = PersonModel(**row)
        await PersonModel.bulk_create([model], on_conflict=["id"], update_fields=FIELDS[1:])
        return model

    async def delete(self, key: int) -> None:
        """Remove a row."""
        await PersonModel.filter(id=key).delete()

    async def select_100(self, after: int) -> Sequence[PersonModel]:
        """Read a hundred rows."""
        return await PersonModel.filter(id__gt=after).order_by("id").limit(100)

    async def where_20(self, age: int) -> Sequence[PersonModel]:
        """Read twenty rows."""
        return await PersonModel.filter(age=age).order_by("id").limit(20)

    async def insert_many(self, rows: Sequence[Values]) -> None:
        """Store many rows."""
        async with in_transaction() as connection:
            await PersonModel.bulk_create([PersonModel(**row) for row in rows], batch_size=1000, using_db=connection)

    async def upsert_many(self, rows: Sequence[Person]) -> None:
        """Store many rows under their keys."""
        models = [PersonModel(**row) for row in rows]
        async with in_transaction() as connection:
            await PersonModel.bulk_create(
                models, batch_size=1000, on_conflict=["id"], update_fields=FIELDS[1:], using_db=connection
            )

    async def transaction(self, first: int, second: int, score: float) -> None:
        """Change two rows, without reading them again."""
        async with in_transaction() as connection:
            for key in (first, second):
                await PersonModel.filter(id=key).using_db(connection).update(score=score)

    async def import_flights(self, rows: Sequence[Flight]) -> None:
        """Store many rows."""
        async with in_transaction() as connection:
            await FlightModel.bulk_create([FlightModel(**row) for row in rows], batch_size=1000, using_db=connection)

    async def close(self) -> None:
        """Close the connections."""
        await Tortoise.close_connections()


PEER = TortoiseModels
