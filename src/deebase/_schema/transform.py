"""Changes of a table that is there: looked at, planned, run, and looked at again, in one transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace

from deebase._backends.alter import column_declaration, qualified
from deebase._backends.postgres import ddl as postgres
from deebase._backends.renames import pinned_views, rename_steps
from deebase._backends.row_checks import row_checks
from deebase._backends.sqlite.casts import STORED
from deebase._backends.sqlite.column_uses import column_uses
from deebase._backends.sqlite.rebuild import (
    ENTRIES,
    Rebuild,
    SchemaRow,
    declared,
    rebuild,
    understood,
    with_added_column,
)
from deebase._engine.context import TableContext
from deebase._model.change import Arguments, Change, plan_change
from deebase._model.columns import ColumnSpec
from deebase._model.facts import TableInfo
from deebase._model.generated_names import comes_with_key, foreign_key_index_name, serves
from deebase._schema.reflect import inventory
from deebase._sql.statement import Statement
from deebase._sqltext.create_table import TableText
from deebase._sqltext.tokens import quoted
from deebase.errors import (
    CheckViolationError,
    DatabaseError,
    DataError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    TableNotFoundError,
)
from deebase.types import UNSET, ForeignKeyMark


class Transformation:
    """One change of one table, called by one method.

    Args:
        source: the table.
        operation: the method, for errors.
    """

    def __init__(self, source: TableContext, operation: str) -> None:
        self.source = source
        self.executor = source.executor
        self.dialect = source.dialect
        self.operation = operation
        self.sqlite = source.dialect.name == "sqlite"
        self.tables: dict[str, TableInfo] = {}

    async def run(self, arguments: Arguments, expected: Sequence[str] | None = None) -> Change:
        """Make a change, all or nothing, and return it.

        Raises:
            InvalidOperationError: it takes other statements than the expected ones.
        """
        async with self.executor.transaction():
            facts = await self.look()
            change = plan_change(arguments, self.source.model, self.tables, self.dialect, self.operation)
            await self.make(facts, change, expected)
        return change

    async def plan(self, arguments: Arguments) -> list[str]:
        """Return the statements of a change; nothing is changed."""
        facts = await self.look()
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
                hint="make the plan again: await t.transform_plan(...)",
            )
        try:
            await self._carry_out(planned, judged=bool(change.types) or change.pk is not None)
        except (DataError, CheckViolationError) as error:
            if not change.types:
                raise
            # PostgreSQL finds them while it converts, and names no column.
            listed = ", ".join(
                f"{facts.qualified_name}.{name} {kind.compile(dialect=self.dialect)}"
                for name, kind in change.types.items()
            )
            raise DataError(
                f"not every value can be converted: {listed}", hint="correct those rows first, or choose another type"
            ) from error

    async def _statements(self, facts: TableInfo, change: Change) -> Rebuild:
        """Return the statements of a change, with those for the indexes that come with foreign keys."""
        gone = [
            index
            for index in facts.indexes
            if (set(index.columns) & set(change.drop) or index.columns in change.drop_foreign_keys)
            and comes_with_key(index.name, index.columns, facts.foreign_keys)
        ]
        left = replace(facts, indexes=tuple([index for index in facts.indexes if index not in gone]))
        planned = await self._changed(left, change, [index.name for index in gone])
        schema = "" if facts.schema is None else f"{self._quote(facts.schema)}."
        dropped = [f"DROP INDEX {schema}{self._quote(index.name)}" for index in gone]
        indexed = [change.key(left), *[index.columns for index in left.indexes if not index.partial]]
        made = [
            self._key_index(facts, change.rename.get(key.column, key.column))
            for key in change.add_foreign_keys
            if change.index_foreign_keys and not serves([key.column], indexed)
        ]
        return replace(planned, before=(*dropped, *planned.before), renames=(*planned.renames, *made))

    def _quote(self, name: str) -> str:
        return self.dialect.identifier_preparer.quote(name)

    def _key_index(self, facts: TableInfo, column: str) -> str:
        """Return the statement that makes the index of a foreign key."""
        name = self._quote(foreign_key_index_name(facts.name, [column]))
        return f"CREATE INDEX {name} ON {qualified(facts, self.dialect)} ({self._quote(column)})"

    async def _changed(self, facts: TableInfo, change: Change, gone: Collection[str]) -> Rebuild:
        if not self.sqlite:
            constraints = await self._constraints(facts)
            self._refuse_uses({name: postgres.dropped_with(constraints, facts, change, name) for name in change.drop})
            await self._judge_rows(
                facts, change, {name: str(kind.compile(dialect=self.dialect)) for name, kind in change.types.items()}
            )
            return Rebuild(tuple(postgres.alter_statements(facts, constraints, change, self.dialect)))
        table = self.understood(facts)
        entries = [entry for entry in await self._entries() if entry.kind != "index" or entry.name not in gone]
        others = list(self.tables.values())
        self._refuse_uses({name: column_uses(facts, entries, others, name) for name in change.drop})
        self._refuse_key(facts, table, change)
        written = {name: declared(kind, self.dialect, strict=table.strict) for name, kind in change.types.items()}
        await self._judge_rows(facts, change, written)
        converted = await self._to_convert(facts, written)
        planned = rebuild(facts, entries, change, self.dialect, converted=converted)
        # Before SQLite's own renames, which would rename the columns of views too.
        return replace(planned, after=(*planned.after, *pinned_views(others, entries, change.rename)))

    async def rename_steps(self, new: str) -> list[tuple[str, str]]:
        """Return the statements that rename the table, with those indexes whose names were made from its own.

        Each comes with the statement that undoes it.
        """
        facts = await self.look()
        taken = [*self.tables, *[index.name for other in self.tables.values() for index in other.indexes]]
        return rename_steps(facts, new, taken, self.dialect)

    async def rename(self, new: str) -> None:
        """Rename the table."""
        async with self.executor.transaction():
            await self._run([sql for sql, _ in await self.rename_steps(new)])

    # -- looking -------------------------------------------------------------------------------

    async def look(self) -> TableInfo:
        """Find out what tables there are now, and return this one.

        Raises:
            TableNotFoundError: it is not there any more.
        """
        table = self.source.model.sa_table
        self.tables = {facts.name: facts for facts in await inventory(self.executor, table.schema)}
        facts = self.tables.get(table.name)
        if facts is None:
            raise TableNotFoundError(
                f"table {self.source.model.name} is not there any more",
                table_name=self.source.model.name,
                hint="await db.reflect() reads what is there",
            )
        return facts

    def understood(self, facts: TableInfo) -> TableText:
        """Take the stored text of a table apart (SQLite).

        Raises:
            InvalidOperationError: it is a virtual table, or the text cannot be read.
        """
        return understood(facts, self.operation)

    async def _entries(self) -> list[SchemaRow]:
        rows = await self.executor.fetch(Statement(ENTRIES, reads=True), [])
        return [SchemaRow(*row) for row in rows]

    async def _constraints(self, facts: TableInfo) -> list[postgres.Constraint]:
        name = qualified(facts, self.dialect)
        rows = await self.executor.fetch(Statement(postgres.CONSTRAINTS, reads=True), [name])
        return postgres.constraints_of(rows)

    async def _count(self, sql: str) -> int:
        rows = await self.executor.fetch(Statement(sql, reads=True), [])
        return int(rows[0][0])

    # -- refusing ------------------------------------------------------------------------------

    def _refuse_uses(self, uses: dict[str, list[str]]) -> None:
        for name, found in uses.items():
            if found:
                raise InvalidOperationError(
                    f"{self.source.model.name}.{name} is used by {', '.join(found)}",
                    operation=self.operation,
                    target=self.source.model.name,
                    hint="drop those first, and make them again without the column",
                )

    def _refuse_key(self, facts: TableInfo, table: TableText, change: Change) -> None:
        """Refuse a key that SQLite cannot give the table, or that others refer to."""
        if change.pk is None:
            return
        why, hint = "", "keep the key, or drop the foreign keys first"
        if table.without_rowid and not change.pk:
            why, hint = "a WITHOUT ROWID table has a key", "give it another one"
        for other in self.tables.values():
            for key in other.foreign_keys:
                unique = any(index.is_unique_key and set(index.columns) == set(key.targets) for index in facts.indexes)
                if key.table == facts.name and not unique and set(key.targets) != set(change.pk):
                    why = f"a foreign key of {other.name} refers to ({', '.join(key.targets)})"
        if why:
            raise InvalidOperationError(
                f"{facts.name} cannot have another key: {why}", operation=self.operation, target=facts.name, hint=hint
            )

    async def _judge_rows(self, facts: TableInfo, change: Change, written: dict[str, str]) -> None:
        for check in row_checks(facts, change, written, self.dialect):
            count = await self._count(check.sql)
            if count:
                raise check.error(count)

    async def _to_convert(self, facts: TableInfo, written: dict[str, str]) -> frozenset[str]:
        """Return the columns that hold values which their new type stores in another form."""
        found: list[str] = []
        for name, kind in written.items():
            text = kind.replace("'", "''")
            changes = f"{STORED}('{text}', {quoted(name)}) IS NOT {quoted(name)}"
            if await self._count(f"SELECT count(*) FROM {quoted(facts.name)} WHERE {changes}"):
                found.append(name)
        return frozenset(found)

    # -- doing ---------------------------------------------------------------------------------

    async def _carry_out(self, planned: Rebuild, *, judged: bool) -> None:
        """Run the statements; where values of keys may have changed, no reference may be broken by it."""
        judged = judged and self.sqlite
        before = await self._broken_references() if judged else {}
        try:
            await self._run(planned.before)
        except IntegrityError as error:
            own = self.source.model.name
            if planned.exchange and error.table_name is not None:
                # What SQLite names is the table that was to take its place.
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
                    f"rows of {name} would refer to no row any more",
                    constraint="foreign_key",
                    table_name=name,
                    hint="change both tables, or drop the foreign key first",
                )

    async def _run(self, statements: Sequence[str]) -> None:
        for sql in statements:
            await self.executor.fetch(Statement(sql), [])

    async def _broken_references(self) -> dict[str, int]:
        """Return how many references of the table, and to it, lead nowhere."""
        own = self.source.model.sa_table.name
        names = [
            facts.name
            for facts in self.tables.values()
            if any(own in (facts.name, key.table) for key in facts.foreign_keys)
        ]
        result: dict[str, int] = {}
        for name in names:
            text = name.replace("'", "''")
            try:
                async with self.executor.transaction():
                    result[name] = await self._count(f"SELECT count(*) FROM pragma_foreign_key_check('{text}')")
            except DatabaseError:
                # One that refers to what is no key cannot be counted, now as before.
                continue
        return result

    async def add_column(
        self, spec: ColumnSpec, mark: ForeignKeyMark | None, key: str | None, *, indexes: bool
    ) -> None:
        """Add a column.

        Args:
            spec: the column.
            mark: what it refers to.
            key: the key of the table that it refers to, if that has one column.
            indexes: whether a foreign key gets an index.
        """
        async with self.executor.transaction():
            facts = await self.look()
            strict = self.sqlite and self.understood(facts).strict
            declaration = column_declaration(facts.name, spec, mark, key, self.dialect, strict=strict)
            # SQLite's ADD COLUMN takes neither of these, even where no row is (sqlite.org/lang_altertable.html).
            lacks_value = not spec.nullable and spec.default is UNSET
            refers_by_default = mark is not None and spec.default is not UNSET
            if self.sqlite and (lacks_value or refers_by_default):
                await self._carry_out(with_added_column(facts, await self._entries(), declaration), judged=False)
            else:
                await self._run([f"ALTER TABLE {qualified(facts, self.dialect)} ADD COLUMN {declaration}"])
            if mark is not None and indexes:
                await self._run([self._key_index(facts, spec.name)])
