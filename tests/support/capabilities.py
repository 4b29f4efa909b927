"""What the database of a test can do."""

from __future__ import annotations

from deebase import Database
from deebase._sqltext.capabilities import Capabilities, capabilities_of


def can(db: Database) -> Capabilities:
    """Return the capabilities of a database, which tests ask instead of its name."""
    return capabilities_of(db.engine.dialect)
