"""A change of a table, checked against the existing tables."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._model.columns import ColumnSpec, describe, sql_default
from deebase._model.facts import TableInfo
from deebase._model.names import check_name
from deebase._model.table_options import must_secure
from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.tokens import folded
from deebase.errors import InvalidOperationError, SchemaError, ValidationError
from deebase.types import UNSET, ForeignKeyMark, must_be_flags

Types = Mapping[str, TypeEngine[Any]]


@dataclass(frozen=True)
class NewKey:
    """A new foreign key of one column."""

    column: str
    table: str
    target: str
    on_delete: str | None
    on_update: str | None


@dataclass(frozen=True)
class Arguments:
    """The arguments of ``transform``, unchecked."""

    types: Mapping[str, Any] | None = None
    rename: Mapping[str, str] | None = None
    drop: str | Collection[str] | None = None
    not_null: Mapping[str, bool] | str | Collection[str] | None = None
    defaults: Mapping[str, Any] | None = None
    pk: str | Sequence[str] | Any | None = UNSET
    add_foreign_keys: Mapping[str, ForeignKeyMark | str] | None = None
    drop_foreign_keys: Collection[str | tuple[str, ...]] | str | None = None
    column_order: Sequence[str] | None = None
    index_foreign_keys: bool = True
    secure: str | Sequence[str] | Any | None = UNSET


@dataclass(frozen=True)
class Change:
    """The change of a table; columns have their names from before the change.

    Attributes:
        types: columns and their new types.
        rename: columns and their new names.
        drop: columns.
        not_null: columns, and whether they are NOT NULL.
        defaults: columns and their defaults as SQL, None for none.
        pk: the new key; None leaves it unchanged.
        add_foreign_keys: the foreign keys to add.
        drop_foreign_keys: the columns of each foreign key to drop.
        add_checks: conditions in SQL.
        column_order: all remaining columns in their new order; empty leaves it unchanged.
        index_foreign_keys: whether new foreign keys get an index.
    """

    types: Types = field(default_factory=dict[str, TypeEngine[Any]])
    rename: Mapping[str, str] = field(default_factory=dict[str, str])
    drop: tuple[str, ...] = ()
    not_null: Mapping[str, bool] = field(default_factory=dict[str, bool])
    defaults: Mapping[str, str | None] = field(default_factory=dict[str, str | None])
    pk: tuple[str, ...] | None = None
    add_foreign_keys: tuple[NewKey, ...] = ()
    drop_foreign_keys: tuple[tuple[str, ...], ...] = ()
    add_checks: tuple[str, ...] = ()
    column_order: tuple[str, ...] = ()
    #: The columns that secure the rows from then on, () for none; None leaves them as they are.
    secure: tuple[str, ...] | None = None
    index_foreign_keys: bool = field(default=True, compare=False)

    @property
    def only_names(self) -> bool:
        """Whether only names of columns change."""
        return self == Change(rename=self.rename)

    @property
    def only_names_and_drops(self) -> bool:
        """Whether columns are only dropped or renamed."""
        return self == Change(rename=self.rename, drop=self.drop)

    def key(self, facts: TableInfo) -> tuple[str, ...]:
        """Return the key that the table will have."""
        return facts.pks if self.pk is None else self.pk

    def known_types(self) -> dict[str, TypeEngine[Any]]:
        """Return the new types by the new names of their columns."""
        return {self.rename.get(name, name): kind for name, kind in self.types.items()}


def plan_change(
    arguments: Arguments, model: TableModel, tables: Mapping[str, TableInfo], dialect: Dialect, operation: str
) -> Change:
    """Check the arguments against the existing tables.

    Args:
        arguments: the arguments of the call.
        model: the table.
        tables: the existing tables of its schema by name, including this one.
        dialect: the database.
        operation: the method, for errors.

    Raises:
        ColumnNotFoundError: a name is not a column.
        SchemaError: a new name is in use, or a foreign key to drop or the target of a new one does not exist.
        ValidationError: arguments contradict each other, or the call changes nothing.
        UnsupportedTypeError: an annotation without a column type.
        InvalidOperationError: a column of the key would be dropped.
    """
    return _Planning(model, tables, dialect, operation).change(arguments)


class _Planning:
    def __init__(self, model: TableModel, tables: Mapping[str, TableInfo], dialect: Dialect, operation: str) -> None:
        self.model = model
        self.name = model.name
        self.tables = tables
        self.facts = tables[model.sa_table.name]
        self.columns = {column.name: column for column in self.facts.columns}
        self.dialect = dialect
        self.operation = operation

    def change(self, given: Arguments) -> Change:
        for argument in ("types", "rename", "defaults", "add_foreign_keys"):
            value = getattr(given, argument)
            if value is not None and not isinstance(value, Mapping):
                raise self._contradiction(argument, f"it takes a dict of columns, not {type(value).__name__}")
        types = self._types(given.types or {})
        must_be_flags(index_foreign_keys=given.index_foreign_keys)
        drop = self._columns(given.drop or ())
        made = Change(
            types={name: spec.sa_type for name, spec in types.items()},
            rename=self._rename(given.rename or {}, drop),
            drop=drop,
            not_null=self._not_null(given.not_null or {}),
            defaults=self._defaults(given.defaults or {}, types),
            pk=self._key(given.pk),
            drop_foreign_keys=self._dropped_keys(given.drop_foreign_keys or ()),
            secure=self._secure(given.secure),
        )
        made = replace(
            made,
            add_foreign_keys=tuple(self._new_keys(given.add_foreign_keys or {}, made)),
            column_order=self._order(given.column_order or (), drop),
            index_foreign_keys=given.index_foreign_keys,
        )
        if made == Change():
            raise ValidationError(f"{self.operation} of {self.name} without a change", hint="pass at least one change")
        self._must_agree(made)
        return made

    # -- names ---------------------------------------------------------------------------------

    def _columns(self, names: str | Iterable[str]) -> tuple[str, ...]:
        given: Any = names
        if not isinstance(given, Iterable):
            kind = type(given).__name__
            raise ValidationError(
                f"{self.operation} of {self.name} takes names of columns, not {kind}", field="columns", hint="as text"
            )
        listed = (names,) if isinstance(names, str) else tuple(names)
        for name in listed:
            self._must_be_column(name)
        return listed

    def _must_be_column(self, name: Any) -> None:
        if not isinstance(name, str) or name not in self.columns:
            raise self.model.unknown_column(name)

    def _rename(self, given: Mapping[str, str], drop: tuple[str, ...]) -> dict[str, str]:
        self._columns(given)
        result = {old: new for old, new in given.items() if old != new}
        stay = [name for name in self.columns if name not in drop and name not in result]
        for old, new in result.items():
            check_name("the name of the column", new, self.dialect)
            taken = [*stay, *[other for one, other in result.items() if one != old]]
            if _same(new, self.dialect) in [_same(name, self.dialect) for name in taken]:
                raise SchemaError(
                    f"{self.name} has a column {new!r}",
                    table_name=self.name,
                    column_name=new,
                    hint="choose another name",
                )
        return result

    def _order(self, given: Sequence[str], drop: tuple[str, ...]) -> tuple[str, ...]:
        first = self._columns(given)
        if len(set(first)) < len(first):
            raise self._contradiction("column_order", "names a column twice")
        if set(first) & set(drop):
            raise self._contradiction("column_order", "names a column that is dropped")
        order = [*first, *[name for name in self.columns if name not in first]]
        return () if order == list(self.columns) else tuple([name for name in order if name not in drop])

    def _key(self, given: Any) -> tuple[str, ...] | None:
        if given is UNSET:
            return None
        names = self._columns(() if given is None else given)
        if len(set(names)) < len(names):
            raise self._contradiction("pk", "names a column twice")
        return None if names == self.facts.pks else names

    def _secure(self, given: Any) -> tuple[str, ...] | None:
        if given is UNSET:
            return None
        names = self._columns(() if given is None else given)
        types = {name: self.model.columns[name].sa_type for name in names}
        must_secure(self.name, types, [name for name in names if self.columns[name].computed is not None])
        return None if names == self.facts.secure else names

    # -- columns -------------------------------------------------------------------------------

    def _types(self, given: Mapping[str, Any]) -> dict[str, ColumnSpec]:
        self._columns(given)
        specs = {name: column_spec(name, annotation, UNSET) for name, annotation in given.items()}
        for name, spec in specs.items():
            if spec.foreign_key is not None:
                raise ValidationError(
                    f"types of {self.name}: the type of {name} is a foreign key",
                    field="types",
                    hint=f"add_foreign_keys={{{name!r}: ForeignKey({spec.foreign_key.target!r})}}",
                )
        return specs

    def _not_null(self, given: Mapping[str, bool] | str | Iterable[str]) -> dict[str, bool]:
        if isinstance(given, Mapping):
            flags = cast("Mapping[str, bool]", given)
            wanted = {name: flags[name] for name in self._columns(flags)}
            if any(type(flag) is not bool for flag in wanted.values()):
                raise self._contradiction("not_null", "it says True or False for each column")
        else:
            wanted = dict.fromkeys(self._columns(given), True)
        return {name: value for name, value in wanted.items() if value != self.columns[name].not_null}

    def _defaults(self, given: Mapping[str, Any], types: Mapping[str, ColumnSpec]) -> dict[str, str | None]:
        result: dict[str, str | None] = {}
        for name in self._columns(given):
            if self.columns[name].computed is not None:
                raise self._contradiction("defaults", f"{name} is computed by the database")
            value = given[name]
            kind = types[name].sa_type if name in types else self.model.columns[name].sa_type
            default = sql_default(
                ColumnSpec(name, kind, nullable=True, default=UNSET if value is None else value), self.dialect
            )
            result[name] = None if default is None else str(default.compile(dialect=self.dialect))
        return result

    # -- foreign keys --------------------------------------------------------------------------

    def _dropped_keys(self, given: str | Iterable[str | tuple[str, ...]]) -> tuple[tuple[str, ...], ...]:
        there = [key.columns for key in self.facts.foreign_keys]
        items: Any = (given,) if isinstance(given, str) else given
        if not isinstance(items, (list, tuple, set, frozenset)):
            raise self._contradiction("drop_foreign_keys", f"it takes names of columns, not {type(items).__name__}")
        result: list[tuple[str, ...]] = []
        for item in cast("Iterable[str | tuple[str, ...]]", items):
            columns = self._columns(item)
            if columns not in there:
                listed = ", ".join([" + ".join(names) for names in there])
                raise SchemaError(
                    f"{self.name} has no foreign key of {' + '.join(columns)}",
                    table_name=self.name,
                    column_name=columns[0] if columns else None,
                    hint=f"its foreign keys are those of {listed}" if there else "it has no foreign keys",
                )
            result.append(columns)
        return tuple(result)

    def _new_keys(self, given: Mapping[str, ForeignKeyMark | str], change: Change) -> Iterable[NewKey]:
        for column in self._columns(given):
            mark = reference_mark(given[column], column)
            table, _, target = mark.target.partition(".")
            other = self.tables.get(table)
            if other is None or other.kind != "table":
                raise SchemaError(
                    f"{self.name}.{column} refers to table {table!r}, which does not exist",
                    table_name=self.name,
                    column_name=column,
                    hint="create it first",
                )
            key = change.key(other) if other is self.facts else other.pks
            if not target and len(key) != 1:
                raise SchemaError(
                    f"{self.name}.{column}: {table} has no key of one column to refer to",
                    table_name=self.name,
                    column_name=column,
                    hint=f"name the column: ForeignKey('{table}.column')",
                )
            target = target or key[0]
            if not _tells_rows(other, key, target):
                raise SchemaError(
                    f"{self.name}.{column} refers to {table}.{target}, which is not unique",
                    table_name=self.name,
                    column_name=column,
                    hint=f"refer to the key of {table}, or create a unique index on {target}",
                )
            if ((column,), table) in [(there.columns, there.table) for there in self.facts.foreign_keys] and (
                column,
            ) not in change.drop_foreign_keys:
                raise SchemaError(
                    f"{self.name}.{column} already refers to {table}",
                    table_name=self.name,
                    column_name=column,
                    hint=f"drop_foreign_keys=[{column!r}] drops the existing one",
                )
            yield NewKey(column, table, target, mark.on_delete, mark.on_update)

    # -- contradictions ------------------------------------------------------------------------

    def _must_agree(self, change: Change) -> None:
        key = change.key(self.facts)
        for name in change.drop:
            if name in key:
                raise InvalidOperationError(
                    f"{self.name}.{name} is part of the key",
                    operation=self.operation,
                    target=self.name,
                    hint="give the table another key first, with transform(pk=...)",
                )
        for argument in ("types", "rename", "not_null", "defaults"):
            for name in getattr(change, argument):
                if name in change.drop:
                    raise self._contradiction(argument, f"{name} is dropped")
        for name in {new.column for new in change.add_foreign_keys} & set(change.drop):
            raise self._contradiction("add_foreign_keys", f"{name} is dropped")
        changed = {*change.drop, *change.types, *change.rename} & set(self.facts.secure)
        if changed and change.secure is None:
            raise InvalidOperationError(
                f"{self.name}: the rows are secured by {', '.join(sorted(changed))}",
                operation=self.operation,
                target=self.name,
                hint="await t.transform(secure=None) first, and secure the rows again afterwards",
            )
        if changed or {*change.drop, *change.rename} & set(change.secure or ()):
            raise self._contradiction("secure", "a column that secures the rows changes in the same call")
        for name, not_null in change.not_null.items():
            if not not_null and name in key:
                raise self._contradiction("not_null", f"{name} is part of the key")
        if len(change.drop) == len(self.columns):
            raise self._contradiction("drop", "no column would be left")

    def _contradiction(self, argument: str, why: str) -> ValidationError:
        return ValidationError(
            f"{argument} of {self.operation} is not possible on {self.name}: {why}",
            field=argument,
            hint="check the other arguments of the call",
        )


def _same(name: str, dialect: Dialect) -> str:
    # SQLite treats names of columns that differ only in the case of ASCII letters as equal.
    return folded(name) if capabilities_of(dialect).ignores_case_of_names else name


def _tells_rows(facts: TableInfo, key: tuple[str, ...], column: str) -> bool:
    return key == (column,) or any(index.is_unique_key and index.columns == (column,) for index in facts.indexes)


def column_spec(name: str, annotation: Any, default: Any) -> ColumnSpec:
    """Return the column of an annotation and a default.

    Raises:
        UnsupportedTypeError: the annotation has no column type.
        ValidationError: the default does not fit.
    """
    made = type("Column", (), {"__annotations__": {name: annotation}})
    defaults: Mapping[str, Any] = {} if default is UNSET else {name: default}
    return describe(made, defaults=defaults)[0]


def reference_mark(given: Any, column: str) -> ForeignKeyMark:
    """Return the foreign key of a column, from ``ForeignKey`` or the name of a table.

    Raises:
        ValidationError: it is of another type, such as the annotation of a column.
    """
    mark: Any = ForeignKeyMark(given) if isinstance(given, str) else given
    if not isinstance(mark, ForeignKeyMark):
        raise ValidationError(
            f"the foreign key of {column!r} is the name of a table or ForeignKey('user.id'), "
            f"not {type(given).__name__}",
            field="foreign_key",
            hint="ForeignKey[int, 'user'] is the annotation of a column; its value form is ForeignKey('user')",
        )
    return mark
