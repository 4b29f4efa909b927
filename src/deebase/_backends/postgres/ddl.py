"""ALTER statements of PostgreSQL for a change of a table."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._backends.alter import choice_check, qualified, rename_columns
from deebase._backends.postgres.check_text import settled
from deebase._model.change import Change, NewKey
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._types.choices import Choice
from deebase.errors import InvalidOperationError

#: The constraints of a table (its quoted name is the parameter).
CONSTRAINTS = """
    SELECT k.conname::text, k.contype::text, pg_get_constraintdef(k.oid),
           ARRAY(SELECT a.attname::text FROM unnest(k.conkey) WITH ORDINALITY AS u(n, place)
                 JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.n ORDER BY u.place)
    FROM pg_constraint k WHERE k.conrelid = to_regclass($1) ORDER BY k.conname
"""
_KINDS = {"p": "PRIMARY KEY", "u": "UNIQUE", "c": "CHECK", "f": "FOREIGN KEY", "x": "EXCLUDE"}


@dataclass(frozen=True)
class Constraint:
    """A constraint: its name, its kind in one letter (pg_constraint.contype), its definition and columns."""

    name: str
    kind: str
    definition: str
    columns: tuple[str, ...]


def constraints_of(rows: Iterable[Sequence[object]]) -> list[Constraint]:
    """Read the answer to ``CONSTRAINTS``."""
    return [
        Constraint(str(name), str(kind), settled(str(sql)), tuple(columns))  # type: ignore[arg-type]
        for name, kind, sql, columns in rows
    ]


def alter_statements(
    facts: TableInfo, constraints: Sequence[Constraint], change: Change, dialect: Dialect
) -> list[str]:
    """Return the statements that change a table.

    Raises:
        InvalidOperationError: an order of columns; PostgreSQL keeps the one it has.
    """
    if change.column_order:
        raise InvalidOperationError(
            f"PostgreSQL cannot change the order of the columns of {facts.qualified_name}",
            operation="transform",
            target=facts.qualified_name,
            hint="name the columns in the order you want where you select them",
        )
    actions = list(_actions(facts, constraints, change, dialect))
    table = qualified(facts, dialect)
    return [*[f"ALTER TABLE {table} {action}" for action in actions], *rename_columns(facts, change.rename, dialect)]


def _actions(facts: TableInfo, constraints: Sequence[Constraint], change: Change, dialect: Dialect) -> Iterable[str]:
    quote = dialect.identifier_preparer.quote
    columns = {column.name: column for column in facts.columns}
    for constraint in constraints:
        if _goes(constraint, change):
            yield f"DROP CONSTRAINT {quote(constraint.name)}"
    yield from [f"DROP COLUMN {quote(name)}" for name in change.drop]
    for name, kind in change.types.items():
        yield from _type(columns[name], kind, keeps_default=name not in change.defaults, dialect=dialect)
    for name, literal in change.defaults.items():
        what = "DROP DEFAULT" if literal is None else f"SET DEFAULT {literal}"
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
    # A default is of the old type, and not every type follows by itself.
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
    """Return an expression of a new type; not every pair of types has a cast between them."""
    zones = ("without time zone", "with time zone")
    if old.startswith("timestamp") and new.startswith("TIMESTAMP") and zones[1] in old.lower() + new.lower():
        # What has no zone is taken for UTC, and becomes it.
        return f"{value} AT TIME ZONE 'UTC'" if (zones[1] in old) != (zones[1] in new.lower()) else value
    if old in _WHOLE and new == "BOOLEAN":
        return f"{value}::integer::boolean"
    if old == "boolean" and new not in ("BOOLEAN", "VARCHAR", "TEXT"):
        return f"{value}::integer::{new}"
    if new == "INTERVAL" and not old.startswith(("character", "text", "time")):
        return f"make_interval(secs => {value})"
    if old == "interval" and new not in ("VARCHAR", "TEXT", "INTERVAL"):
        return f"extract(epoch FROM {value})::{new}"
    return f"{value}::{new}"


def _foreign_key(key: NewKey, schema: str | None, dialect: Dialect) -> str:
    quote = dialect.identifier_preparer.quote
    table = quote(key.table) if schema is None else f"{quote(schema)}.{quote(key.table)}"
    actions = [(" ON DELETE", key.on_delete), (" ON UPDATE", key.on_update)]
    written = "".join([f"{what} {action.upper()}" for what, action in actions if action])
    return f"FOREIGN KEY ({quote(key.column)}) REFERENCES {table} ({quote(key.target)}){written}"


def dropped_with(constraints: Sequence[Constraint], facts: TableInfo, change: Change, name: str) -> list[str]:
    """Return in words what PostgreSQL would drop with a column, though it is about other columns too."""
    found = [
        f"{_KINDS.get(constraint.kind, 'a constraint')} {constraint.name}"
        for constraint in constraints
        if name in constraint.columns and len(constraint.columns) > 1 and not _goes(constraint, change)
    ]
    of_constraints = {constraint.name for constraint in constraints}
    return found + [
        f"index {index.name}" for index in facts.indexes if name in index.columns and index.name not in of_constraints
    ]
