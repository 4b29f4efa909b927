"""Models of tables for reading and writing rows: how the values of each column are checked, sent and read."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from decimal import Decimal
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._rows.model import ColumnModel, ForeignKeyModel, TableModel, UniqueModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.base import database_value, locate, refused
from deebase._types.moments import Moment
from deebase._types.native import storable
from deebase._types.number import Float
from deebase._types.registry import checker, column_type, located
from deebase.errors import DataError, ValidationError


def table_model(
    table: sa.Table,
    dialect: Dialect,
    *,
    generated: str | None,
    uniques: Mapping[str, UniqueModel] | None = None,
    foreign_keys: Iterable[ForeignKeyModel] = (),
    factories: Mapping[str, Callable[[], Any]] | None = None,
    touched: Collection[str] = (),
    lenient: bool = False,
) -> TableModel:
    """Return the model of a table for statements.

    Args:
        table: the table.
        dialect: the database.
        generated: the key column whose values the database generates.
        uniques: its unique constraints and indexes, by name.
        foreign_keys: its foreign keys.
        factories: functions that make the values of columns that a new row omits.
        touched: the columns that each update sets to the time.
        lenient: return a stored value of another type than its column unchanged.
    """
    known = factories or {}
    columns = [
        column_model(column, dialect, known.get(column.name), is_touched=column.name in touched, lenient=lenient)
        for column in table.c
    ]
    return TableModel(table, columns, generated=generated, uniques=uniques or {}, foreign_keys=foreign_keys)


def column_model(
    column: sa.Column[Any],
    dialect: Dialect,
    factory: Callable[[], Any] | None = None,
    *,
    is_touched: bool = False,
    lenient: bool = False,
) -> ColumnModel:
    """Return the model of one column: how its values are checked, sent and read.

    Args:
        column: the column.
        dialect: the database.
        factory: makes missing values.
        is_touched: each update sets it to the time.
        lenient: return a stored value of another type unchanged.
    """
    implementation = column.type.dialect_impl(dialect)
    check = checker(column.name, column.type, table_name=column.table.name)
    send = implementation.bind_processor(dialect)
    read: Any = implementation.result_processor(dialect, None)
    locate(read, f"{column.table.name}.{column.name}")
    if lenient and read is not None:
        read = _lenient(read)

    def binding(check: Callable[[Any], Any]) -> Callable[[Any], Any]:
        def bind(value: Any) -> Any:
            checked = check(value)
            try:
                return checked if checked is None or send is None else send(checked)
            except ValidationError as error:
                # Values that only one of the databases cannot store.
                raise located(error, column.name, column.table.name, value) from None

        return bind if send is not None else check

    operand = binding(check)
    limited = check if lenient else _limited(check, column)
    can = capabilities_of(dialect)
    normal = column.type.kind.normal if isinstance(column.type, Moment) and not can.has_moments else None
    return ColumnModel(
        column,
        bind=operand if limited is check else binding(limited),
        bind_operand=operand,
        accept_all=column_type(column.type).accept_all,
        send=send,
        # SELECT of SQLite always returns REAL as a float; RETURNING may return an int.
        read=None if isinstance(column.type, Float) else read,
        read_returned=read,
        takes_collections=column_type(column.type).takes_collections,
        default_factory=factory,
        order_column=_order_column(column),
        normal=normal,
        bind_place=operand if can.checks_types else _place(operand, normal),
        touched=sa.literal_column(database_value(column_type(column.type), "now", dialect)) if is_touched else None,
    )


def _limited(check: Callable[[Any], Any], column: sa.Column[Any]) -> Callable[[Any], Any]:
    """Return the check of values that are written, which refuses those that the column cannot hold."""
    limit = column_type(column.type).limiter()
    if limit is None:
        return check

    def process(value: Any) -> Any:
        checked = check(value)
        reason = None if checked is None else limit(checked)
        if reason is None:
            return checked
        error = refused(value, reason, "change the value, or the type of the column")
        raise located(error, column.name, column.table.name, value)

    return process


def _place(bind: Callable[[Any], Any], normal: Callable[[Any], Any] | None) -> Callable[[Any], Any]:
    """Return the converter for values of rows; one that does not fit its column has SQLite's stored form."""

    def process(value: Any) -> Any:
        try:
            return bind(value)
        except ValidationError:
            # A Decimal is stored as text, even NaN.
            stored = storable(str(value) if isinstance(value, Decimal) else value)
            return stored if normal is None else normal(stored)

    return process


def _lenient(read: Callable[[Any], Any]) -> Callable[[Any], Any]:
    def process(value: Any) -> Any:
        try:
            return read(value)
        except DataError:
            return value

    return process


def _order_column(column: sa.Column[Any]) -> Any:
    ordered = getattr(column.type, "order_expression", None)
    return None if ordered is None else ordered(column)
