"""The types that a schema of PostgreSQL makes itself, enums and domains, and the SQL that makes them again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy.engine import Dialect

from deebase._backends.postgres.check_text import settled
from deebase._types.base import literal

#: In the order in which they were made: a domain may be over an enum. Those of extensions come with these.
TYPES = """
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
"""


def made_again(dialect: Dialect, row: Sequence[Any]) -> tuple[str, str, str]:
    """Return the name of a type, the SQL that makes it, and the SQL that drops it.

    Args:
        dialect: for quotes.
        row: one of ``TYPES``.
    """
    name, kind, labels, base, not_null, default, collation, checks = row
    quoted = dialect.identifier_preparer.quote_identifier(str(name))
    if kind == "e":
        listed = ", ".join([literal(str(label), dialect) for label in labels])
        return str(name), f"CREATE TYPE {quoted} AS ENUM ({listed})", f"DROP TYPE {quoted}"
    parts = [f"CREATE DOMAIN {quoted} AS {base}"]
    parts += [f"COLLATE {collation}"] if collation is not None else []
    parts += [f"DEFAULT {default}"] if default is not None else []
    parts += ["NOT NULL"] if not_null else []
    parts += [settled(str(check)) for check in checks]
    return str(name), " ".join(parts), f"DROP DOMAIN {quoted}"
