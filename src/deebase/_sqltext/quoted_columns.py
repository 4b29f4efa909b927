"""SQLAlchemy's column, whose text is its quoted name."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa

from deebase._sqltext.quoting import identifier


class Column(sa.Column[Any]):
    """A column that f-strings of SQL can hold: ``f"{users.c.name}"`` is ``"user"."name"``."""

    inherit_cache = True

    def __str__(self) -> str:
        return quoted_column(self)


def quoted_table(table: sa.Table) -> str:
    """Return the quoted name of a table, with its schema if it has one."""
    return identifier(table.schema, table.name)


def quoted_column(column: sa.Column[Any]) -> str:
    """Return the quoted names of a column and of its table."""
    # A column that was made for no table has no such attribute, and one of an alias has another class there.
    table: object = getattr(column, "table", None)
    of_table = (table.schema, table.name) if isinstance(table, sa.Table) else ()
    return identifier(*of_table, column.name)
