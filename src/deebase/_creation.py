"""Creating tables: what is there already is looked at, made and remembered in one transaction."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._engine.executor import Executor
from deebase._schema import ddl, reflect
from deebase._schema.build import Design, check_names, conditions_of, sa_tables, table_model
from deebase._schema.catalog import Catalog
from deebase._schema.checks import stored_keys, written_key
from deebase._sql.statement import Statement
from deebase.errors import InvalidOperationError, QueryError, SchemaError, TableExistsError, ValidationError

#: Two programs that start at once must not both find a table missing (PostgreSQL).
_ONE_AT_A_TIME = Statement("SELECT pg_advisory_xact_lock(hashtext('deebase.create'))", keeps_session=True)

_REPLACE = "create(replace=True)"

#: Where PostgreSQL writes a condition in its own way, so that it can be compared.
_WRITTEN = "pg_temp.deebase_checks"
_DEFINITIONS = Statement(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass($1)"
)
_STORED = Statement("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", reads=True)


class _Creation:
    """One ``create`` or ``create_all`` inside its transaction."""

    def __init__(self, executor: Executor, catalog: Catalog, designs: Sequence[Design]) -> None:
        self.executor = executor
        self.catalog = catalog
        self.dialect = catalog.dialect
        self.designs = designs
        #: The columns of every table that was looked at, empty for one that is not there.
        self.found: dict[str, list[reflect.Found]] = {}
        #: The conditions that tables which are there lack.
        self.lacking: dict[str, list[str]] = {}

    async def look_around(self) -> None:
        """Find out which of the tables, and of those they refer to, are there."""
        statement = Statement(reflect.columns_query(self.dialect))
        names = [made.name for made in self.designs]
        names += [reference.table for made in self.designs for reference in made.references]
        for name in dict.fromkeys(names):
            self.found[name] = reflect.found_columns(await self.executor.fetch(statement, [name]))

    def draw(self, metadata: sa.MetaData) -> dict[str, sa.Table]:
        """Build the tables of all designs in the metadata, with those they refer to."""
        designed = {made.name for made in self.designs}
        for name, found in self.found.items():
            if found and name not in designed and name not in metadata.tables:
                reflect.stub(name, found, metadata, self.dialect)
        return sa_tables(self.designs, metadata, self.dialect)

    async def look_at_checks(self, names: Sequence[str]) -> None:
        """Find out which of the wanted conditions the tables that are there lack."""
        for made in self.designs:
            if made.name in names:
                self.lacking[made.name] = await missing_checks(self.executor, self.dialect, made)

    async def run(self, statements: Sequence[str]) -> None:
        """Run DDL."""
        for text in statements:
            await self.executor.fetch(Statement(text), [])


async def missing_checks(executor: Executor, dialect: Dialect, made: Design) -> list[str]:
    """Return the conditions of a design that its table, which is there, lacks."""
    wanted = made.checks
    if not wanted:
        return []
    if dialect.name == "sqlite":
        rows = await executor.fetch(_STORED, [made.name])
        stored = stored_keys(str(rows[0][0])) if rows else set[str]()
        written = dict(zip(wanted, conditions_of(made, dialect), strict=True))
        return [condition for condition in wanted if written_key(written[condition]) not in stored]
    table = dialect.identifier_preparer.quote(made.name)
    there = [str(row[0]) for row in await executor.fetch(_DEFINITIONS, [table])]
    return [condition for condition in wanted if await _written(executor, table, condition) not in there]


async def _written(executor: Executor, table: str, condition: str) -> str | None:
    """Return a CHECK as PostgreSQL writes it; None if it is about columns that the table does not have."""
    try:
        async with executor.transaction():
            await executor.fetch(Statement(f"CREATE TABLE {_WRITTEN} (LIKE {table}, CHECK ({condition}))"), [])
            rows = await executor.fetch(_DEFINITIONS, [_WRITTEN])
            await executor.fetch(Statement(f"DROP TABLE {_WRITTEN}"), [])
    except (QueryError, SchemaError):
        return None
    return str(rows[0][0])


async def drop_table(
    executor: Executor, table: sa.Table, dialect: Dialect, operation: str, *, rows_only: bool = False
) -> None:
    """Drop a table, or delete its rows, unless rows of other tables refer to it.

    SQLite's DROP TABLE deletes the rows first, and with them those of cascading children.

    Args:
        executor: with the transaction in which this happens.
        table: the table.
        dialect: the database.
        operation: what is refused; a replaced table is let go by the foreign keys of others.
        rows_only: leave the table.

    Raises:
        InvalidOperationError: rows of another table refer to it.
    """
    sqlite = dialect.name == "sqlite"
    preparer = dialect.identifier_preparer
    name = table.name if sqlite else preparer.format_table(table)
    for row in await executor.fetch(Statement(reflect.referencing_query(dialect)), [name] * (2 if sqlite else 1)):
        child, column = (preparer.quote(row[0]) if sqlite else row[0]), preparer.quote(row[1])
        if await executor.fetch(Statement(f"SELECT 1 FROM {child} WHERE {column} IS NOT NULL LIMIT 1"), []):
            raise InvalidOperationError(
                f"{operation} of {table.name} is refused: rows of {row[0]} refer to it",
                operation=operation,
                target=table.name,
                hint=f"delete the rows of {row[0]}, or set their {row[1]} to NULL, first",
            )
        if not sqlite and not rows_only and operation == _REPLACE:
            dropped = f"ALTER TABLE {child} DROP CONSTRAINT {preparer.quote(row[2])}"
            await executor.fetch(Statement(dropped), [])
    text = f"DELETE FROM {preparer.format_table(table)}" if rows_only else ddl.drop_statement(table, dialect)
    await executor.fetch(Statement(text), [])


async def create_tables(
    executor: Executor,
    catalog: Catalog,
    designs: Sequence[Design],
    *,
    if_not_exists: bool,
    replace: bool,
    strict: bool,
) -> list[tuple[Design, list[str]]]:
    """Create the tables of all designs and add them to the catalog.

    Returns:
        The designs whose table was there already and differs, with the differences in words.
    """
    names = [made.name for made in designs]
    if len(set(names)) < len(names):
        raise ValidationError(f"two classes make a table of one name: {', '.join(sorted(names))}", hint="give name=")
    check_names(designs, catalog.dialect)
    work = _Creation(executor, catalog, designs)
    async with executor.transaction():
        if catalog.dialect.name == "postgresql":
            await executor.fetch(_ONE_AT_A_TIME, [])
        await work.look_around()
        existing = [name for name in names if work.found[name]]
        if existing and not if_not_exists and not replace:
            raise TableExistsError(
                f"table {existing[0]} exists",
                table_name=existing[0],
                hint="if_not_exists=True takes it as it is, replace=True drops it",
            )
        if not replace:
            await work.look_at_checks(existing)
        drawn = work.draw(sa.MetaData())
        if replace:
            for name in existing:
                await drop_table(executor, drawn[name], catalog.dialect, _REPLACE)
        new = [drawn[name] for name in names if replace or name not in existing]
        await work.run(ddl.create_statements(new, catalog.dialect, strict=strict))
    for table in new:
        executor.when_undone(partial(catalog.forget, table.name))
    return _remember(work, kept=existing if if_not_exists else [])


def _remember(work: _Creation, *, kept: Sequence[str]) -> list[tuple[Design, list[str]]]:
    """Put what was made, or found, into the catalog."""
    catalog, dialect = work.catalog, work.dialect
    differing: list[tuple[Design, list[str]]] = []
    for made in work.designs:
        catalog.forget(made.name)
    for name in work.found:
        if name in catalog:
            # One that was reflected and not asked for yet is built now, or a stub of it would stand in its place.
            catalog.model(name)
    drawn = work.draw(catalog.metadata)
    for made in work.designs:
        table = drawn[made.name]
        found = work.found[made.name]
        different = reflect.differences(made, table, found, dialect) if made.name in kept else []
        different += [f"CHECK ({condition}) is missing" for condition in work.lacking.get(made.name, ())]
        if different:
            differing.append((made, different))
            catalog.metadata.remove(table)
            table = reflect.as_found(made, table, found, catalog.metadata, dialect)
        factories: dict[str, Any] = {
            spec.name: spec.default_factory for spec in made.columns if spec.default_factory is not None
        }
        generated = made.generated if made.generated is not None and made.generated in table.c else None
        model = table_model(table, dialect, generated=generated, factories=factories)
        cls: type[Any] = made.cls
        if hasattr(cls, "__dataclass_fields__"):
            model.row_type = cls
        catalog.add(model, cls)
    return differing
