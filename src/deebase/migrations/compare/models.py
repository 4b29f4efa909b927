"""Models: the classes of a program, and the schema that they define."""

from __future__ import annotations

import importlib
import inspect
import sys
from collections.abc import Awaitable, Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, TypeAlias

from deebase.errors import ConfigurationError, MigrationError
from deebase.migrations.loading import shown

if TYPE_CHECKING:
    from deebase.database import Database

#: Classes as ``create_all`` takes them: a list, or a dict with their options.
Classes: TypeAlias = Sequence[type[Any]] | Mapping[type[Any], Mapping[str, Any]]
#: The name of a module, a module, classes, or a function that creates all tables.
Models: TypeAlias = "str | ModuleType | Classes | Callable[[Database], Awaitable[Any]]"

#: The function of a module that creates everything.
_FUNCTION = "create_tables"


async def create(db: Database, models: Models, root: Path | None) -> None:
    """Create the schema of models in an empty database.

    Args:
        db: the database.
        models: a module with ``async def create_tables(db)``, with ``TABLES``, or just with classes that have an
            ``id``; its name; classes in a list, or in a dict with their options; or such a function.
        root: a directory to search for the module besides the usual places.

    Raises:
        ConfigurationError: the module does not exist, or defines no tables; or the models are one class.
        MigrationError: it fails, or its tables cannot be created.
    """
    if isinstance(models, type):
        raise ConfigurationError(
            f"models are a module, its name, several classes, or an async function, not the class {models.__name__}",
            hint=f'Migrator(db, "migrations", models=[{models.__name__}])',
        )
    if callable(models):
        await models(db)
        return
    given = imported(models, root) if isinstance(models, str) else models
    function = getattr(given, _FUNCTION, None)
    if inspect.iscoroutinefunction(function):
        await function(db)
        return
    await db.create_all(given)


def imported(name: str, root: Path | None, *, setting: str = "models") -> ModuleType:
    """Return a module that a setting names.

    Args:
        name: its name.
        root: a directory to search besides the usual places.
        setting: the name of the setting, for messages.

    Raises:
        ConfigurationError: it does not exist.
        MigrationError: it fails.
    """
    try:
        with _reachable(root):
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not f"{name}.".startswith(f"{error.name}."):
            raise MigrationError(f"the {setting} in {name} need a module {error.name}", hint="install it") from error
        raise ConfigurationError(
            f"there is no module {name}, which the setting {setting} names",
            hint=f'{setting} = "app.{setting}" in deebase.toml names it',
        ) from error
    except Exception as error:
        raise MigrationError(
            f"the {setting} in {name} cannot be imported: {shown(error)}", hint=f"python -c 'import {name}'"
        ) from error


@contextmanager
def _reachable(root: Path | None) -> Generator[None, None, None]:
    """Make the modules of a project importable, whether it is installed or not."""
    more = [] if root is None else [str(root), str(root / "src")]
    sys.path[:0] = more
    try:
        yield
    finally:
        for path in more:
            sys.path.remove(path)
