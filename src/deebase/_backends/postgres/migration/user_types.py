"""The types that a schema of PostgreSQL defines, enums and domains, and the SQL that creates them."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy.engine import Dialect

from deebase._backends.migration_protocols import Connected
from deebase._backends.postgres.check_text import settled
from deebase._backends.schema_script import SchemaObject
from deebase._sql.statement import Statement
from deebase._sqltext.quoting import identifier
from deebase._types.base import literal

#: In the order of their creation: a domain may be over an enum. Extensions bring their own.
_TYPES = Statement(
    """
    SELECT t.typname::text, t.typtype::text,
           ARRAY(SELECT e.enumlabel::text FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
           CASE WHEN t.typcollation <> b.typcollation THEN format('%I.%I', ln.nspname, l.collname) END,
           ARRAY(SELECT format('CONSTRAINT %I %s', k.conname, pg_get_constraintdef(k.oid)) FROM pg_constraint k
                 WHERE k.contypid = t.oid AND k.contype = 'c' ORDER BY k.conname)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_type b ON b.oid = t.typbasetype
    LEFT JOIN pg_collation l ON l.oid = t.typcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
    WHERE n.nspname = current_schema() AND t.typtype IN ('d', 'e') AND NOT EXISTS (
        SELECT FROM pg_depend d WHERE d.classid = 'pg_type'::regclass AND d.objid = t.oid AND d.deptype = 'e')
    ORDER BY t.oid
    """,
    reads=True,
)


async def read_types(database: Connected) -> list[SchemaObject]:
    """Return the types of the current schema, in the order of their creation."""
    return [_type(database.dialect, *row) for row in await database.fetch(_TYPES, [])]


def _type(
    dialect: Dialect,
    name: str,
    kind: str,
    labels: Sequence[str],
    base: str,
    not_null: bool,
    default: str | None,
    collation: str | None,
    checks: Sequence[str],
) -> SchemaObject:
    if kind == "e":
        listed = ", ".join([literal(label, dialect) for label in labels])
        create = f"CREATE TYPE {identifier(name)} AS ENUM ({listed})"
        return SchemaObject("type", name, (create,), (f"DROP TYPE {identifier(name)}",), create)
    parts = [f"CREATE DOMAIN {identifier(name)} AS {base}"]
    parts += [f"COLLATE {collation}"] if collation is not None else []
    parts += [f"DEFAULT {default}"] if default is not None else []
    parts += ["NOT NULL"] if not_null else []
    parts += [settled(check) for check in checks]
    create = " ".join(parts)
    return SchemaObject("domain", name, (create,), (f"DROP DOMAIN {identifier(name)}",), create)
