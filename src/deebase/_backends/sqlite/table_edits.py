"""Edits of a stored CREATE TABLE of SQLite: each returns the text with one change."""

from __future__ import annotations

import re
from collections.abc import Sequence

from deebase._sqltext.create_table import Clause, ColumnText, TableText, parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded, spliced

# A comment on the same line is removed with the clause.
_REST_OF_LINE = re.compile(r"[ \t]*(?:--[^\n]*(?:\n|\Z)|/\*[^\n]*?\*/[ \t]*\n)?[ \t\n\f\r]*")


def _without_part(table: TableText, part: ColumnText | Clause) -> str:
    """Remove a column, or a constraint of the table, from the list."""
    sql = table.sql
    others = [other for other in table.parts if other.start != part.start]
    following = min([other.start for other in others if other.start > part.start], default=len(sql))
    preceding = max([other.end for other in others if other.start < part.start], default=0)
    after = next((comma for comma in table.commas if part.end <= comma < following), None)
    before = next((comma for comma in table.commas if preceding <= comma < part.start), None)
    if after is not None:
        found = _REST_OF_LINE.match(sql, after + 1)
        return spliced(sql, (part.start, found.end() if found else after + 1, ""))
    if before is None or following < len(sql):
        return spliced(sql, (part.start, part.end, ""))
    if not sql[before + 1 : part.start].strip():
        return spliced(sql, (before, part.end, ""))
    return spliced(sql, (before, before + 1, ""), (part.start, part.end, ""))


def _without_clauses(sql: str, clauses: Sequence[Clause]) -> str:
    """Remove constraints of a column, and the blanks before them."""
    edits: list[tuple[int, int, str]] = []
    for clause in clauses:
        start = len(sql[: clause.start].rstrip(" \t"))
        # Keep a blank between two words.
        edits.append(
            (start, clause.end, "" if sql[clause.end : clause.end + 1] in (" ", "\t", "\n", ",", ")") else " ")
        )
    return spliced(sql, *edits)


def renamed(sql: str, name: str) -> str:
    """Rename the table."""
    token = parse(sql).token
    return spliced(sql, (token.start, token.end, identifier(name)))


def with_references_to(sql: str, old: str, new: str) -> str:
    """Change the target table of foreign keys."""
    table = parse(sql)
    clauses = [*table.constraints, *[clause for column in table.columns for clause in column.clauses]]
    parents = [clause.parent for clause in clauses if clause.parent is not None]
    return spliced(sql, *[(p.start, p.end, identifier(new)) for p in parents if folded(p.name) == folded(old)])


def with_column(sql: str, column: str) -> str:
    """Add a column at the end."""
    end = parse(sql).columns[-1].end
    return spliced(sql, (end, end, f", {column}"))


def without_column(sql: str, name: str) -> str:
    """Remove a column, and the constraints of the table that mention only this column."""
    while True:
        table = parse(sql)
        lone = next((clause for clause in table.constraints if mentioned(table, clause) == {folded(name)}), None)
        if lone is None:
            return _without_part(table, table.column(name))
        sql = _without_part(table, lone)


def mentioned(table: TableText, clause: Clause) -> set[str]:
    """Return the columns of the table that a constraint mentions, in lower case."""
    if clause.kind == "FOREIGN KEY":
        # The columns that it refers to may have the same names.
        return set(map(folded, clause.columns))
    names = [folded(column.name) for column in table.columns]
    return {name for name in names if clause.mentions(name)}


def with_type(sql: str, name: str, written: str) -> str:
    """Change the type of a column."""
    column = parse(sql).column(name)
    start = column.type[0].start if column.type else column.type_end
    edits = [(start, column.type_end, written if column.type else f" {written}")]
    if written.upper() != "INTEGER":
        # Only INTEGER PRIMARY KEY can have AUTOINCREMENT.
        counting = [token for clause in column.of("PRIMARY KEY") for token in clause.tokens]
        edits += [(token.start, token.end, "") for token in counting if token.word == "AUTOINCREMENT"]
    return spliced(sql, *edits)


def without_named(sql: str, name: str) -> str:
    """Remove the constraint of the table that has a name, if there is one."""
    table = parse(sql)
    for clause in table.constraints:
        if clause.tokens[0].word == "CONSTRAINT" and folded(clause.tokens[1].name) == folded(name):
            return _without_part(table, clause)
    return sql


