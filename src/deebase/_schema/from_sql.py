"""Creates objects of a schema by their SQL, and registers the tables and views among them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from contextlib import suppress

from deebase._engine.executor import Executor
from deebase._engine.tool_access import tools_on
from deebase._model.catalog import Catalog
from deebase._model.class_fields import fields_of
from deebase._model.facts import TableInfo
from deebase._model.layer import CatalogEntry
from deebase._rows.field_columns import columns_of
from deebase._schema.reflect import inventory, refresh
from deebase._sql.statement import Statement
from deebase.errors import InvalidOperationError, SchemaError, ValidationError
from deebase.types import SchemaSQL

#: The kinds of objects with rows.
WITH_ROWS = ("table", "view", "materialized view", "virtual table", "foreign table", "partition")


async def create_from_sql(
    executor: Executor, catalog: Catalog, objects: Sequence[SchemaSQL], *, dialect: str | None, if_not_exists: bool
) -> None:
    """Run the statements of objects in one transaction, and register the tables and views with their row types.

    Args:
        executor: runs the statements.
        catalog: the registered tables.
        objects: the objects, in the order of their creation.
        dialect: the kind of database that the SQL is for; None for any.
        if_not_exists: skip the objects that exist, by kind and name.
    """
    for item in objects:
        if not isinstance(item, SchemaSQL):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(
                f"an object of a schema is SchemaSQL(kind, name, statement), not {type(item).__name__}",
                field="objects",
                hint='SchemaSQL("function", "now_utc", "CREATE FUNCTION ...")',
            )
    own = executor.backend.capabilities.name
    if dialect not in (None, own):
        raise InvalidOperationError(
            f"the SQL of {_listed(objects)} is for {dialect}, and this database is {own}",
            operation="create_from_sql",
            hint="use a database of that kind; `deebase db copy` copies tables and rows to one of another kind",
        )
    async with executor.transaction():
        await executor.lock_schema()
        present: set[tuple[str, str]] = set()
        if if_not_exists:
            script = await tools_on(executor).schema_script()
            present = {(item.kind, item.name) for item in script.objects}
        for item in objects:
            if (item.kind, item.name) not in present:
                for statement in item.statements:
                    await executor.fetch(Statement(statement), [])
        await refresh(executor, catalog)
        with_rows = [item for item in objects if item.kind in WITH_ROWS]
        found = await _look_at(executor, [item.name for item in with_rows])
        for item in with_rows:
            # Some tables are read through others only, such as partitions.
            if item.name in found or item.row_type is not None:
                catalog.add(_entry(item, found.get(item.name)))


def _listed(objects: Sequence[SchemaSQL]) -> str:
    names = [f"{item.kind} {item.name}" for item in objects[:3]]
    return ", ".join([*names, *(["others"] if len(objects) > 3 else [])]) or "no object"


def _entry(item: SchemaSQL, facts: TableInfo | None) -> CatalogEntry:
    """Return the entry of a table or view with the type of its rows."""
    if facts is None:
        raise SchemaError(
            f"the SQL of {item.kind} {item.name} did not create it",
            table_name=item.name,
            hint="give the name of the object that the statements create, with its schema: app.users",
        )
    if item.row_type is None:
        return CatalogEntry(facts)
    fields = fields_of(item.row_type)
    columns = columns_of(item.row_type, [known.name for known in fields])
    factories = {
        column: known.factory for column, known in zip(columns, fields, strict=True) if known.factory is not None
    }
    is_dataclass = hasattr(item.row_type, "__dataclass_fields__")
    return CatalogEntry(facts, item.row_type, {}, factories, row_type=item.row_type if is_dataclass else dict)


async def _look_at(executor: Executor, names: Sequence[str]) -> dict[str, TableInfo]:
    """Return the tables and views of qualified names, in which both parts may hold a dot."""
    found = {facts.name: facts for facts in await inventory(executor, None, names, quiet=True)} if names else {}
    by_schema: defaultdict[str, list[str]] = defaultdict(list)
    if executor.backend.capabilities.has_schemas:
        for name in [name for name in names if name not in found]:
            for place in [place for place, char in enumerate(name) if char == "."]:
                by_schema[name[:place]].append(name[place + 1 :])
    for schema, own in by_schema.items():
        with suppress(SchemaError):
            for facts in await inventory(executor, schema, own, quiet=True):
                found[facts.qualified_name] = facts
    return found
