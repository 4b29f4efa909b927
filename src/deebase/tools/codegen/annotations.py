"""Annotations as source, and the classes that they need."""

from __future__ import annotations

# Annotations are objects of any kind.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import dataclasses
import types
import typing
from collections.abc import Callable, Iterator, Mapping
from enum import Enum
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from sqlalchemy.sql.elements import ClauseElement
from sqlalchemy.sql.functions import FunctionElement

from deebase._model.class_fields import Field, fields_of, names_for
from deebase._model.columns import NOW, ColumnSpec
from deebase._model.native_annotations import marks_of
from deebase._types.base import ColumnType
from deebase._types.registry import column_type, named, own_type
from deebase.errors import UnsupportedTypeError
from deebase.fields import Check, Computed, DatabaseValue, Default, Digits
from deebase.tools.codegen.line_layout import Piece, call
from deebase.tools.codegen.name_use import Names, member_names
from deebase.tools.codegen.value_source import is_importable, quoted
from deebase.types import ForeignKeyMark, MaxLength, Native, TypeMark

#: What classes are called in the module, and whether they are defined in it by now.
ClassName = Callable[[type[Any]], str]


def is_made_by_database(default: Any) -> bool:
    """Whether the database computes a default for each row."""
    return isinstance(default, (DatabaseValue, ClauseElement))


class Hints:
    """Writes the annotations of one module."""

    def __init__(self, names: Names, class_name: ClassName) -> None:
        self._names = names
        self._class = class_name

    def column(self, spec: ColumnSpec) -> Piece:
        """Return the annotation of a column, with ``| None`` and what else describes the column."""
        written = self._of_type(spec)
        marks = [self._native(mark) for mark in marks_of(spec.sa_type)]
        marks += [self._own(mark) for mark in self._column_marks(spec)]
        if spec.foreign_key is not None:
            marks.append(self._mark(spec.foreign_key))
        if spec.field is not None:
            marks.append(call(self._names.use("deebase", "ColumnName"), Piece(quoted(spec.name))))
        if spec.nullable:
            written = _optional(written)
        if marks:
            written = Piece(f"{self._names.use('typing', 'Annotated')}[", (written, *marks), "]")
        return written

    def _column_marks(self, spec: ColumnSpec) -> Iterator[Any]:
        """Yield what a column is beyond its type."""
        yield from spec.marks
        if spec.computed is not None:
            yield Computed(spec.computed)
        elif spec.updated_at is not None:
            yield spec.updated_at
        elif is_made_by_database(spec.default):
            yield Default(spec.default)

    def _own(self, mark: Any) -> Piece:
        name = self._names.use("deebase", type(mark).__name__)
        if isinstance(mark, Default):
            return call(name, self._made_by_database(mark.value))
        if isinstance(mark, (Check, Computed)):
            return call(name, Piece(quoted(*vars(mark).values())))
        flags = {flag: Piece("True") for flag, value in vars(mark).items() if value}
        return call(name, **flags) if flags else Piece(name)

    def _made_by_database(self, value: DatabaseValue | ClauseElement) -> Piece:
        if isinstance(value, DatabaseValue):
            return call(self._names.use("deebase", value.name))
        if isinstance(value, FunctionElement) and value.name in NOW:
            return call(self._names.use("deebase", "now"))
        sql = str(value.compile(compile_kwargs={"literal_binds": True}))
        return call(self._names.use("sqlalchemy", "literal_column"), Piece(quoted(sql)))

    def _native(self, mark: MaxLength | Digits | Native) -> Piece:
        name = self._names.use("deebase", type(mark).__name__)
        if isinstance(mark, MaxLength):
            return call(name, Piece(repr(mark.length)), **({} if mark.check else {"check": Piece("False")}))
        if isinstance(mark, Digits):
            return call(name, *[Piece(repr(number)) for number in vars(mark).values()])
        written = {name: Piece(quoted(text)) for name, text in vars(mark).items() if text is not None}
        first = [written.pop("postgres")] if "postgres" in written else []
        return call(name, *first, **written)

    def _of_type(self, spec: ColumnSpec) -> Piece:
        kind = column_type(spec.sa_type)
        if get_origin(kind.python) is Annotated:
            return Piece(self._names.use("deebase", named(kind.python)))
        return self._marked(spec.python_type, kind) if kind.is_marked else self._unmarked(spec.python_type)

    def _marked(self, hint: Any, kind: ColumnType[Any]) -> Piece:
        bare = get_args(hint)[0] if get_origin(hint) is Annotated else hint
        if not has_no_arguments(kind):
            raise UnsupportedTypeError(
                f"the arguments of a {type(kind).__name__} cannot be written as source",
                hint="make a subclass of it that needs none",
            )
        written = self._unmarked(bare)
        return Piece(f"{self._names.use('typing', 'Annotated')}[{written.flat}, {self._class(type(kind))}()]")

    def _mark(self, mark: ForeignKeyMark) -> Piece:
        options = {"on_delete": mark.on_delete, "on_update": mark.on_update}
        given = {name: Piece(quoted(action)) for name, action in options.items() if action is not None}
        return call(self._names.use("deebase.types", "ForeignKeyMark"), Piece(quoted(mark.target)), **given)

    def source(self, hint: Any) -> Piece:
        """Return the source of an annotation.

        Raises:
            UnsupportedTypeError: it holds something that has no name outside of the running program.
        """
        own = own_type(hint)
        return self._marked(hint, own) if own is not None and own.is_marked else self._unmarked(hint)

    def _unmarked(self, hint: Any) -> Piece:
        origin = get_origin(hint)
        arguments: tuple[Any, ...] = get_args(hint)
        if origin is Annotated and isinstance(arguments[1], TypeMark):
            return Piece(self._names.use("deebase", named(Annotated[arguments[0], arguments[1]])))
        if origin in _WRAPPERS:
            return self.source(arguments[0])
        if origin in (Union, types.UnionType):
            members = [self.source(member) for member in arguments]
            if len(members) == 2 and members[1].flat == "None":
                return _optional(members[0])
            return Piece(" | ".join([member.flat for member in members]))
        if origin is Literal:
            return Piece(f"{self._names.use('typing', 'Literal')}[", tuple(map(self._literal, arguments)), "]")
        if hint in (list, dict):
            arguments = (Any,) if hint is list else (str, Any)
            origin = hint
        if origin in (list, dict):
            made = Piece(f"{self._builtin(origin)}[", tuple(map(self.source, arguments)), "]")
            # Only a Literal can be too long for a line.
            return made if any(piece.items for piece in made.items) else Piece(made.flat)
        if isinstance(hint, typing.NewType):
            return self.source(hint.__supertype__)
        return Piece(self._name(hint))

    def _name(self, hint: Any) -> str:
        if hint is None or hint is type(None):
            return "None"
        if hint in (Any, object):
            return self._names.use("typing", "Any")
        if isinstance(hint, type):
            return self._class(hint)
        raise UnsupportedTypeError(f"the annotation {hint!r} cannot be written as source", hint=_NAMED)

    def _builtin(self, kind: type[Any]) -> str:
        return self._names.use(kind.__module__, kind.__name__)

    def _literal(self, value: Any) -> Piece:
        if isinstance(value, Enum):
            return Piece(f"{self._class(type(value))}.{member_names(type(value))[value.name]}")
        if isinstance(value, str):
            return Piece(quoted(value))
        if value is None or isinstance(value, (bool, int)):
            return Piece(repr(value))
        raise UnsupportedTypeError(
            f"a Literal of {type(value).__name__} is not an annotation to type checkers", hint="use an Enum"
        )


