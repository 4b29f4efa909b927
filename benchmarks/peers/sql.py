"""The statements of the raw drivers; the parameters are `?` or `$1`, in the style of the driver."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.flights import COLUMNS
from benchmarks.target import Backend
from benchmarks.workload import FIELDS

_ALL = ", ".join(FIELDS)
_CHANGED = ", ".join(f"{name} = excluded.{name}" for name in FIELDS[1:])


@dataclass(frozen=True)
class Statements:
    """The text of each statement of the workload."""

    get: str
    insert: str
    update: str
    upsert: str
    delete: str
    select_100: str
    where_20: str
    add: str
    put: str
    add_flight: str


def statements(backend: Backend) -> Statements:
    """Return the statements in the parameter style of a backend's driver."""

    def mark(number: int) -> str:
        return "?" if backend == "sqlite" else f"${number}"

    def marks(count: int) -> str:
        return ", ".join(mark(number) for number in range(1, count + 1))

    return Statements(
        get=f"SELECT {_ALL} FROM person WHERE id = {mark(1)}",
        insert=f"INSERT INTO person ({', '.join(FIELDS[1:])}) VALUES ({marks(5)}) RETURNING {_ALL}",
        update=f"UPDATE person SET score = {mark(1)} WHERE id = {mark(2)} RETURNING {_ALL}",
        upsert=f"INSERT INTO person ({_ALL}) VALUES ({marks(6)}) "
        f"ON CONFLICT (id) DO UPDATE SET {_CHANGED} RETURNING {_ALL}",
        delete=f"DELETE FROM person WHERE id = {mark(1)}",
        select_100=f"SELECT {_ALL} FROM person WHERE id > {mark(1)} ORDER BY id LIMIT 100",
        where_20=f"SELECT {_ALL} FROM person WHERE age = {mark(1)} ORDER BY id LIMIT 20",
        add=f"INSERT INTO person ({', '.join(FIELDS[1:])}) VALUES ({marks(5)})",
        put=f"INSERT INTO person ({_ALL}) VALUES ({marks(6)}) ON CONFLICT (id) DO UPDATE SET {_CHANGED}",
        add_flight=f"INSERT INTO flight_row ({', '.join(COLUMNS)}) VALUES ({marks(len(COLUMNS))})",
    )
