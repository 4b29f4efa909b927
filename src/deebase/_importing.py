"""``import_file``: from a file to the rows of a table, which is made if it is not there."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from deebase._accessors import Tables
from deebase._engine.executor import Executor
from deebase._reflection import reflect
from deebase._schema.catalog import Catalog
from deebase._transfer.importing import Import, annotations_of
from deebase.errors import DeeBaseError, ValidationError
from deebase.table import Table

Row = dict[str, Any]
Conflict = Literal["ignore", "update"] | None


async def import_into(
    found: Import,
    executor: Executor,
    catalog: Catalog,
    tables: Tables,
    create: Callable[..., Awaitable[Table[Any]]],
    table: str | None,
    pk: str | Sequence[str] | None,
    types: Mapping[str, Any],
    on_conflict: Conflict,
    on: str | Sequence[str] | None,
) -> Table[Row]:
    """Import a file, all or nothing; the arguments behind ``create`` are those of ``Database.import_file``."""
    name = found.table_name if table is None else table

    async def store(target: Table[Row], alike: Collection[str] = ()) -> Table[Row]:
        records = found.records(catalog.model(name), alike=alike)
        try:
            await target.insert_all(records, on_conflict=on_conflict, on=on)
        except DeeBaseError as error:
            raise found.located(error) from error
        finally:
            await records.aclose()
        return target

    async def make() -> Table[Row]:
        keys = (pk,) if isinstance(pk, str) else ("id",) if pk is None and "id" in found.columns else tuple(pk or ())
        made = type("Imported", (), {"__annotations__": annotations_of(found.columns, types, keys)})
        target: Table[Row] = await create(made, name=name, pk=keys or "id")
        return target

    async with executor.transaction():
        await reflect(executor, catalog, None, name)
        if name in tables:
            if types or pk is not None:
                raise ValidationError(
                    f"table {name} is there, and has its own key and types",
                    field="types" if types else "pk",
                    hint="leave pk and types out, or import into another table",
                )
            return await store(tables[name].rows_as(dict))
        if await found.look_at_start():
            try:
                async with executor.transaction():
                    return await store(await make(), alike=found.columns.keys() - types.keys())
            except DeeBaseError:
                # The rest is not as the start, or is wrong: the whole file tells which, and where.
                pass
        await found.look()
        return await store(await make())
