"""Finds the column type of a column or a value. Every lookup is derived from the attributes of the types."""

from __future__ import annotations

# Values may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import json
import pkgutil
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from enum import Enum
from importlib import import_module
from typing import Annotated, Any, Final, get_args, get_origin

from sqlalchemy import types as sqltypes
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.types import TypeEngine

import deebase._types as package
from deebase._sqltext.type_names import type_name
from deebase._types.base import KINDS, ColumnType, Processor, declared_as
from deebase._types.decimals import ExactNumber, exact_number_of
from deebase._types.forms.foreign_values import OWN, python_value
from deebase._types.native import AnyValue, Stored
from deebase._types.native_lists import NativeList
from deebase._types.text import LimitedText
from deebase.errors import UnsupportedTypeError, ValidationError
from deebase.fields import Digits
from deebase.types import MaxLength, Native, TypeMark

Kind = type[ColumnType[Any]]

#: Types of PostgreSQL for documents.
_DOCUMENTS: Final = frozenset({"json", "jsonb"})


class _Lookups:
    """The lookups over the types that are defined by now."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self.by_annotation: dict[Any, Kind] = {}
        self.by_class: dict[type, list[Kind]] = {}
        self.by_name: dict[str, Kind] = {}
        self.by_sqlite_name: dict[str, Kind] = {}
        self.by_postgres_name: dict[str, Kind] = {}
        self.by_sa_type: dict[type[TypeEngine[Any]], Kind] = {}
        #: Those that look at annotations that are more than one class.
        self.of_annotations: list[Kind] = []
        for kind in kinds:
            self._add(kind)

    def _add(self, kind: Kind) -> None:
        own = vars(kind)
        if "python" in own:
            self._put(self.by_annotation, kind.python, kind)
        if "name" in own:
            self._put(self.by_name, kind.name, kind)
        for python in own.get("classes", ()):
            self.by_class.setdefault(python, []).append(kind)
        if "of_annotation" in own:
            self.of_annotations.append(kind)
        for sa_type in own.get("adopts", ()):
            self._put(self.by_sa_type, sa_type, kind)
        parent: Any = kind.__mro__[1]
        if "name" in own or kind.sqlite is not parent.sqlite or kind.postgres is not parent.postgres:
            self._add_declared(kind)
        for name in own.get("sqlite_names", ()):
            self._put(self.by_sqlite_name, name, kind)
        for name in own.get("postgres_names", ()):
            self._put(self.by_postgres_name, name, kind)

    def _add_declared(self, kind: Kind) -> None:
        on_sqlite, on_postgres = kind.declared(False), kind.declared(True)
        if on_sqlite is not None:
            self._put(self.by_sqlite_name, declared_name(str(on_sqlite.compile(dialect=_SQLITE))).upper(), kind)
        if on_postgres is not None:
            self._put(self.by_postgres_name, declared_name(on_postgres.compile(dialect=_POSTGRES)).lower(), kind)

    @staticmethod
    def _put(known: dict[Any, Kind], key: Any, kind: Kind) -> None:
        # Those of users come after ours, and may take the place of one another, as when a notebook runs again.
        if key not in known or not known[key].__module__.startswith(f"{package.__name__}."):
            known[key] = kind


_SQLITE: Final = sqlite.dialect()
_dialect: Any = postgresql.dialect
_POSTGRES: Final[Any] = _dialect()


def declared_name(declared: str) -> str:
    """Return the name of a declared type, without what is in parentheses."""
    return " ".join(declared.split("(")[0].split())


_cached: dict[int, _Lookups] = {}


def _lookups() -> _Lookups:
    count = len(KINDS)
    if count not in _cached:
        _cached.clear()
        _cached[count] = _Lookups(KINDS)
    return _cached[count]


# -- columns -----------------------------------------------------------------------------------


def column_type(sa_type: TypeEngine[Any]) -> ColumnType[Any]:
    """Return what knows the values of a column."""
    if isinstance(sa_type, ColumnType):
        return sa_type
    known = _lookups().by_sa_type
    for base in type(sa_type).__mro__:
        if base in known:
            return known[base].adopting(sa_type)
    return AnyValue()


def is_own_type(sa_type: TypeEngine[Any]) -> bool:
    """Return whether the type of a column is one that a program defines for itself."""
    return isinstance(sa_type, ColumnType) and not sa_type.is_builtin()


def annotated_type(hint: Any, marks: Iterable[Any], names: Callable[[], Mapping[str, Any]]) -> TypeEngine[Any] | None:
    """Return the type of columns with an annotation; None if no type has it.

    Args:
        hint: the annotation, without ``| None`` and metadata.
        marks: its metadata.
        names: returns the names that annotations inside of it may use.

    Raises:
        UnsupportedTypeError: it is one that no column has, or a length of something else than a ``str``.
    """
    given = tuple(marks)
    known = _known_type(hint, given)
    if known is not None:
        return _marked(known.sa_type, given)
    if get_origin(hint) is list and any(map(_is_array, given)):
        item = annotated_type(*_with_marks(get_args(hint)[0]), names)
        return _marked(NativeList(hint, None if item is None else column_type(item)), given)
    if hint is Any:
        return _any_value(given)
    made = (kind.of_annotation(hint, names) for kind in _lookups().of_annotations)
    return next((_marked(sa_type, given) for sa_type in made if sa_type is not None), None)


def _any_value(marks: Iterable[Any]) -> TypeEngine[Any] | None:
    """Return the type of a column that takes whatever SQLite stores, if metadata names what SQLite declares."""
    for mark in marks:
        if isinstance(mark, Native) and mark.sqlite is not None:
            return declared_as(Stored(mark.sqlite), mark)
    return None


def _is_array(mark: Any) -> bool:
    """Whether metadata names a type of PostgreSQL that a list is stored in, other than JSON."""
    if not isinstance(mark, Native) or mark.postgres is None:
        return False
    named = type_name(mark.postgres)
    return named.array or named.name not in _DOCUMENTS


def _with_marks(hint: Any) -> tuple[Any, tuple[Any, ...]]:
    """Return an annotation without its metadata, and the metadata."""
    return (get_args(hint)[0], get_args(hint)[1:]) if get_origin(hint) is Annotated else (hint, ())


def _marked(sa_type: TypeEngine[Any], marks: Iterable[Any]) -> TypeEngine[Any]:
    """Return a type with what the other metadata of its annotation says."""
    made = sa_type
    for mark in marks:
        if isinstance(mark, MaxLength):
            if type(made) is not sqltypes.String:
                raise UnsupportedTypeError("MaxLength is for a str", hint="write Annotated[str, MaxLength(50)]")
            made = LimitedText(mark.length) if mark.check else sqltypes.String(mark.length)
        elif isinstance(mark, Digits):
            if type(made) is not ExactNumber:
                raise UnsupportedTypeError("Digits is for a Decimal", hint="write Annotated[Decimal, Digits(10, 2)]")
            made = exact_number_of(mark.total, mark.places)
    native = [mark for mark in marks if isinstance(mark, Native)]
    return declared_as(column_type(made), native[-1]) if native else made


def _known_type(hint: Any, marks: Iterable[Any]) -> ColumnType[Any] | None:
    """Return the type that the metadata of an annotation names, or that is of its class."""
    by_annotation = _lookups().by_annotation
    for mark in marks:
        if isinstance(mark, ColumnType):
            return mark
        if isinstance(mark, type) and issubclass(mark, ColumnType):
            return mark()
        if isinstance(mark, TypeMark) and Annotated[hint, mark] in by_annotation:
            return by_annotation[Annotated[hint, mark]]()
    return by_annotation[hint]() if _has_hash(hint) and hint in by_annotation else None


def own_type(hint: Any) -> ColumnType[Any] | None:
    """Return the type of an annotation if it is one that a program defines for itself."""
    known = _known_type(*_with_marks(hint))
    return None if known is None or known.is_builtin() else known


def annotation_names() -> list[str]:
    """Return the names of the annotations of column types, for messages and generated code."""
    return [named(hint) for hint in _lookups().by_annotation]


def named(hint: Any) -> str:
    """Return what an annotation is called in code."""
    known = {Annotated[str, TypeMark.TEXT]: "Text", Annotated[datetime, TypeMark.UTC]: "UTCDateTime"}
    return known.get(hint) or getattr(hint, "__name__", None) or str(hint)


#: Names of sqlite.org/datatype3.html#affinity_name_examples that are not those of one type.
_STANDARD: Final = re.compile(
    r"|(TINY|SMALL|MEDIUM|BIG|UNSIGNED BIG )?INT(EGER)?\d?|(VARYING |NATIVE |VAR|N|NVAR)?CHAR(ACTER)?"
    r"|TEXT|CLOB|FLOAT|DOUBLE"
)


def sqlite_column(declared: str) -> Kind | None:
    """Return the type of an existing column of SQLite by its declared name, without what is in parentheses."""
    if _STANDARD.fullmatch(declared):
        return _lookups().by_sqlite_name.get(declared)
    return _found(lambda lookups: lookups.by_sqlite_name, declared)


def postgres_column(declared: str) -> Kind | None:
    """Return the type of an existing column of PostgreSQL by the name of its type."""
    return _found(lambda lookups: lookups.by_postgres_name, declared)


def _found(names: Callable[[_Lookups], dict[str, Kind]], name: str) -> Kind | None:
    found = names(_lookups()).get(name)
    return names(_lookups()).get(name) if found is None and package.define_further_types() else found


# -- values ------------------------------------------------------------------------------------


def type_of(value: Any) -> ColumnType[Any] | None:
    """Return the type whose columns hold a value; None if no type does."""
    known = _lookups().by_class
    for base in type(value).__mro__:
        for kind in known.get(base, ()):
            if kind.holds(value):
                return kind()
    return None


def written_by_column(sa_type: TypeEngine[Any]) -> ColumnType[Any] | None:
    """Return what writes the values of a column whose text their class alone does not tell; None for other columns."""
    kind = column_type(sa_type)
    return kind if not kind.is_builtin() or getattr(kind, "makes_objects", False) else None


def json_value(value: Any) -> Any:
    """Return a value as JSON has it: dates in ISO 8601, Decimals as text, bytes in base64."""
    if isinstance(value, Enum):
        return json_value(value.value)
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, Mapping):
        return {str(name): json_value(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [json_value(item) for item in value]
    kind = type_of(value)
    return str(value) if kind is None else kind.to_json(value)


def text_of(value: Any) -> str:
    """Return the text form of a value that is not None."""
    if isinstance(value, Enum):
        return text_of(value.value)
    if isinstance(value, str):
        return value
    if isinstance(value, (Mapping, list, tuple)):
        return json.dumps(json_value(value), ensure_ascii=False)
    kind = type_of(value)
    return str(value) if kind is None else kind.format(value)


# -- names on the command line and in cursors --------------------------------------------------


def type_names() -> list[str]:
    """Return the names of all types."""
    return list(_lookups().by_name)


def type_named(name: str) -> Kind:
    """Return a type by its name.

    Raises:
        KeyError: no type has this name.
    """
    found = _found(lambda lookups: lookups.by_name, name)
    if found is None:
        raise KeyError(name)
    return found


# -- checks ------------------------------------------------------------------------------------


def checker(column_name: str, sa_type: TypeEngine[Any], *, table_name: str | None = None) -> Processor:
    """Return the function that checks the values of one column.

    It takes a value and returns it in the form that the type's bind processor takes. None passes: NULL is
    the business of NOT NULL.

    Args:
        column_name: the ``.field`` of errors.
        sa_type: the type of the column.
        table_name: put before the column's name in messages.

    Raises:
        ValidationError: by the function, for a value that does not fit. Its message names the column and the kind
            of value, never the value.
    """
    kind = column_type(sa_type)
    accept = kind.accept
    own = OWN if kind.converts else None

    def check(value: Any) -> Any:
        if value is None:
            return None
        try:
            return accept(value if own is None or type(value) in own else python_value(value))
        except ValidationError as error:
            raise located(error, column_name, table_name, value) from error.__cause__

    return kind.quick(check)


def located(error: ValidationError, column_name: str, table_name: str | None, value: Any) -> ValidationError:
    """Return the error of a value with the name of its column."""
    place = column_name if table_name is None else f"{table_name}.{column_name}"
    return ValidationError(f"{place}: {error.message}", hint=error.hint, field=column_name, value=value)


def _has_hash(hint: Any) -> bool:
    try:
        hash(hint)
    except TypeError:
        return False
    return True


# Every module of this package may define types. Some of them import this one, so they come last.
for _module in pkgutil.iter_modules(package.__path__):
    import_module(f"{package.__name__}.{_module.name}")
