"""What differs between SQLite and PostgreSQL, without any I/O."""

from __future__ import annotations

from collections.abc import Callable

from deebase._backends.postgres import capabilities as _postgres
from deebase._backends.postgres.driver_errors import PostgresBackend
from deebase._backends.protocols import Backend
from deebase._backends.sqlite import capabilities as _sqlite
from deebase._backends.sqlite.driver_errors import SqliteBackend
from deebase.errors import DeeBaseError, UniqueViolationError

#: The databases that DeeBase works with.
DATABASES = (_sqlite.CAPABILITIES, _postgres.CAPABILITIES)

Uniques = Callable[[str | None], tuple[str, tuple[str, ...]] | None]


Explain = Callable[[UniqueViolationError], UniqueViolationError]


class _Explaining:
    """A backend whose errors say what the catalog knows of the index that was violated."""

    def __init__(self, backend: Backend, explain: Explain) -> None:
        self._backend = backend
        self._explain = explain

    def translate(self, error: BaseException, statement: str | None) -> DeeBaseError | None:
        """Return our error, as the backend does."""
        made = self._backend.translate(error, statement)
        return self._explain(made) if isinstance(made, UniqueViolationError) and made is not error else made


def make_backend(name: str, uniques: Uniques, explain: Explain | None = None) -> Backend:
    """Return the backend of a database.

    Args:
        name: "sqlite" or "postgresql".
        uniques: returns table and columns of a unique constraint by its name.
        explain: adds to the error of a violated index what is known of it.
    """
    backend: Backend = SqliteBackend() if name == "sqlite" else PostgresBackend(uniques)
    return backend if explain is None else _Explaining(backend, explain)
