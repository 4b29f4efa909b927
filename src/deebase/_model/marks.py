"""The metadata of a field's annotation and the attributes of its class: what is understood, and what is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any, Final, NamedTuple, TypeVar

import sqlalchemy as sa

from deebase._types.base import ColumnType
from deebase.errors import UnsupportedTypeError, ValidationError
from deebase.fields import Check, Computed, Default, Digits, Indexed, PrimaryKey, Unique, UpdatedAt
from deebase.types import ColumnName, ForeignKeyMark, Index, MaxLength, Native, TypeMark

T = TypeVar("T")

#: Those that are written with and without parentheses.
_PLAIN: Final = (Unique, Indexed, PrimaryKey, UpdatedAt)
#: Those that need arguments, with an example.
_CALLED: Final[dict[type, str]] = {
    Check: 'Check("{0} >= 0")',
    ColumnName: 'ColumnName("{0}")',
    Computed: 'Computed("price * quantity")',
    Default: "Default(now())",
    Digits: "Digits(10, 2)",
    ForeignKeyMark: 'References("user")',
    MaxLength: "MaxLength(50)",
    Native: 'Native("integer")',
}
_OWN: Final = (*_PLAIN, *_CALLED, TypeMark)
#: What other libraries and earlier versions call things, and what to write.
_WORDS: Final = {
    "autoincrement": "nothing: a single integer key is generated",
    "check": 'Check("{0} >= 0")',
    "column": "a type: {0}: str",
    "computed": 'Computed("price * quantity")',
    "default": "Default(now())",
    "digits": "Digits(10, 2)",
    "foreign key": 'References("user")',
    "index": "Indexed",
    "indexed": "Indexed",
    "max length": "MaxLength(50)",
    "not null": "an annotation without `| None`",
    "nullable": "an annotation with `| None`",
    "pk": "PrimaryKey",
    "primary key": "PrimaryKey",
    "references": 'References("user")',
    "text": "{0}: Text",
    "unique": "Unique",
    "updated at": "UpdatedAt",
    "utc": "{0}: UTCDateTime",
}
#: Values that no library reads as metadata.
_MEANINGLESS: Final = (
    *(bool, int, float, complex, bytes, list, tuple, dict, set, frozenset, type(None), type),
    *(FunctionType, BuiltinFunctionType, ModuleType),
)


def understood(marks: Iterable[Any], field: str) -> tuple[Any, ...]:
    """Return the metadata of an annotation that DeeBase understands, each as an object.

    Objects of classes that other libraries define are left to those (PEP 593), unless they are meant for a table.

    Args:
        marks: the metadata.
        field: the name of the field, for hints.

    Raises:
        UnsupportedTypeError: something that has no meaning; the hint names what is near to it.
    """
    found: list[Any] = []
    for mark in marks:
        if isinstance(mark, type) and mark in _PLAIN:
            found.append(mark())
        elif isinstance(mark, (*_OWN, ColumnType)) or (isinstance(mark, type) and issubclass(mark, ColumnType)):
            found.append(mark)
        else:
            _must_be_foreign(mark, field)
    return tuple(found)


def mark_of(marks: Iterable[Any], kind: type[T]) -> T | None:
    """Return the last metadata of a kind; None if there is none."""
    found = [mark for mark in marks if isinstance(mark, kind)]
    return found[-1] if found else None


def _must_be_foreign(mark: Any, field: str) -> None:
    if isinstance(mark, type) and mark in _CALLED:
        raise _refused(f"{mark.__name__} in its annotation lacks its arguments", _CALLED[mark], field)
    if mark is Index or isinstance(mark, Index):
        raise _refused("an Index in its annotation has no effect", "Indexed, Unique, or indexes=[Index(...)]", field)
    named = mark if isinstance(mark, (str, type)) else type(mark)
    word = named if isinstance(named, str) else named.__name__
    advice = _nearest(word)
    is_meant = isinstance(mark, (str, *_MEANINGLESS, sa.schema.SchemaItem))
    if is_meant or (advice is not None and _is_written_like(word)):
        shown = repr(mark) if isinstance(mark, (str, int, float, type(None))) else word
        hint = advice or f"one of {', '.join(sorted(each.__name__ for each in _PLAIN))}, {', '.join(_examples())}"
        raise _refused(f"its annotation has metadata without effect on the column: {shown}", hint, field)


def _examples() -> list[str]:
    return [*sorted(f"{kind.__name__}(...)" for kind in _CALLED if kind is not ForeignKeyMark), "References(...)"]


def _refused(message: str, hint: str, field: str) -> UnsupportedTypeError:
    return UnsupportedTypeError(message, hint=f"write {hint.format(field)}")


def _words(name: str) -> str:
    spaced = "".join([f" {letter}" if letter.isupper() else letter for letter in name])
    return " ".join(spaced.replace("_", " ").lower().split())


def _nearest(name: str) -> str | None:
    near = difflib.get_close_matches(_words(name), _WORDS, n=1, cutoff=0.8)
    return _WORDS[near[0]] if near else None


def _is_written_like(word: str) -> bool:
    """Whether the name of a class of others is that of a mark of ours, which it does not replace."""
    return _words(word) in {_words(kind.__name__) for kind in _OWN} | {"primary key", "foreign key"}


# -- attributes of classes ---------------------------------------------------------------------


class ClassOptions(NamedTuple):
    """What a class says of its table besides the fields; None for what it does not say."""

    name: str | None = None
    pk: str | Sequence[str] | None = None
    indexes: Iterable[Any] | None = None
    checks: Iterable[str] | None = None
    foreign_keys: Mapping[Any, Any] | None = None
    secure: str | Sequence[str] | None = None


#: The attributes, by option.
_ATTRIBUTES: Final = {
    "name": "__tablename__",
    "pk": "__pk__",
    "indexes": "__indexes__",
    "checks": "__checks__",
    "foreign_keys": "__foreign_keys__",
    "secure": "__secure__",
}
#: Attributes that set options of a table in other libraries, and what to use instead.
_OTHERS: Final = {
    "__constraints__": "__checks__, __indexes__ or __foreign_keys__",
    "__defaults__": 'Annotated[str, Default("new")]',
    "__index__": "__indexes__",
    "__indices__": "__indexes__",
    "__primary_key__": "__pk__",
    "__pks__": "__pk__",
    "__table__": "__tablename__",
    "__table_args__": "__indexes__ and __checks__",
    "__table_name__": "__tablename__",
    "__unique__": "Annotated[str, Unique], or __indexes__ = [Index(..., unique=True)]",
}
#: How many letters a name may differ in to be taken for one of these.
_CLOSE: Final = 0.75


def options_of(cls: type) -> ClassOptions:
    """Return what a class says of its table besides the fields: ``__pk__``, ``__indexes__`` and the like.

    Raises:
        ValidationError: an attribute that is similar to one of these.
    """
    found: dict[str, Any] = {}
    for owner in reversed(cls.__mro__[:-1]):
        for name, value in vars(owner).items():
            # Methods of Python's own protocols, such as `__index__`, are functions.
            if name.startswith("__") and name.endswith("__") and not callable(value) and not hasattr(value, "__get__"):
                _must_be_known(cls, name)
                found[name] = value
    return ClassOptions(**{option: found.get(name) for option, name in _ATTRIBUTES.items()})


def _must_be_known(cls: type, name: str) -> None:
    if name in _ATTRIBUTES.values() or name in _PYTHONS:
        return
    near = difflib.get_close_matches(name, [*_ATTRIBUTES.values(), *_OTHERS], n=1, cutoff=_CLOSE)
    if near:
        raise ValidationError(
            f"{cls.__name__}: the attribute {name} of a class has no effect on its table",
            field=name,
            hint=f"write {_OTHERS.get(near[0], near[0])}",
        )


#: Attributes of classes that Python and libraries for classes set.
_PYTHONS: Final = frozenset({*dir(type), *dir(object), "__fields__", "__slots__", "__match_args__", "__name__"})
