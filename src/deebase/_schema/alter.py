"""ALTER statements that both databases have, and indexes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import CreateColumn, CreateIndex

from deebase._schema.columns import ColumnSpec, describe, sql_default
from deebase.errors import ValidationError
from deebase.types import UNSET, ForeignKeyMark, Index


def add_column(
    table: sa.Table, spec: ColumnSpec, mark: ForeignKeyMark | None, key: str | None, dialect: Dialect
) -> str:
    """Return ALTER TABLE ... ADD COLUMN.

    Args:
        table: the table.
        spec: the new column.
        mark: what it refers to.
        key: the only key column of that table, if it has one.
        dialect: the database.
    """
    options: dict[str, Any] = {"nullable": spec.nullable}
    made = sql_default(spec, dialect)
    if made is not None:
        options["server_default"] = made
    scratch = sa.Table(table.name, sa.MetaData(), sa.Column(spec.name, spec.sa_type, **options), schema=table.schema)
    column = scratch.c[spec.name]
    text = str(CreateColumn(column).compile(dialect=dialect))
    allowed: Sequence[str] = getattr(spec.sa_type, "allowed", ())
    if allowed:
        check = sa.type_coerce(column, sa.String()).in_(list(allowed))
        text += (
            f" CHECK ({check.compile(dialect=dialect, compile_kwargs={'literal_binds': True, 'include_table': False})})"
        )
    if mark is not None:
        text += _reference(mark, key, dialect)
    return f"ALTER TABLE {dialect.identifier_preparer.format_table(table)} ADD COLUMN {text}"


def column_spec(name: str, annotation: Any, default: Any) -> ColumnSpec:
    """Return what an annotation and a default say of a column.

    Raises:
        UnsupportedTypeError: the annotation has no column type.
        ValidationError: the default does not fit.
    """
    made = type("Column", (), {"__annotations__": {name: annotation}})
    defaults: Mapping[str, Any] = {} if default is UNSET else {name: default}
    return describe(made, defaults=defaults)[0]


def _reference(mark: ForeignKeyMark, key: str | None, dialect: Dialect) -> str:
    table, _, column = mark.target.partition(".")
    column = column or (key or "")
    if not column:
        raise ValidationError(
            f"{table} has no key of one column to refer to", field="fk", hint=f"ForeignKey('{table}.column')"
        )
    quote = dialect.identifier_preparer.quote
    actions = [(" ON DELETE", mark.on_delete), (" ON UPDATE", mark.on_update)]
    written = "".join([f"{what} {action.upper()}" for what, action in actions if action])
    return f" REFERENCES {quote(table)} ({quote(column)}){written}"


def create_index(table: sa.Table, index: Index, dialect: Dialect, *, if_not_exists: bool) -> str:
    """Return CREATE INDEX."""
    options: dict[str, Any] = {}
    if index.where is not None:
        # Not sa.text, which takes a colon before a word for a parameter, in a string as well.
        condition: Any = cast("Any", sa.literal_column(index.where))
        options = {"sqlite_where": condition, "postgresql_where": condition}
    # On a copy: the table itself learns of its index by reflection.
    copy = table.to_metadata(sa.MetaData())
    made = sa.Index(index.name, *[copy.c[name] for name in index.columns], unique=index.unique, **options)
    return str(CreateIndex(made, if_not_exists=if_not_exists).compile(dialect=dialect))
