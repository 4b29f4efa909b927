"""The source of a module for a database, or for a part of it."""

from __future__ import annotations

from collections.abc import Sequence

from deebase._backends.schema_script import SchemaScript
from deebase._engine.core import Core, core_of
from deebase._schema.reflect import inventory, learn
from deebase.database import Database
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
        script = await tools.schema_script()
        wanted = _schemas(core, script) if schemas is None else [_as_known(core, schema) for schema in schemas]
        found: list[str] = []
        for schema in wanted:
            tables = await inventory(core.executor, schema)
            learn(core.catalog, tables, schema, None)
            found += [facts.qualified_name for facts in tables]
    chosen = sorted(found) if not names else list(names)
    known = [(core.catalog.model(name), core.catalog.facts(name)) for name in chosen]
    whole = not names and schemas is None
    if not known and not (whole and script.objects):
        raise InvalidOperationError("the database has no tables", operation="codegen", hint="deebase table create")
    return table_module(known, core.dialect, script=script, tools=tools, whole=whole)


def _schemas(core: Core, script: SchemaScript) -> list[str | None]:
    """Return the schemas of a database, the default one first."""
    if not core.capabilities.has_schemas:
        return [None]
    return [None, *[item.name for item in script.objects if item.kind == "schema"]]


def _as_known(core: Core, schema: str) -> str | None:
    return schema
