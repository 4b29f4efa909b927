"""Temporary databases for tests."""

from __future__ import annotations

import asyncio
import secrets
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa

from deebase.database import Database
from deebase.errors import ConfigurationError, InvalidOperationError

T = TypeVar("T")
Setup = Callable[[Database], Awaitable[object]]
#: The classes of ``create_all``: classes, a dict of classes and their options, or a module.
Classes: TypeAlias = Iterable[type[Any]] | Mapping[type[Any], Mapping[str, Any]] | ModuleType


def apart(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """Run async work in another thread with its own event loop: the loop of this thread may be running."""
    with ThreadPoolExecutor(max_workers=1) as pool:
        return pool.submit(lambda: asyncio.run(work())).result()


async def set_up(db: Database, classes: Classes, setup: Setup | None) -> None:
    """Create the tables, then run the setup function."""
    await db.create_all(classes)
    if setup is not None:
        await setup(db)


@contextmanager
def temporary_url(url: str | None = None) -> Generator[str]:
    """Create an empty database, yield its URL, and remove it at the end of the block.

    For programs that open their database themselves. Open sessions are ended.

    Args:
        url: None for a SQLite file in a temporary directory; ``":memory:"``; or the URL of a PostgreSQL database,
            on whose server a new database is created, by a role that may create databases.

    Returns:
        The argument for ``Database(...)``.

    Raises:
        ConfigurationError: the URL of a SQLite file, or a role that may not create databases.
        ConnectionError: the server cannot be reached.

    Example:
        ```python
        with temporary_url() as url:
            app = create_app(url)
        ```
    """
    if url is None:
        with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
            yield str(Path(directory) / "test.db")
    elif url == ":memory:":
        yield url
    else:
        if not url.startswith(("postgres:", "postgresql:", "postgresql+asyncpg:")):
            raise ConfigurationError(
                "a temporary database cannot be a given SQLite file",
                hint="omit url for a temporary file, or pass ':memory:' or the URL of a PostgreSQL server",
            )
        name = f"deebase_test_{secrets.token_hex(6)}"
        apart(lambda: _create(url, name))
        try:
            yield sa.make_url(url).set(database=name).render_as_string(hide_password=False)
        finally:
            apart(lambda: _drop(url, name))


async def _create(url: str, name: str) -> None:
    async with Database(url) as server:
        try:
            await server.q(f"CREATE DATABASE {name}")
        except InvalidOperationError as error:
            raise ConfigurationError(
                "the role of this URL may not create databases", hint="as a superuser: ALTER ROLE ... CREATEDB"
            ) from error


async def _drop(url: str, name: str) -> None:
    async with Database(url) as server:
        await server.q(f"DROP DATABASE {name} WITH (FORCE)")


@asynccontextmanager
async def temporary_database(
    url: str | None = None,
    *,
    classes: Classes = (),
    setup: Setup | None = None,
    **options: Any,
) -> AsyncGenerator[Database]:
    """Create an empty database, open it for the block, and remove it at the end.

    Args:
        url: as in ``temporary_url``: None for a SQLite file in a temporary directory, ``":memory:"``, or the URL of a
            PostgreSQL database on whose server a new database is created.
        classes: tables to create, as with ``create_all``: classes, ``{Post: {"pk": "slug"}}``, or a module of models.
        setup: an async function of the database that does the rest: tables with indexes, migrations, rows.
        **options: those of ``Database``.

    Returns:
        The open database.

    Raises:
        ConfigurationError: the URL of a SQLite file, or a role that may not create databases.
        ConnectionError: the server cannot be reached.

    Example:
        ```python
        async with temporary_database(classes=[User, Post]) as db:
            row = await db.t.user.insert(name="Ada", email="ada@example.com")
        ```
    """
    with temporary_url(url) as place:
        async with Database(place, **options) as db:
            await set_up(db, classes, setup)
            yield db
