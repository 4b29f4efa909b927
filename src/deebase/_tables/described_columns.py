"""What a program that builds on tables has to know of a column: its type, its limits and what it refers to."""

# Annotations are not strings here: pydantic and the like resolve those of a class in the module that it names as its
# own, which is `deebase`.
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from deebase._engine.context import TableContext
from deebase._model.facts import ColumnInfo
from deebase._rows.model import ColumnModel
from deebase._sql.queries.paths import is_path, path_column
from deebase._types.base import ColumnType
from deebase._types.choices import Choice
from deebase._types.decimals import ExactNumber, places_of
from deebase._types.default_values import NoLiteral, default_sql, value_of
from deebase._types.number import Integer
from deebase._types.registry import column_type
from deebase._types.text import String
from deebase.types import UNSET


@dataclass(frozen=True)
class Column:
    """A column of a table or view, as ``t.describe()`` returns it.

    Attributes:
        name: its name, or the path to it.
        expression: the column in conditions and other expressions of SQLAlchemy.
        type: checks its values, and turns them into text and JSON and back: ``column.type.parse("42")``.
        nullable: whether it may be NULL.
        key: whether it is part of the primary key.
        generated: whether the database generates its values.
        computed: whether the database computes its values from other columns; it cannot be written.
        default: the value that a row gets without one; UNSET if there is none, or if it is not a constant.
        optional: whether a new row may lack it.
        choices: the only values that it takes; empty if they are not limited.
        length: the number of characters of its longest text, or None.
        digits: the number of digits of its Decimals, and how many of them follow the point, or None.
        bits: the number of bits of its integers, or None.
        references: the table and the column that it refers to, or None. A foreign key of several columns is only
            in ``t.foreign_keys``.
    """

    name: str
    expression: Any = field(repr=False, compare=False)
    type: ColumnType[Any]
    nullable: bool
    key: bool = False
    generated: bool = False
    computed: bool = False
    default: Any = UNSET
    optional: bool = False
    choices: tuple[Any, ...] = ()
    length: int | None = None
    digits: tuple[int, int] | None = None
    bits: int | None = None
    references: tuple[str, str] | None = None


Column.__module__ = "deebase"


def described(source: TableContext, names: Sequence[str]) -> tuple[Column, ...]:
    """Return columns of a table or view, and of related rows; all of its own if none is named."""
    return tuple([_described(source, name) for name in names or source.model.names])


def _described(source: TableContext, name: str) -> Column:
    if is_path(source.model, name):
        parent, column = path_column(source.catalog, source.model, name)
        model, last = parent.model, name.rpartition(".")[2]
    else:
        model, column, last = source.model, source.model.column(name), name
    facts = source.catalog.facts(model.name)
    info = None if facts is None else next((info for info in facts.columns if info.name == last), None)
    kind = column_type(column.sa_type)
    generated = model.generated == last or (info is not None and info.generated)
    keys = source.catalog.foreign_keys(model)
    targets = [(key.target, key.targets[0]) for key in keys if key.columns == (last,)]
    default = UNSET if generated or column.computed else _default(column, info)
    has_default = column.default_factory is not None or column.sa_column.server_default is not None
    places = places_of(kind) if isinstance(kind, ExactNumber) else None
    exact: Any = kind.impl_instance if places is not None else None
    return Column(
        name=name,
        expression=column.sa_column,
        type=kind,
        nullable=column.nullable,
        key=last in model.pks,
        generated=generated,
        computed=column.computed,
        default=default,
        optional=column.nullable or column.computed or generated or has_default,
        choices=tuple([value for _, value in kind.pairs]) if isinstance(kind, Choice) else (),
        length=kind.length if isinstance(kind, String) else None,
        digits=None if places is None else (exact.precision, places),
        bits=kind.bits if isinstance(kind, Integer) else None,
        references=targets[0] if targets else None,
    )


def _default(column: ColumnModel, info: ColumnInfo | None) -> Any:
    sql = default_sql(column.sa_column) if info is None else info.default
    if sql is None:
        return UNSET
    try:
        return value_of(sql, column.sa_type)
    except NoLiteral:
        return UNSET
