"""The source of a module for a database, or for a part of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from deebase._backends.schema_script import SchemaScript
from deebase._engine.core import core_of
from deebase._schema.reflect import inventory, learn
from deebase.database import OWN_TABLES, Database
from deebase.errors import InvalidOperationError
from deebase.tools.access import tools_of
from deebase.tools.codegen.table_module import table_module


async def database_module(db: Database, names: Sequence[str], schemas: Sequence[str] | None) -> tuple[str, list[str]]:
    """Return the text of a module, and notes on what it leaves out.

    Args:
        db: the database; its tables and views are reflected.
        names: the tables and views; all by default.
        schemas: the schemas; all by default.

    Raises:
        TableNotFoundError: a table does not exist.
        InvalidOperationError: the database has nothing to write.
    """
    core, tools = core_of(db), tools_of(db)
    async with db.transaction(read_only=True):
        script = _without_own(await tools.schema_script())
        found: list[str] = []
        for schema in await _schemas(db, script, schemas):
            tables = await inventory(core.executor, schema)
            learn(core.catalog, tables, schema, None)
            found += [facts.qualified_name for facts in tables if not facts.name.startswith(OWN_TABLES)]
    chosen = list(names) or sorted(found)
    known = [(core.catalog.model(name), core.catalog.facts(name)) for name in chosen]
    whole = not names and not schemas
    if not known and not (whole and script.objects):
        raise InvalidOperationError("the database has no tables", operation="codegen", hint="deebase table create")
    return table_module(known, core.dialect, script=script, tools=tools, whole=whole)


def _without_own(script: SchemaScript) -> SchemaScript:
    """Return the script without the tables of the library, such as the ledger of migrations."""
    own = {item.name for item in script.objects if item.table is None and item.name.startswith(OWN_TABLES)}
    kept = [item for item in script.objects if item.name not in own and item.table not in own]
    return replace(script, objects=tuple(kept))


async def _schemas(db: Database, script: SchemaScript, given: Sequence[str] | None) -> list[str | None]:
    """Return the schemas to write, None for the default one, which comes first if all are written."""
    if not core_of(db).capabilities.has_schemas:
        return [None] if not given else list(given)
    if not given:
        return [None, *[item.name for item in script.objects if item.kind == "schema"]]
    current = await db.item("SELECT current_schema()")
    return [None if schema == current else schema for schema in given]
