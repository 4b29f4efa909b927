"""Statements that make and drop tables, in the order in which they can run."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropTable
from sqlalchemy.schema import sort_tables_and_constraints as sorted_tables  # pyright: ignore[reportUnknownVariableType]


def create_statements(tables: Sequence[sa.Table], dialect: Dialect) -> list[str]:
    """Return the DDL for tables and their indexes, referred ones first.

    Foreign keys of a cycle come last as ALTERs where the database can add them; SQLite cannot, and
    does not mind a reference to a table that comes later.
    """
    alters = dialect.supports_alter
    statements: list[str] = []
    late: list[sa.ForeignKeyConstraint] = []
    for table, constraints in sorted_tables(tables):  # type: ignore[no-untyped-call]
        if table is None:
            late.extend(constraints)
        else:
            inline = constraints if alters else list(table.foreign_key_constraints)
            statements.append(_text(CreateTable(table, include_foreign_key_constraints=inline), dialect))
    if alters:
        statements.extend(_text(AddConstraint(constraint), dialect) for constraint in late)
    for table in tables:
        for index in sorted(table.indexes, key=lambda item: str(item.name)):
            statements.append(_text(CreateIndex(index), dialect))
    return statements


def drop_statement(table: sa.Table, dialect: Dialect) -> str:
    """Return the DDL that drops one table."""
    return _text(DropTable(table), dialect)


def _text(element: sa.schema.ExecutableDDLElement, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()
