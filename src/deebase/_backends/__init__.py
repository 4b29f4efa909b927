"""What differs between SQLite and PostgreSQL, without any I/O."""

from __future__ import annotations

from collections.abc import Callable

from deebase._backends.base import Backend
from deebase._backends.postgres import PostgresBackend
from deebase._backends.sqlite import SqliteBackend

Uniques = Callable[[str | None], tuple[str, tuple[str, ...]] | None]


def make_backend(name: str, uniques: Uniques) -> Backend:
    """Return the backend of a database.

    Args:
        name: "sqlite" or "postgresql".
        uniques: tells table and columns of a unique constraint by its name.
    """
    return SqliteBackend() if name == "sqlite" else PostgresBackend(uniques)
