"""The changes of one table, as calls of the API."""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Sequence

from sqlalchemy.sql import ClauseElement

from deebase._backends.schema_parts import Feature
from deebase._model.columns import ColumnSpec
from deebase._model.facts import ColumnInfo, IndexInfo
from deebase._rows.model import ForeignKeyModel
from deebase._sqltext.type_names import same_type
from deebase._types.registry import column_type
from deebase.fields import DatabaseValue
from deebase.migrations.compare.changes import TableChange
from deebase.migrations.write.body import Body, access, columns
from deebase.migrations.write.drafts import literal
from deebase.tools.codegen.class_attributes import indexed_source
from deebase.tools.codegen.constraints import plain_index
from deebase.tools.codegen.creation import search_options
from deebase.tools.codegen.line_layout import Piece, call, listed, mapped
from deebase.tools.codegen.value_source import quoted
from deebase.types import UNSET, ForeignKeyMark, Index, Search, Unset


class Alteration:
    """Writes the changes of one table: what is dropped, what needs no other table, what refers to other tables.

    Args:
        body: the body that it writes to.
        change: the changes.
    """

    def __init__(self, body: Body, change: TableChange) -> None:
        self._body = body
        self._change = change
        self._name = change.name
        self._access = access(change.name)
        self._specs = change.after.specs
        self._facts = {column.name: column for column in change.after.facts.columns}
        keyed = {name for key in change.add_keys for name in key.columns}
        self._late = [name for name in change.add if name in keyed]
        self._early = [name for name in change.add if name not in keyed]

    def _call(self, method: str, *arguments: Piece, **keywords: Piece) -> None:
        self._body.call(call(f"{self._access}.{method}", *arguments, **keywords))

    # -- the two halves ------------------------------------------------------------------------

    def clear(self, changing: Collection[str]) -> None:
        """Write what is dropped first, because it may block changes of other tables.

        Args:
            changing: tables that are dropped, or get another key.
        """
        change = self._change
        for feature in change.drop_features:
            # A feature of a column is dropped with it.
            if feature.column not in change.drop:
                self._feature(feature, feature.drop, "should not have")
        if not isinstance(change.search, Unset) and change.before.facts.search is not None:
            self._call("disable_search")
        if change.before.facts.secure and self._secures_again:
            self._call("transform", secure=Piece("None"))
        for index in change.drop_indexes:
            self._call("drop_index", Piece(quoted(index.name)))
        # A foreign key is dropped with its column, unless it blocks another change until then.
        keys = [
            key.columns for key in change.drop_keys if key.table in changing or not set(key.columns) <= set(change.drop)
        ]
        if keys:
            self._call("transform", drop_foreign_keys=listed([columns(names) for names in dict.fromkeys(keys)]))

    def change(self) -> None:
        """Write the changes that need no other table."""
        change = self._change
        for name in self._early:
            self._add(name)
        self._transform()
        for feature in change.add_features:
            if feature.column not in change.add:
                self._feature(feature, feature.add, "lacks")
        for text in change.unexplained:
            self._body.leave(f"{self._name} {text}")
        self._indexes(late=False)

    def refer(self) -> None:
        """Write the references to other tables."""
        change = self._change
        for name in self._late:
            self._add(name)
        marks: list[tuple[Piece, Piece]] = []
        for key in change.add_keys:
            if any(name in self._late for name in key.columns) and len(key.columns) == 1:
                continue
            mark = mark_of(key)
            if mark is not None:
                marks.append((Piece(quoted(key.columns[0])), self._mark(mark)))
            else:
                self._composite(key)
        if marks:
            self._call("transform", add_foreign_keys=mapped(marks))
        if self._pk_is_late:
            self._call("transform", pk=_key(change.pk or ()))
        self._indexes(late=True)
        if isinstance(change.search, Search):
            names = [Piece(quoted(name)) for name in change.search.columns]
            self._call("enable_search", *names, **search_options(change.search))
        if change.after.facts.secure and self._secures_again:
            self._call("transform", secure=_key(change.after.facts.secure))

    @property
    def _secures_again(self) -> bool:
        """Whether the columns that secure the rows change, or one of them does."""
        change = self._change
        touched = {*change.drop, *change.types} & {*change.before.facts.secure}
        return change.secure is not None or bool(touched)

    @property
    def _pk_is_late(self) -> bool:
        return self._change.pk is not None and any(name in self._late for name in self._change.pk)

    # -- parts ---------------------------------------------------------------------------------

    def _feature(self, feature: Feature, sql: str | None, what: str) -> None:
        if sql is None:
            self._body.leave(f"{self._name} {what}: {feature.text}")
        else:
            self._body.sql(sql)

    def _add(self, name: str) -> None:
        column = self._facts[name]
        spec = self._expressible(name)
        if spec is None or column.computed is not None or (column.generated and self._body.capabilities.has_sequences):
            self._add_as_sql(name)
            return
        values = self._body.module.values
        options: dict[str, Piece] = {}
        if spec.default is not UNSET:
            options["default"] = values.source(spec.default)
        zero = UNSET if spec.nullable or options or spec.foreign_key is not None else column_type(spec.sa_type).zero
        if zero is not UNSET:
            options["default"] = values.source(zero)
            self._body.note(f"existing rows get {options['default'].flat}: choose the right value for them")
        elif not spec.nullable and not options:
            self._body.note(f"{self._name}.{name} is never NULL: this fails if the table has rows")
        self._call("add_column", Piece(quoted(name)), self._body.module.hints.column(spec), **options)
        if zero is not UNSET:
            self._call("transform", defaults=mapped([(Piece(quoted(name)), Piece("None"))]))

    def _expressible(self, name: str) -> ColumnSpec | None:
        """Return a column as a class has it; None if the class would make another column."""
        spec, column = self._specs.get(name), self._facts[name]
        if spec is None or not self._is_type_of(spec, column):
            return None
        if spec.computed is not None or isinstance(spec.default, (DatabaseValue, ClauseElement)):
            return None
        return None if (spec.default is UNSET) != (column.default is None) else spec

    def _is_type_of(self, spec: ColumnSpec, column: ColumnInfo) -> bool:
        return same_type(spec.sa_type.compile(dialect=self._body.dialect)) == same_type(column.type)

    def _add_as_sql(self, name: str) -> None:
        declared = self._change.after.ddl.columns.get(name)
        if declared is None:
            self._body.leave(f"{self._name} lacks the column {name}, which the API cannot add")
        else:
            self._body.sql(f"ALTER TABLE {self._body.name(self._name)} ADD COLUMN {declared}")

    def _transform(self) -> None:
        change, options = self._change, dict[str, Piece]()
        for name in change.drop:
            self._body.note(f"drops the column {self._name}.{name} with its values")
        if change.types:
            options["types"] = self._types()
        if change.drop:
            options["drop"] = listed([Piece(quoted(name)) for name in change.drop])
        if change.not_null:
            pairs = [(Piece(quoted(name)), Piece(str(refuses))) for name, refuses in change.not_null.items()]
            options["not_null"] = mapped(pairs)
        if change.defaults:
            options["defaults"] = self._defaults()
        if change.pk is not None and not self._pk_is_late:
            options["pk"] = _key(change.pk)
        options = {name: value for name, value in options.items() if value.flat not in ("{}", "[]")}
        if options:
            self._call("transform", **options)

    def _types(self) -> Piece:
        pairs: list[tuple[Piece, Piece]] = []
        for name in self._change.types:
            spec, column = self._specs.get(name), self._facts[name]
            if spec is None or not self._is_type_of(spec, column):
                self._alter(name, f"TYPE {column.type} USING {self._body.name(name)}::{column.type}", "another type")
                continue
            plain = dataclasses.replace(spec, foreign_key=None, nullable=False)
            pairs.append((Piece(quoted(name)), self._body.module.hints.column(plain)))
        return mapped(pairs)

    def _defaults(self) -> Piece:
        pairs: list[tuple[Piece, Piece]] = []
        for name in self._change.defaults:
            spec, column = self._specs.get(name), self._facts[name]
            if column.default is None:
                pairs.append((Piece(quoted(name)), Piece("None")))
            elif spec is None or isinstance(spec.default, (Unset, DatabaseValue, ClauseElement)):
                self._alter(name, f"SET DEFAULT {column.default}", f"the default {column.default}")
            else:
                pairs.append((Piece(quoted(name)), self._body.module.values.source(spec.default)))
        return mapped(pairs)

    def _alter(self, column: str, action: str, lacks: str) -> None:
        if self._body.capabilities.alters_in_place:
            name = self._body.name(self._name)
            self._body.sql(f"ALTER TABLE {name} ALTER COLUMN {self._body.name(column)} {action}")
        else:
            self._body.leave(f"{self._name}.{column} should have {lacks}")

    def _indexes(self, *, late: bool) -> None:
        for index in self._change.add_indexes:
            made = plain_index(self._change.after.facts, index, self._body.dialect)
            if late is any(name in self._late for name in (index.columns if made is None else made.names)):
                self._index(index, made)

    def _index(self, index: IndexInfo, made: Index | None) -> None:
        if made is None:
            self._body.sql(index.sql or "")
            return
        columns = [indexed_source(part, self._body.module.names) for part in made.columns]
        options: dict[str, Piece] = {}
        if made.indexed != made.columns or made.name != f"ix_{self._name}_{'_'.join(made.names)}":
            options["name"] = Piece(quoted(made.name))
        if made.unique:
            options["unique"] = Piece("True")
        if made.where is not None:
            options["where"] = Piece(literal(made.where))
        self._call("create_index", columns[0] if len(columns) == 1 else listed(columns), **options)

    def _composite(self, key: ForeignKeyModel) -> None:
        name = self._body.name
        table = name(key.table) if key.schema is None else f"{name(key.schema)}.{name(key.table)}"
        if not self._body.capabilities.alters_in_place:
            self._body.leave(f"{self._name} lacks a foreign key of ({', '.join(key.columns)}) to {key.table}")
            return
        actions = [("ON DELETE", key.on_delete), ("ON UPDATE", key.on_update)]
        more = "".join([f" {what} {action}" for what, action in actions if action])
        self._body.sql(
            f"ALTER TABLE {name(self._name)} ADD FOREIGN KEY ({name(*key.columns)})"
            f" REFERENCES {table} ({name(*key.targets)}){more}"
        )

    def _mark(self, mark: ForeignKeyMark) -> Piece:
        given = {"on_delete": mark.on_delete, "on_update": mark.on_update}
        options = {name: Piece(quoted(action)) for name, action in given.items() if action is not None}
        if not options:
            return Piece(quoted(mark.target))
        return call(
            self._body.module.names.use("deebase.types", "ForeignKeyMark"), Piece(quoted(mark.target)), **options
        )


def _key(names: Sequence[str]) -> Piece:
    if not names:
        return Piece("None")
    return Piece(quoted(names[0])) if len(names) == 1 else listed([Piece(quoted(name)) for name in names])


def mark_of(key: ForeignKeyModel) -> ForeignKeyMark | None:
    """Return a foreign key as the API takes it; None for a composite one."""
    if len(key.columns) != 1 or key.schema is not None or "." in key.table or "." in key.targets[0]:
        return None
    return ForeignKeyMark(f"{key.table}.{key.targets[0]}", key.on_delete, key.on_update)
