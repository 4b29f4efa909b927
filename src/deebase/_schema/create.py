"""Creates tables: reads existing ones, creates missing ones and updates the catalog, in one transaction."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.protocols import TableChange
from deebase._engine.executor import Executor
from deebase._model import create_statements as ddl
from deebase._model.catalog import Catalog
from deebase._model.change import Change
from deebase._model.design import TableSpec, sa_tables
from deebase._model.differences import differences, other_security
from deebase._model.facts import TableInfo
from deebase._model.layer import CatalogEntry
from deebase._model.names import check_names
from deebase._model.reflected import sa_table
from deebase._schema.bind import entry_of
from deebase._schema.query_steps import run_steps
from deebase._schema.reflect import inventory, refresh
from deebase._schema.searching import enable_search
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded
from deebase.errors import InvalidOperationError, TableExistsError, ValidationError

_REPLACE = "create(replace=True)"


class _Creation:
    """One call of ``create`` or ``create_all``, inside its transaction."""

    def __init__(self, executor: Executor, catalog: Catalog, designs: Sequence[TableSpec]) -> None:
        self.executor = executor
        self.catalog = catalog
        self.dialect = catalog.dialect
        self.designs = designs
        #: The existing tables among those to create and those they refer to.
        self.found: dict[str, TableInfo] = {}
        #: The conditions that existing tables lack.
        self.lacking: dict[str, list[str]] = {}

    async def look_around(self) -> None:
        """Read which of the tables, and of those that they refer to, exist.

        Raises:
            TableExistsError: one of the names belongs to a view.
        """
        names = [made.name for made in self.designs]
        self.found = await self._look_at(
            [*names, *[reference.table for made in self.designs for reference in made.references]]
        )
        for name in names:
            if name in self.found and self.found[name].kind != "table":
                raise TableExistsError(f"{name} is a view", table_name=name, hint="choose another name")

    async def _look_at(self, names: Iterable[str]) -> dict[str, TableInfo]:
        """Return the reflected tables by name."""
        wanted = list(dict.fromkeys(names))
        found = await inventory(self.executor, None, wanted, quiet=True)
        if not self.executor.backend.capabilities.ignores_case_of_names:
            return {facts.name: facts for facts in found}
        by_name = {folded(facts.name): facts for facts in found}
        return {name: replace(by_name[folded(name)], name=name) for name in wanted if folded(name) in by_name}

    def draw(self) -> dict[str, sa.Table]:
        """Build the SQLAlchemy tables of all specifications, and of the tables they refer to."""
        metadata = sa.MetaData()
        designed = {made.name for made in self.designs}
        for name, facts in self.found.items():
            if name not in designed:
                sa_table(facts, metadata, self.dialect, {})
        return sa_tables(self.designs, metadata, self.dialect)

    async def remember(self, *, replaced: bool) -> None:
        """Register the tables in the catalog, and refresh the tables that refer to them."""
        names = [made.name for made in self.designs]
        found = await self._look_at(names)
        for made in self.designs:
            self.catalog.add(entry_of(made, found[made.name]))
        for name, facts in self.found.items():
            if name not in self.catalog:
                self.catalog.add(CatalogEntry(facts))
        if replaced or self.catalog.referring(names):
            await refresh(self.executor, self.catalog, names)

    async def look_at_checks(self, names: Sequence[str]) -> None:
        """Read which of the conditions the existing tables lack."""
        for made in self.designs:
            if made.name in names:
                self.lacking[made.name] = await missing_checks(self.executor, self.dialect, made)

    def differing(self, drawn: Mapping[str, sa.Table]) -> list[tuple[TableSpec, list[str]]]:
        """Return the specifications whose table existed and differs, with the differences in words."""
        result: list[tuple[TableSpec, list[str]]] = []
        for made in self.designs:
            if made.name in self.found:
                different = differences(drawn[made.name], self.found[made.name], self.dialect)
                found = self.found[made.name].search
                if made.search is not None and (found is None or found.search != made.search):
                    different.append(f"the search is {'missing' if found is None else found.search}")
                different += other_security(made.secure, self.found[made.name])
                different += [f"CHECK ({condition}) is missing" for condition in self.lacking.get(made.name, ())]
                if different:
                    result.append((made, different))
        return result

    async def make_searchable(self, designs: Sequence[TableSpec]) -> None:
        """Make the searches of new tables."""
        searches = {made.name: made.search for made in designs if made.search is not None}
        for name, facts in (await self._look_at(searches)).items() if searches else ():
            await enable_search(self.executor, self.dialect, facts, searches[name])

    async def secure(self, designs: Sequence[TableSpec]) -> None:
        """Secure the rows of new tables."""
        secured = {made.name: made.secure for made in designs if made.secure}
        if not secured or not self.executor.backend.capabilities.secures_rows:
            # A constraint of the table says it.
            return
        self.executor.acting.checked.clear()
        for name, facts in (await self._look_at(secured)).items():
            asked = TableChange(facts, Change(secure=secured[name]), {name: facts}, [], "create")
            planned = await run_steps(self.executor, self.executor.backend.schema.alter(asked, self.dialect))
            await self.run(planned.before)

    async def run(self, statements: Sequence[str]) -> None:
        """Run DDL."""
        for text in statements:
            await self.executor.fetch(Statement(text), [])


def touch_statements(executor: Executor, table: sa.Table, made: TableSpec, dialect: Dialect) -> list[str]:
    """Return the statements that make the triggers of columns that hold the time of the last change."""
    names = [spec.name for spec in made.columns if spec.updated_at is not None and spec.updated_at.trigger]
    return [sql for name in names for sql in executor.backend.schema.touch(table, name, dialect)]


async def missing_checks(executor: Executor, dialect: Dialect, made: TableSpec) -> list[str]:
    """Return the conditions of a specification that its table in the database lacks."""
    return await run_steps(executor, executor.backend.reflector.missing_checks(made, dialect))


async def drop_table(
    executor: Executor, table: sa.Table, dialect: Dialect, operation: str, *, rows_only: bool = False
) -> list[tuple[str, str]]:
    """Drop a table, or delete its rows, unless rows of other tables refer to it.

    SQLite's DROP TABLE deletes the rows first, and with them those of cascading children.

    Args:
        executor: the executor, in a transaction.
        table: the table.
        dialect: the database.
        operation: the method, for errors; a replaced table loses the foreign keys of other tables to it.
        rows_only: delete the rows and keep the table.

    Returns:
        The foreign keys that were dropped first: the table of each, and the statement that adds it again.

    Raises:
        InvalidOperationError: rows of another table refer to it.
    """
    preparer = dialect.identifier_preparer
    restored: list[tuple[str, str]] = []
    for referrer in await run_steps(executor, executor.backend.reflector.referrers(table, dialect)):
        filled = f"SELECT 1 FROM {referrer.quoted} WHERE {preparer.quote(referrer.column)} IS NOT NULL LIMIT 1"
        if await executor.fetch(Statement(filled), []):
            raise InvalidOperationError(
                f"{operation} of {table.name} is refused: rows of {referrer.table} refer to it",
                operation=operation,
                target=table.name,
                hint=f"delete the rows of {referrer.table}, or set their {referrer.column} to NULL, first",
            )
        if referrer.drop is not None and referrer.restore is not None and operation == _REPLACE:
            await executor.fetch(Statement(referrer.drop), [])
            restored.append((referrer.table, referrer.restore))
    if rows_only:
        await executor.fetch(Statement(f"DELETE FROM {preparer.format_table(table)}"), [])
        return restored
    remains = await run_steps(executor, executor.backend.search.remains(table))
    for text in (ddl.drop_statement(table, dialect), *remains):
        await executor.fetch(Statement(text), [])
    return restored


async def create_tables(
    executor: Executor,
    catalog: Catalog,
    designs: Sequence[TableSpec],
    *,
    if_not_exists: bool,
    replace: bool,
    strict: bool,
) -> list[tuple[TableSpec, list[str]]]:
    """Create the tables of all specifications and add them to the catalog.

    Returns:
        The specifications whose table existed and differs, with the differences in words.
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
                f"table {existing[0]} already exists",
                table_name=existing[0],
                hint="if_not_exists=True keeps it, replace=True drops it",
            )
        if not replace:
            await work.look_at_checks(existing)
        drawn = work.draw()
        restored: list[tuple[str, str]] = []
        if replace:
            for name in existing:
                restored += await drop_table(executor, drawn[name], catalog.dialect, _REPLACE)
        new = [drawn[name] for name in names if replace or name not in existing]
        await work.run(ddl.create_statements(new, catalog.dialect, strict=strict))
        await work.make_searchable([made for made in designs if replace or made.name not in existing])
        await work.secure([made for made in designs if replace or made.name not in existing])
        await work.run([sql for child, sql in restored if child not in names])
        for made in designs:
            if replace or made.name not in existing:
                await work.run(touch_statements(executor, drawn[made.name], made, catalog.dialect))
        await work.remember(replaced=replace and bool(existing))
    return work.differing(drawn) if if_not_exists else []
