"""Schemas and extensions."""

from __future__ import annotations

from deebase._backends.postgres.script.entries import USERS, Address, Entry, Target, make_entry, own
from deebase._backends.schema_script import Read

_SCHEMAS = f"""
    SELECT n.oid, n.nspname::text, quote_ident(n.nspname) FROM pg_namespace n
    WHERE {USERS} AND n.nspname <> 'public' AND {own("pg_namespace", "n.oid")}
"""
#: Every database has the language PL/pgSQL. A schema that the extension creates is not named.
_EXTENSIONS = f"""
    SELECT x.oid, x.extname::text, quote_ident(x.extname),
           CASE WHEN n.nspname <> 'pg_catalog' AND {own("pg_namespace", "n.oid")} THEN quote_ident(n.nspname) END
    FROM pg_extension x JOIN pg_namespace n ON n.oid = x.extnamespace WHERE x.extname <> 'plpgsql'
"""


async def read_namespaces(read: Read) -> list[Entry]:
    """Return schemas and extensions.

    A schema may exist already where the script runs: the one that the connection uses. An extension may as well.
    """
    schemas = await read(_SCHEMAS, [])
    extensions = await read(_EXTENSIONS, [])
    found: list[Entry] = []
    for oid, name, quoted in schemas:
        target = Target(f"SCHEMA {quoted}", f"schema {name}")
        found.append(make_entry(Address("pg_namespace", oid), target, [f"CREATE SCHEMA IF NOT EXISTS {quoted}"]))
    for oid, name, quoted, schema in extensions:
        where = f" WITH SCHEMA {schema}" if schema is not None else ""
        target = Target(f"EXTENSION {quoted}", f"extension {name}")
        create = f"CREATE EXTENSION IF NOT EXISTS {quoted}{where}"
        found.append(make_entry(Address("pg_extension", oid), target, [create]))
    return found
