"""What in a SQLite database would break if a column were gone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deebase._backends.sqlite.rebuild import SchemaRow
from deebase._backends.sqlite.table_edits import mentioned
from deebase._model.facts import TableInfo
from deebase._sqltext.create_table import parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.tokens import code_tokens, folded, mentions


def column_uses(facts: TableInfo, entries: Sequence[SchemaRow], tables: Iterable[TableInfo], name: str) -> list[str]:
    """Return in words what uses a column: indexes, constraints, computed columns, triggers, views, foreign keys.

    Texts that mention the column are taken to use it: that is sometimes too much, never too little.
    """
    return [
        *_indexes(facts, name),
        *_constraints(facts, name),
        *_texts(facts, entries, name),
        *_references(facts, tables, name),
    ]


def _indexes(facts: TableInfo, name: str) -> list[str]:
    return [
        f"index {index.name}"
        for index in facts.indexes
        if index.sql is not None and (name in index.columns or mentions(index.sql, SQLITE, name))
    ]


def _constraints(facts: TableInfo, name: str) -> list[str]:
    table = parse(facts.sql or "")
    found = [
        f"the computed column {column.name}" if clause.kind == "GENERATED" else f"a {clause.kind} of {column.name}"
        for column in table.columns
        if folded(column.name) != folded(name)
        for clause in column.clauses
        if clause.kind in ("CHECK", "GENERATED") and clause.mentions(name)
    ]
    for clause in table.constraints:
        columns = mentioned(table, clause)
        if clause.kind != "PRIMARY KEY" and folded(name) in columns and len(columns) > 1:
            found.append(f"{clause.kind} ({', '.join(sorted(columns))})")
    return found


def _texts(facts: TableInfo, entries: Sequence[SchemaRow], name: str) -> list[str]:
    """Return triggers, views and full-text tables that mention the column."""
    found: list[str] = []
    for entry in entries:
        sql = entry.sql or ""
        own = entry.table == facts.name
        if (
            entry.kind in ("trigger", "view")
            and mentions(sql, SQLITE, name)
            and (own or mentions(sql, SQLITE, facts.name))
        ):
            found.append(f"{entry.kind} {entry.name}")
        elif entry.kind == "table" and sql[:14].upper() == "CREATE VIRTUAL":
            # Its arguments may be quoted as anything: content='table'.
            words = {folded(token.name) for token in code_tokens(sql, SQLITE)}
            if {folded(facts.name), folded(name)} <= words:
                found.append(f"virtual table {entry.name}")
    return found


def _references(facts: TableInfo, tables: Iterable[TableInfo], name: str) -> list[str]:
    return [
        f"a foreign key of {other.name}"
        for other in tables
        for key in other.foreign_keys
        if key.table == facts.name and name in key.targets and (other.name != facts.name or key.columns != (name,))
    ]
