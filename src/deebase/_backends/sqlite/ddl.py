"""The statements that change a SQLite schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.sql import ClauseElement
from sqlalchemy.types import TypeEngine

from deebase._backends.alter import column_declaration, index_renames, qualified, refuse_uses
from deebase._backends.protocols import AlterPlan, NewColumn, NewView, Query, Steps, TableChange, TableCopy
from deebase._backends.row_checks import check_rows
from deebase._backends.sqlite import table_edits as edit
from deebase._backends.sqlite.casts import FITS, STORED
from deebase._backends.sqlite.inventory import SqliteReflector
from deebase._backends.sqlite.rebuild import (
    ENTRIES,
    SchemaRow,
    counts,
    declared,
    edited,
    rebuild,
    rowid_name,
    understood,
    with_added_columns,
)
from deebase._backends.sqlite.search import search_ddl as searching
from deebase._model.change import Change
from deebase._model.facts import TableInfo
from deebase._model.generated_names import shortened
from deebase._sqltext.create_table import TableText, parse
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import code_tokens, folded, mentions, spliced
from deebase._types.base import database_value
from deebase._types.forms.moment_sql import moments_of, other_forms_index
from deebase._types.registry import column_type
from deebase.errors import InvalidOperationError
from deebase.fields import DatabaseValue
from deebase.types import UNSET

#: The tokens before the star of a SELECT, which count(*) and a product do not have.
_BEFORE_STAR = ("SELECT", "DISTINCT", "ALL", ",", ".")
_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"


class SqliteSchema:
    """Writes the statements that change a SQLite schema."""

    def declared_types(
        self, types: Mapping[str, TypeEngine[Any]], facts: TableInfo, dialect: Dialect, operation: str
    ) -> dict[str, str]:
        """Return the types of columns as this table declares them: a STRICT table has only a few."""
        strict = understood(facts, operation).strict
        return {name: declared(kind, dialect, strict=strict) for name, kind in types.items()}

    def alter(self, asked: TableChange, dialect: Dialect) -> Steps[AlterPlan]:
        """Return the statements that change a table; most changes rebuild it."""
        facts, change = asked.facts, asked.change
        table = understood(facts, asked.operation)
        entries = yield from _entries()
        entries = [entry for entry in entries if entry.kind != "index" or entry.name not in asked.dropped_indexes]
        others = list(asked.tables.values())
        refuse_uses(facts, {name: _column_uses(facts, entries, others, name) for name in change.drop}, asked.operation)
        _refuse_key(asked, table)
        written = {name: declared(kind, dialect, strict=table.strict) for name, kind in change.types.items()}
        yield from check_rows(facts, change, written, dialect, _misfits)
        converted = yield from _to_convert(facts, written)
        planned = _searchable(rebuild(facts, entries, change, dialect, converted=converted), facts, change, dialect)
        names = [entry.name for entry in entries if entry.kind == "view"] if change.rename else []
        if not names:
            return planned
        views = yield from SqliteReflector().inventory(None, names)
        # Before ALTER TABLE RENAME of SQLite, which would rename the columns of views too.
        return replace(planned, after=(*planned.after, *_pinned_views(views.tables, entries, change.rename)))

    def add_columns(
        self, facts: TableInfo, columns: Sequence[NewColumn], dialect: Dialect, operation: str
    ) -> Steps[AlterPlan]:
        """Return the statements that add columns, in their order; if ALTER TABLE rejects one, a rebuild adds all."""
        strict = understood(facts, operation).strict
        declarations = [column_declaration(facts.name, column, dialect, strict=strict) for column in columns]
        if any(map(_needs_rebuild, columns)):
            return with_added_columns(facts, (yield from _entries()), declarations)
        table = qualified(facts, dialect)
        return AlterPlan(after=tuple([f"ALTER TABLE {table} ADD COLUMN {declaration}" for declaration in declarations]))

    def rename(self, facts: TableInfo, new: str, taken: Collection[str], dialect: Dialect) -> list[tuple[str, str]]:
        quote = dialect.identifier_preparer.quote
        old, after = quote(facts.name), quote(new)
        steps = [(f"ALTER TABLE {old} RENAME TO {after}", f"ALTER TABLE {after} RENAME TO {old}")]
        definitions = {index.name: index.sql for index in facts.indexes}
        for index, name in index_renames(facts, new, taken).items():
            sql = definitions[index]
            if sql is not None:
                # SQLite cannot rename an index.
                steps.append((f"DROP INDEX {quote(index)}", edit.index_for(sql, index, new)))
                steps.append((edit.index_for(sql, name, new), f"DROP INDEX {quote(name)}"))
        return steps

    def duplicate(self, asked: TableCopy, dialect: Dialect) -> Steps[list[str]]:
        yield from ()
        understood(asked.facts, asked.operation)
        made = [*_copied(asked.facts, asked.name, asked.taken), *_other_forms(asked, dialect)]
        if asked.facts.search is not None:
            copy = replace(asked.facts, name=asked.name)
            taken = {*asked.taken, asked.name}
            name = searching.new_name(asked.name, taken)
            made += searching.enabled(copy, searching.named(copy, asked.facts.search.search, name))
        return made

    def create_view(self, asked: NewView, dialect: Dialect) -> Steps[None]:
        """Create a view, or replace the existing one; its triggers are kept."""
        triggers: Sequence[tuple[str]] = ()
        if asked.existing:
            triggers = yield Query(_TRIGGERS, (asked.name,))
            yield Query(f"DROP VIEW {asked.quoted}")
        yield Query(f"CREATE VIEW {asked.quoted} AS {asked.select}")
        # SQLite checks a view at its first use.
        yield Query(f"SELECT * FROM {asked.quoted} LIMIT 0")
        for (trigger,) in triggers:
            yield Query(trigger)

    def same_value(self, one: str, other: str) -> str:
        # An integer and a float may be equal, and so may texts of a column with a collation.
        return f"({one} COLLATE BINARY IS {other} AND typeof({one}) = typeof({other}))"

    def one_of_each(self, table: str, columns: Sequence[str], key: str | None, where: str | None) -> str:
        selected = [] if key is None else [f"min({key}) AS {key}"]
        condition = "" if where is None else f" WHERE {where}"
        parts = [part for column in columns for part in (f"{column} COLLATE BINARY", f"typeof({column})")]
        return f"SELECT {', '.join([*selected, *columns])} FROM {table}{condition} GROUP BY {', '.join(parts)}"

    def touch(self, table: sa.Table, column: str, dialect: Dialect) -> list[str]:
        quote, name = dialect.identifier_preparer.quote, dialect.identifier_preparer.quote(table.name)
        now = database_value(column_type(table.c[column].type), "now", dialect)
        found, trigger = quote(column), quote(shortened(f"touch_{table.name}_{column}"))
        key = " AND ".join([f"{quote(one.name)} IS NEW.{quote(one.name)}" for one in table.primary_key.columns])
        return [
            f"CREATE TRIGGER IF NOT EXISTS {trigger} AFTER UPDATE ON {name} FOR EACH ROW "
            f"WHEN NEW.{found} IS OLD.{found} BEGIN UPDATE {name} SET {found} = {now} WHERE {key}; END"
        ]


def _searchable(planned: AlterPlan, facts: TableInfo, change: Change, dialect: Dialect) -> AlterPlan:
    """Return a plan that makes the search of a table again where its rows get other numbers."""
    info = facts.search
    if info is None or (change.pk is None and not set(change.types) & set(facts.pks)):
        return planned
    keys = list(change.key(facts))
    columns = [replace(one, key=keys.index(one.name) + 1 if one.name in keys else 0) for one in facts.columns]
    # Before columns are renamed, which renames them in the triggers, too.
    changed = replace(facts, columns=tuple(columns), sql=edited(facts.sql or "", change, dialect))
    made = searching.enabled(changed, searching.named(changed, info.search, info.index))
    return replace(planned, before=(*searching.disabled(info), *planned.before), after=(*planned.after, *made))


def _needs_rebuild(column: NewColumn) -> bool:
    """Whether ADD COLUMN refuses a column, even in an empty table (sqlite.org/lang_altertable.html)."""
    if column.spec.computed is not None or isinstance(column.spec.default, (DatabaseValue, ClauseElement)):
        return True
    has_default = column.spec.default is not UNSET
    return column.mark is not None if has_default else not column.spec.nullable


def _entries() -> Steps[list[SchemaRow]]:
    rows = yield Query(ENTRIES, reads=True)
    return [SchemaRow(*row) for row in rows]


def _misfits(quoted_column: str, _old: str, written: str) -> str:
    return f"NOT {FITS}({literal(written, SQLITE)}, {quoted_column})"


def _to_convert(facts: TableInfo, written: Mapping[str, str]) -> Steps[frozenset[str]]:
    """Return the columns with values that their new type stores in another form."""
    found: list[str] = []
    for name, kind in written.items():
        changes = f"{STORED}({literal(kind, SQLITE)}, {identifier(name)}) IS NOT {identifier(name)}"
        rows = yield Query(f"SELECT count(*) FROM {identifier(facts.name)} WHERE {changes}", reads=True)
        if rows[0][0]:
            found.append(name)
    return frozenset(found)


def _refuse_key(asked: TableChange, table: TableText) -> None:
    """Refuse a change of the key that SQLite cannot make, or a key that other tables refer to."""
    facts, change = asked.facts, asked.change
    if change.pk is None:
        return
    why, hint = "", "keep the key, or drop the foreign keys first"
    if table.without_rowid and not change.pk:
        why, hint = "a WITHOUT ROWID table needs a key", "choose another key"
    for other in asked.tables.values():
        for key in other.foreign_keys:
            unique = any(index.is_unique_key and set(index.columns) == set(key.targets) for index in facts.indexes)
            if key.table == facts.name and not unique and set(key.targets) != set(change.pk):
                why = f"a foreign key of {other.name} refers to ({', '.join(key.targets)})"
    if why:
        raise InvalidOperationError(
            f"{facts.name} cannot have another key: {why}", operation=asked.operation, target=facts.name, hint=hint
        )


def _copied(facts: TableInfo, new: str, taken: Collection[str]) -> Iterable[str]:
    sql = facts.sql or ""
    yield edit.with_references_to(edit.renamed(sql, new), facts.name, new)
    table = parse(sql)
    columns = [identifier(column.name) for column in facts.columns if column.computed is None]
    rowid = rowid_name(facts) if table.rowid_column is None else None
    listed = ", ".join(columns if rowid is None else [rowid, *columns])
    yield f"INSERT INTO {identifier(new)} ({listed}) SELECT {listed} FROM {identifier(facts.name)}"
    if counts(table):
        old, copy = (literal(name, SQLITE) for name in (facts.name, new))
        yield (
            f"UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = {old}) WHERE name = {copy}"
        )
    used = {folded(name) for name in (*taken, new)}
    for index in facts.indexes:
        if index.sql is not None:
            name = index.name.replace(facts.name, new) if facts.name in index.name else f"{index.name}_{new}"
            while folded(name) in used:
                name += "_"
            used.add(folded(name))
            yield edit.index_for(index.sql, name, new)


def _other_forms(asked: TableCopy, dialect: Dialect) -> Sequence[str]:
    columns = [str(index.columns[0]) for index in asked.facts.other_forms]
    return [other_forms_index(asked.name, asked.table.c[name], dialect) for name in moments_of(asked.table, columns)]


def _pinned_views(views: Iterable[TableInfo], entries: Sequence[SchemaRow], columns: Collection[str]) -> Iterable[str]:
    """Yield the statements that preserve the column names of views when SQLite renames columns in their SELECT.

    Views with ``SELECT *`` get the new names and are not changed.

    Args:
        views: all views.
        entries: the rows of sqlite_schema.
        columns: the renamed columns.
    """
    for view in views:
        names = {folded(column.name) for column in view.columns}
        if view.kind != "view" or view.sql is None or not names & {folded(name) for name in columns}:
            continue
        found = code_tokens(view.sql, SQLITE)
        name, following = found[2], found[3]
        starred = any(
            token.text == "*" and (before.word or before.text) in _BEFORE_STAR for before, token in pairwise(found)
        )
        if following.word != "AS" or starred:
            continue
        listed = ", ".join([identifier(column.name) for column in view.columns])
        yield f"DROP VIEW {identifier(view.name)}"
        yield spliced(view.sql, (name.end, name.end, f" ({listed})"))
        # DROP VIEW dropped the triggers.
        yield from [str(entry.sql) for entry in entries if entry.kind == "trigger" and entry.table == view.name]


def _column_uses(facts: TableInfo, entries: Sequence[SchemaRow], tables: Iterable[TableInfo], name: str) -> list[str]:
    """Return the uses of a column in words: indexes, constraints, computed columns, triggers, views, foreign keys.

    A text that mentions the column counts as a use, so some results may be wrong, but none is missing.
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
        columns = edit.mentioned(table, clause)
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
            # Its arguments may have any quotes: content='table'.
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
