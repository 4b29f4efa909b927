"""Reading the row of a write once more, where RETURNING told of it too early (SQLite)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel

#: Names of the rowid, of which a column may have some (lang_createtable.html#rowid).
_ROWIDS = ("_rowid_", "rowid", "oid")


class _Way(NamedTuple):
    """A SELECT of one row, and the places of its parameters in the row that RETURNING gave."""

    sql: str
    places: tuple[int, ...]


class Reread:
    """How to find a written row again: by its key, or by other unique columns if a trigger changed the key.

    Attributes:
        always: a changed key comes back to the table by ON UPDATE, which runs as late as triggers do.
    """

    __slots__ = ("_ways", "always")

    def __init__(self, model: TableModel, dialect: Dialect) -> None:
        self.always: bool = any(
            key.on_update is not None and _folded(key.table) == _folded(model.sa_table.name)
            for key in model.foreign_keys
        )
        keys = [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]
        ways = [_Way(_select(model, dialect, key), tuple(map(model.names.index, key))) for key in keys if key]
        rowid = hidden_rowid(model)
        if rowid is not None:
            ways.append(_Way(_select(model, dialect, (), rowid), (len(model.names),)))
        self._ways = tuple(ways)

    def row(self, raw: Any, written: Sequence[Any]) -> Sequence[Any]:
        """Return a row as it is stored now; as it was written, if a trigger removed it."""
        for sql, places in self._ways:
            key = [written[place] for place in places]
            if None not in key:
                found = raw.execute(sql, key).fetchone()
                if found is not None:
                    return (*found, *written[len(found) :])
        return written


def hidden_rowid(model: TableModel) -> Any:
    """Return the column that tells the rows of a table without a key apart, if it has one."""
    taken = {_folded(name) for name in model.names}
    free = [name for name in _ROWIDS if name not in taken]
    return sa.literal_column(free[0], sa.Integer()) if free and not model.pks else None


def _folded(name: str) -> str:
    """Return a name in the form in which SQLite compares it: of letters, it folds those of ASCII alone."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _select(model: TableModel, dialect: Dialect, key: Sequence[str], rowid: Any = None) -> str:
    table = model.sa_table
    columns = [table.c[name] for name in key] if rowid is None else [rowid]
    # Of no type: the values are those that the database gave.
    conditions = [sa.type_coerce(column, sa.types.NullType()) == sa.bindparam(None, unique=True) for column in columns]
    return str(sa.select(*table.c).where(*conditions).compile(dialect=dialect))