def without_type_checks(sql: str, name: str) -> str:
    """Remove the CHECK that belongs to the type of a column: of an Enum or a Literal, or of a text with a length."""
    table = parse(sql)
    for clause in table.constraints:
        if _is_of_type(clause, name):
            return _without_part(table, clause)
    return _without_clauses(sql, [clause for clause in table.column(name).clauses if _is_of_type(clause, name)])


def _is_of_type(clause: Clause, name: str) -> bool:
    if clause.kind != "CHECK":
        return False
    parts = list(clause.tokens[2:] if clause.tokens[0].word == "CONSTRAINT" else clause.tokens)
    inner = parts[2:-1]
    if [token.syntax for token in inner[:2]] == ["LENGTH", "("] and len(inner) > 4:
        return len(inner) in (6, 7) and inner[2].means(name) and inner[-1].kind == "number"
    listed = inner[3:-1]
    return (
        len(inner) > 4
        and inner[0].means(name)
        and inner[1].word == "IN"
        and inner[2].text == "("
        and all(token.kind == "string" or token.text == "," for token in listed)
    )


def with_not_null(sql: str, name: str, not_null: bool) -> str:
    """Make a column NOT NULL, or nullable."""
    column = parse(sql).column(name)
    if not not_null:
        return _without_clauses(sql, column.of("NOT NULL"))
    if column.of("NOT NULL"):
        return sql
    sql = _without_clauses(sql, column.of("NULL"))
    return spliced(sql, (column.type_end, column.type_end, " NOT NULL"))


def with_default(sql: str, name: str, literal: str | None) -> str:
    """Change the DEFAULT of a column, or remove it."""
    column = parse(sql).column(name)
    sql = _without_clauses(sql, column.of("DEFAULT"))
    return sql if literal is None else spliced(sql, (column.type_end, column.type_end, f" DEFAULT {literal}"))


def with_key(sql: str, columns: Sequence[str]) -> str:
    """Make columns the primary key; without columns, remove the key."""
    table = parse(sql)
    # The columns of the old key stay NOT NULL, which is implicit for a key that is the rowid.
    sql = with_not_null(sql, table.rowid_column, not_null=True) if table.rowid_column is not None else sql
    table = parse(sql)
    sql = _without_clauses(sql, [clause for column in table.columns for clause in column.of("PRIMARY KEY")])
    table = parse(sql)
    for clause in [clause for clause in table.constraints if clause.kind == "PRIMARY KEY"]:
        sql = _without_part(table, clause)
    for column in columns:
        sql = with_not_null(sql, column, not_null=True)
    if not columns:
        return sql
    end = parse(sql).columns[-1].end
    return spliced(sql, (end, end, f", PRIMARY KEY ({', '.join(map(identifier, columns))})"))


def with_constraint(sql: str, constraint: str) -> str:
    """Add a table constraint."""
    end = parse(sql).body_end
    return spliced(sql, (end, end, f", {constraint}"))


def without_foreign_keys(sql: str, columns: Sequence[str] | None = None) -> str:
    """Remove the foreign keys of some columns; all by default."""
    wanted = None if columns is None else tuple(map(folded, columns))
    while True:
        table = parse(sql)
        lone = next(
            (
                clause
                for clause in table.constraints
                if clause.kind == "FOREIGN KEY" and wanted in (None, tuple(map(folded, clause.columns)))
            ),
            None,
        )
        if lone is None:
            break
        sql = _without_part(table, lone)
    found = [
        clause
        for column in table.columns
        if wanted in (None, (folded(column.name),))
        for clause in column.of("REFERENCES", "DEFERRABLE")
    ]
    return _without_clauses(sql, found)


def in_order(sql: str, names: Sequence[str]) -> str:
    """Change the order of the columns."""
    table = parse(sql)
    texts = [sql[column.start : column.end] for column in map(table.column, names)]
    places = [(column.start, column.end) for column in table.columns]
    return spliced(sql, *[(start, end, text) for (start, end), text in zip(places, texts, strict=True)])


def index_for(sql: str, name: str, table: str) -> str:
    """Return a stored CREATE INDEX with a new name and table."""
    found = code_tokens(sql, SQLITE)
    place = next(place for place, token in enumerate(found) if token.word == "INDEX") + 1
    own, target = found[place], found[place + 2]
    return spliced(sql, (own.start, own.end, identifier(name)), (target.start, target.end, identifier(table)))
