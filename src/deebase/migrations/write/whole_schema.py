"""A whole schema as a migration: the SQL of its objects, in the order in which they are created."""

from __future__ import annotations

from collections.abc import Sequence

from deebase._backends.database_tools import DatabaseTools
from deebase._backends.schema_parts import TABLES, VIEWS
from deebase._backends.schema_script import SchemaObject
from deebase.errors import DeeBaseError
from deebase.migrations.compare import creation_order as ordering
from deebase.migrations.compare.schema import Schema
from deebase.migrations.target import Target
from deebase.migrations.write.body import INDENT, Body
from deebase.migrations.write.drafts import sentence
from deebase.tools.codegen.line_layout import comment
from deebase.tools.codegen.module import Module
from deebase.tools.codegen.table_module import Exactness

#: The kinds of objects that stand beside classes without making a migration of classes harder to read.
_BESIDE_CLASSES = {"type", "domain", "trigger", *TABLES, *VIEWS, "index", "constraint"}


def is_of_classes(schema: Schema, tools: DatabaseTools) -> bool:
    """Whether classes create all tables of a schema exactly, and it holds little else.

    Args:
        schema: the schema.
        tools: of its database.
    """
    if any(item.kind not in _BESIDE_CLASSES for item in schema.script.objects):
        return False
    outlines = [table.outline for table in schema.tables.values() if table.outline is not None]
    if len(outlines) < len(schema.tables):
        return False
    readers = {name: table.reader for name, table in schema.tables.items()}
    exactness = Exactness(readers, schema.script, tools, schema.catalog.dialect)
    exactness.compared(outlines)
    # Names of constraints are compared here alone: the models of a program do not give them.
    return all(
        (item.kind, item.name) in exactness.covered.get(name, ())
        for name in schema.tables
        for item in schema.parts.of_table(name)
    )


def source(title: str, schema: Schema, notes: Sequence[str]) -> str:
    """Return the text of a migration that creates all objects of a schema, and drops them.

    Args:
        title: its title.
        schema: the schema.
        notes: what to know about it, as comments at its top.
    """
    module = Module([])
    database = module.names.use("deebase", "Database")
    up, down = (Body(module, schema.catalog.dialect) for _ in range(2))
    _create(up, schema.script.objects)
    for item in ordering.removal(schema):
        for statement in item.drop:
            down.sql(statement)
    parts = [f'"""{sentence(title)}."""', "\n".join([comment(note) for note in notes]), module.names.source()]
    for name, doc, body in (("upgrade", "Create all objects.", up), ("downgrade", "Drop all objects.", down)):
        head = [f"async def {name}(db: {database}) -> None:", f'{INDENT}"""{doc}"""']
        parts.append("\n" + "\n".join([*head, *body.lines]))
    return "\n\n".join([part for part in parts if part]) + "\n"


def _create(body: Body, objects: Sequence[SchemaObject]) -> None:
    """Write the statements that create objects, in sections: one for each table, and for each other kind."""
    section = ""
    for item in objects:
        owner = item.name if item.kind in (*TABLES, *VIEWS) else item.table
        wanted = item.label if owner == item.name else f"{item.kind} on {owner}" if owner is not None else item.kind
        if wanted != section and not section.endswith(f" {wanted}"):
            body.lines += [""] if section else []
            body.note(wanted)
            section = wanted
        for statement in item.create:
            body.sql(statement)


async def failing(target: Target, schema: Schema) -> list[str]:
    """Create the objects of a schema one by one in a scratch database, and return those that fail, in words."""
    found: list[str] = []
    async with target.scratch(bare=True) as made, made.db.transaction():
        for item in schema.script.objects:
            body = Body(Module([]), schema.catalog.dialect)
            try:
                async with made.db.transaction():
                    for statement in item.create:
                        await made.db.q(body.escaped(statement))
            except DeeBaseError as error:
                found.append(f"{item.label} cannot be created in a scratch database: {error.message}")
    return found
