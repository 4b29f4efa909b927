"""Support for tests of applications: temporary databases, rollback per test, sample rows.

Works with pytest-asyncio, with anyio's pytest plugin, with ``asyncio.run`` and with ``unittest``.
"""

from deebase.testing.databases import temporary_database, temporary_url
from deebase.testing.factories import build, build_many
from deebase.testing.fixtures import database_fixture
from deebase.testing.rollback import rollback

__all__ = ["build", "build_many", "database_fixture", "rollback", "temporary_database", "temporary_url"]
