"""What many tests begin with: the backends of a module, and a table of pairs."""

from __future__ import annotations

from typing import Any

import pytest

from deebase import Database

#: The table of pairs.
PAIRS = "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)"


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


async def put(db: Database, key: int, n: int = 0) -> None:
    """Insert a pair."""
    await db.q("INSERT INTO t (id, n) VALUES (?, ?)", [key, n])


async def keys(db: Database) -> list[int]:
    """Return the keys of all pairs."""
    return [row["id"] for row in await db.q("SELECT id FROM t ORDER BY id")]
