"""What many tests begin with: the backends of a module, and a table of pairs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from deebase import Database
from deebase._backends import BACKENDS
from deebase._sqltext.capabilities import Capabilities
from tests.support.capabilities import can

#: The table of pairs.
PAIRS = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"


@contextmanager
def case(name: object) -> Iterator[None]:
    """Name one of many cases that share a database, since it is made for each test, if the case fails."""
    try:
        yield
    except BaseException as error:
        error.add_note(f"in the case {name!r}")
        raise


def only_on(*backends: str) -> Any:
    """Return a fixture `backend_name` with which the tests of a module or directory run on these backends alone.

    Example:
        ```python
        backend_name = only_on("sqlite-file", "postgres")
        ```
    """

    @pytest.fixture(name="backend_name", params=backends)
    def chosen(request: pytest.FixtureRequest) -> str:
        return str(request.param)

    return chosen


def capabilities_at(url: str) -> Capabilities:
    """Return what the database at a URL can do: one that is a file has no server in its URL."""
    return next(
        one
        for one in (backend.capabilities for backend in BACKENDS)
        if one.is_one_file is not url.startswith("postgres")
    )


def slow_count(db: Database, count: int = 1_000_000_000) -> str:
    """Return a SELECT that counts for a long time."""
    return f"SELECT count(*) FROM ({series(db, count)}) AS numbers"


def series(db: Database, count: int) -> str:
    """Return a SELECT of the numbers n from 1 to ``count``."""
    if can(db).is_one_file:
        return f"WITH RECURSIVE c(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM c WHERE n < {count}) SELECT n FROM c"
    return f"SELECT n FROM generate_series(1, {count}) AS n"


async def put(db: Database, key: int, n: int = 0) -> None:
    """Insert a pair."""
    await db.q("INSERT INTO t (id, n) VALUES (?, ?)", [key, n])


async def keys(db: Database) -> list[int]:
    """Return the keys of all pairs."""
    return [row["id"] for row in await db.q("SELECT id FROM t ORDER BY id")]
