"""Reads the tables and views of a database."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Sequence

from deebase._engine.executor import Executor
from deebase._model.catalog import Catalog
from deebase._model.facts import TableInfo
from deebase._model.reflected import text_columns
from deebase._schema.query_steps import run_steps


async def inventory(
    executor: Executor,
    schema: str | None,
    names: Sequence[str] | None = None,
    *,
    quiet: bool = False,
    with_related: bool = False,
) -> list[TableInfo]:
    """Return the tables and views of a schema, read in a fixed number of statements.

    Args:
        executor: sends the queries.
        schema: the schema; None for the current one.
        names: the tables and views to read; all by default. Names have the case of the database.
        quiet: do not warn of views that cannot be read.
        with_related: also read the tables at the other ends of their foreign keys.

    Raises:
        ConfigurationError: a schema was named, and this database has none.
        SchemaError: the schema does not exist.
    """
    found = await run_steps(executor, executor.backend.reflector.inventory(schema, names, with_related=with_related))
    for kind, name, reason in [] if quiet else found.unreadable:
        warnings.warn(f"{kind} {name} is left out: {reason}", stacklevel=5)
    return found.tables


async def reflect(executor: Executor, catalog: Catalog, schema: str | None, only: str | None = None) -> None:
    """Bring the catalog up to date with a schema, or with one table or view of it."""
    found = await inventory(executor, schema, None if only is None else [only])
    learn(catalog, found, schema, None if only is None else [only])


def learn(catalog: Catalog, found: Sequence[TableInfo], schema: str | None, only: Collection[str] | None) -> None:
    """Bring the catalog up to date with the tables that were read; ``only`` names the requested ones."""
    prefix = "" if schema is None else f"{schema}."
    known = None if only is None else {f"{prefix}{name}" for name in only}
    for table in catalog.learn(found, schema=schema, only=known):
        _warn_of_text(table, catalog)


async def refresh(
    executor: Executor, catalog: Catalog, names: Collection[str] | None = None, *, quiet: bool = True
) -> None:
    """Bring the catalog up to date after a change that affects other tables or views. Nothing is added.

    Args:
        executor: sends the queries.
        catalog: the registered tables.
        names: the qualified names of the tables that changed; the tables at both ends of their foreign keys and the
            registered views are read. All registered tables by default.
        quiet: do not warn of views that cannot be read.
    """
    for schema in catalog.schemas():
        if names is None:
            catalog.learn(await inventory(executor, schema, quiet=quiet), schema=schema, known_only=True)
            continue
        asked = catalog.concerned(names, schema)
        if asked:
            found = await inventory(executor, schema, asked, quiet=quiet, with_related=True)
            learned = {*asked, *[facts.name for facts in found]}
            prefix = "" if schema is None else f"{schema}."
            catalog.learn(found, schema=schema, only={f"{prefix}{name}" for name in learned}, known_only=True)


def _warn_of_text(table: TableInfo, catalog: Catalog) -> None:
    columns = text_columns(table, catalog.dialect)
    if columns:
        listed = ", ".join(f"{column.name} ({column.type})" for column in columns)
        warnings.warn(
            f"{table.qualified_name}: Python has no type for {listed}: read and written as text", stacklevel=6
        )
