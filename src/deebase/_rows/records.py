"""Any record (dict, Mapping, dataclass, pydantic, attrs, msgspec, plain object) into a dict of values."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any
from uuid import UUID

import sqlalchemy as sa

from deebase._rows.field_columns import columns_of, renamed_columns
from deebase.errors import ValidationError
from deebase.types import UNSET, Merge, SqlExpression

if TYPE_CHECKING:
    from deebase._rows.model import TableModel

Reader = Callable[[Any], dict[str, Any]]

#: Types without fields, though their instances may have a ``__dict__``.
_NO_RECORDS = (str, bytes, int, float, list, tuple, set, frozenset, type, sa.ClauseElement)

#: Types whose values are certainly not SQL expressions.
PLAIN = frozenset({int, str, float, bool, type(None), bytes, dict, list, datetime, date, Decimal, UUID})
#: Operations that take expressions in the place of values.
_TAKE_EXPRESSIONS = ("update", "update_where")

#: The reader of each class, added at its first use.
_readers: dict[type, Reader] = {}


def values_of(record: Any, keywords: Mapping[str, Any], operation: str = "insert") -> dict[str, Any]:
    """Return the given values of a record and keywords by name; UNSET ones are left out.

    Args:
        record: the record.
        keywords: further values, which override those of the record.
        operation: the method, for errors.

    Raises:
        ValidationError: no record was given, or its type has no fields.
    """
    if record is None:
        if not keywords:
            raise ValidationError("no record was given", hint="pass a dict, an object or keyword arguments")
        values = dict(keywords)
    else:
        values = dict(record) if type(record) is dict else reader_of(record, operation)(record)
        if keywords:
            values.update(keywords)
    for value in values.values():
        if value is UNSET:
            return {name: value for name, value in values.items() if value is not UNSET}
    return values


def column_values(model: TableModel, operation: str, record: Any, keywords: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values by column. Columns that the database computes are left out of a record.

    Raises:
        ColumnNotFoundError: a name is not a column.
        ValidationError: a value that is an expression, or a keyword for a column that the database computes.
    """
    values = values_of(record, keywords, operation)
    if not values.keys() <= model.columns.keys():
        raise model.unknown_column(next(name for name in values if name not in model.columns))
    for name, value in values.items():
        if type(value) in PLAIN or not is_expression(value):
            continue
        if not isinstance(value, SqlExpression) or operation not in _TAKE_EXPRESSIONS:
            if isinstance(value, Merge):
                raise ValidationError(
                    f"{model.name}.{name}: merge changes the document of an existing row",
                    field=name,
                    hint="it is a value of update and update_where; a new row takes the whole document",
                )
            raise ValidationError(
                f"{model.name}.{name}: a SQL expression is not a value",
                field=name,
                hint="in update and update_where wrap it: {'n': db.sql(t.c.n + 1)}",
            )
    if not model.has_computed_columns:
        return values
    for name in [name for name in values if model.columns[name].computed]:
        if name in keywords:
            raise ValidationError(f"{model.name}.{name} is computed by the database", field=name, hint="leave it out")
        del values[name]
    return values


def new_row(model: TableModel, given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of a row to insert, with the defaults made in Python.

    Raises:
        ValidationError: the record is empty, or lacks a key that has no default.
    """
    if not given and not model.all_defaulted:
        raise ValidationError(
            f"{model.name}: an empty record, but some columns have no default",
            hint="give at least the columns without a default",
        )
    for name in model.required_keys:
        if given.get(name) is None:
            raise ValidationError(
                f"{model.name}: the record has no key {name!r}",
                field=name,
                hint="add it: the key has no default",
            )
    if not model.factories:
        return given
    return {**given, **{name: make() for name, make in model.factories.items() if name not in given}}


def is_expression(value: Any) -> bool:
    """Return whether a value stands for one that the database computes."""
    return hasattr(value, "__clause_element__") or isinstance(value, SqlExpression)


def reader_of(record: Any, operation: str) -> Reader:
    """Return what reads records of the class of this one.

    Raises:
        ValidationError: the class has no fields.
    """
    kind: type[Any] = type(record)
    reader = _readers.get(kind)
    if reader is None:
        reader = _readers[kind] = _reader_for(kind, record, operation)
    return reader


#: Examples of methods that do not have the usual form `method({...}) or method(name=...)`.
_FORMS = {
    "update": "update({'id': 1, 'name': 'Ada'}), or the key by keyword: update(pk=1, name='Ada')",
    "update_where": "the new values come first, then the conditions: update_where({'status': 'old'}, t.c.age > 90)",
}


def _not_a_record(kind: type, operation: str) -> ValidationError:
    single = operation.removesuffix("_all")
    hint = _FORMS.get(operation, f"{single}({{'name': 'Ada'}}) or {single}(name='Ada')")
    if issubclass(kind, (list, tuple)) and operation in ("insert", "update", "upsert"):
        hint = f"many rows go to {operation}_all([...]); one is a dict: {hint}"
    elif issubclass(kind, type):
        hint = f"an instance of the class; {hint}"
    return ValidationError(
        f"{operation} takes a dict, a Mapping or an object with fields, not {kind.__name__}", field="record", hint=hint
    )


def _reader_for(kind: type, record: Any, operation: str) -> Reader:
    if isinstance(record, Mapping):
        return dict
    names = field_names(kind)
    if names is not None:
        return FieldReader(names, columns_of(kind, names))
    if isinstance(record, _NO_RECORDS) or not hasattr(record, "__dict__"):
        raise _not_a_record(kind, operation)
    renamed = renamed_columns(kind)

    def read(plain: Any) -> dict[str, Any]:
        known: dict[str, Any] = vars(plain)
        return {renamed.get(name, name): value for name, value in known.items() if not name.startswith("_")}

    return read


def field_names(kind: Any) -> tuple[str, ...] | None:
    """Return the fields of a dataclass, pydantic, attrs or msgspec class; None for other classes."""
    if dataclasses.is_dataclass(kind):
        return tuple(field.name for field in dataclasses.fields(kind))
    for attribute in ("model_fields", "__struct_fields__"):
        fields = getattr(kind, attribute, None)
        if isinstance(fields, (dict, tuple)):
            return tuple(fields)
    attrs_fields = getattr(kind, "__attrs_attrs__", None)
    if attrs_fields is not None:
        return tuple(field.name for field in attrs_fields)
    return None


class FieldReader:
    """Reads the fields of records of one class.

    Args:
        fields: the names of the fields.
        columns: their columns.

    Attributes:
        columns: the columns of the fields.
        values_of: functions in the same order, each of which returns the value of a record.
        absent: the value of a field that has none.
    """

    def __init__(self, fields: Sequence[str], columns: tuple[str, ...]) -> None:
        self.columns = columns
        self.values_of: list[Callable[[Any], Any]] = list(map(attrgetter, fields))
        self.absent: Any = getattr(sys.modules.get("msgspec"), "UNSET", UNSET)
        self._fields = tuple(zip(fields, columns, strict=True))

    def __call__(self, record: Any) -> dict[str, Any]:
        values: dict[str, Any] = {}
        for name, column in self._fields:
            value = getattr(record, name, UNSET)
            if value is not self.absent:
                values[column] = value
        return values
