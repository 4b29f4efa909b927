"""How large a database and its tables are: cheap answers, which need not be exact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from deebase._engine.tool_access import tools_on
from deebase._sql.statement import Statement
from deebase.errors import DatabaseError

if TYPE_CHECKING:
    from deebase._backends.database_tools import Estimate
    from deebase._engine.core import Core
    from deebase._engine.executor import Executor
    from deebase._rows.model import TableModel

#: Rows that are counted at most.
COUNTED = 10_000
#: Terms of one statement; SQLite takes 500 of a compound SELECT (sqlite.org/limits.html).
_TERMS = 200


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
    tables: Mapping[str, TableSize]


DatabaseSize.__module__ = TableSize.__module__ = "deebase"


async def size_of(core: Core) -> DatabaseSize:
    """Return the size of a database and of the tables that it knows."""
    tools, preparer = tools_on(core.executor), core.dialect.identifier_preparer
    models = [core.catalog.model(name) for name in core.catalog.names(views=False)]
    quoted = {model.name: preparer.format_table(model.sa_table) for model in models}
    estimates: Mapping[str, Estimate] = await tools.table_estimates(list(quoted.values())) if models else {}
    uncounted = [name for name, sql in quoted.items() if (estimates.get(sql, (None, None))[0] or 0) <= COUNTED]
    counts = await _counts(core.executor, [(name, quoted[name]) for name in uncounted])
    sizes: dict[str, TableSize] = {}
    for model in models:
        rows, size = estimates.get(quoted[model.name], (None, None))
        count = counts.get(model.name, COUNTED + 1)
        if count is None or count <= COUNTED:
            sizes[model.name] = TableSize(count, count is not None, size)
            continue
        if rows is None or rows <= COUNTED:
            rows = await _last(core, model, quoted[model.name])
        sizes[model.name] = TableSize(max(count, rows), False, size)
    return DatabaseSize(await tools.size_bytes(), sizes)


async def _read(executor: Executor, sql: str) -> Sequence[Any]:
    return await executor.fetch(Statement(sql, reads=True), [])


async def _counts(executor: Executor, tables: Sequence[tuple[str, str]]) -> dict[str, int | None]:
    """Return the number of rows of each table, at most one more than ``COUNTED``; None for one that cannot be read."""
    found: dict[str, int | None] = {}
    for start in range(0, len(tables), _TERMS):
        some = tables[start : start + _TERMS]
        terms = [
            f"SELECT {number}, (SELECT count(*) FROM (SELECT 1 FROM {sql} LIMIT {COUNTED + 1}) AS counted)"
            for number, (_, sql) in enumerate(some)
        ]
        try:
            rows = await _read(executor, " UNION ALL ".join(terms))
        except DatabaseError:
            # One at a time, to leave out the tables that cannot be read.
            for table in some:
                found |= await _counts(executor, [table]) if len(some) > 1 else {table[0]: None}
        else:
            found |= {some[number][0]: count for number, count in rows}
    return found


async def _last(core: Core, model: TableModel, quoted: str) -> int:
    """Return the largest number that the database has given to a row of a table; 0 if it gives none."""
    if model.generated is None:
        return 0
    column = core.dialect.identifier_preparer.quote(model.generated)
    ((last,),) = await _read(core.executor, f"SELECT max({column}) FROM {quoted}")
    return last if isinstance(last, int) else 0
