"""Models: the classes of a program, and the schema that they stand for."""

from __future__ import annotations

import importlib
import inspect
import sys
import warnings
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping
from contextlib import contextmanager
from enum import Enum
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args, is_typeddict

from deebase._schema.fields import fields_of
from deebase.errors import ConfigurationError, MigrationError
from deebase.migrations.loading import said_by

if TYPE_CHECKING:
    from deebase.database import Database

#: The name of a module, a module, or a function that creates all tables.
Models: TypeAlias = "str | ModuleType | Callable[[Database], Awaitable[Any]]"

#: What a module may say: a function that makes everything, or its tables with the options of `create`.
_FUNCTION = "create_tables"
_TABLES = "TABLES"


async def create(db: Database, models: Models, root: Path | None) -> None:
    """Make the schema of models in an empty database.

    Args:
        db: the database.
        models: a module with ``async def create_tables(db)``, with ``TABLES``, or just with classes that have an
            ``id``; its name; or such a function.
        root: where a module is looked for besides the usual places.

    Raises:
        ConfigurationError: the module is not there, or says nothing of tables.
        MigrationError: it fails, or its tables cannot be made.
    """
    if not isinstance(models, (str, ModuleType)):
        await models(db)
        return
    module = _imported(models, root) if isinstance(models, str) else models
    function = getattr(module, _FUNCTION, None)
    if inspect.iscoroutinefunction(function):
        await function(db)
        return
    tables = _tables(module)
    await db.create_all(*tables, options={cls: options for cls, options in tables.items() if options})


def _imported(name: str, root: Path | None) -> ModuleType:
    try:
        with _reachable(root):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise MigrationError(f"the models in {name} need a module {error.name}", hint="install it") from error
        raise ConfigurationError(
            f"there is no module {name} with models", hint='models = "app.models" in deebase.toml names it'
        ) from error
    except Exception as error:
        raise MigrationError(
            f"the models in {name} cannot be imported: {said_by(error)}", hint=f"python -c 'import {name}'"
        ) from error


@contextmanager
def _reachable(root: Path | None) -> Generator[None, None, None]:
    """Let modules of a project be imported, whether it is installed or not."""
    more = [] if root is None else [str(root), str(root / "src")]
    sys.path[:0] = more
    try:
        yield
    finally:
        for path in more:
            sys.path.remove(path)


def _tables(module: ModuleType) -> dict[type[Any], Mapping[str, Any]]:
    """Return the classes of the tables of a module, each with its options for ``create``."""
    given: Any = getattr(module, _TABLES, None)
    if isinstance(given, Mapping):
        return dict(cast("Mapping[type[Any], Mapping[str, Any]]", given))
    found = list(cast("list[type[Any]]", given)) if isinstance(given, (list, tuple)) else _classes(module)
    if not found:
        raise ConfigurationError(
            f"the module {module.__name__} has no models",
            hint="write classes with an id, or TABLES = {User: {}, Post: {'pk': 'slug'}}, "
            "or async def create_tables(db)",
        )
    return {cls: {} for cls in found}


def _classes(module: ModuleType) -> list[type[Any]]:
    """Return the public classes of a module that have an id, and are no part of another one's columns."""
    here: list[tuple[str, Any]] = [*vars(module).items()]
    own: list[type[Any]] = [
        cls
        for name, cls in here
        if isinstance(cls, type) and cls.__module__ == module.__name__ and not name.startswith("_")
    ]
    fields = {cls: fields_of(cls) for cls in own if not issubclass(cls, Enum) and not is_typeddict(cls)}
    used = {part for known in fields.values() for field in known for part in _parts(field.hint)}
    found = [cls for cls, known in fields.items() if cls not in used and known]
    keyed = [cls for cls in found if any(field.name == "id" for field in fields[cls])]
    for cls in found if keyed else []:
        if cls not in keyed:
            warnings.warn(
                f"{module.__name__}.{cls.__name__} has no id and is taken for no table: give it one, "
                f"name all tables in TABLES = {{{cls.__name__}: {{'pk': ...}}, ...}}, or call it _{cls.__name__}",
                stacklevel=2,
            )
    return keyed


def _parts(hint: Any) -> Iterator[Any]:
    yield hint
    for argument in get_args(hint):
        # Arguments of Annotated and Literal are values of any kind.
        if isinstance(argument, type) or get_args(argument):
            yield from _parts(argument)
