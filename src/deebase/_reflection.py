"""Reading the tables and views of a database that are there already."""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from deebase._engine.executor import Executor
from deebase._schema import inventory_postgres as postgres
from deebase._schema import inventory_sqlite as sqlite
from deebase._schema.catalog import Catalog
from deebase._schema.facts import TableFacts
from deebase._schema.reflected import text_columns
from deebase._sql.statement import Statement
from deebase.errors import ConfigurationError, DatabaseError, SchemaError


async def inventory(executor: Executor, schema: str | None) -> list[TableFacts]:
    """Return what a schema holds, in a fixed number of statements.

    Raises:
        ConfigurationError: a schema was named on SQLite, which has none.
        SchemaError: there is no such schema.
    """

    async def fetch(sql: str, *args: Any) -> list[Any]:
        return await executor.fetch(Statement(sql, reads=True), args)

    if executor.settings.name == "postgresql":
        listed = await fetch(postgres.LISTED, schema)
        if schema is not None and not listed and not await fetch(postgres.SCHEMA, schema):
            raise SchemaError(f"there is no schema {schema!r}", hint="schemas are listed in pg_namespace")
        oids = [row[0] for row in listed]
        columns = await fetch(postgres.COLUMNS, oids)
        constraints = await fetch(postgres.CONSTRAINTS, oids, schema)
        return postgres.tables(schema, listed, columns, constraints, await fetch(postgres.INDEXES, oids))
    if schema is not None:
        raise ConfigurationError("SQLite has no schemas", hint="leave schema out; ATTACH and db.q reach other files")
    listed = await fetch(sqlite.LISTED)
    columns = await fetch(sqlite.COLUMNS_OF_TABLES)
    try:
        async with _apart(executor):
            columns += await fetch(sqlite.COLUMNS_OF_OTHERS)
    except DatabaseError:
        # One view whose tables are gone, or one virtual table of an extension, would hide all others.
        columns += await _columns_one_by_one(executor, fetch, [(row[0], row[1]) for row in listed if not row[3]])
    return sqlite.tables(listed, columns, await fetch(sqlite.FOREIGN_KEYS), await fetch(sqlite.INDEXES))


def _apart(executor: Executor) -> AbstractAsyncContextManager[Any]:
    """Return a savepoint, so that an error does not end the transaction of the task, if there is one."""
    return nullcontext() if executor.block() is None else executor.transaction()


async def _columns_one_by_one(
    executor: Executor, fetch: Callable[..., Awaitable[list[Any]]], names: Iterable[tuple[str, str]]
) -> list[Any]:
    """Return the columns of the views and virtual tables that work."""
    found: list[Any] = []
    for name, kind in names:
        try:
            async with _apart(executor):
                found += await fetch(sqlite.COLUMNS_OF_ONE, name)
        except DatabaseError:
            missing = "what it selects from" if kind == "view" else "the extension that it needs"
            warnings.warn(f"{kind} {name} is left out: {missing} is not there", stacklevel=5)
    return found


async def reflect(executor: Executor, catalog: Catalog, schema: str | None, only: str | None = None) -> None:
    """Bring the catalog up to date with a schema, or with one table or view of it."""
    found = await inventory(executor, schema)
    known = only if only is None or schema is None else f"{schema}.{only}"
    for table in catalog.learn(found, schema=schema, only=known):
        _warn_of_text(table, catalog)


def _warn_of_text(table: TableFacts, catalog: Catalog) -> None:
    columns = text_columns(table, catalog.dialect)
    if columns:
        listed = ", ".join(f"{column.name} ({column.type})" for column in columns)
        warnings.warn(f"{table.known_as}: Python has no type for {listed}: read and written as text", stacklevel=4)
