"""From the annotations of a class to columns: their types, nullability and defaults."""

from __future__ import annotations

import difflib
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, cast, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql.elements import ClauseElement, ColumnClause
from sqlalchemy.sql.functions import FunctionElement
from sqlalchemy.sql.visitors import iterate
from sqlalchemy.types import TypeEngine

from deebase._model.class_fields import Factory, Field, fields_of, names_for
from deebase._model.marks import mark_of, understood
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.base import database_value
from deebase._types.decimals import ExactNumber, places_of
from deebase._types.number import integer
from deebase._types.registry import annotated_type, annotation_names, checker, column_type
from deebase.errors import ColumnNotFoundError, UnsupportedTypeError, ValidationError
from deebase.fields import Check, Computed, DatabaseValue, Default, Indexed, PrimaryKey, Unique, UpdatedAt, now
from deebase.types import UNSET, ColumnName, ForeignKeyMark


def accepted() -> str:
    """Return the annotations that have a column type, in words."""
    return (
        f"{', '.join(annotation_names())}, an Enum, "
        "Literal[...], dict, list, list[T], dict[K, V], a TypedDict, a nested dataclass, pydantic or msgspec class, "
        "each of them with | None, ForeignKey[T, 'table'], and classes with a ColumnType of your own"
    )


@dataclass(frozen=True)
class ColumnSpec:
    """One column as a class declares it.

    Attributes:
        name: the column's name.
        sa_type: the column's type.
        nullable: whether the annotation allows None.
        default: the value of the column's DEFAULT from the class, a DatabaseValue, or an expression; UNSET for none.
        default_factory: makes the value in Python if a record has none; None for none.
        foreign_key: the foreign key of the column, or None.
        python_type: the annotation without ``| None`` and metadata.
        field: the name of the field, if it is not that of the column.
        computed: the expression that the database computes its values from, or None.
        updated_at: says that the column holds the time of the last change; None for another column.
        marks: what its annotation says of indexes, the key and conditions.
    """

    name: str
    sa_type: TypeEngine[Any]
    nullable: bool
    default: Any = UNSET
    default_factory: Callable[[], Any] | None = None
    foreign_key: ForeignKeyMark | None = None
    python_type: Any = int
    field: str | None = None
    computed: str | None = None
    updated_at: UpdatedAt | None = None
    marks: tuple[Any, ...] = ()

    @property
    def attribute(self) -> str:
        """The name of the field."""
        return self.name if self.field is None else self.field

    @classmethod
    def key(cls, name: str) -> ColumnSpec:
        """Return the int key of a class that does not declare one."""
        return cls(name, integer(), nullable=False)


def describe(
    cls: type, localns: Mapping[str, Any] | None = None, *, defaults: Mapping[str, Any] | None = None
) -> list[ColumnSpec]:
    """Return the columns of a class, inherited ones first.

    Fields are the annotations of a plain class, dataclass, pydantic, attrs or msgspec class; ClassVars and names that
    begin with an underscore are not fields. A default of None is the NULL of a column without a DEFAULT.

    Args:
        cls: the class.
        localns: names for annotations that are text, for classes that are defined inside a function.
        defaults: defaults by column, instead of those of the class.

    Raises:
        UnsupportedTypeError: an annotation has no column type, or uses an unknown name.
        ValidationError: a default does not fit its column; ``.field`` names it.
    """
    given = defaults or {}
    columns: dict[str, ColumnSpec] = {}
    for item in fields_of(cls, localns):
        spec = _column(cls, item, localns, given)
        if spec.name in columns:
            raise ValidationError(
                f"{cls.__name__} has two fields of the column {spec.name!r}",
                field=item.name,
                value=spec.name,
                hint="give each column one field",
            )
        columns[spec.name] = spec
    if not columns:
        raise UnsupportedTypeError(f"{cls.__name__} has no annotated fields", hint="write its columns as name: type")
    return list(columns.values())


def _column(cls: type, item: Field, localns: Mapping[str, Any] | None, given: Mapping[str, Any]) -> ColumnSpec:
    try:
        found = _unwrapped(item.hint)
        marks = understood(found.marks, item.name)
        sa_type = annotated_type(found.kind, marks, lambda: names_for(cls, cls, localns))
        if sa_type is None:
            raise _unsupported(found.kind)
    except UnsupportedTypeError as error:
        raise UnsupportedTypeError(
            f"{cls.__name__}.{item.name}: {error.message}", hint=error.hint, column_name=item.name
        ) from error.__cause__
    named, computed, touched = mark_of(marks, ColumnName), mark_of(marks, Computed), mark_of(marks, UpdatedAt)
    name = item.name if named is None else named.name
    default, factory = _default(item, name, marks, given)
    spec = ColumnSpec(
        name=name,
        sa_type=sa_type,
        nullable=found.nullable,
        default=default,
        default_factory=factory,
        foreign_key=mark_of(marks, ForeignKeyMark),
        python_type=found.kind,
        field=None if name == item.name else item.name,
        computed=None if computed is None else computed.expression,
        updated_at=touched,
        marks=tuple([mark for mark in marks if isinstance(mark, (Unique, Indexed, PrimaryKey, Check))]),
    )
    _check_default(cls, spec)
    return spec


def _default(item: Field, name: str, marks: tuple[Any, ...], given: Mapping[str, Any]) -> tuple[Any, Factory | None]:
    """Return the value of the column's DEFAULT, and what makes a value in Python."""
    if name in given:
        return given[name], None
    if mark_of(marks, Computed) is not None:
        return UNSET, None
    of_mark = mark_of(marks, Default)
    if of_mark is not None:
        return of_mark.value, None
    if mark_of(marks, UpdatedAt) is not None:
        return now(), None
    return (UNSET if item.default is None else item.default), item.factory


