"""The pytest plugin of DeeBase: one option and one fixture."""

from __future__ import annotations

import re
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
        help="where the databases of tests are created: ':memory:' or the URL of a PostgreSQL server "
        "(default: SQLite files in temporary directories)",
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Return the line about the databases of tests, if --deebase-url is given.

    Raises:
        UsageError: an empty URL, as of a variable that is not set: the tests would run on another database than meant.
    """
    url = config.getoption("--deebase-url")
    if url is None:
        return None
    if not url:
        raise pytest.UsageError("--deebase-url is empty: pass ':memory:' or the URL of a PostgreSQL server")
    return f"deebase: databases of tests on {_without_password(url)}"


def _without_password(url: str) -> str:
    return re.sub(r"(?<=//)([^/@:]*):[^/@]*(?=@)", r"\1:***", url)


@pytest.fixture
def deebase_db(request: pytest.FixtureRequest) -> Iterator[Database]:
    """An empty database; the changes of a test are rolled back after it."""
    # Loaded only by runs that use it.
    from deebase.testing.fixtures import Provider

    provide = request.session.stash.setdefault(_PROVIDER, Provider())
    assert isinstance(provide, Provider)
    yield from provide(request)
