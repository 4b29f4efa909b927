"""Creates objects of a schema by their SQL, and registers the tables and views among them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from deebase._engine.executor import Executor
from deebase._engine.tool_access import tools_on
from deebase._model.catalog import Catalog
from deebase._model.fields import fields_of
from deebase._model.facts import TableInfo
from deebase._model.layer import CatalogEntry
from deebase._rows.field_columns import columns_of
from deebase._schema.reflect import inventory, refresh
from deebase._sql.statement import Statement
from deebase.errors import SchemaError, ValidationError
from deebase.types import SchemaSQL

#: The kinds of objects with rows.
WITH_ROWS = ("table", "view", "materialized view", "virtual table", "foreign table", "partition")


async def create_from_sql(
    executor: Executor, catalog: Catalog, objects: Sequence[SchemaSQL], *, if_not_exists: bool
) -> None:
    """Run the statements of objects in one transaction, and register the tables and views with their row types.

    Args:
        executor: runs the statements.
        catalog: the registered tables.
        objects: the objects, in the order of their creation.
        if_not_exists: skip the objects that exist, by kind and name.
    """
    for item in objects:
        if not isinstance(item, SchemaSQL):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise ValidationError(
                f"an object of a schema is SchemaSQL(kind, name, statement), not {type(item).__name__}",
                field="objects",
                hint='SchemaSQL("function", "now_utc", "CREATE FUNCTION ...")',
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
        for item in objects:
            if item.kind in WITH_ROWS:
                await _register(executor, catalog, item)


async def _register(executor: Executor, catalog: Catalog, item: SchemaSQL) -> None:
    facts = await _look_at(executor, item.name)
    if facts is None:
        raise SchemaError(
            f"the SQL of {item.kind} {item.name} did not create it",
            table_name=item.name,
            hint="give the name of the object that the statements create, with its schema: app.users",
        )
    if item.row_type is None:
        catalog.add(CatalogEntry(facts))
        return
    fields = fields_of(item.row_type)
    columns = columns_of(item.row_type, [known.name for known in fields])
    factories = {
        column: known.factory for column, known in zip(columns, fields, strict=True) if known.factory is not None
    }
    is_dataclass = hasattr(item.row_type, "__dataclass_fields__")
    catalog.add(CatalogEntry(facts, item.row_type, {}, factories, item.row_type if is_dataclass else dict))


async def _look_at(executor: Executor, name: str) -> TableInfo | None:
    for schema, own in _readings(name, executor.backend.capabilities.has_schemas):
        found = await inventory(executor, schema, [own], quiet=True)
        if found:
            return found[0]
    return None


def _readings(name: str, has_schemas: bool) -> Iterable[tuple[str | None, str]]:
    """Yield the schemas and names that a qualified name may mean: both may hold a dot."""
    yield None, name
    places = [place for place, char in enumerate(name) if char == "."] if has_schemas else []
    yield from [(name[:place], name[place + 1 :]) for place in places if name[:place] and name[place + 1 :]]
