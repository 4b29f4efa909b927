"""The tables and views one Database knows."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model import reflected
from deebase._model.facts import IndexInfo, TableInfo
from deebase._model.layer import CatalogEntry, Layer, facts_of
from deebase._rows.model import TableModel
from deebase.errors import TableNotFoundError, UniqueViolationError

Types = Mapping[str, sa.types.TypeEngine[Any]]


class Scope(Protocol):
    """A transaction block, as far as the catalog takes part in it.

    Attributes:
        parts: what takes part in the block, by its owner: published when the block commits, else discarded.
    """

    parts: dict[Any, Any]

    @property
    def open(self) -> bool:
        """Whether the block has begun and not ended."""
        ...

    @property
    def parent(self) -> Scope | None:
        """The block around it."""
        ...


def _no_scope() -> Scope | None:
    return None


class Catalog:
    """What is known of the tables of one database.

    It takes part in transactions: what a block changes is known to the tasks of this block alone, until the commit
    makes it known to all. After a rollback it was never there.

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
        """What the current task knows."""
        scope = self._scope()
        while scope is not None:
            layer: Layer | None = scope.parts.get(self)
            if layer is not None:
                return layer
            scope = scope.parent
        return self._shared

    def _own_layer(self, scope: Scope | None) -> Layer:
        """Return where what a block changes is noted."""
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
        """SQLAlchemy's metadata with the tables and views that were asked for."""
        return self._layer.metadata

    def build_all(self) -> None:
        """Build the tables that were not asked for yet."""
        self._layer.build_all()

    # -- changes -------------------------------------------------------------------------------

    def add(self, entry: CatalogEntry) -> None:
        """Note a table that was made, or found, for a class; one of the same name is replaced."""
        known = self._layer.entry(entry.facts.qualified_name)
        # The types are made again at each call, but say the same.
        if known is None or known.cls is not entry.cls or known.facts != entry.facts:
            self._put(entry.facts.qualified_name, entry)

    def forget(self, name: str) -> None:
        """Drop what is known of a table."""
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
            only: the qualified names that were asked for; all tables and views of the schema by default.
            known_only: add no table that is not known yet.

        Returns:
            The tables and views that are new or were changed.
        """
        layer = self._layer
        facts = {table.qualified_name: table for table in found if only is None or table.qualified_name in only}
        known = [table.qualified_name for table in facts_of(layer) if table.schema == schema]
        for name in known if only is None else only:
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
        """Return the schemas of what is known."""
        return {facts.schema for facts in facts_of(self._layer)}

    def changed(self, name: str, found: TableInfo, *, renamed: Mapping[str, str], types: Types) -> None:
        """Note that a table was changed by its own handle.

        Args:
            name: the name it had.
            found: what it is now, maybe by another name.
            renamed: new names of columns, by their old ones.
            types: the types of columns that the change names.
        """
        entry = self._layer.entry(name)
        if name != found.qualified_name:
            self._put(name, None)
        self._put(found.qualified_name, CatalogEntry(found) if entry is None else entry.revised(found, renamed, types))

    def copied(self, name: str, found: TableInfo) -> None:
        """Note a copy of a table: what is known of the columns of the one is known of those of the other."""
        model = self.model(name)
        types = {column: known.sa_type for column, known in model.columns.items()}
        self._put(found.qualified_name, CatalogEntry(found, None, types, dict(model.factories), model.row_type))

    def set_key(self, name: str, column: str) -> None:
        """Let rows of a view be read by a column."""
        entry = self._layer.entry(name)
        if entry is not None:
            self._put(name, CatalogEntry(entry.facts, row_type=entry.row_type, key=column))

    def set_row_type(self, model: TableModel, row_type: type) -> None:
        """Let rows of a table be of a type, those of handles that exist too."""
        model.row_type = row_type
        self._layer.keep_beside(model.name, row_type=row_type)

    # -- asking --------------------------------------------------------------------------------

    def model(self, name: str) -> TableModel:
        """Return the model of a table or view.

        Raises:
            TableNotFoundError: it is not known here; the nearest name is suggested.
        """
        model = self._layer.model(name)
        if model is None:
            raise self.unknown(name)
        return model

    def facts(self, name: str) -> TableInfo | None:
        """Return what the database says of a table or view, if it is known."""
        return self._layer.facts(name)

    def unknown(self, name: str) -> TableNotFoundError:
        """Return the error for a table or view that is not known."""
        known = {other.lower(): other for other in sorted(self._layer.names())}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        guess = f"did you mean {known[near[0]]!r}? Else make" if near else "make"
        return TableNotFoundError(
            f"table {name!r} is not known",
            table_name=name,
            hint=f"{guess} it with db.create(cls), or await db.reflect()",
        )

    def is_view(self, name: str) -> bool:
        """Whether what is known under a name is a view."""
        facts = self._layer.facts(name)
        return facts is not None and facts.kind != "table"

    def name_of(self, cls: type) -> str | None:
        """Return the table that was created from a class."""
        layer = self._layer
        for name in sorted(layer.names()):
            entry = layer.entry(name)
            if entry is not None and entry.cls is cls:
                return name
        return None

    def names(self, *, views: bool = False) -> list[str]:
        """Return the names of all known tables, or of all views, sorted."""
        return sorted([facts.qualified_name for facts in facts_of(self._layer) if (facts.kind != "table") is views])

    def referring(self, names: Iterable[str]) -> list[str]:
        """Return the known tables with foreign keys to one of these tables."""
        targets = set(names)
        return [
            facts.qualified_name
            for facts in facts_of(self._layer)
            if any(key.target in targets for key in facts.foreign_keys)
        ]

    def concerned(self, names: Collection[str], schema: str | None) -> list[str]:
        """Return the tables and views of a schema that a change of tables may concern, by their plain names.

        Args:
            names: the qualified names of the tables, before and after the change.
            schema: the schema.
        """
        concerned = {*names, *self.referring(names)}
        return [
            facts.name
            for facts in facts_of(self._layer)
            if facts.schema == schema and (facts.kind != "table" or facts.qualified_name in concerned)
        ]

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
        """Return the error of a unique index over expressions, or over a part of the rows, with what is known of it.

        SQLite tells the name of the first kind alone, and the columns of the second alone.
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
            # Without its name: by its columns, unless a constraint over all rows has the same.
            like = [index for index in indexes if error.columns and index.columns == error.columns]
            found = by_name or (like if all(index.partial for index in like) else [])
            if found and not found[0].is_unique_key:
                return table, found[0]
        return None

    def __contains__(self, name: Any) -> bool:
        return self._layer.entry(name) is not None
