"""Libraries that only some formats need; the extra ``arrow`` installs them."""

from __future__ import annotations

from importlib import import_module
from typing import Any

from deebase.errors import InvalidOperationError


def load(module: str, what: str, operation: str) -> Any:
    """Return a module of a library.

    Args:
        module: its name.
        what: the files that need it, for the message.
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
            hint="pip install 'deebase[arrow]'",
        ) from error
