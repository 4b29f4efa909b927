"""The functions, collations and extensions that an application adds to the connections of a SQLite database."""

from __future__ import annotations

# Options are of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import inspect
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, cast

from deebase.errors import ConfigurationError

#: The options of ``Database`` that this module reads.
OPTIONS = ("functions", "collations", "extensions")
#: The options of one function.
_ARGUMENTS, _DETERMINISTIC = "arguments", "deterministic"
#: sqlite.org/limits.html, SQLITE_MAX_FUNCTION_ARG.
_MOST_ARGUMENTS = 127
_HINT = "functions={'title_sort': f}, or functions={'title_sort': (f, {'arguments': 1, 'deterministic': False})}"


@dataclass(frozen=True)
class SqlFunction:
    """A function of SQL that is written in Python.

    Attributes:
        name: its name in SQL.
        call: a callable, or the class of an aggregate with the methods ``step`` and ``finalize``.
        arguments: the number of its arguments; -1 for any number.
        deterministic: whether the result depends on nothing but the arguments.
    """

    name: str
    call: Callable[..., Any]
    arguments: int
    deterministic: bool

    @property
    def is_aggregate(self) -> bool:
        """Whether it computes one value from many rows."""
        return isinstance(self.call, type) and hasattr(self.call, "step") and hasattr(self.call, "finalize")

    @property
    def is_window(self) -> bool:
        """Whether the aggregate can remove rows, which a window needs."""
        return self.is_aggregate and hasattr(self.call, "inverse") and hasattr(self.call, "value")


@dataclass(frozen=True)
class Additions:
    """What is added to each connection.

    Attributes:
        functions: functions; several may have one name and different numbers of arguments.
        collations: functions that compare two texts, by the name of the collation.
        extensions: the paths of loadable libraries.
        options: the options of ``Database`` that made it.
    """

    functions: tuple[SqlFunction, ...] = ()
    collations: Mapping[str, Callable[[str, str], int]] = field(default_factory=dict[str, "Callable[[str, str], int]"])
    extensions: tuple[str, ...] = ()
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    def __bool__(self) -> bool:
        """Whether there are any."""
        return bool(self.functions or self.collations or self.extensions)


def read_additions(options: Mapping[str, Any]) -> Additions:
    """Return the additions that the options of ``Database`` name.

    Raises:
        ConfigurationError: an option has a wrong form.
    """
    given = {name: options[name] for name in OPTIONS if options[name]}
    functions, collations, extensions = (given.get(name) for name in OPTIONS)
    return Additions(
        tuple([one for name, value in _named("functions", functions, _HINT) for one in _functions(name, value)]),
        dict(_collations(collations)),
        tuple(_extensions(extensions)),
        given,
    )


def refuse_additions(options: Mapping[str, Any]) -> None:
    """Refuse the options for a database that does not have them.

    Raises:
        ConfigurationError: one of them is given.
    """
    for name in OPTIONS:
        if options[name]:
            raise ConfigurationError(
                f"{name} is an option for SQLite; PostgreSQL keeps its {name} in the database",
                hint=f"omit {name}=, and create them with CREATE {name.upper().removesuffix('S')}",
            )


def _named(option: str, given: Any, hint: str) -> Iterator[tuple[str, Any]]:
    if given is None:
        return
    if not isinstance(given, Mapping):
        raise ConfigurationError(f"{option} is a mapping of names", hint=hint)
    listed: Mapping[Any, Any] = given
    for name, value in listed.items():
        if not isinstance(name, str) or not re.fullmatch(r"[^\0]{1,255}", name):
            raise ConfigurationError(f"{str(name)[:40]!r} is not a name for {option}", hint=hint)
        yield name, value


def _functions(name: str, value: Any) -> Iterator[SqlFunction]:
    """Yield the functions of one name: a callable, one with options, or a list of them."""
    if isinstance(value, list):
        listed: list[Any] = value
        for one in listed:
            yield from _functions(name, one)
        return
    pair: tuple[Any, ...] = value if isinstance(value, tuple) else (value, {})
    call, options = pair if len(pair) == 2 else (None, {})
    if not callable(call) or not isinstance(options, Mapping) or set(options) - {_ARGUMENTS, _DETERMINISTIC}:
        raise ConfigurationError(f"the function {name} is not a callable, or has unknown options", hint=_HINT)
    made = SqlFunction(name, call, -1, bool(options.get(_DETERMINISTIC, True)))
    arguments = options.get(_ARGUMENTS, _count(made))
    if not isinstance(arguments, int) or not -1 <= arguments <= _MOST_ARGUMENTS:
        raise ConfigurationError(f"the function {name} has a wrong number of arguments", hint="-1 accepts any number")
    yield replace(made, arguments=arguments)


def _count(function: SqlFunction) -> int:
    """Return the number of arguments that a function needs; -1 if it varies."""
    call = cast("Any", function.call).step if function.is_aggregate else function.call
    try:
        parameters = list(inspect.signature(call).parameters.values())
    except (TypeError, ValueError):
        # A built-in function may have no signature.
        return -1
    fixed = all(
        one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD) and one.default is one.empty for one in parameters
    )
    return len(parameters) - function.is_aggregate if fixed else -1


def _collations(given: Any) -> Iterator[tuple[str, Callable[[str, str], int]]]:
    hint = "collations={'PYTHON_NOCASE': lambda one, other: (one > other) - (one < other)}"
    for name, value in _named("collations", given, hint):
        if not callable(value):
            raise ConfigurationError(f"the collation {name} is not a function of two texts", hint=hint)
        yield name, cast("Callable[[str, str], int]", value)


def _extensions(given: Any) -> Iterator[str]:
    hint = "extensions=['/usr/lib/x86_64-linux-gnu/mod_spatialite.so']"
    if given is None:
        return
    if isinstance(given, (str, bytes)) or not isinstance(given, Sequence):
        raise ConfigurationError("extensions is a list of paths", hint=hint)
    listed: Sequence[Any] = given
    for one in listed:
        path = os.fspath(one) if isinstance(one, (str, os.PathLike)) else None
        if not isinstance(path, str) or not path.strip() or "\0" in path:
            raise ConfigurationError("the path of an extension is empty or not text", hint=hint)
        yield path
