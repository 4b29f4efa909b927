"""The statements that change a PostgreSQL schema."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._backends.alter import (
    choice_check,
    column_declaration,
    index_renames,
    qualified,
    refuse_uses,
    rename_columns,
)
from deebase._backends.postgres.check_text import settled
from deebase._backends.postgres.row_security import secure_statements, unsecure_statements
from deebase._backends.postgres.search import search_ddl as searching
from deebase._backends.protocols import AlterPlan, NewColumn, NewView, Query, Steps, TableChange, TableCopy
from deebase._backends.row_checks import check_rows
from deebase._model.change import Change, NewKey
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._model.generated_names import shortened
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import literal
from deebase._types.choices import Choice
from deebase.errors import InvalidOperationError, QueryError

#: The constraints of a table, by its quoted name.
_CONSTRAINTS = """
    SELECT k.conname::text, k.contype::text, pg_get_constraintdef(k.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k WHERE k.conrelid = to_regclass($1) ORDER BY k.conname
"""
_VIEW_INDEXES = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass($1)"
#: The error when a view whose columns change is replaced (manual, appendix A, invalid_table_definition).
_OTHER_COLUMNS = "42P16"
#: One function for all tables. A column without a time zone ignores that of the text, which is UTC.
_TOUCH = """
    CREATE OR REPLACE FUNCTION deebase_touch() RETURNS trigger LANGUAGE plpgsql AS $function$
    BEGIN
        IF to_jsonb(NEW) -> TG_ARGV[0] IS NOT DISTINCT FROM to_jsonb(OLD) -> TG_ARGV[0] THEN
            NEW := jsonb_populate_record(NEW, jsonb_build_object(TG_ARGV[0],
                to_char(statement_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"+00:00"')));
        END IF;
        RETURN NEW;
    END
    $function$
"""
_KINDS = {"p": "PRIMARY KEY", "u": "UNIQUE", "c": "CHECK", "f": "FOREIGN KEY", "x": "EXCLUDE"}


@dataclass(frozen=True)
class Constraint:
    """A constraint: its name, its kind in one letter (pg_constraint.contype), its definition and columns."""

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...]


class PostgresSchema:
    """Writes the statements that change a PostgreSQL schema."""

    def declared_types(
        self, types: Mapping[str, TypeEngine[Any]], facts: TableInfo, dialect: Dialect, operation: str
    ) -> dict[str, str]:
        """Return the declared types of columns, which are the same in all tables."""
        return {name: kind.compile(dialect=dialect) for name, kind in types.items()}

    def alter(self, asked: TableChange, dialect: Dialect) -> Steps[AlterPlan]:
        """Return the ALTER statements of a change."""
        facts, change = asked.facts, asked.change
        table = qualified(facts, dialect)
        constraints = yield from _constraints(table)
        uses = {name: _dropped_with(constraints, facts, change, name) for name in change.drop}
        refuse_uses(facts, uses, asked.operation)
        written = self.declared_types(change.types, facts, dialect, asked.operation)
        yield from check_rows(facts, change, written, dialect, _misfits)
        if change.column_order:
            raise InvalidOperationError(
                f"PostgreSQL cannot change the order of the columns of {facts.qualified_name}",
                operation="transform",
                target=facts.qualified_name,
                hint="select the columns in the order that you need",
            )
        actions = [f"ALTER TABLE {table} {action}" for action in _actions(facts, constraints, change, dialect)]
        before, after = searching.around(facts, change)
        if change.secure is not None:
            after = [*after, *_secured(facts, change.secure, dialect)]
        return AlterPlan((*before, *actions, *rename_columns(facts, change.rename, dialect), *after))

    def add_columns(
        self, facts: TableInfo, columns: Sequence[NewColumn], dialect: Dialect, operation: str
    ) -> Steps[AlterPlan]:
        yield from ()
        declared = [column_declaration(facts.name, column, dialect, strict=False) for column in columns]
        table = qualified(facts, dialect)
        return AlterPlan(tuple([f"ALTER TABLE {table} ADD COLUMN {declaration}" for declaration in declared]))

    def rename(self, facts: TableInfo, new: str, taken: Collection[str], dialect: Dialect) -> list[tuple[str, str]]:
        quote = dialect.identifier_preparer.quote
        names = [("TABLE", facts.name, new)]
        names += [("INDEX", old, name) for old, name in index_renames(facts, new, taken).items()]
        schema = "" if facts.schema is None else f"{quote(facts.schema)}."
        return [
            (
                f"ALTER {kind} {schema}{quote(old)} RENAME TO {quote(name)}",
                f"ALTER {kind} {schema}{quote(name)} RENAME TO {quote(old)}",
            )
            for kind, old, name in names
        ]

    def duplicate(self, asked: TableCopy, dialect: Dialect) -> Steps[list[str]]:
        facts = asked.facts
        quote = dialect.identifier_preparer.quote
        old = qualified(facts, dialect)
        copy = qualified(replace(facts, name=asked.name), dialect)
        columns = ", ".join([quote(column.name) for column in facts.columns if column.computed is None])
        statements = [f"CREATE TABLE {copy} (LIKE {old} INCLUDING ALL)", *_sequences(facts, asked.name, dialect)]
        if columns:
            statements.append(f"INSERT INTO {copy} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {old}")
        for column in facts.columns:
            if column.generated:
                texts = [literal(text, POSTGRES) for text in (copy, old, column.name)]
                sequences = [f"pg_get_serial_sequence({table}, {texts[2]})" for table in texts[:2]]
                statements.append(
                    f"SELECT setval({sequences[0]}, last)"
                    f" FROM (SELECT pg_sequence_last_value({sequences[1]}) AS last) AS s WHERE last IS NOT NULL"
                )
        constraints = yield from _constraints(old)
        written = (yield Query("SELECT to_regclass($1)::text", (old,)))[0][0]
        for constraint in constraints:
            if constraint.kind == "f":
                definition = constraint.definition.replace(f" REFERENCES {written}(", f" REFERENCES {copy}(", 1)
                statements.append(f"ALTER TABLE {copy} ADD CONSTRAINT {quote(constraint.name)} {definition}")
        if facts.secure:
            made = replace(facts, name=asked.name, secure=())
            statements += _secured(made, facts.secure, dialect)
        return [*statements, *searching.duplicated(facts, asked.name, asked.taken)]

    def same_value(self, one: str, other: str) -> str:
        # IS NOT DISTINCT FROM would compare each row with each other one: only = joins by a hash.
        texts = " = ".join([f"coalesce({column}::text, '') COLLATE \"C\"" for column in (one, other)])
        return f"({texts} AND ({one} IS NULL) = ({other} IS NULL))"

    def one_of_each(self, table: str, columns: Sequence[str], key: str | None, where: str | None) -> str:
        selected = columns if key is None else [key, *columns]
        condition = "" if where is None else f" WHERE {where}"
        parts = [f'{column}::text COLLATE "C"' for column in columns]
        order = ", ".join(parts if key is None else [*parts, key])
        return f"SELECT DISTINCT ON ({', '.join(parts)}) {', '.join(selected)} FROM {table}{condition} ORDER BY {order}"

    def touch(self, table: sa.Table, column: str, dialect: Dialect) -> list[str]:
        preparer = dialect.identifier_preparer
        trigger = preparer.quote(shortened(f"touch_{table.name}_{column}"))
        return [
            _TOUCH,
            f"CREATE OR REPLACE TRIGGER {trigger} BEFORE UPDATE ON {preparer.format_table(table)} FOR EACH ROW "
            f"EXECUTE FUNCTION deebase_touch({literal(column, POSTGRES)})",
        ]

    def create_view(self, asked: NewView, dialect: Dialect) -> Steps[None]:
        """Create a view, or replace the existing one; a materialized view keeps its indexes."""
        if asked.existing == "view" and not asked.materialized:
            try:
                yield Query(f"CREATE OR REPLACE VIEW {asked.quoted} AS {asked.select}", guarded=True)
                return
            except QueryError as error:
                if error.sqlstate != _OTHER_COLUMNS:
                    raise
        indexes: Sequence[tuple[str]] = ()
        if asked.existing == "materialized" and asked.materialized:
            indexes = yield Query(_VIEW_INDEXES, (asked.quoted,))
        if asked.existing is not None:
            yield Query(f"DROP {'MATERIALIZED ' if asked.existing == 'materialized' else ''}VIEW {asked.quoted}")
        yield Query(f"CREATE {'MATERIALIZED ' if asked.materialized else ''}VIEW {asked.quoted} AS {asked.select}")
        for (index,) in indexes:
            yield Query(index)
        if asked.materialized and asked.key is not None and not indexes:
            column = dialect.identifier_preparer.quote_identifier(asked.key)
            yield Query(f"CREATE UNIQUE INDEX ON {asked.quoted} ({column})")


def _secured(facts: TableInfo, columns: Sequence[str], dialect: Dialect) -> list[str]:
    """Return the statements that secure the rows of a table by other columns than before."""
    table, types = qualified(facts, dialect), {column.name: column.type for column in facts.columns}
    statements = unsecure_statements(table) if facts.secure else []
    if columns:
        statements += secure_statements(table, [(name, types[name]) for name in columns])
    return statements


def _constraints(table: str) -> Steps[list[Constraint]]:
    rows = yield Query(_CONSTRAINTS, (table,), reads=True)
    return [Constraint(name, kind, settled(sql), tuple(columns)) for name, kind, sql, columns in rows]


def _misfits(column: str, old: str, written: str) -> str | None:
    # The server would round.
    rounds = written == "BIGINT" and old.split("(")[0] in ("numeric", "real", "double precision")
    return f"{column} <> trunc({column})" if rounds else None


def _sequences(facts: TableInfo, new: str, dialect: Dialect) -> Iterable[str]:
    """Yield the statements that give each serial column of a copy its own sequence.

    The default that LIKE copies uses the sequence of the original table.
    """
    copy = qualified(replace(facts, name=new), dialect)
    quote = dialect.identifier_preparer.quote
    for column in facts.columns:
        if column.generated and column.default is not None:
            name = shortened(f"{new}_{column.name}_seq")
            sequence = qualified(replace(facts, name=name), dialect)
            text = literal(sequence, POSTGRES)
            yield f"CREATE SEQUENCE {sequence} OWNED BY {copy}.{quote(column.name)}"
            yield f"ALTER TABLE {copy} ALTER COLUMN {quote(column.name)} SET DEFAULT nextval({text})"


def _actions(facts: TableInfo, constraints: Sequence[Constraint], change: Change, dialect: Dialect) -> Iterable[str]:
    quote = dialect.identifier_preparer.quote
    columns = {column.name: column for column in facts.columns}
    for constraint in constraints:
        if _goes(constraint, change):
            yield f"DROP CONSTRAINT {quote(constraint.name)}"
    yield from [f"DROP COLUMN {quote(name)}" for name in change.drop]
    for name, kind in change.types.items():
        yield from _type(columns[name], kind, keeps_default=name not in change.defaults, dialect=dialect)
    for name, default in change.defaults.items():
        what = "DROP DEFAULT" if default is None else f"SET DEFAULT {default}"
        yield f"ALTER COLUMN {quote(name)} {what}"
    for name, not_null in change.not_null.items():
        yield f"ALTER COLUMN {quote(name)} {'SET' if not_null else 'DROP'} NOT NULL"
    if change.pk:
        yield f"ADD PRIMARY KEY ({', '.join(map(quote, change.pk))})"
    for key in change.add_foreign_keys:
        yield f"ADD {_foreign_key(key, facts.schema, dialect)}"
    for condition in change.add_checks:
        yield f"ADD CHECK ({condition})"


def _goes(constraint: Constraint, change: Change) -> bool:
    if constraint.kind == "p":
        return change.pk is not None
    if constraint.kind == "f":
        return constraint.columns in change.drop_foreign_keys
    # The CHECK of an Enum or Literal belongs to the type of its column.
    lone = len(constraint.columns) == 1 and constraint.columns[0] in change.types
    return constraint.kind == "c" and lone and "= ANY ((ARRAY[" in constraint.definition


def _type(column: ColumnInfo, kind: TypeEngine[object], *, keeps_default: bool, dialect: Dialect) -> Iterable[str]:
    name = dialect.identifier_preparer.quote(column.name)
    written = kind.compile(dialect=dialect)
    # The default has the old type, and PostgreSQL cannot convert all types implicitly.
    if column.default is not None:
        yield f"ALTER COLUMN {name} DROP DEFAULT"
    yield f"ALTER COLUMN {name} TYPE {written} USING {converted(name, column.type, written)}"
    if column.default is not None and keeps_default:
        yield f"ALTER COLUMN {name} SET DEFAULT {converted(f'({column.default})', column.type, written)}"
    check = choice_check(sa.Column(column.name, kind), dialect) if isinstance(kind, Choice) else None
    if check is not None:
        yield f"ADD {check}"


_WHOLE = ("smallint", "integer", "bigint")


def converted(value: str, old: str, new: str) -> str:
    """Return an expression of a new type; some pairs of types have no cast."""
    zones = ("without time zone", "with time zone")
    if old.startswith("timestamp") and new.startswith("TIMESTAMP") and zones[1] in old.lower() + new.lower():
        # A timestamp without a zone counts as UTC.
        return f"{value} AT TIME ZONE 'UTC'" if (zones[1] in old) != (zones[1] in new.lower()) else value
    if old in _WHOLE and new == "BOOLEAN":
        return f"{value}::integer::boolean"
    if old == "boolean" and new not in ("BOOLEAN", "VARCHAR", "TEXT"):
        return f"{value}::integer::{new}"
    if new == "INTERVAL" and not old.startswith(("character", "text", "time")):
        return f"make_interval(secs => {value})"
    if old == "interval" and new not in ("VARCHAR", "TEXT", "INTERVAL"):
        return f"extract(epoch FROM {value})::{new}"
    # A cast to VARCHAR(n) cuts longer texts off; the column itself refuses them.
    return f"{value}::{'VARCHAR' if new.startswith('VARCHAR(') else new}"


def _foreign_key(key: NewKey, schema: str | None, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    table = quote(key.table) if schema is None else f"{quote(schema)}.{quote(key.table)}"
    actions = [(" ON DELETE", key.on_delete), (" ON UPDATE", key.on_update)]
    written = "".join([f"{what} {action.upper()}" for what, action in actions if action])
    return f"FOREIGN KEY ({quote(key.column)}) REFERENCES {table} ({quote(key.target)}){written}"


def _dropped_with(constraints: Sequence[Constraint], facts: TableInfo, change: Change, name: str) -> list[str]:
    """Return in words the objects of several columns that PostgreSQL would drop with a column."""
    found = [
        f"{_KINDS.get(constraint.kind, 'a constraint')} {constraint.name}"
        for constraint in constraints
        if name in constraint.columns and len(constraint.columns) > 1 and not _goes(constraint, change)
    ]
    of_constraints = {constraint.name for constraint in constraints}
    return found + [
        f"index {index.name}" for index in facts.indexes if name in index.columns and index.name not in of_constraints
    ]
