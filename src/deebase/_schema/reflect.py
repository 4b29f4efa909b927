"""What the database itself says of a table: the SQL that asks, and what is made of the answer."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._schema.build import Design
from deebase._schema.catalog import same_type

_COLUMNS = {
    # hidden = 1 are the hidden columns of virtual tables (sqlite.org/pragma.html#pragma_table_xinfo).
    "sqlite": 'SELECT name, type, "notnull", pk FROM pragma_table_xinfo(?) WHERE hidden <> 1 ORDER BY cid',
    "postgresql": """
        SELECT a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull,
               coalesce(array_position(i.indkey::int2[], a.attnum), -1) + 1
        FROM pg_attribute a
        LEFT JOIN pg_index i ON i.indrelid = a.attrelid AND i.indisprimary
        WHERE a.attrelid = to_regclass(quote_ident($1)) AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY a.attnum
    """,
}

_REFERENCING = {
    "sqlite": """
        SELECT m.name, f."from" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
        WHERE m.type = 'table' AND lower(f."table") = lower(?) AND lower(m.name) <> lower(?)
    """,
    "postgresql": """
        SELECT k.conrelid::regclass::text, a.attname, k.conname
        FROM pg_constraint k JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND k.confrelid = to_regclass($1) AND k.conrelid <> k.confrelid
    """,
}


@dataclass(frozen=True)
class Found:
    """A column that is there: its name, type as the database writes it, and place in the key (0: none)."""

    name: str
    type: str
    not_null: bool
    key: int


def columns_query(dialect: Dialect) -> str:
    """Return the SQL that lists the columns of one table (its name is the only parameter)."""
    return _COLUMNS[dialect.name]


def found_columns(rows: Iterable[Sequence[Any]]) -> list[Found]:
    """Read its answer; no rows mean that there is no such table."""
    return [Found(name, written, bool(not_null), int(key or 0)) for name, written, not_null, key in rows]


def referencing_query(dialect: Dialect) -> str:
    """Return the SQL that lists the foreign keys of other tables to one (its name once or twice)."""
    return _REFERENCING[dialect.name]


def key_of(found: Iterable[Found]) -> list[str]:
    """Return the names of the key columns in key order."""
    return [column.name for column in sorted(found, key=lambda column: column.key) if column.key]


def sa_type(column: Found, dialect: Dialect) -> sa.types.TypeEngine[Any]:
    """Return SQLAlchemy's type for a type name of the database; NullType for one it does not know."""
    base = column.type.split("(")[0].strip()
    names: dict[str, Any] = getattr(dialect, "ischema_names", {})
    kind = names.get(base) or names.get(base.upper()) or names.get(base.lower()) or sa.types.NullType
    made: sa.types.TypeEngine[Any] = kind()
    return made


def stub(name: str, found: Iterable[Found], metadata: sa.MetaData, dialect: Dialect) -> sa.Table:
    """Add a table that is there to the metadata, as far as a foreign key to it needs."""
    columns = [sa.Column(column.name, sa_type(column, dialect), primary_key=column.key > 0) for column in found]
    return sa.Table(name, metadata, *columns)


def differences(made: Design, table: sa.Table, found: Sequence[Found], dialect: Dialect) -> list[str]:
    """Return in words how a table that is there differs from the class."""
    there = {column.name: column for column in found}
    result = [f"{name} is missing" for name in table.c.keys() if name not in there]  # noqa: SIM118
    result += [f"{name} is not in the class" for name in there if name not in table.c]
    for column in table.c:
        old = there.get(column.name)
        if old is None:
            continue
        wanted = column.type.compile(dialect=dialect)
        if same_type(old.type) != same_type(wanted):
            result.append(f"{column.name} is {old.type}, the class says {wanted}")
        if not column.primary_key and old.not_null == bool(column.nullable):
            result.append(f"{column.name} is {'NOT NULL' if old.not_null else 'nullable'}, the class says otherwise")
    if key_of(found) != list(made.pks):
        result.append(f"the key is ({', '.join(key_of(found))}), the class says ({', '.join(made.pks)})")
    return result


def as_found(
    made: Design, table: sa.Table, found: Sequence[Found], metadata: sa.MetaData, dialect: Dialect
) -> sa.Table:
    """Add the table as it is, with the class's types for the columns both know."""
    columns: list[sa.Column[Any]] = []
    for column in found:
        known = table.c.get(column.name)
        kind = known.type if known is not None else sa_type(column, dialect)
        default = known.server_default if known is not None else None
        options: dict[str, Any] = {"server_default": default.arg} if isinstance(default, sa.DefaultClause) else {}
        columns.append(
            sa.Column(column.name, kind, primary_key=column.key > 0, nullable=not column.not_null, **options)
        )
    return sa.Table(made.name, metadata, *columns)
