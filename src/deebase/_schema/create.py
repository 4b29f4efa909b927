"""Creating tables: what is there already is looked at, made and remembered in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._engine.executor import Executor
from deebase._model import create_statements as ddl
from deebase._model.catalog import Catalog
from deebase._model.checks import stored_keys, written_key
from deebase._model.design import TableSpec, check_names, conditions_of, sa_tables
from deebase._model.differences import differences
from deebase._model.facts import TableInfo
from deebase._model.layer import CatalogEntry
from deebase._model.reflected import sa_table
from deebase._schema.reflect import inventory, refresh
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded
from deebase.errors import InvalidOperationError, QueryError, SchemaError, TableExistsError, ValidationError

_REPLACE = "create(replace=True)"

#: The foreign keys of other tables to one (its name once or twice).
_REFERRING = {
    "sqlite": """
        SELECT m.name, f."from" FROM sqlite_schema m, pragma_foreign_key_list(m.name) f
        WHERE m.type = 'table' AND lower(f."table") = lower(?) AND lower(m.name) <> lower(?)
    """,
    "postgresql": """
        SELECT k.conrelid::regclass::text, a.attname, k.conname, pg_get_constraintdef(k.oid), c.relname::text
        FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid
        JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = k.conkey[1]
        WHERE k.contype = 'f' AND k.confrelid = to_regclass($1) AND k.conrelid <> k.confrelid
    """,
}

#: Where PostgreSQL writes a condition in its own way, so that it can be compared.
_WRITTEN = "pg_temp.deebase_checks"
_DEFINITIONS = Statement(
    "SELECT pg_get_constraintdef(oid) FROM pg_constraint WHERE contype = 'c' AND conrelid = to_regclass($1)"
)
_STORED = Statement("SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", reads=True)


class _Creation:
    """One ``create`` or ``create_all`` inside its transaction."""

    def __init__(self, executor: Executor, catalog: Catalog, designs: Sequence[TableSpec]) -> None:
        self.executor = executor
        self.catalog = catalog
        self.dialect = catalog.dialect
        self.designs = designs
        #: The tables that exist, of those that are made and those they refer to.
        self.found: dict[str, TableInfo] = {}
        #: The conditions that existing tables lack.
        self.lacking: dict[str, list[str]] = {}

    async def look_around(self) -> None:
        """Find out which of the tables, and of those they refer to, exist.

        Raises:
            TableExistsError: one of the names is that of a view.
        """
        names = [made.name for made in self.designs]
        self.found = await self._look_at(
            [*names, *[reference.table for made in self.designs for reference in made.references]]
        )
        for name in names:
            if name in self.found and self.found[name].kind != "table":
                raise TableExistsError(f"{name} is a view", table_name=name, hint="choose another name")

    async def _look_at(self, names: Iterable[str]) -> dict[str, TableInfo]:
        """Return what the database says of tables, by the names that are asked for."""
        wanted = list(dict.fromkeys(names))
        found = await inventory(self.executor, None, wanted, quiet=True)
        if self.dialect.name != "sqlite":
            return {facts.name: facts for facts in found}
        # SQLite does not tell names apart that differ in case alone.
        by_name = {folded(facts.name): facts for facts in found}
        return {name: replace(by_name[folded(name)], name=name) for name in wanted if folded(name) in by_name}

    def draw(self) -> dict[str, sa.Table]:
        """Build the tables of all designs, with those they refer to, as SQLAlchemy writes them."""
        metadata = sa.MetaData()
        designed = {made.name for made in self.designs}
        for name, facts in self.found.items():
            if name not in designed:
                sa_table(facts, metadata, self.dialect, {})
        return sa_tables(self.designs, metadata, self.dialect)

    async def remember(self, *, replaced: bool) -> None:
        """Put what was made, or found, into the catalog, and refresh what refers to it."""
        names = [made.name for made in self.designs]
        found = await self._look_at(names)
        for made in self.designs:
            facts = found[made.name]
            columns = {column.name for column in facts.columns}
            specs = [spec for spec in made.columns if spec.name in columns]
            self.catalog.add(
                CatalogEntry(
                    facts,
                    made.cls,
                    {spec.name: spec.sa_type for spec in specs},
                    {spec.name: spec.default_factory for spec in specs if spec.default_factory is not None},
                    made.cls if hasattr(made.cls, "__dataclass_fields__") else dict,
                )
            )
        for name, facts in self.found.items():
            if name not in self.catalog:
                self.catalog.add(CatalogEntry(facts))
        if replaced or self.catalog.referring(names):
            await refresh(self.executor, self.catalog)

    async def look_at_checks(self, names: Sequence[str]) -> None:
        """Find out which of the wanted conditions the tables that are there lack."""
        for made in self.designs:
            if made.name in names:
                self.lacking[made.name] = await missing_checks(self.executor, self.dialect, made)

    def differing(self, drawn: Mapping[str, sa.Table]) -> list[tuple[TableSpec, list[str]]]:
        """Return the designs whose table existed and differs, with the differences in words."""
        result: list[tuple[TableSpec, list[str]]] = []
        for made in self.designs:
            if made.name in self.found:
                different = differences(drawn[made.name], self.found[made.name], self.dialect)
                different += [f"CHECK ({condition}) is missing" for condition in self.lacking.get(made.name, ())]
                if different:
                    result.append((made, different))
        return result

    async def run(self, statements: Sequence[str]) -> None:
        """Run DDL."""
        for text in statements:
            await self.executor.fetch(Statement(text), [])


async def missing_checks(executor: Executor, dialect: Dialect, made: TableSpec) -> list[str]:
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
) -> list[tuple[str, str]]:
    """Drop a table, or delete its rows, unless rows of other tables refer to it.

    SQLite's DROP TABLE deletes the rows first, and with them those of cascading children.

    Args:
        executor: with the transaction in which this happens.
        table: the table.
        dialect: the database.
        operation: what is refused; the foreign keys of others to a replaced table are dropped with it.
        rows_only: leave the table.

    Returns:
        The dropped foreign keys: the table of each, and the statement that adds it again.

    Raises:
        InvalidOperationError: rows of another table refer to it.
    """
    sqlite = dialect.name == "sqlite"
    preparer = dialect.identifier_preparer
    name = table.name if sqlite else preparer.format_table(table)
    again: list[tuple[str, str]] = []
    for row in await executor.fetch(Statement(_REFERRING[dialect.name]), [name] * (2 if sqlite else 1)):
        child, column = (preparer.quote(row[0]) if sqlite else row[0]), preparer.quote(row[1])
        if await executor.fetch(Statement(f"SELECT 1 FROM {child} WHERE {column} IS NOT NULL LIMIT 1"), []):
            raise InvalidOperationError(
                f"{operation} of {table.name} is refused: rows of {row[0]} refer to it",
                operation=operation,
                target=table.name,
                hint=f"delete the rows of {row[0]}, or set their {row[1]} to NULL, first",
            )
        if not sqlite and not rows_only and operation == _REPLACE:
            constraint = preparer.quote(row[2])
            await executor.fetch(Statement(f"ALTER TABLE {child} DROP CONSTRAINT {constraint}"), [])
            again.append((row[4], f"ALTER TABLE {child} ADD CONSTRAINT {constraint} {row[3]}"))
    text = f"DELETE FROM {preparer.format_table(table)}" if rows_only else ddl.drop_statement(table, dialect)
    await executor.fetch(Statement(text), [])
    return again


async def create_tables(
    executor: Executor,
    catalog: Catalog,
    designs: Sequence[TableSpec],
    *,
    if_not_exists: bool,
    replace: bool,
    strict: bool,
) -> list[tuple[TableSpec, list[str]]]:
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
        await executor.lock_schema()
        await work.look_around()
        existing = [name for name in names if name in work.found]
        if existing and not if_not_exists and not replace:
            raise TableExistsError(
                f"table {existing[0]} exists",
                table_name=existing[0],
                hint="if_not_exists=True takes it as it is, replace=True drops it",
            )
        if not replace:
            await work.look_at_checks(existing)
        drawn = work.draw()
        again: list[tuple[str, str]] = []
        if replace:
            for name in existing:
                again += await drop_table(executor, drawn[name], catalog.dialect, _REPLACE)
        new = [drawn[name] for name in names if replace or name not in existing]
        await work.run(ddl.create_statements(new, catalog.dialect, strict=strict))
        await work.run([sql for child, sql in again if child not in names])
        await work.remember(replaced=replace and bool(existing))
    return work.differing(drawn) if if_not_exists else []
