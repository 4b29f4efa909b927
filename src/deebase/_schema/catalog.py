"""The tables and views one Database knows."""

from __future__ import annotations

import dataclasses
import difflib
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import BUILD_ALL, TableModel
from deebase._schema import reflected
from deebase._schema.facts import IndexFacts, TableFacts
from deebase.errors import TableNotFoundError, UniqueViolationError


class Catalog:
    """SQLAlchemy's metadata of a database, and the model and row type of each table.

    What reflection found is kept as facts; a table is built from them when it is first asked for.
    """

    def __init__(self, dialect: Dialect) -> None:
        self.dialect = dialect
        self.metadata: sa.MetaData = sa.MetaData(info={BUILD_ALL: self.build_all})
        self._models: dict[str, TableModel] = {}
        self._classes: dict[str, type] = {}
        self._facts: dict[str, TableFacts] = {}
        #: Of views, the column that their rows are asked for by, where it is not the first.
        self._keys: dict[str, str] = {}

    def build_all(self) -> None:
        """Build the tables that were not asked for yet."""
        for name in self.names():
            self.model(name)

    def add(self, model: TableModel, row_class: type) -> None:
        """Remember a table that was made from a class; one of the same name is replaced."""
        self._models[model.name] = model
        self._classes[model.name] = row_class
        self._facts.pop(model.name, None)

    def forget(self, name: str) -> None:
        """Drop what is known of a table."""
        self._facts.pop(name, None)
        self._classes.pop(name, None)
        self._keys.pop(name, None)
        self._unbuild(name)

    def _unbuild(self, name: str) -> None:
        self._models.pop(name, None)
        table = self.metadata.tables.get(name)
        if table is not None:
            self.metadata.remove(table)

    # -- reflection ----------------------------------------------------------------------------

    def learn(self, found: Iterable[TableFacts], *, schema: str | None, only: str | None = None) -> list[TableFacts]:
        """Take in what a schema holds, or one table of it: what changed is seen anew, what is gone is dropped.

        Returns:
            What is new or was changed.
        """
        facts = {table.known_as: table for table in found if only is None or table.known_as == only}
        names = [only] if only is not None else [name for name in self._known() if self._schema_of(name) == schema]
        for name in names:
            if name not in facts:
                self.forget(name)
        changed = {name: table for name, table in facts.items() if not self._unchanged(name, table)}
        for name, table in facts.items():
            if name in changed:
                self._change(name, table, {})
            self._facts[name] = table
        return list(changed.values())

    def learn_again(self, found: TableFacts) -> None:
        """Take in one table as it is, whatever was known of it."""
        self.forget(found.known_as)
        self._facts[found.known_as] = found

    def _known(self) -> list[str]:
        return list({**self._models, **self._facts})

    def _schema_of(self, name: str) -> str | None:
        model = self._models.get(name)
        return model.sa_table.schema if model is not None else self._facts[name].schema

    def _unchanged(self, name: str, found: TableFacts) -> bool:
        known = self._facts.get(name)
        if known is not None:
            return known == found
        model = self._models.get(name)
        return model is not None and self._fits(model, found)

    def _fits(self, model: TableModel, found: TableFacts) -> bool:
        """Whether a table that was made from a class is what was found."""
        columns = [
            (column.name, same_type(column.type.compile(dialect=self.dialect)), not column.nullable)
            for column in model.sa_table.c
        ]
        there = [(column.name, same_type(column.type), column.not_null) for column in found.columns]
        return model.pks == found.pks and columns == there and _references(model) == _references(found)

    def learn_indexes(self, found: TableFacts) -> None:
        """Take in the indexes of a table whose columns did not change: its model stays."""
        self._facts[found.known_as] = found
        model = self._models.get(found.known_as)
        if model is not None:
            model.uniques = reflected.uniques_of(found)

    def changed(self, name: str, found: TableFacts, known: Mapping[str, Any] | None = None) -> None:
        """Take in that a table was changed by its own handle.

        Args:
            name: the name it had.
            found: what it is now, maybe by another name.
            known: types of columns that are known better than the database tells.
        """
        self._change(name, found, known or {})
        self._facts[found.known_as] = found

    def copied(self, name: str, found: TableFacts) -> None:
        """Take in a copy of a table: what is known of the columns of the one is known of those of the other."""
        old = self.model(name)
        self._facts[found.known_as] = found
        model = self._build(found.known_as, {column: known.sa_type for column, known in old.columns.items()})
        model.factories = dict(old.factories)
        model.row_type = old.row_type

    def _change(self, name: str, found: TableFacts, known: Mapping[str, Any]) -> None:
        """Forget a table that is another one now, but not what its class knows better than the database."""
        old = self._models.get(name)
        cls = self._classes.pop(name, None)
        new = found.known_as
        self.forget(name)
        if old is None or (cls is None and not known):
            return
        self._facts[new] = found
        kept = {
            column.name: old.columns[column.name].sa_type
            for column in found.columns
            if column.name in old.columns
            and same_type(old.columns[column.name].sa_type.compile(dialect=self.dialect)) == same_type(column.type)
        }
        model = self._build(new, {**kept, **known})
        model.factories = {column: make for column, make in old.factories.items() if column in model.columns}
        if cls is None:
            return
        self._classes[new] = cls
        if dataclasses.is_dataclass(cls) and {field.name for field in dataclasses.fields(cls)} <= set(model.names):
            model.row_type = cls

    def _build(self, name: str, kept: Mapping[str, Any] | None = None) -> TableModel:
        """Build a table from its facts, with those its foreign keys lead to."""
        built: dict[str, TableFacts] = {}
        for facts in reflected.closure(name, self._facts):
            if facts.known_as not in self.metadata.tables:
                own: Mapping[str, Any] = kept if facts.known_as == name and kept is not None else {}
                key = self.key_of_view(facts) if facts.kind != "table" else None
                reflected.sa_table(facts, self.metadata, self.dialect, own, key)
                built[facts.known_as] = facts
        for table_name, facts in built.items():
            reflected.add_foreign_keys(self.metadata.tables[table_name], facts, self.metadata.tables)
        for table_name, facts in built.items():
            table = self.metadata.tables[table_name]
            self._models[table_name] = reflected.model_of(table, facts, self.dialect)
        return self._models[name]

    def key_of_view(self, facts: TableFacts) -> str | None:
        """Return the column that rows of a view are asked for by."""
        first = facts.columns[0].name if facts.columns else None
        return self._keys.get(facts.known_as, first)

    def set_key(self, name: str, column: str) -> None:
        """Let rows of a view be asked for by a column."""
        if self._keys.get(name) != column:
            self._keys[name] = column
            self._unbuild(name)

    def facts(self, name: str) -> TableFacts | None:
        """Return what reflection found of a table, if it was reflected."""
        return self._facts.get(name)

    # -- asking --------------------------------------------------------------------------------

    def model(self, name: str) -> TableModel:
        """Return the model of a table or view.

        Raises:
            TableNotFoundError: it is not known here; the nearest name is suggested.
        """
        model = self._models.get(name)
        if model is not None:
            return model
        if name in self._facts:
            return self._build(name)
        raise self.unknown(name)

    def unknown(self, name: str) -> TableNotFoundError:
        """Return the error for a table or view that is not known."""
        known = {other.lower(): other for other in self._known()}
        near = difflib.get_close_matches(name.lower(), known, n=1)
        guess = f"did you mean {known[near[0]]!r}? Else make" if near else "make"
        return TableNotFoundError(
            f"table {name!r} is not known",
            table_name=name,
            hint=f"{guess} it with db.create(cls), or await db.reflect()",
        )

    def is_view(self, name: str) -> bool:
        """Whether what is known under a name is a view."""
        facts = self._facts.get(name)
        return facts is not None and facts.kind != "table"

    def name_of(self, cls: type) -> str | None:
        """Return the table that was created from a class."""
        for name, known in self._classes.items():
            if known is cls:
                return name
        return None

    def names(self, *, views: bool = False) -> list[str]:
        """Return the names of all known tables, or of all views, sorted."""
        return sorted([name for name in self._known() if self.is_view(name) is views])

    def unique_columns(self, constraint: str | None) -> tuple[str, tuple[str, ...]] | None:
        """Return table and columns of a unique constraint, for the message of its violation."""
        for model in self._models.values():
            if constraint == f"{model.name}_pkey":
                return model.name, model.pks
            unique = model.uniques.get(constraint or "")
            if unique is not None:
                return model.name, unique.columns
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
            f"{table}: a row with the same value exists (unique index {index.name} over {over}{part})",
            hint="change the value; upsert cannot tell a conflict by such an index",
            constraint="unique",
            constraint_name=index.name,
            table_name=table,
            columns=known,
        )

    def _index_of(self, error: UniqueViolationError) -> tuple[str, IndexFacts] | None:
        """Return the index that was violated, and its table, if it is over expressions or a part of the rows."""
        for table, indexes in self._unique_indexes():
            if error.constraint != "unique" or error.table_name not in (None, table, table.rpartition(".")[2]):
                continue
            by_name = [index for index in indexes if index.name == error.constraint_name]
            # Without its name: by its columns, unless a constraint over all rows has the same.
            like = [index for index in indexes if error.columns and index.columns == error.columns]
            found = by_name or (like if all(index.partial for index in like) else [])
            if found and not found[0].tells_rows:
                return table, found[0]
        return None

    def _unique_indexes(self) -> Iterator[tuple[str, list[IndexFacts]]]:
        for name in self._known():
            facts = self._facts.get(name)
            if facts is not None:
                yield name, [index for index in facts.indexes if index.unique]
            else:
                made = self._models[name].uniques
                yield name, [IndexFacts(key, one.columns, True, one.partial, None) for key, one in made.items()]

    def __contains__(self, name: Any) -> bool:
        return name in self._models or name in self._facts


def _references(table: TableModel | TableFacts) -> set[tuple[Any, ...]]:
    return {(key.columns, key.target, key.targets) for key in table.foreign_keys}


def same_type(written: str) -> str:
    """Return a type name in the form in which two of them can be compared."""
    # PostgreSQL writes VARCHAR as "character varying", and adds the default of TIMESTAMP and TIME.
    return written.upper().replace("CHARACTER VARYING", "VARCHAR").replace(" WITHOUT TIME ZONE", "")
