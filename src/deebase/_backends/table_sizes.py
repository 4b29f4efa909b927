"""How large a database and its tables are: cheap answers, which need not be exact."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from deebase.errors import DatabaseError

#: Rows that are counted at most.
COUNTED = 10_000
#: Terms of one statement; SQLite takes 500 of a compound SELECT (sqlite.org/limits.html).
_TERMS = 200

Read = Callable[[str, Sequence[Any]], Awaitable[Sequence[Sequence[Any]]]]


@dataclass(frozen=True)
class TableSize:
    """The size of a table, as ``db.size()`` returns it.

    Attributes:
        rows: the number of rows; None if it cannot be read.
        exact: whether they were counted; otherwise the number is an estimate.
        bytes: on the disk, indexes included; None where the database does not keep it (SQLite).
    """

    rows: int | None
    exact: bool
    bytes: int | None = None


@dataclass(frozen=True)
class DatabaseSize:
    """The size of a database and of its tables.

    Attributes:
        bytes: of the whole database.
        tables: by name.
    """

    bytes: int
    tables: dict[str, TableSize] = field(default_factory=dict[str, TableSize])


@dataclass(frozen=True)
class Sized:
    """A table whose size is asked for.

    Attributes:
        name: in the catalog.
        quoted: as SQL.
        counter: the quoted column of numbers that the database counts up, if there is one.
    """

    name: str
    quoted: str
    counter: str | None = None


async def bounded_counts(read: Read, tables: Sequence[Sized]) -> dict[str, int | None]:
    """Return the number of rows of each table, at most one more than ``COUNTED``; None for one that cannot be read."""
    found: dict[str, int | None] = {}
    for start in range(0, len(tables), _TERMS):
        some = tables[start : start + _TERMS]
        terms = [
            f"SELECT {n}, (SELECT count(*) FROM (SELECT 1 FROM {table.quoted} LIMIT {COUNTED + 1}) AS counted)"
            for n, table in enumerate(some)
        ]
        try:
            rows = await read(" UNION ALL ".join(terms), [])
        except DatabaseError:
            if len(some) == 1:
                found[some[0].name] = None
                continue
            for table in some:
                found |= await bounded_counts(read, [table])
        else:
            found |= {some[number].name: count for number, count in rows}
    return found


DatabaseSize.__module__ = TableSize.__module__ = "deebase"
