"""From the annotations of a class to columns: their types, nullability and defaults."""

from __future__ import annotations

import difflib
import re
import types
import typing
from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal, NamedTuple, Union, get_args, get_origin

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._model.fields import Field, fields_of, names_for
from deebase._types.number import integer
from deebase._types.registry import annotated_type, annotation_names, checker, column_type
from deebase.errors import ColumnNotFoundError, UnsupportedTypeError, ValidationError
from deebase.types import UNSET, ColumnName, ForeignKeyMark, Index


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
        default: the value of the column's DEFAULT from the class; UNSET for none.
        default_factory: makes the value in Python if a record has none; None for none.
        foreign_key: the foreign key of the column, or None.
        python_type: the annotation without ``| None`` and metadata.
        field: the name of the field, if it is not that of the column.
    """

    name: str
    sa_type: TypeEngine[Any]
    nullable: bool
    default: Any = UNSET
    default_factory: Callable[[], Any] | None = None
    foreign_key: ForeignKeyMark | None = None
    python_type: Any = int
    field: str | None = None

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


#: Attributes that set options of a table in other libraries, and what to use instead.
_OPTIONS = {
    "__checks__": "db.create(cls, checks=['age >= 0'])",
    "__constraints__": "db.create(cls, checks=[...], indexes=[...], foreign_keys={...})",
    "__defaults__": "db.create(cls, defaults={'status': 'new'})",
    "__foreign_keys__": "db.create(cls, foreign_keys={'author_id': ForeignKey('user.id')})",
    "__index__": "db.create(cls, indexes=['email'])",
    "__indexes__": "db.create(cls, indexes=['email'])",
    "__indices__": "db.create(cls, indexes=['email'])",
    "__name__": "db.create(cls, name='users')",
    "__pk__": "db.create(cls, pk='id')",
    "__pks__": "db.create(cls, pk=['a', 'b'])",
    "__primary_key__": "db.create(cls, pk='id')",
    "__table__": "db.create(cls, name='users')",
    "__table_args__": "db.create(cls, indexes=[...], checks=[...])",
    "__table_name__": "db.create(cls, name='users')",
    "__tablename__": "db.create(cls, name='users')",
    "__unique__": "db.create(cls, indexes=[Index('ux_email', 'email', unique=True)])",
}


def refuse_options(cls: type, table: str) -> None:
    """Refuse options of a table in its class, because they would be ignored.

    Raises:
        ValidationError: the class has one; one that repeats the table's name is allowed.
    """
    for owner in cls.__mro__[:-1]:
        for name, value in vars(owner).items():
            # Methods of Python's own protocols (`__index__`) are functions.
            if name in _OPTIONS and value != table and not callable(value) and not hasattr(value, "__get__"):
                raise ValidationError(
                    f"{cls.__name__}: the attribute {name} of a class has no effect on its table",
                    field=name,
                    hint=f"write {_OPTIONS[name]}",
                )


#: Metadata of annotations that is meant for the table, and what to use instead.
_MARKS = {
    "autoincrement": "a single integer key is generated",
    "check": "db.create(cls, checks=['age >= 0'])",
    "foreign_key": 'ForeignKey[int, "user"]',
    "index": "db.create(cls, indexes=['{0}'])",
    "indexed": "db.create(cls, indexes=['{0}'])",
    "not null": "an annotation without `| None` is NOT NULL",
    "nullable": "an annotation with `| None` is nullable",
    "pk": "db.create(cls, pk='{0}')",
    "primary key": "db.create(cls, pk='{0}')",
    "text": "{0}: Text",
    "unique": "db.create(cls, indexes=[Index('ux_{0}', '{0}', unique=True)])",
    "utc": "{0}: UTCDateTime",
}


def _refuse_marks(marks: Iterable[Any], name: str) -> None:
    """Refuse metadata that is meant for the table but would be ignored; that of other libraries is allowed."""
    for mark in marks:
        advice: str | None = None
        if isinstance(mark, str):
            word = mark.strip().lower().replace("_", " ")
            known = {key.replace("_", " "): text for key, text in _MARKS.items()}
            advice = next((known[key] for key in difflib.get_close_matches(word, known, n=1, cutoff=0.85)), None)
        elif mark is Index or isinstance(mark, Index):
            advice = _MARKS["unique" if getattr(mark, "unique", False) is True else "index"]
        elif mark is ForeignKeyMark or isinstance(mark, (sa.ForeignKey, sa.Column)):
            advice = _MARKS["foreign_key"]
        if advice is not None:
            raise UnsupportedTypeError(
                "its annotation has metadata without effect on the column",
                hint=f"write {advice.format(name)}",
            )


def _column(cls: type, item: Field, localns: Mapping[str, Any] | None, given: Mapping[str, Any]) -> ColumnSpec:
    try:
        found = _unwrapped(item.hint)
        _refuse_marks(found.marks, item.name)
        sa_type = annotated_type(found.kind, found.marks, lambda: names_for(cls, cls, localns))
        if sa_type is None:
            raise _unsupported(found.kind)
    except UnsupportedTypeError as error:
        raise UnsupportedTypeError(
            f"{cls.__name__}.{item.name}: {error.message}", hint=error.hint, column_name=item.name
        ) from error.__cause__
    name = next((mark.name for mark in found.marks if isinstance(mark, ColumnName)), item.name)
    if name in given:
        item = item._replace(default=given[name], factory=None)
    spec = ColumnSpec(
        name=name,
        sa_type=sa_type,
        nullable=found.nullable,
        default=UNSET if item.default is None else item.default,
        default_factory=item.factory,
        foreign_key=next((mark for mark in found.marks if isinstance(mark, ForeignKeyMark)), None),
        python_type=found.kind,
        field=None if name == item.name else item.name,
    )
    if spec.default is not UNSET:
        try:
            checker(spec.name, sa_type)(spec.default)
        except ValidationError as error:
            raise ValidationError(
                f"the default of {cls.__name__}.{error.message}", hint=error.hint, field=spec.name, value=spec.default
            ) from error.__cause__
    return spec


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
    """Return the DEFAULT of a column as a literal of the dialect, for ``server_default``; None for none.

    A default is a value, never SQL: it is checked, converted like a bound value, and quoted.

    Raises:
        ValidationError: it does not fit the column.
    """
    if spec.default is UNSET:
        return None
    value = checker(spec.name, spec.sa_type)(spec.default)
    return sa.literal_column(column_type(spec.sa_type).literal(value, dialect))


def snake_case(name: str) -> str:
    """Return the table name of a class: BlogPost is blog_post, HTTPServer is http_server."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", name).lower()


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
