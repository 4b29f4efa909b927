"""Copies of tables, rows, keys, indexes and views, between SQLite and PostgreSQL or within one of them."""

from deebase.tools.copying.copy import copy_database
from deebase.tools.copying.copy_progress import CopiedTable
from deebase.tools.copying.problems import BadValue
from deebase.tools.copying.report import CopyReport

__all__ = ["BadValue", "CopiedTable", "CopyReport", "copy_database"]

for _class in (BadValue, CopiedTable, CopyReport):
    _class.__module__ = __name__
