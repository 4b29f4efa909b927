"""``import_file``: from a file to the rows of a table, which is created if it is missing."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from typing import Any, Literal

from deebase._engine.executor import Executor
from deebase._files.importing import Import, columns_of
from deebase._model.catalog import Catalog
from deebase._model.design import TableSpec, check_names, design
from deebase._schema.reflect import reflect
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.accessors import Tables
from deebase._tables.table import Table
from deebase.errors import DeeBaseError, ValidationError

Row = dict[str, Any]
Conflict = Literal["ignore", "update"] | None


class Imported:
    """Stands for the class of a table whose columns come from a file."""


async def import_into(
    found: Import,
    executor: Executor,
    catalog: Catalog,
    tables: Tables,
    create: Callable[[TableSpec], Awaitable[Table[Row]]],
    table: str | None,
    pk: str | Sequence[str] | None,
    types: Mapping[str, Any],
    on_conflict: Conflict,
    on: str | Sequence[str] | None,
) -> Table[Row]:
    """Import a file, all or nothing; the arguments after ``create`` are those of ``Database.import_file``."""
    name = found.table_name if table is None else table

    async def store(target: Table[Row], alike: Collection[str] = (), keys: Collection[str] = ()) -> Table[Row]:
        records = found.records(catalog.model(name), alike=alike, required=keys)
        try:
            await target.insert_all(records, on_conflict=on_conflict, on=on)
        except DeeBaseError as error:
            raise found.located(error) from error
        finally:
            await records.aclose()
        return target

    async def make(alike: Collection[str] = ()) -> Table[Row]:
        keys = _keys(pk, found.columns)
        made = design(Imported, name=name, pk=keys or "id", columns=columns_of(found.columns, types, keys))
        try:
            check_names([made], catalog.dialect)
        except ValidationError as error:
            raise found.renaming(error) from None
        return await store(await create(made), alike, keys)

    async with executor.transaction():
        await reflect(executor, catalog, None, name)
        if name in tables:
            if types or pk is not None:
                raise ValidationError(
                    f"table {name} already exists, with its own key and types",
                    field="types" if types else "pk",
                    hint="leave pk and types out, or import into another table",
                )
            return await store(tables[name].rows_as(dict))
        most = capabilities_of(catalog.dialect).max_columns
        if await found.look_at_start(most):
            try:
                async with executor.transaction():
                    return await make(alike=found.columns.keys() - types.keys())
            except DeeBaseError:
                # The rest differs from the start, or is wrong; the whole file shows which, and where.
                pass
        await found.look(most)
        return await make()


def _keys(pk: str | Sequence[str] | None, columns: Collection[str]) -> tuple[str, ...]:
    """Return the columns of the key, no column for a key that is added."""
    if pk is not None:
        return (pk,) if isinstance(pk, str) else tuple(pk)
    # A second column "id" beside one called "ID" would be the same name to SQLite.
    return ("id",) if "id" in columns else tuple([name for name in columns if name.lower() == "id"][:1])
