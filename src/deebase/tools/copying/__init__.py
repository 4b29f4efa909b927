"""Copies of tables, rows, keys, indexes and views, between SQLite and PostgreSQL or within one of them."""

from deebase.tools.copying.copy import CopyReport, copy_database
from deebase.tools.copying.copy_progress import CopiedTable

__all__ = ["CopiedTable", "CopyReport", "copy_database"]

for _class in (CopiedTable, CopyReport):
    _class.__module__ = __name__
