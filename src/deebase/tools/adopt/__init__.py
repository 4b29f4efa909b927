"""Looks at a database that others made: what it holds, who made it, and what DeeBase can do with it."""

from deebase.tools.adopt.overview import Overview, TableOverview, ViewOverview, look_at
from deebase.tools.adopt.owners import Owner
from deebase.tools.adopt.starting_files import write_files

__all__ = ["Overview", "Owner", "TableOverview", "ViewOverview", "look_at", "write_files"]

for _name in (Overview, Owner, TableOverview, ViewOverview, look_at, write_files):
    _name.__module__ = __name__