def _check_default(cls: type, spec: ColumnSpec) -> None:
    place, value = f"{cls.__name__}.{spec.name}", spec.default
    if spec.updated_at is not None and spec.computed is not None:
        raise ValidationError(f"{place} is both Computed and UpdatedAt", field=spec.name, hint="give it one of them")
    if isinstance(value, DatabaseValue):
        kind = column_type(spec.sa_type)
        if value.name not in kind.made_by_database:
            what = f"{value!r} is no default of {place}" if spec.updated_at is None else f"{place} cannot be UpdatedAt"
            known = ", ".join([f"{name}()" for name in kind.made_by_database]) or "a value"
            raise ValidationError(
                f"{what}: its column is of another type",
                field=spec.name,
                hint=f"Default({known})" if spec.updated_at is None else "annotate it as a datetime",
            )
    elif isinstance(value, ClauseElement):
        if any(isinstance(part, ColumnClause) and not part.is_literal for part in iterate(value)):
            raise ValidationError(
                f"the default of {place} refers to a column, which no database allows",
                field=spec.name,
                hint='Annotated[int, Computed("price * quantity")] is computed from other columns',
            )
    elif value is not UNSET:
        try:
            checker(spec.name, spec.sa_type)(value)
        except ValidationError as error:
            raise ValidationError(
                f"the default of {cls.__name__}.{error.message}", hint=error.hint, field=spec.name, value=value
            ) from error.__cause__


#: Called with types that are only known at run time.
_UNION: Any = Union


class _Unwrapped(NamedTuple):
    kind: Any
    nullable: bool
    marks: tuple[Any, ...]


def _unwrapped(hint: Any) -> _Unwrapped:
    """Remove ``| None``, Annotated, Final, NewType and aliases, in any order."""
    nullable, marks = False, ()
    while True:
        origin = get_origin(hint)
        if origin is Annotated:
            hint, *more = get_args(hint)
            marks = (*marks, *more)
        elif origin in (Union, types.UnionType):
            members = [member for member in get_args(hint) if member is not type(None)]
            nullable = nullable or len(members) < len(get_args(hint))
            if len(members) != 1:
                # A type may be of several classes.
                return _Unwrapped(_UNION[tuple(members)], nullable, marks)
            hint = members[0]
        elif origin is Final:
            hint = get_args(hint)[0]
        elif isinstance(hint, typing.NewType):
            hint = hint.__supertype__
        elif hasattr(hint, "__value__"):  # an alias made by `type X = ...` (Python 3.12)
            hint = hint.__value__
        elif origin is Literal and None in get_args(hint):
            nullable = True
            hint = Literal[tuple(value for value in get_args(hint) if value is not None)]
        else:
            return _Unwrapped(hint, nullable, marks)


def _unsupported(hint: Any) -> UnsupportedTypeError:
    name = hint.__name__ if isinstance(hint, type) and get_origin(hint) is None else str(hint)
    return UnsupportedTypeError(f"{name} has no column type", hint=f"accepted: {accepted()}")


def sql_default(spec: ColumnSpec, dialect: Dialect) -> sa.ColumnElement[Any] | None:
    """Return the DEFAULT of a column in SQL of the dialect, for ``server_default``; None for none.

    A default that is a value is checked, converted like a bound value, and quoted.

    Raises:
        ValidationError: it does not fit the column.
    """
    default = spec.default
    if default is UNSET:
        return None
    kind = column_type(spec.sa_type)
    if isinstance(default, FunctionElement) and default.name in NOW and "now" in kind.made_by_database:
        # Each database writes the time in another form; the column has one.
        default = now()
    if isinstance(default, DatabaseValue):
        return sa.literal_column(database_value(kind, default.name, dialect))
    if isinstance(default, ClauseElement):
        written = default.compile(dialect=dialect, compile_kwargs={"literal_binds": True})
        return sa.literal_column(f"({written})")
    return sa.literal_column(kind.literal(checker(spec.name, spec.sa_type)(default), dialect))


#: SQL functions of the current time.
NOW: Final = frozenset({"now", "current_timestamp", "current_date", "current_time", "localtime", "localtimestamp"})


def computed(spec: ColumnSpec, dialect: Dialect) -> list[sa.Computed]:
    """Return the clause of a column whose values the database computes and stores; empty for another column.

    Raises:
        ValidationError: SQLite computes a Decimal only with a number of digits.
    """
    sql = spec.computed
    if sql is None:
        return []
    if isinstance(spec.sa_type, ExactNumber) and not capabilities_of(dialect).has_exact_decimals:
        places = places_of(spec.sa_type)
        if places is None:
            raise ValidationError(
                f"{spec.name} is a computed Decimal, which {capabilities_of(dialect).title} stores with a fixed number "
                "of digits",
                field=spec.name,
                hint=f'Annotated[Decimal, Digits(12, 2), Computed("{sql}")]',
            )
        # It computes with binary fractions, which keep 15 digits.
        sql = f"CASE WHEN ({sql}) IS NOT NULL THEN printf('%.{places}f', {sql}) END"
    # Not sa.text, which interprets a colon before a word as a parameter, also in strings.
    return [sa.Computed(cast("Any", sa.literal_column(sql)), persisted=True)]


def must_be_columns(table: str, names: Iterable[str], known: Collection[str]) -> None:
    """Refuse a name that is not a column of a table.

    Raises:
        ColumnNotFoundError: one is not; the hint suggests the nearest name.
    """
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            raise ColumnNotFoundError(
                f"{table} has no column {name!r}",
                table_name=table,
                column_name=name,
                hint=f"did you mean {near[0]!r}?" if near else f"columns: {', '.join(sorted(known))}",
            )
