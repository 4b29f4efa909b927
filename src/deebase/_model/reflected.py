"""Converts a reflected table to a SQLAlchemy table and to the model for reading and writing its rows."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._model.checks import conditions
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._model.postgres_types import is_foreign, postgres_type
from deebase._model.sqlite_types import sqlite_type
from deebase._model.table_models import table_model
from deebase._rows.model import TableModel, UniqueModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoted_columns import Column
from deebase._types.array import ArrayValues
from deebase._types.base import ColumnType, declaration_of
from deebase._types.choices import Choice, Labels, choice_columns, literal_pairs
from deebase._types.documents import JSON
from deebase._types.forms.moment_sql import HELPED, IS_VIEW
from deebase._types.native import AnyValue
from deebase._types.native_lists import NativeList
from deebase._types.registry import column_type
from deebase._types.text import LimitedText, String, checked_lengths


def column_types(facts: TableInfo, dialect: Dialect) -> dict[str, sa.types.TypeEngine[Any]]:
    """Return the type of each column."""
    kind = postgres_type if capabilities_of(dialect).has_own_types else sqlite_type
    made = {column.name: kind(column) for column in facts.columns}
    for name, texts in _choices(facts).items():
        if type(made.get(name)) is sa.String:
            made[name] = Choice(literal_pairs(texts))
    for name, length in ({} if facts.sql is None else checked_lengths(facts.sql)).items():
        known = made.get(name)
        if type(known) is sa.String and known.length == length:
            made[name] = LimitedText(length)
    return made


def _more_precise(kept: sa.types.TypeEngine[Any], found: sa.types.TypeEngine[Any], dialect: Dialect) -> Any:
    """Return the type of a column from its class, or that of the database if the annotation names the latter."""
    if not isinstance(kept, ColumnType) or declaration_of(kept, dialect) is None:
        return kept
    native = column_type(found)
    if isinstance(kept, Choice):
        return found if isinstance(native, Labels) and not kept.has_members else kept
    if isinstance(kept, NativeList):
        return found if isinstance(native, ArrayValues) else kept
    if isinstance(kept, JSON):
        return native.made_of(kept) if isinstance(native, JSON) else kept
    is_text = isinstance(kept, String) and isinstance(native, AnyValue)
    return found if is_text or isinstance(native, type(kept)) else kept


def _choices(facts: TableInfo) -> dict[str, list[str]]:
    """Return the columns that CHECK conditions restrict to a list of texts."""
    if facts.sql is not None:
        return choice_columns(facts.sql, in_text=True)
    found: dict[str, list[str]] = {}
    for check in facts.checks:
        found.update(choice_columns(check, in_text=False))
    return found


def text_columns(facts: TableInfo, dialect: Dialect) -> list[ColumnInfo]:
    """Return the columns whose type has no counterpart in Python, so that they are read and written as text."""
    if not capabilities_of(dialect).has_own_types:
        return []
    return [column for column in facts.columns if is_foreign(column)]


def sa_table(
    facts: TableInfo, metadata: sa.MetaData, dialect: Dialect, kept: Mapping[str, Any], key: str | None = None
) -> sa.Table:
    """Add a table to the metadata, without its foreign keys.

    Args:
        facts: the table.
        metadata: where to add it.
        dialect: the database.
        kept: column types that are more precise than those of the database.
        key: for a view, the column by which rows are read.
    """
    found = column_types(facts, dialect)
    types = {
        **found,
        **{name: _more_precise(kind, found[name], dialect) for name, kind in kept.items() if name in found},
    }
    keys = facts.pks or ((key,) if key is not None else ())
    columns: list[sa.Column[Any]] = []
    for column in facts.columns:
        parts: list[Any] = []
        options: dict[str, Any] = {"nullable": not column.not_null, "autoincrement": False}
        if column.computed is not None:
            parts.append(sa.Computed(sa.text(_escaped(column.computed or "NULL"))))
        elif column.generated and keys == (column.name,):
            options["autoincrement"] = True
            if column.default is None and capabilities_of(dialect).has_sequences:
                parts.append(sa.Identity())
        elif column.generated:
            # The value is optional, although the key has further columns.
            options["server_default"] = sa.FetchedValue()
        if column.default is not None:
            options["server_default"] = sa.text(_escaped(column.default))
        columns.append(Column(column.name or _EMPTY, types[column.name], *parts, **options))
    table = sa.Table(facts.name, metadata, *columns, schema=facts.schema)
    note_other_forms(table, facts)
    if keys:
        nullable = {name: table.c[name].nullable for name in keys}
        table.append_constraint(sa.PrimaryKeyConstraint(*[table.c[name] for name in keys]))
        for name, was in nullable.items():
            table.c[name].nullable = was
    for check in conditions(facts, ()):
        # Not sa.text, which interprets a colon before a word as a parameter.
        condition = cast("Any", sa.literal_column(check.sql))
        table.append_constraint(sa.CheckConstraint(condition, name=check.name))
    for index in facts.indexes:
        if index.columns and None not in index.columns and not index.partial:
            sa.Index(index.name, *[table.c[str(name)] for name in index.columns], unique=index.unique)
    return table


class _EmptyName(sa.sql.quoted_name):
    """The name of a column without one, which SQLite allows; SQLAlchemy asks whether a name is true."""

    def __bool__(self) -> bool:
        return True


_EMPTY = _EmptyName("", True)


def note_other_forms(table: sa.Table, facts: TableInfo) -> None:
    """Record in a table the columns whose rows in other forms SQLite finds by an index."""
    table.info[IS_VIEW] = facts.kind != "table"
    table.info[HELPED] = frozenset([str(index.columns[0]) for index in facts.other_forms])


def _escaped(sql: str) -> str:
    # In sa.text, a colon before a word is a parameter.
    return re.sub(r"(?<![:\w]):(?=\w)", r"\\:", sql)


def add_foreign_keys(table: sa.Table, facts: TableInfo, find: Callable[[str], sa.Table | None]) -> None:
    """Add the foreign keys whose targets are found."""
    for key in facts.foreign_keys:
        target = find(key.target)
        if target is not None and all(name in target.c for name in key.targets):
            table.append_constraint(
                sa.ForeignKeyConstraint(
                    [table.c[name] for name in key.columns],
                    [target.c[name] for name in key.targets],
                    name=key.name,
                    ondelete=key.on_delete,
                    onupdate=key.on_update,
                )
            )


def model_of(
    table: sa.Table,
    facts: TableInfo,
    dialect: Dialect,
    *,
    factories: Mapping[str, Callable[[], Any]],
    touched: Collection[str],
    lenient: bool,
) -> TableModel:
    """Return the model of a table that was built from facts; the other arguments are those of ``table_model``."""
    keys = facts.pks
    return table_model(
        table,
        dialect,
        generated=next((column.name for column in facts.columns if column.generated and keys == (column.name,)), None),
        uniques=uniques_of(facts),
        foreign_keys=facts.foreign_keys,
        factories=factories,
        touched=touched,
        lenient=lenient,
    )


def uniques_of(facts: TableInfo) -> dict[str, UniqueModel]:
    """Return the unique sets of columns of a table, by name."""
    return {
        index.name: UniqueModel(tuple([str(name) for name in index.columns]), index.partial)
        for index in facts.indexes
        if index.unique and None not in index.columns
    }
