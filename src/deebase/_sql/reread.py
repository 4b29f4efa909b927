"""Reads a written row again, because RETURNING returns it before triggers change it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of

#: Names of the rowid, of which a column may have some (lang_createtable.html#rowid).
_ROWIDS = ("_rowid_", "rowid", "oid")


class _Way(NamedTuple):
    """A SELECT of one row, and the positions of its parameters in the row of RETURNING."""

    sql: str
    places: tuple[int, ...]


class Reread:
    """How to find a written row again: by its key, or by other unique columns if a trigger changed the key.

    Attributes:
        always: ON UPDATE propagates a changed key to this table after RETURNING, as triggers do.
    """

    __slots__ = ("_dialect", "_known", "_model", "always", "table")

    def __init__(self, model: TableModel, dialect: Dialect) -> None:
        self._model = model
        self._dialect = dialect
        self._known: tuple[_Way, ...] | None = None
        self.table: str = model.sa_table.name
        self.always: bool = any(
            key.on_update is not None and _folded(key.table) == _folded(model.sa_table.name)
            for key in model.foreign_keys
        )

    def selects(self, written: Sequence[Any]) -> Iterator[tuple[str, list[Any]]]:
        """Yield each SELECT that may find a written row, and its parameters, the most reliable first."""
        # Few tables have triggers, so the texts are made when they are first needed.
        if self._known is None:
            self._known = tuple(self._ways())
        for sql, places in self._known:
            key = [written[place] for place in places]
            if None not in key:
                yield sql, key

    def _ways(self) -> Iterator[_Way]:
        model, dialect = self._model, self._dialect
        can = capabilities_of(dialect)
        for key in [model.pks, *[unique.columns for unique in model.uniques.values() if not unique.partial]]:
            # A document that the driver parsed cannot be sent back unchanged.
            plain = not (can.parses_documents and any(model.columns[name].takes_collections for name in key))
            if key and plain:
                yield _Way(_select(model, dialect, key), tuple(map(model.names.index, key)))
        rowid = hidden_rowid(model) if can.has_rowids else None
        if rowid is not None:
            yield _Way(_select(model, dialect, (), rowid), (len(model.names),))


def hidden_rowid(model: TableModel) -> Any:
    """Return a column that identifies the rows of a table without a key, if it has one."""
    taken = {_folded(name) for name in model.names}
    free = [name for name in _ROWIDS if name not in taken]
    return sa.literal_column(free[0], sa.Integer()) if free and not model.pks else None


def _folded(name: str) -> str:
    """Return a name in the form in which SQLite compares it: only ASCII letters are folded."""
    return name.encode("utf-8", "surrogatepass").lower().decode("utf-8", "surrogatepass")


def _select(model: TableModel, dialect: Dialect, key: Sequence[str], rowid: Any = None) -> str:
    table = model.sa_table
    columns = [table.c[name] for name in key] if rowid is None else [rowid]
    if not capabilities_of(dialect).checks_types:
        # Without a type: the values are those of the database.
        columns = [sa.type_coerce(column, sa.types.NullType()) for column in columns]
    conditions = [column == sa.bindparam(None, unique=True, type_=column.type) for column in columns]
    return str(sa.select(*table.c).where(*conditions).compile(dialect=dialect))


def as_stored(found: Sequence[Any], written: Sequence[Any]) -> Sequence[Any]:
    """Return a row that was read again, followed by the further values of RETURNING."""
    return (*found, *written[len(found) :])
