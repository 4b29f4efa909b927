"""The workload: the operations, and the arguments of each call, which are generated before the measurement."""

from __future__ import annotations

import itertools
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypedDict

#: The number of existing rows before each measurement, with the keys 1 to ROWS.
ROWS = 10_000
#: Keys above this are added by upserts, above DELETABLE by the preparation of the deletes.
UPSERTED = 1_000_000
DELETABLE = 2_000_000


class Values(TypedDict):
    """A person without the key."""

    name: str
    email: str
    age: int
    score: float
    created: str


class Person(Values):
    """A full row."""

    id: int


FIELDS = ("id", "name", "email", "age", "score", "created")


def values(number: int) -> Values:
    """Return the values of one person, always the same for a number."""
    return {
        "name": f"Person {number}",
        "email": f"person{number}@example.org",
        "age": 18 + number % 80,
        "score": number / 8,
        "created": f"2024-01-{1 + number % 28:02}T12:00:00",
    }


def person(key: int) -> Person:
    """Return the initial row of a key."""
    return {"id": key, **values(key)}


@dataclass(frozen=True)
class Operation:
    """One kind of call, and the number of concurrent tasks that make it.

    Attributes:
        name: Name of the peer's method.
        tasks: How many tasks share the calls.
        title: The printed name, if it is another.
    """

    name: str
    tasks: int = 1
    title: str = ""

    @property
    def label(self) -> str:
        """The printed name."""
        title = self.title or self.name
        return f"{title} x{self.tasks}" if self.tasks > 1 else title


#: Rows of one call of the bulk operations, which are measured per row.
BULK_ROWS = 10_000

_BY_KEY = ("get", "insert", "update", "upsert", "delete")
OPERATIONS = (
    *(Operation(name, tasks) for name in _BY_KEY for tasks in (1, 32)),
    Operation("select_100", title="select 100 rows"),
    Operation("where_20", title="20 rows by an indexed condition"),
    Operation("transaction", title="transaction of two updates"),
    Operation("insert_many", title="bulk insert"),
    Operation("insert_many_returning", title="bulk insert, returning"),
    Operation("upsert_many", title="bulk upsert"),
    Operation("import_flights", title="import of flights"),
)
#: Operations that take a list of rows: the figures are per row.
BULK = frozenset({"insert_many", "insert_many_returning", "upsert_many", "import_flights"})
OPERATION_NAMES = tuple(dict.fromkeys(operation.name for operation in OPERATIONS))


@dataclass
class Calls:
    """Generates the arguments of the calls of one peer."""

    dice: random.Random = field(default_factory=lambda: random.Random(7))
    fresh: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def make(self, operation: str, count: int) -> list[tuple[object, ...]]:
        """Return the arguments of this number of calls of one operation."""
        keys = self.dice.choices(range(1, ROWS + 1), k=count)
        match operation:
            case "insert":
                return [(values(key),) for key in keys]
            case "update":
                return [(key, number / 4) for number, key in enumerate(keys)]
            case "upsert":
                return [(self._upserted(number, key),) for number, key in enumerate(keys)]
            case "delete":
                return [(DELETABLE + number,) for number in range(count)]
            case "where_20":
                return [(18 + key % 80,) for key in keys]
            case "select_100":
                return [(key % (ROWS - 100),) for key in keys]
            case "transaction":
                return [(key, key % ROWS + 1, number / 4) for number, key in enumerate(keys)]
            case _:
                return [(key,) for key in keys]

    def bulk(self, operation: str) -> list[Values] | list[Person]:
        """Return the rows of one bulk call; for an upsert, every other row already exists."""
        if operation == "upsert_many":
            return [self._upserted(number, number + 1) for number in range(BULK_ROWS)]
        return [values(number) for number in range(BULK_ROWS)]

    def _upserted(self, number: int, key: int) -> Person:
        # Every other row is new, so that both halves of the statement are measured.
        return {"id": key if number % 2 else UPSERTED + next(self.fresh), **values(number)}
