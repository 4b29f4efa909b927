"""What pytest loads by itself where DeeBase is installed: one option and one fixture."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from deebase.database import Database

_PROVIDER = pytest.StashKey["object"]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --deebase-url."""
    parser.getgroup("deebase").addoption(
        "--deebase-url",
        metavar="URL",
        help="where the databases of tests are made: ':memory:' or the URL of a PostgreSQL server "
        "(default: SQLite files in temporary directories)",
    )


@pytest.fixture
def deebase_db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database; what a test does with it is undone after the test."""
    # Not loaded by runs that do not use it.
    from deebase.testing.fixtures import Provider

    provide = request.session.stash.setdefault(_PROVIDER, Provider())
    assert isinstance(provide, Provider)
    yield from provide(request)
