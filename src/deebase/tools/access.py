"""The tools of a backend for one open Database."""

from __future__ import annotations

from deebase._backends.database_tools import DatabaseTools
from deebase._engine.core import core_of
from deebase._engine.tool_access import tools_on
from deebase.database import Database


def tools_of(db: Database) -> DatabaseTools:
    """Return the tools of the backend that a database uses; they open no connection before they are used."""
    return tools_on(core_of(db).executor)
