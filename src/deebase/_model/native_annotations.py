"""Annotations of existing columns: a class with them makes columns of the same types."""

from __future__ import annotations

from typing import Annotated, Any, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._model.facts import ColumnInfo, TableInfo
from deebase._rows.model import TableModel
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoting import identifier
from deebase._sqltext.type_names import same_type, type_name
from deebase._types.array import ArrayValues
from deebase._types.base import ColumnType
from deebase._types.decimals import ExactNumber, exact_number_of, places_of
from deebase._types.documents import ANY_DOCUMENT, JSON
from deebase._types.registry import annotated_type, column_type
from deebase._types.text import String
from deebase.errors import ValidationError
from deebase.fields import Digits
from deebase.types import MaxLength, Native


def annotation_of(sa_type: TypeEngine[Any], column: ColumnInfo | None, dialect: Dialect | None) -> Any:
    """Return the annotation that makes a column, without ``| None``.

    Args:
        sa_type: the type of its values.
        column: the existing column, whose declared type the annotation says where the Python type alone makes another
            one; None for the Python type alone.
        dialect: the database of the column.
    """
    kind = column_type(sa_type)
    # Not that of the class: a document of others may be a list.
    plain = ANY_DOCUMENT if isinstance(kind, JSON) and kind.hint is None else kind.annotation
    if column is None or dialect is None:
        return plain
    if isinstance(kind, ArrayValues):
        return _annotated(kind.native_annotation, [_native(column, dialect)])
    length = _length_of(sa_type)
    marks: list[Any] = [] if length is None else [length]
    digits = digits_of(kind)
    if digits is not None:
        marks = [digits]
    made = _made(plain, marks)
    if made is not None and _declares(made, column, dialect):
        return _annotated(plain, marks)
    return _annotated(plain, [*marks, _native(column, dialect)])


def annotations_of(model: TableModel, facts: TableInfo | None, dialect: Dialect) -> dict[str, Any]:
    """Return the annotations of the columns of a table, which makes the same columns.

    Args:
        model: the table.
        facts: what was read of it; None for the Python types alone.
        dialect: its database.
    """
    found = {} if facts is None else {column.name: column for column in facts.columns}
    hints = {name: annotation_of(column.sa_type, found.get(name), dialect) for name, column in model.columns.items()}
    return {name: hint | None if model.columns[name].nullable else hint for name, hint in hints.items()}


def _native(column: ColumnInfo, dialect: Dialect) -> Native:
    if capabilities_of(dialect).checks_types:
        return Native(type_name(column.type).short)
    try:
        return Native(sqlite=column.type)
    except ValidationError:
        # SQLite gives a quoted type without its quotes.
        return Native(sqlite=identifier(column.type))


def _made(hint: Any, marks: list[Any]) -> TypeEngine[Any] | None:
    bare, *own = get_args(hint) if get_origin(hint) is Annotated else (hint,)
    return annotated_type(bare, [*own, *marks], dict)


def _declares(made: TypeEngine[Any], column: ColumnInfo, dialect: Dialect) -> bool:
    """Whether a column of a type is declared as an existing one; SQLite keeps the text as it is written."""
    written = made.compile(dialect=dialect)
    if not capabilities_of(dialect).checks_types:
        return written == column.type
    return same_type(written) == same_type(column.type)


def _annotated(hint: Any, marks: list[Any]) -> Any:
    for mark in marks:
        hint = Annotated[hint, mark]
    return hint


def digits_of(kind: ColumnType[Any]) -> Digits | None:
    """Return the digits that an annotation may name instead of the types of both databases."""
    places = places_of(kind) if isinstance(kind, ExactNumber) else None
    if places is None:
        return None
    declared: Any = kind.impl_instance
    return Digits(declared.precision, places) if 0 <= places <= declared.precision else None


def marks_of(sa_type: TypeEngine[Any]) -> tuple[MaxLength | Digits | Native, ...]:
    """Return what the annotation of a column says besides its Python type."""
    kind = column_type(sa_type)
    digits = digits_of(kind)
    native = None if digits is not None and kind.native in _natives_of(digits) else kind.native
    marks = (digits, _length_of(sa_type), native)
    return tuple([mark for mark in marks if mark is not None])


def _length_of(sa_type: TypeEngine[Any]) -> MaxLength | None:
    kind = column_type(sa_type)
    if type(kind) is not String or kind.length is None:
        return None
    # SQLite checks no length of a type.
    return MaxLength(kind.length, check=type(sa_type) is not sa.String)


def _natives_of(digits: Digits) -> tuple[Native, ...]:
    """Return the declared types that digits alone make, of a class and of an existing column."""
    of_class = exact_number_of(digits.total, digits.places).native
    return (*([] if of_class is None else [of_class]), Native(f"numeric({digits.total},{digits.places})"))
