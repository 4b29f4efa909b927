"""Changes a table: reads it, plans the change, and runs the statements, in one transaction."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, cast

from deebase._backends.alter import qualified
from deebase._backends.protocols import AlterPlan, NewColumn, TableChange
from deebase._engine.context import TableContext
from deebase._model.change import Arguments, Change, plan_change
from deebase._model.facts import TableInfo
from deebase._model.generated_names import comes_with_key, foreign_key_index_name, serves
from deebase._model.table_options import is_text
from deebase._schema.query_steps import run_steps
from deebase._schema.reflect import inventory
from deebase._sql.statement import Statement
from deebase.errors import (
    CheckViolationError,
    DataError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    TableNotFoundError,
)


class Transformation:
    """One change of one table, called by one method.

    Args:
        source: the table.
        operation: the method, for errors.
        tables: the tables that have been read, by name.
    """

    def __init__(self, source: TableContext, operation: str, tables: dict[str, TableInfo] | None = None) -> None:
        self.source = source
        self.executor = source.executor
        self.backend = source.executor.backend
        self.dialect = source.dialect
        self.operation = operation
        #: The table, and those at the other ends of its foreign keys, by name.
        self.tables: dict[str, TableInfo] = {} if tables is None else tables

    async def run(self, arguments: Arguments, expected: Sequence[str] | None = None) -> Change:
        """Make a change, all or nothing, and return it.

        Raises:
            InvalidOperationError: it needs other statements than the expected ones.
        """
        async with self.executor.transaction():
            facts = await self.look(*_referred(arguments))
            change = plan_change(arguments, self.source.model, self.tables, self.dialect, self.operation)
            await self.make(facts, change, expected)
        return change

    async def plan(self, arguments: Arguments) -> list[str]:
        """Return the statements of a change; nothing is changed."""
        facts = await self.look(*_referred(arguments))
        change = plan_change(arguments, self.source.model, self.tables, self.dialect, self.operation)
        return (await self._statements(facts, change)).statements

    async def make(self, facts: TableInfo, change: Change, expected: Sequence[str] | None = None) -> None:
        """Make a change, inside of a transaction."""
        planned = await self._statements(facts, change)
        if expected is not None and planned.statements != expected:
            raise InvalidOperationError(
                f"table {self.source.model.name} changed after the plan was made, and needs other statements",
                operation=self.operation,
                target=self.source.model.name,
                hint="make a new plan: await t.transform_plan(...)",
            )
        if change.secure:
            # The role of a connection may own a secured table from now on.
            self.executor.acting.checked.clear()
        try:
            await self._carry_out(planned, judged=bool(change.types) or change.pk is not None)
        except (DataError, CheckViolationError) as error:
            if not change.types:
                raise
            # PostgreSQL finds these values during the conversion, and its error does not name the column.
            listed = ", ".join(
                f"{facts.qualified_name}.{name} {kind.compile(dialect=self.dialect)}"
                for name, kind in change.types.items()
            )
            raise DataError(
                f"not every value can be converted: {listed}", hint="correct those rows first, or choose another type"
            ) from error

    async def _statements(self, facts: TableInfo, change: Change) -> AlterPlan:
        """Return the statements of a change, with those for the indexes that come with foreign keys."""
        self._keep_search(facts, change)
        gone = [
            index
            for index in facts.indexes
            if (set(index.columns) & set(change.drop) or index.columns in change.drop_foreign_keys)
            and comes_with_key(index.name, index.columns, facts.foreign_keys)
        ]
        left = replace(facts, indexes=tuple([index for index in facts.indexes if index not in gone]))
        asked = TableChange(left, change, self.tables, [index.name for index in gone], self.operation)
        planned = await run_steps(self.executor, self.backend.schema.alter(asked, self.dialect))
        schema = "" if facts.schema is None else f"{self._quote(facts.schema)}."
        dropped = [f"DROP INDEX {schema}{self._quote(index.name)}" for index in gone]
        indexed = [change.key(left), *[index.columns for index in left.indexes if not index.partial]]
        made = [
            self._key_index(facts, change.rename.get(key.column, key.column))
            for key in change.add_foreign_keys
            if change.index_foreign_keys and not serves([key.column], indexed)
        ]
        return replace(planned, before=(*dropped, *planned.before), renames=(*planned.renames, *made))

    def _keep_search(self, facts: TableInfo, change: Change) -> None:
        """Refuse a change after which the search of the table cannot be kept."""
        if facts.search is None:
            return
        columns = facts.search.search.columns
        texts = {name: kind for name, kind in change.types.items() if name in columns and not is_text(kind)}
        gone = [name for name in columns if name in change.drop or name in texts]
        if gone or not change.key(facts):
            what = ", ".join(gone) if gone else "the primary key"
            raise InvalidOperationError(
                f"{facts.qualified_name}: the search of the table uses {what}",
                operation=self.operation,
                target=facts.qualified_name,
                hint="await t.disable_search(), or t.enable_search(...) over other columns, first",
            )

    def _quote(self, name: str) -> str:
        return self.dialect.identifier_preparer.quote(name)

    def _key_index(self, facts: TableInfo, column: str) -> str:
        """Return the statement that makes the index of a foreign key."""
        name = self._quote(foreign_key_index_name(facts.name, [column]))
        return f"CREATE INDEX {name} ON {qualified(facts, self.dialect)} ({self._quote(column)})"

    async def rename_steps(self, new: str) -> list[tuple[str, str]]:
        """Return the statements that rename the table and its generated indexes.

        Each comes with the statement that undoes it.
        """
        facts = await self.look()
        taken = await run_steps(self.executor, self.backend.reflector.relation_names(facts.schema))
        return self.backend.schema.rename(facts, new, taken, self.dialect)

    async def rename(self, new: str) -> None:
        """Rename the table."""
        async with self.executor.transaction():
            await self._run([sql for sql, _ in await self.rename_steps(new)])

    # -- reading -------------------------------------------------------------------------------

    async def look(self, *others: str) -> TableInfo:
        """Read the current table, and those at the other ends of its foreign keys.

        Args:
            others: other tables to read.

        Raises:
            TableNotFoundError: it does not exist any more.
        """
        table = self.source.model.sa_table
        found = await inventory(self.executor, table.schema, [table.name, *others], quiet=True, with_related=True)
        self.tables.pop(table.name, None)
        self.tables.update({facts.name: facts for facts in found})
        facts = self.tables.get(table.name)
        if facts is None:
            raise TableNotFoundError(
                f"table {self.source.model.name} does not exist any more",
                table_name=self.source.model.name,
                hint="await db.reflect() reads the tables that exist",
            )
        return facts

    async def _broken_references(self) -> dict[str, int]:
        """Return the number of dangling references, from the table and to it."""
        name = self.source.model.sa_table.name
        return await run_steps(self.executor, self.backend.reflector.broken_references(name, self.tables.values()))

    # -- running -------------------------------------------------------------------------------

    async def _carry_out(self, planned: AlterPlan, *, judged: bool) -> None:
        """Run the statements. If values of keys may have changed, check that no reference was broken."""
        before = await self._broken_references() if judged else {}
        try:
            await self._run(planned.before)
        except IntegrityError as error:
            own = self.source.model.name
            if planned.exchange and error.table_name is not None:
                # The database names the new table, which still has a temporary name.
                error.message = error.message.replace(error.table_name, own, 1)
                error.table_name = own
            raise
        if planned.exchange:
            await self.executor.write_schema([Statement(sql) for sql in planned.exchange])
        await self._run(planned.after)
        await self._run(planned.renames)
        if not judged:
            return
        for name, count in (await self._broken_references()).items():
            if count > before.get(name, 0):
                raise ForeignKeyViolationError(
                    f"rows of {name} would refer to rows that do not exist",
                    constraint="foreign_key",
                    table_name=name,
                    hint="change both tables, or drop the foreign key first",
                )

    async def _run(self, statements: Sequence[str]) -> None:
        for sql in statements:
            await self.executor.fetch(Statement(sql), [])

    async def add_column(self, column: NewColumn, *, indexes: bool) -> None:
        """Add a column.

        Args:
            column: the column.
            indexes: whether a foreign key gets an index.
        """
        async with self.executor.transaction():
            facts = await self.look()
            await self.add_columns(facts, [column])
            if column.mark is not None and indexes:
                await self._run([self._key_index(facts, column.spec.name)])

    async def add_columns(self, facts: TableInfo, columns: Sequence[NewColumn]) -> None:
        """Add columns without indexes, inside of a transaction."""
        asked = self.backend.schema.add_columns(facts, columns, self.dialect, self.operation)
        await self._carry_out(await run_steps(self.executor, asked), judged=False)


def _referred(arguments: Arguments) -> list[str]:
    """Return the tables that valid new foreign keys refer to."""
    given: Any = arguments.add_foreign_keys
    marks = cast("Mapping[str, Any]", given).values() if isinstance(given, Mapping) else ()
    targets = [mark if isinstance(mark, str) else getattr(mark, "target", "") for mark in marks]
    return [str(target).partition(".")[0] for target in targets if target]
