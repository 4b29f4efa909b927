"""The tables that foreign keys lead to, as parts of a statement: aliases that are joined to its table.

``posts.fk.author_id.c.name`` is a column of such an alias. A table has one alias for each path of foreign keys, so that
equal conditions have equal cache keys.
"""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import hashlib
from copy import copy
from typing import Any, NamedTuple

import sqlalchemy as sa

from deebase._rows.model import ColumnModel, ForeignKeyModel, TableModel

#: Bytes of the longest name of an alias: PostgreSQL cuts names at 63.
_MAX_NAME = 60
#: The attribute of an alias that holds its Parent.
_PARENT = "deebase_parent"


class Parent:
    """A table at the end of a path of foreign keys.

    Attributes:
        root: the table where the path begins.
        origin: the table before it on the path; None for ``root``.
        key: the foreign key that leads to it.
        model: the table.
        path: the path as text: the columns of the foreign keys, with dots between them.
        alias: the table in statements.
        parents: the tables that its own foreign keys lead to, by key.
    """

    __slots__ = ("_columns", "alias", "key", "model", "origin", "parents", "path", "root", "steps")

    def __init__(self, root: TableModel, origin: Parent | None, key: ForeignKeyModel, model: TableModel) -> None:
        self.root: TableModel = root
        self.origin: Parent | None = origin
        self.key: ForeignKeyModel = key
        self.model: TableModel = model
        self.steps: int = 1 if origin is None else origin.steps + 1
        step = "+".join(key.columns)
        self.path: str = step if origin is None else f"{origin.path}.{step}"
        self.alias: Any = model.sa_table.alias(_alias_name(self.path))
        vars(self.alias)[_PARENT] = self
        self.parents: dict[ForeignKeyModel, Parent] = {}
        self._columns: dict[str, ColumnModel] = {}

    def __repr__(self) -> str:
        return f"<Parent {self.model.name} of {self.root.name} by {self.path}>"

    def chain(self) -> list[Parent]:
        """Return the tables of the path, in its order."""
        return [self] if self.origin is None else [*self.origin.chain(), self]

    def column(self, name: str) -> ColumnModel:
        """Return a column as it is read in a statement: it is NULL where no row is found.

        Raises:
            ColumnNotFoundError: the table has no such column.
        """
        found = self._columns.get(name)
        if found is None:
            found = copy(self.model.column(name))
            found.name = f"{self.path}.{name}"
            found.sa_column = self.alias.c[name]
            found.nullable = True
            sortable = getattr(found.sa_type, "order_expression", None)
            found.order_column = found.sa_column if sortable is None else sortable(found.sa_column)
            self._columns[name] = found
        return found

    def condition(self) -> list[Any]:
        """Return what a row of the table has in common with the row that refers to it.

        SQLite compares by the collation of the left side, and a foreign key by that of the column it refers to.
        """
        here: Any = self.root.sa_table if self.origin is None else self.origin.alias
        return [
            self.alias.c[target] == here.c[name]
            for name, target in zip(self.key.columns, self.key.targets, strict=True)
        ]


def _alias_name(path: str) -> str:
    name = f"deebase_{path}"
    if len(name.encode()) <= _MAX_NAME:
        return name
    return f"deebase_{hashlib.blake2b(path.encode(), digest_size=16).hexdigest()}"


def parent_of_column(column: Any) -> Parent | None:
    """Return the Parent that a column of an expression belongs to; None for any other column."""
    table: Any = getattr(column, "table", None)
    return vars(table).get(_PARENT) if isinstance(table, sa.Alias) else None


class Join(NamedTuple):
    """A table that a statement joins.

    Attributes:
        parent: the table.
        held: the columns of the scope that restrict it.
    """

    parent: Parent
    held: tuple[str, ...]
