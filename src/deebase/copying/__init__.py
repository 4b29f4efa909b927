"""From one database to another: tables, rows, keys, indexes and views, between SQLite and PostgreSQL or within one."""

from deebase.copying.copy import CopyReport, copy_database
from deebase.copying.progress import CopiedTable

__all__ = ["CopiedTable", "CopyReport", "copy_database"]
