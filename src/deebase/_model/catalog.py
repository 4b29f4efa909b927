"""The catalog: the registered tables and views of one Database."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model import reflected
from deebase._model.facts import IndexInfo, TableInfo
from deebase._model.layer import CatalogEntry, Layer, facts_of
from deebase._rows.model import ForeignKeyModel, TableModel
from deebase.errors import TableNotFoundError, UniqueViolationError

Types = Mapping[str, sa.types.TypeEngine[Any]]


class Scope(Protocol):
    """The part of a transaction block that the catalog uses.

    Attributes:
        parts: state that takes part in the block, by owner: published if the block commits, otherwise discarded.
    """

    parts: dict[Any, Any]

    @property
    def open(self) -> bool:
        """Whether the block has begun and not ended."""
        ...

    @property
    def parent(self) -> Scope | None:
        """The outer block."""
        ...


def _no_scope() -> Scope | None:
    return None


class Catalog:
    """The registered tables and views of one database.

    The catalog takes part in transactions: until the commit, only the tasks of a block see its changes. A rollback
    discards them.

    Args:
        dialect: the database.
        scope: returns the transaction block of the current task.
    """

    def __init__(self, dialect: Dialect, scope: Callable[[], Scope | None] = _no_scope) -> None:
        self.dialect = dialect
        self._scope = scope
        self._shared = Layer(dialect)

    @property
    def _layer(self) -> Layer:
        """The layer of the current task."""
        scope = self._scope()
        while scope is not None:
            layer: Layer | None = scope.parts.get(self)
            if layer is not None:
                return layer
            scope = scope.parent
        return self._shared

    def _own_layer(self, scope: Scope | None) -> Layer:
        """Return the layer that records the changes of a block."""
        if scope is None:
            return self._shared
        if not scope.open:
            return self._own_layer(scope.parent)
        layer: Layer | None = scope.parts.get(self)
        if layer is None:
            layer = scope.parts[self] = Layer(self.dialect, self._own_layer(scope.parent))
        return layer

    def _put(self, name: str, entry: CatalogEntry | None) -> None:
        if self._layer.entry(name) != entry:
            self._own_layer(self._scope()).put(name, entry)

    @property
    def metadata(self) -> sa.MetaData:
        """SQLAlchemy's metadata with the tables and views that have been used."""
        return self._layer.metadata

    def build_all(self) -> None:
        """Build the tables that have not been used yet."""
        self._layer.build_all()

    # -- changes -------------------------------------------------------------------------------

    def add(self, entry: CatalogEntry) -> None:
        """Register a table that was created, or found, for a class; it replaces one of the same name."""
        known = self._layer.entry(entry.facts.qualified_name)
        # Each call creates new type objects, but they are equal.
        if known is None or known.cls is not entry.cls or known.facts != entry.facts:
            self._put(entry.facts.qualified_name, entry)

    def forget(self, name: str) -> None:
        """Remove a table from the catalog."""
        self._put(name, None)

    def learn(
        self,
        found: Iterable[TableInfo],
        *,
        schema: str | None,
        only: Collection[str] | None = None,
        known_only: bool = False,
    ) -> list[TableInfo]:
        """Bring the catalog up to date: tables that changed are replaced, tables that do not exist are removed.

        Args:
            found: the tables and views that were read.
            schema: their schema.
            only: the qualified names of the requested tables; all tables and views of the schema by default.
            known_only: do not add tables that are not registered.

        Returns:
            The tables and views that are new or were changed.
        """
        layer = self._layer
        facts = {table.qualified_name: table for table in found if only is None or table.qualified_name in only}
        for name in layer.in_schema(schema) if only is None else only:
            if name not in facts:
                self._put(name, None)
        changed: list[TableInfo] = []
        for name, table in facts.items():
            entry = layer.entry(name)
            if (entry is None and known_only) or (entry is not None and entry.facts == table):
                continue
            self._put(name, CatalogEntry(table) if entry is None else entry.revised(table, {}, {}))
            changed.append(table)
        return changed

    def schemas(self) -> set[str | None]:
        """Return the schemas of the registered tables and views."""
        return self._layer.schemas()

    def changed(self, name: str, found: TableInfo, *, renamed: Mapping[str, str], types: Types) -> None:
        """Record that a table was changed by its handle.

        Args:
            name: its name before the change.
            found: the changed table, perhaps with another name.
            renamed: new names of columns, by their old ones.
            types: the types of columns that the change names.
        """
        entry = self._layer.entry(name)
        if name != found.qualified_name:
            self._put(name, None)
        self._put(found.qualified_name, CatalogEntry(found) if entry is None else entry.revised(found, renamed, types))

    def copied(self, name: str, found: TableInfo) -> None:
        """Register a copy of a table, with the column types and defaults of the original."""
        model = self.model(name)
        types = {column: known.sa_type for column, known in model.columns.items()}
        touched = frozenset([column.name for column in model.touched])
        self._put(
            found.qualified_name, CatalogEntry(found, None, types, dict(model.factories), touched, model.row_type)
        )

    def set_key(self, name: str, column: str) -> None:
        """Set the column by which rows of a view are read."""
        entry = self._layer.entry(name)
        if entry is not None:
            self._put(name, CatalogEntry(entry.facts, row_type=entry.row_type, key=column))

    def set_row_type(self, model: TableModel, row_type: type) -> None:
        """Set the row type of a table, also for existing handles."""
        model.row_type = row_type
        self._layer.keep_beside(model.name, row_type=row_type)

    # -- reading -------------------------------------------------------------------------------

    def model(self, name: str) -> TableModel:
        """Return the model of a table or view.

        Raises:
            TableNotFoundError: it is not registered; the hint suggests the nearest name.
        """
        model = self._layer.model(name)
        if model is None:
            raise self.unknown(name)
        return model

    def facts(self, name: str) -> TableInfo | None:
        """Return the reflected table or view, if it is registered."""
        return self._layer.facts(name)

    def foreign_keys(self, model: TableModel) -> tuple[ForeignKeyModel, ...]:
        """Return the current foreign keys of a table.

        A change of another table may have renamed the tables and columns they refer to.
        """
        facts = self.facts(model.name)
        return model.foreign_keys if facts is None else facts.foreign_keys

    def unknown(self, name: str) -> TableNotFoundError:
        """Return the error for a table or view that is not registered."""
        known = {other.lower(): other for other in sorted(self._layer.names())}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        guess = f"did you mean {known[near[0]]!r}? Else make" if near else "make"
        return TableNotFoundError(
            f"table {name!r} is not known",
            table_name=name,
            hint=f"{guess} it with db.create(cls), or await db.reflect()",
        )

    def is_view(self, name: str) -> bool:
        """Whether a name belongs to a view."""
        facts = self._layer.facts(name)
        return facts is not None and facts.kind != "table"

    def name_of(self, cls: type) -> str | None:
        """Return the table that was created from a class."""
        return min(self._layer.of_class(cls), default=None)

    def names(self, *, views: bool = False) -> list[str]:
        """Return the sorted names of all registered tables, or of all views."""
        return sorted([facts.qualified_name for facts in facts_of(self._layer) if (facts.kind != "table") is views])

    def models(self, *, views: bool) -> list[TableModel]:
        """Return all registered tables, or all views, by name."""
        return [self.model(name) for name in self.names(views=views)]

    def referring(self, names: Iterable[str]) -> list[str]:
        """Return the registered tables with foreign keys to one of these tables."""
        layer = self._layer
        return sorted({user for name in names for user in layer.referring(name)})

    def concerned(self, names: Collection[str], schema: str | None) -> list[str]:
        """Return the unqualified names of tables and views of a schema that a change of tables may affect.

        Args:
            names: the qualified names of the tables, before and after the change.
            schema: the schema.
        """
        layer = self._layer
        found = map(layer.facts, sorted({*names, *self.referring(names), *layer.views()}))
        return [facts.name for facts in found if facts is not None and facts.schema == schema]

    def unique_columns(self, constraint: str | None) -> tuple[str, tuple[str, ...]] | None:
        """Return table and columns of a unique constraint, for the message of its violation."""
        for facts in facts_of(self._layer):
            if constraint == f"{facts.qualified_name}_pkey":
                return facts.qualified_name, facts.pks
            unique = reflected.uniques_of(facts).get(constraint or "")
            if unique is not None:
                return facts.qualified_name, unique.columns
        return None

    def explained(self, error: UniqueViolationError) -> UniqueViolationError:
        """Return the error of a unique index over expressions, or over a part of the rows, with its columns.

        SQLite reports only the name of the first kind, and only the columns of the second.
        """
        found = self._index_of(error)
        if found is None:
            return error
        table, index = found
        known = tuple([name for name in index.columns if name is not None])
        over = ", ".join(["an expression" if name is None else name for name in index.columns])
        part = ", among the rows that meet its condition" if index.partial else ""
        return UniqueViolationError(
            f"{table}: a row with the same value already exists (unique index {index.name} over {over}{part})",
            hint="change the value; upsert cannot detect conflicts with such an index",
            constraint="unique",
            constraint_name=index.name,
            table_name=table,
            columns=known,
        )

    def _index_of(self, error: UniqueViolationError) -> tuple[str, IndexInfo] | None:
        """Return the index that was violated, and its table, if it is over expressions or a part of the rows."""
        for facts in facts_of(self._layer):
            table, indexes = facts.qualified_name, [index for index in facts.indexes if index.unique]
            if error.constraint != "unique" or error.table_name not in (None, table, table.rpartition(".")[2]):
                continue
            by_name = [index for index in indexes if index.name == error.constraint_name]
            # Without its name: find it by its columns, unless a constraint over all rows has the same ones.
            like = [index for index in indexes if error.columns and index.columns == error.columns]
            found = by_name or (like if all(index.partial for index in like) else [])
            if found and not found[0].is_unique_key:
                return table, found[0]
        return None

    def __contains__(self, name: Any) -> bool:
        return self._layer.entry(name) is not None