def _optional(written: Piece) -> Piece:
    return written._replace(optional=True) if written.items else written.before(" | None")


_WRAPPERS = frozenset({Annotated, typing.Required, typing.NotRequired, typing.ClassVar, typing.Final})
_NAMED = "define its class in a module that can be imported"


def nested_classes(hint: Any, localns: Mapping[str, Any] | None) -> Iterator[type[Any]]:
    """Yield the classes that an annotation needs and a module has to define, those they need first."""
    yield from _needed(hint, localns, set())


def _needed(hint: Any, localns: Mapping[str, Any] | None, seen: set[Any]) -> Iterator[type[Any]]:
    arguments = get_args(hint)
    # Other arguments of Annotated are metadata.
    for argument in arguments[:1] if get_origin(hint) is Annotated else arguments:
        yield from _needed(type(argument) if isinstance(argument, Enum) else argument, localns, seen)
    if isinstance(hint, typing.NewType):
        yield from _needed(hint.__supertype__, localns, seen)
        return
    if get_origin(hint) is not None or not is_defined_here(hint) or hint in seen:
        return
    seen.add(hint)
    kind: type[Any] = hint
    if not issubclass(kind, Enum):
        for item in members_of(kind, localns):
            yield from _needed(item.hint, localns, seen)
    yield kind


def is_defined_here(hint: Any) -> bool:
    """Whether the source of a class can be written, so that the module needs no other.

    Other classes are more than their fields; they are imported.
    """
    return (
        isinstance(hint, type)
        and (issubclass(hint, Enum) or typing.is_typeddict(hint) or dataclasses.is_dataclass(hint))
        and own_type(hint) is None
    )


def has_no_arguments(kind: ColumnType[Any]) -> bool:
    """Whether calling the class of a column type without arguments makes an equal one."""
    try:
        return bool(type(kind)()._static_cache_key == kind._static_cache_key)  # pyright: ignore[reportPrivateUsage]
    except TypeError:
        return False


def members_of(cls: type[Any], localns: Mapping[str, Any] | None) -> list[Field]:
    """Return the fields of a dataclass, or the keys of a TypedDict with their defaults unset."""
    if not typing.is_typeddict(cls):
        return fields_of(cls, localns)
    hints = typing.get_type_hints(cls, localns=names_for(cls, cls, localns), include_extras=True)
    return [Field(name, hint, None, None) for name, hint in hints.items()]


def must_be_importable(cls: type[Any]) -> None:
    """Refuse a class that can neither be written nor imported.

    Raises:
        UnsupportedTypeError: it is defined in a function, or in the program that runs.
    """
    if not is_importable(cls):
        raise UnsupportedTypeError(f"the class {cls.__name__} cannot be imported by a module", hint=_NAMED)
