"""Fixtures for pytest, with any plugin for async tests.

They are synchronous and so bound to no event loop: the database opens its connections in the loop of each test.
"""

from __future__ import annotations

# pyright: reportPrivateUsage=false
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

from deebase._engine.core import core_of
from deebase.database import Database
from deebase.errors import ConfigurationError
from deebase.testing.databases import Classes, Setup, apart, set_up, temporary_url
from deebase.testing.rollback import install_sandbox

if TYPE_CHECKING:
    import pytest


@contextmanager
def opened(url: str | None, classes: Classes, setup: Setup | None, options: dict[str, Any]) -> Generator[Database]:
    """Create a temporary database from outside of any event loop."""
    with temporary_url(url) as place:
        db = Database(place, **options)
        try:
            apart(lambda: set_up(db, classes, setup))
            yield db
        finally:
            core_of(db).executor.close_from_outside(1.0)
            apart(db.close)


class Provider:
    """Provides each test with a database: a new one, or a shared one that is rolled back after each test."""

    def __init__(
        self,
        url: str | None = None,
        classes: Classes = (),
        setup: Setup | None = None,
        rollback: bool = True,
        options: dict[str, Any] | None = None,
    ) -> None:
        self._url = url
        self._classes = classes
        self._setup = setup
        self._rollback = rollback
        self._options = options or {}
        self._shared: Database | None = None

    def __call__(self, request: pytest.FixtureRequest) -> Iterator[Database]:
        """Yield the database of a test."""
        url = request.config.getoption("--deebase-url", default=None) or self._url
        if not self._rollback:
            with opened(url, self._classes, self._setup, self._options) as db:
                yield db
            return
        db = self._shared_one(url, request.session)
        sandbox = install_sandbox(db)
        try:
            yield db
        finally:
            sandbox.uninstall()

    def _shared_one(self, url: str | None, session: pytest.Session) -> Database:
        if self._shared is None:
            stack = ExitStack()
            self._shared = stack.enter_context(opened(url, self._classes, self._setup, self._options))
            session.addfinalizer(stack.close)
            session.addfinalizer(self._forget)
        if core_of(self._shared).executor.closed:
            raise ConfigurationError(
                "a test closed the shared database",
                hint="if the code under test closes it, create one for each test: database_fixture(rollback=False)",
            )
        return self._shared

    def _forget(self) -> None:
        self._shared = None


def database_fixture(
    url: str | None = None,
    *,
    classes: Classes = (),
    setup: Setup | None = None,
    rollback: bool = True,
    **options: Any,
) -> Any:
    """Create a pytest fixture that provides each test with an open ``Database`` with these tables.

    Its name is that of the variable that it is assigned to. Tests may be async, run by pytest-asyncio or anyio, or
    synchronous and call ``asyncio.run``. With pytest-xdist each worker has its own database.

    Args:
        url: where the database is created, as in ``temporary_url``; the option ``--deebase-url`` overrides it.
        classes: tables to create, as with ``create_all``: classes, ``{Post: {"pk": "slug"}}``, or a module of models.
        setup: an async function of the database that does the rest: tables with indexes, migrations, rows.
        rollback: create the database once per run, and roll back the changes of each test (``rollback``). False creates
            one for each test: slower, and necessary for tests that close the database, or use it from several event
            loops or processes.
        **options: those of ``Database``.

    Returns:
        The fixture, of function scope.

    Example:
        ```python
        db = database_fixture(classes=[User, Post])
        ```
    """
    import pytest

    provide = Provider(url, classes, setup, rollback, options)

    def database(request: pytest.FixtureRequest) -> Iterator[Database]:
        """A database with the tables of the application, in the same state for each test."""
        yield from provide(request)

    return pytest.fixture(database)
