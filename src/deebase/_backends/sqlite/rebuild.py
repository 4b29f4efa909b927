"""Changes of a SQLite table that ALTER TABLE cannot make: a new table from the edited text replaces the old one.

The documented way (sqlite.org/lang_altertable.html, section 7) drops the old table with foreign keys switched off,
which is impossible inside of a transaction; with them on, DROP TABLE would delete the rows of cascading children. Here
the two tables are exchanged in sqlite_schema instead. The table that others refer to is never dropped, so other
tables, triggers and views stay unchanged, inside of a transaction or not.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.alter import rename_columns, type_check
from deebase._backends.protocols import AlterPlan
from deebase._backends.sqlite import table_edits as edit
from deebase._backends.sqlite.casts import STORED
from deebase._model.change import Change, NewKey
from deebase._model.create_statements import strict_type
from deebase._model.facts import IndexInfo, TableInfo
from deebase._model.table_options import SECURE, secure_check
from deebase._sqltext.create_table import TableText, parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import folded
from deebase.errors import InvalidOperationError

#: The names of the rowid, unless a column has the name.
_ROWID_NAMES = ("rowid", "_rowid_", "oid")


@dataclass(frozen=True)
class SchemaRow:
    """A row of sqlite_schema: a table, index, trigger or view; ``table`` is its table."""

    kind: str
    name: str
    table: str
    sql: str | None


#: Returns the arguments of ``SchemaRow``, in their order.
ENTRIES = "SELECT type, name, tbl_name, sql FROM sqlite_master"


def understood(facts: TableInfo, operation: str) -> TableText:
    """Parse the stored text of a table, and check that its columns are those that SQLite reports.

    Raises:
        InvalidOperationError: it is a virtual table, or the text cannot be read.
    """
    problem = InvalidOperationError(
        f"{operation}: the stored CREATE TABLE of {facts.name} cannot be parsed",
        operation=operation,
        target=facts.name,
        hint="create a new table and copy the rows",
    )
    try:
        table = parse(facts.sql or "")
    except (IndexError, StopIteration):
        raise problem from None
    if [folded(column.name) for column in table.columns] != [folded(column.name) for column in facts.columns]:
        raise problem
    return table


def rebuild(
    facts: TableInfo,
    entries: Sequence[SchemaRow],
    change: Change,
    dialect: Dialect,
    *,
    converted: frozenset[str] = frozenset(),
) -> AlterPlan:
    """Return the statements that change a table.

    Args:
        facts: the table before the change.
        entries: all rows of sqlite_schema.
        change: the change.
        dialect: the dialect of SQLite.
        converted: columns whose values must be converted to their new type one by one.
    """
    renames = rename_columns(facts, change.rename, dialect)
    table = parse(facts.sql or "")
    if change.only_names:
        return AlterPlan(renames=tuple(renames))
    if change.only_names_and_drops and all(_drops_alone(table, name) for name in change.drop):
        drops = [f"DROP INDEX {identifier(index.name)}" for index in _beside(facts, change.drop)]
        drops += [f"ALTER TABLE {identifier(facts.name)} DROP COLUMN {identifier(name)}" for name in change.drop]
        return AlterPlan(after=tuple(drops), renames=tuple(renames))
    return _exchanged(facts, entries, edited(facts.sql or "", change, dialect), change, converted, renames)


def with_added_columns(facts: TableInfo, entries: Sequence[SchemaRow], declarations: Iterable[str]) -> AlterPlan:
    """Return the statements that add columns that ALTER TABLE rejects, from their declarations."""
    sql = facts.sql or ""
    for declaration in declarations:
        sql = edit.with_column(sql, declaration)
    return _exchanged(facts, entries, sql, Change(), frozenset(), [])


def _exchanged(
    facts: TableInfo,
    entries: Sequence[SchemaRow],
    sql: str,
    change: Change,
    converted: frozenset[str],
    renames: Sequence[str],
) -> AlterPlan:
    old, new = facts.name, _free_name(facts.name, entries)
    # Without foreign keys: the copied rows are not checked, and the dropped table refers to no other table.
    bare = edit.without_foreign_keys(edit.renamed(sql, new))
    indexes = [entry for entry in entries if entry.kind == "index" and entry.table == old and entry.sql is not None]
    before = [
        bare,
        _copy(facts, parse(sql), new, change, converted),
        *[f"DROP INDEX {identifier(index.name)}" for index in indexes],
    ]
    gone = {index.name for index in _beside(facts, (*change.drop, *change.types))}
    after = [f"DROP TABLE {identifier(new)}", *[str(index.sql) for index in indexes if index.name not in gone]]
    if counts(parse(facts.sql or "")) and not counts(parse(sql)):
        after.append(f"DELETE FROM sqlite_sequence WHERE name = {literal(old, SQLITE)}")
    left = edit.without_foreign_keys(edit.renamed(facts.sql or "", new))
    return AlterPlan(tuple(before), _exchange(old, new, sql, left), tuple(after), renames=tuple(renames))


def _beside(facts: TableInfo, columns: Iterable[str]) -> list[IndexInfo]:
    """Return the indexes over rows of other forms of some columns."""
    named = set(columns)
    return [index for index in facts.other_forms if index.columns[0] in named]


def _free_name(name: str, entries: Sequence[SchemaRow]) -> str:
    taken = {folded(entry.name) for entry in entries}
    free = f"{name}_rebuilt"
    while folded(free) in taken:
        free += "_"
    return free


def edited(sql: str, change: Change, dialect: Dialect) -> str:
    """Return the CREATE TABLE of the changed table, before its columns are renamed."""
    strict = parse(sql).strict
    for columns in change.drop_foreign_keys:
        sql = edit.without_foreign_keys(sql, columns)
    for name in change.drop:
        sql = edit.without_foreign_keys(sql, (name,))
    if change.pk is not None:
        sql = edit.with_key(sql, change.pk)
    for name in change.drop:
        sql = edit.without_column(sql, name)
    for name, kind in change.types.items():
        sql = edit.without_type_checks(sql, name)
        sql = edit.with_type(sql, name, declared(kind, dialect, strict=strict))
        check = type_check(sa.Column(name, kind), dialect)
        sql = edit.with_constraint(sql, check) if check is not None else sql
    for name, not_null in change.not_null.items():
        sql = edit.with_not_null(sql, name, not_null)
    for name, default in change.defaults.items():
        sql = edit.with_default(sql, name, default)
    for key in change.add_foreign_keys:
        sql = edit.with_constraint(sql, foreign_key(key))
    for condition in change.add_checks:
        sql = edit.with_constraint(sql, f"CHECK ({condition})")
    if change.secure is not None:
        sql = edit.without_named(sql, SECURE)
        if change.secure:
            sql = edit.with_constraint(sql, f"CONSTRAINT {SECURE} CHECK ({secure_check(change.secure, identifier)})")
    return edit.in_order(sql, change.column_order) if change.column_order else sql


def declared(kind: sa.types.TypeEngine[object], dialect: Dialect, *, strict: bool) -> str:
    """Return the declared type of a column in its table."""
    written = kind.compile(dialect=dialect)
    return strict_type(written).compile(dialect=dialect) if strict else written


def foreign_key(key: NewKey) -> str:
    """Return a constraint of the table; the same on both databases."""
    actions = [(" ON DELETE", key.on_delete), (" ON UPDATE", key.on_update)]
    written = "".join([f"{what} {action.upper()}" for what, action in actions if action])
    return (
        f"FOREIGN KEY ({identifier(key.column)}) REFERENCES {identifier(key.table)} ({identifier(key.target)}){written}"
    )


def _drops_alone(table: TableText, name: str) -> bool:
    """Whether DROP COLUMN of SQLite accepts this column (sqlite.org/lang_altertable.html#altertabdropcol)."""
    plain = {"NOT NULL", "NULL", "DEFAULT", "COLLATE"}
    return {clause.kind for clause in table.column(name).clauses} <= plain and not any(
        clause.mentions(name) for clause in table.constraints
    )


def counts(table: TableText) -> bool:
    """Whether it has AUTOINCREMENT."""
    keys = [clause for column in table.columns for clause in column.of("PRIMARY KEY")]
    keys += [clause for clause in table.constraints if clause.kind == "PRIMARY KEY"]
    return any(token.word == "AUTOINCREMENT" for clause in keys for token in clause.tokens)


def _copy(facts: TableInfo, made: TableText, new: str, change: Change, converted: frozenset[str]) -> str:
    """Return the INSERT that fills the new table; rows keep their rowids, unless a column becomes the rowid."""
    there = {folded(column.name): column for column in facts.columns}
    pairs: list[tuple[str, str]] = []
    for column in made.columns:
        known = there.get(folded(column.name))
        if known is None or known.computed is not None:
            continue
        source = identifier(known.name)
        if known.name in converted:
            written = " ".join([token.text for token in column.type])
            source = f"{STORED}({literal(written, SQLITE)}, {source})"
        pairs.append((identifier(column.name), source))
    rowid = rowid_name(facts)
    if rowid is not None and not made.without_rowid and made.rowid_column is None:
        pairs.insert(0, (rowid, rowid))
    targets, sources = ", ".join([pair[0] for pair in pairs]), ", ".join([pair[1] for pair in pairs])
    return f"INSERT INTO {identifier(new)} ({targets}) SELECT {sources} FROM {identifier(facts.name)}"


def rowid_name(facts: TableInfo) -> str | None:
    """Return a name of the rowid that no column has; None without a rowid."""
    if parse(facts.sql or "").without_rowid:
        return None
    taken = {folded(column.name) for column in facts.columns}
    return next((name for name in _ROWID_NAMES if name not in taken), None)


def _exchange(old: str, new: str, sql: str, left: str) -> tuple[str, ...]:
    """Return the statements that exchange two tables, with the indexes of their constraints.

    SQLite finds the row of an index by its name, and this row must follow the row of its table. The rows of the old
    table's indexes therefore move to the end.
    """
    o, n, made, kept = (literal(text, SQLITE) for text in (old, new, sql, left))
    autoindexes = f"""UPDATE sqlite_master SET
    rowid = CASE tbl_name WHEN {o} THEN rowid + (SELECT max(rowid) FROM sqlite_master) ELSE rowid END,
    name = 'sqlite_autoindex_' || CASE tbl_name WHEN {o} THEN {n} ELSE {o} END
        || substr(name, length('sqlite_autoindex_' || tbl_name) + 1),
    tbl_name = CASE tbl_name WHEN {o} THEN {n} ELSE {o} END
WHERE type = 'index' AND sql IS NULL AND tbl_name IN ({o}, {n})"""
    tables = f"""UPDATE sqlite_master SET
    rootpage = other.rootpage, sql = CASE sqlite_master.name WHEN {o} THEN {made} ELSE {kept} END
FROM (SELECT name, rootpage FROM sqlite_master WHERE type = 'table' AND name IN ({o}, {n})) AS other
WHERE sqlite_master.type = 'table' AND sqlite_master.name IN ({o}, {n}) AND other.name <> sqlite_master.name"""
    return (autoindexes, tables)
