"""A second database beside that of a test."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from deebase import Database


@pytest.fixture
def second_url(backend_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """Where another empty database of the same kind is."""
    if backend_name == "postgres":
        with request.getfixturevalue("postgres_server").fresh_database() as url:
            yield url
    else:
        yield ":memory:" if backend_name == "sqlite-memory" else str(tmp_path / "second.db")


@pytest.fixture
async def second(second_url: str) -> AsyncIterator[Database]:
    """Another empty database of the same kind."""
    async with Database(second_url) as other:
        yield other
