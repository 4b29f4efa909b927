"""Libraries that only Arrow tables, data frames and some file formats need, most of them in the extra ``arrow``."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from deebase.errors import InvalidOperationError

#: Libraries that a program which uses them installs itself.
_FRAMES = ("pandas", "polars")


def load(module: str, what: str, operation: str) -> Any:
    """Return a module of a library.

    Args:
        module: its name.
        what: what needs it, in the plural, for the message.
        operation: what was called.

    Raises:
        InvalidOperationError: it is not installed.
    """
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        library = module.partition(".")[0]
        raise InvalidOperationError(
            f"{what} need the library {library}, which is not installed",
            operation=operation,
            target=library,
            hint=f"pip install {library}" if library in _FRAMES else "pip install 'deebase[arrow]'",
        ) from error
