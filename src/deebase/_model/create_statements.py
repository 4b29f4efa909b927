"""The statements that create and drop tables, in the order in which they can run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.schema import AddConstraint, CreateIndex, CreateTable, DropTable
from sqlalchemy.schema import sort_tables_and_constraints as sorted_tables  # pyright: ignore[reportUnknownVariableType]

from deebase._sqltext.capabilities import capabilities_of
from deebase._types.forms.moment_sql import indexed_moments, other_forms_indexes


def create_statements(tables: Sequence[sa.Table], dialect: Dialect, *, strict: bool = False) -> list[str]:
    """Return the DDL for tables and their indexes; a table follows the tables that it refers to.

    Foreign keys of a cycle, and those that need a unique index, come last as ALTERs where the database can add them;
    SQLite cannot, and accepts a reference to a later table. With ``strict``, SQLite rejects values of other types.
    """
    strict = strict and capabilities_of(dialect).has_strict_tables
    other_forms = [sql for table in tables for sql in other_forms_indexes(table, indexed_moments(table), dialect)]
    if strict:
        tables = _with_strict_types(tables, dialect)
    alters = dialect.supports_alter
    statements: list[str] = []
    late: list[sa.ForeignKeyConstraint] = []
    found: list[Any] = list(sorted_tables(tables))  # type: ignore[no-untyped-call]
    for table, constraints in found:
        if table is None:
            late.extend(constraints)
        else:
            inline: list[Any] = list(table.foreign_key_constraints)
            if alters:
                inline = [constraint for constraint in constraints if _is_to_key(constraint)]
                late.extend([constraint for constraint in constraints if constraint not in inline])
            text = _text(CreateTable(table, include_foreign_key_constraints=inline), dialect)
            statements.append(f"{text} STRICT" if strict else text)
    for table in tables:
        for index in sorted(table.indexes, key=lambda item: str(item.name)):
            statements.append(_text(CreateIndex(index), dialect))
    statements += other_forms
    if alters:
        statements.extend(_text(AddConstraint(constraint), dialect) for constraint in late)
    return statements


def _is_to_key(constraint: sa.ForeignKeyConstraint) -> bool:
    """Whether a foreign key refers to the primary key of its target, which exists as soon as the table does."""
    targets = [element.column for element in constraint.elements]
    return set(targets) == set(targets[0].table.primary_key.columns)


def _with_strict_types(tables: Sequence[sa.Table], dialect: Dialect) -> list[sa.Table]:
    """Return copies whose columns have the types of STRICT tables."""
    metadata = sa.MetaData()
    # Including the tables that they refer to, which the copies need.
    everything = {
        table.key: table.to_metadata(metadata) for one in tables[:1] for table in one.metadata.tables.values()
    }
    copies: list[Any] = [everything[table.key] for table in tables]
    originals: list[Any] = list(tables)
    for table, copy in zip(originals, copies, strict=True):
        for column in copy.c:
            column.type = strict_type(table.c[column.name].type.compile(dialect=dialect))
    return copies


def strict_type(written: str) -> sa.types.TypeEngine[Any]:
    """Return the type of such a column in a STRICT table."""
    # The affinity of the name (sqlite.org/datatype3.html), and text for dates and documents, which are stored as text.
    if "INT" in written or written == "BOOLEAN":
        return sa.INTEGER()
    if "REAL" in written:
        return sa.REAL()
    return sa.BLOB() if written == "BLOB" else sa.TEXT()


def drop_statement(table: sa.Table, dialect: Dialect) -> str:
    """Return the DDL that drops one table."""
    return _text(DropTable(table), dialect)


def _text(element: sa.schema.ExecutableDDLElement, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect)).strip()
