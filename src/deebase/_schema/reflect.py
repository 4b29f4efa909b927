"""Reading the tables and views of a database that are there already."""

from __future__ import annotations

import json
import warnings
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from typing import Any

from deebase._backends.postgres import inventory as postgres
from deebase._backends.sqlite import inventory as sqlite
from deebase._engine.executor import Executor
from deebase._model.catalog import Catalog
from deebase._model.facts import TableInfo
from deebase._model.reflected import text_columns
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded
from deebase.errors import ConfigurationError, DatabaseError, SchemaError


async def inventory(
    executor: Executor, schema: str | None, names: Sequence[str] | None = None, *, quiet: bool = False
) -> list[TableInfo]:
    """Return what a schema holds, in a fixed number of statements.

    Args:
        executor: sends them.
        schema: which schema.
        names: the tables and views that are meant; all by default. SQLite does not mind the case of a name.
        quiet: do not warn of views that do not work.

    Raises:
        ConfigurationError: a schema was named on SQLite, which has none.
        SchemaError: there is no such schema.
    """

    async def fetch(sql: str, *args: Any) -> list[Any]:
        return await executor.fetch(Statement(sql, reads=True), args)

    if executor.settings.name == "postgresql":
        listed = await fetch(postgres.LISTED, schema, names)
        if schema is not None and not listed and not await fetch(postgres.SCHEMA, schema):
            raise SchemaError(f"there is no schema {schema!r}", hint="schemas are listed in pg_namespace")
        oids = [row[0] for row in listed]
        columns = await fetch(postgres.COLUMNS, oids)
        constraints = await fetch(postgres.CONSTRAINTS, oids, schema)
        return postgres.tables(schema, listed, columns, constraints, await fetch(postgres.INDEXES, oids))
    if schema is not None:
        raise ConfigurationError("SQLite has no schemas", hint="leave schema out; ATTACH and db.q reach other files")
    wanted = None if names is None else json.dumps([folded(name) for name in names])
    keys = await fetch(sqlite.FOREIGN_KEYS, wanted)
    listed = await fetch(sqlite.LISTED, wanted)
    # A foreign key that names no columns refers to the key of its target.
    targets = None if names is None else json.dumps([folded(str(name)) for name in [*names, *[key[2] for key in keys]]])
    columns = await fetch(sqlite.COLUMNS_OF_TABLES, targets)
    try:
        async with _apart(executor):
            columns += await fetch(sqlite.COLUMNS_OF_OTHERS, wanted)
    except DatabaseError:
        # One view whose tables are gone, or one virtual table of an extension, would hide all others.
        others = [(row[0], row[1]) for row in listed if not row[3]]
        columns += await _columns_one_by_one(executor, fetch, others, quiet=quiet)
    return sqlite.tables(listed, columns, keys, await fetch(sqlite.INDEXES, wanted))


def _apart(executor: Executor) -> AbstractAsyncContextManager[Any]:
    """Return a savepoint, so that an error does not end the transaction of the task, if there is one."""
    return nullcontext() if executor.current_transaction() is None else executor.transaction()


async def _columns_one_by_one(
    executor: Executor, fetch: Callable[..., Awaitable[list[Any]]], names: Iterable[tuple[str, str]], *, quiet: bool
) -> list[Any]:
    """Return the columns of the views and virtual tables that work."""
    found: list[Any] = []
    for name, kind in names:
        try:
            async with _apart(executor):
                found += await fetch(sqlite.COLUMNS_OF_ONE, name)
        except DatabaseError:
            if quiet:
                continue
            missing = "what it selects from" if kind == "view" else "the extension that it needs"
            warnings.warn(f"{kind} {name} is left out: {missing} is not there", stacklevel=5)
    return found


async def reflect(executor: Executor, catalog: Catalog, schema: str | None, only: str | None = None) -> None:
    """Bring the catalog up to date with a schema, or with one table or view of it."""
    found = await inventory(executor, schema, None if only is None else [only])
    known = only if only is None or schema is None else f"{schema}.{only}"
    for table in catalog.learn(found, schema=schema, only=known):
        _warn_of_text(table, catalog)


async def refresh(executor: Executor, catalog: Catalog, *, quiet: bool = True) -> None:
    """Bring what the catalog knows up to date: what a change of one table did to others, or to views.

    Nothing is added. ``quiet`` is that of ``inventory``.
    """
    for schema in catalog.schemas():
        catalog.learn(await inventory(executor, schema, quiet=quiet), schema=schema, known_only=True)


def _warn_of_text(table: TableInfo, catalog: Catalog) -> None:
    columns = text_columns(table, catalog.dialect)
    if columns:
        listed = ", ".join(f"{column.name} ({column.type})" for column in columns)
        warnings.warn(
            f"{table.qualified_name}: Python has no type for {listed}: read and written as text", stacklevel=4
        )
