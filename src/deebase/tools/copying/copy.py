"""``copy_database``: tables are made, filled one by one, finished and compared."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from deebase._sqltext.ordering import groups
from deebase._tables.table import Table
from deebase.database import Database
from deebase.errors import IntegrityError, InvalidOperationError, SchemaError, ValidationError
from deebase.tools.access import tools_of
from deebase.tools.copying.copy_progress import PROGRESS, CopiedTable, CopyProgress
from deebase.tools.copying.row_copy import checksum, send
from deebase.tools.copying.target_structure import TargetSchema

#: Called with the table, the rows of it that were copied, and the rows that it has.
Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class CopyReport:
    """What was copied, and what was not.

    Attributes:
        tables: with their rows and checksums, the same on both sides.
        views: that were made.
        left_out: in words, what the target does not have: views and CHECKs whose SQL it does not take, triggers.
    """

    tables: tuple[CopiedTable, ...]
    views: tuple[str, ...]
    left_out: tuple[str, ...]


async def copy_database(
    source: Database,
    target: Database,
    *,
    tables: Iterable[str] | None = None,
    progress: Tell | None = None,
    resume: bool = False,
    restart: bool = False,
) -> CopyReport:
    """Copy tables with their rows, keys, foreign keys and indexes, and the views.

    Rows are streamed, so that memory does not grow with them; each table is a transaction. Indexes (and foreign keys
    on PostgreSQL) are made when all rows are there. At the end the rows of both sides are counted and compared by
    checksum; sequences stand behind the highest key. A table ``_deebase_copy`` in the target says how far a copy is
    that was cut off; it is dropped at the end.

    Args:
        source: where they are; nothing of it is changed.
        target: where they are to be.
        tables: their names; all by default, and then the views, too.
        progress: told how far it is.
        resume: go on with a copy that was cut off: tables that were copied are compared, not copied again.
        restart: drop what a copy that was cut off has left behind, and begin anew.

    Returns:
        What was copied, and what could not be.

    Raises:
        SchemaError: the target has a table of that name, or the source has none.
        InvalidOperationError: the target has half of a copy, or the source has changed since.
        IntegrityError: a row of the source breaks a foreign key of its own.

    Example:
        ```python
        report = await copy_database(Database("app.db"), Database("postgresql://localhost/app"))
        ```
    """
    if resume and restart:
        raise ValidationError("resume excludes restart", hint="give one of them")
    await source.reflect()
    await target.reflect()
    names = [name for name in dir(source.t) if name != PROGRESS] if tables is None else list(tables)
    copy = _Copy(source, target, [source.t[name] for name in names], progress)
    if copy.progress.begun and not (resume or restart):
        raise copy.progress.unfinished()
    # All tables are read from one state of the source.
    async with source.transaction(read_only=True, isolation=tools_of(source).snapshot_isolation):
        before = await copy.begin(restart=restart)
        for group in groups(copy.tables, copy.needs):
            await copy.rows(group, before)
        return await copy.finish(views=tables is None)


class _Copy:
    def __init__(self, source: Database, target: Database, tables: Sequence[Table[Any]], tell: Tell | None) -> None:
        self.source = source
        self.target = target
        self.tables = tables
        self.structure = TargetSchema(source, target)
        self.progress = CopyProgress(target)
        self._tell = tell
        self._copied: dict[str, CopiedTable] = {}

    def needs(self, table: Table[Any]) -> set[str]:
        """Return the other tables that the foreign keys of one lead to."""
        keys = table._source.model.foreign_keys  # pyright: ignore[reportPrivateUsage]
        return {key.table for key in keys} - {table.name}

    # -- beginning -----------------------------------------------------------------------------

    async def begin(self, *, restart: bool) -> dict[str, CopiedTable]:
        """Make the tables, or find them made; return those that were copied already."""
        begun = await self.progress.tables() if self.progress.begun else None
        if begun is not None and not restart:
            self._must_be_the_same(begun)
            for table in self.tables:
                await self.structure.design(table)
            return {name: copied for name, copied in begun.items() if copied is not None}
        async with self.target.transaction():
            if begun is not None:
                await self.structure.drop(list(begun))
                await self.progress.end()
                await self.target.reflect()
            self._must_be_free()
            designs = [await self.structure.design(table) for table in self.tables]
            later = await self.structure.make(designs)
            await self.progress.begin([table.name for table in self.tables], later)
        return {}

    def _must_be_free(self) -> None:
        for table in self.tables:
            if table.name in self.target.t or table.name in self.target.v:
                raise SchemaError(
                    f"the target has a table {table.name}",
                    table_name=table.name,
                    hint="drop it, name other tables, or copy its rows with insert_all",
                )

    def _must_be_the_same(self, begun: Iterable[str]) -> None:
        names = {table.name for table in self.tables}
        if names != set(begun):
            raise InvalidOperationError(
                f"the copy that was cut off is of other tables: {', '.join(sorted(begun))}",
                operation="copy_database",
                target=PROGRESS,
                hint="name the same tables, or begin anew: restart=True (deebase db copy --restart)",
            )

    # -- rows ----------------------------------------------------------------------------------

    async def rows(self, group: Sequence[Table[Any]], before: dict[str, CopiedTable]) -> None:
        """Copy tables that refer to each other, in one transaction."""
        if all(table.name in before for table in group):
            for table in group:
                await self._unchanged(table, before[table.name])
            return
        async with self.target.transaction():
            await self.structure.judge_late()
            for table in group:
                self._copied[table.name] = await self._send(table)
                await self.progress.done(self._copied[table.name])

    async def _send(self, table: Table[Any]) -> CopiedTable:
        total = await table.count()

        def tell(rows: int) -> None:
            if self._tell is not None:
                self._tell(table.name, rows, total)

        sent = await send(table, self.target.t[table.name], tell)
        tell(sent.rows)
        return CopiedTable(table.name, sent.rows, sent.text)

    async def _unchanged(self, table: Table[Any], before: CopiedTable) -> None:
        """Make sure that a table is what it was when it was copied."""
        now = await checksum(table, table.columns)
        if (now.rows, now.text) != (before.rows, before.checksum):
            raise InvalidOperationError(
                f"{table.name} of the source has changed since it was copied",
                operation="copy_database",
                target=table.name,
                hint="begin anew: restart=True (deebase db copy --restart)",
            )
        self._copied[table.name] = before

    # -- the end -------------------------------------------------------------------------------

    async def finish(self, *, views: bool) -> CopyReport:
        """Make the rest, and compare both sides."""
        async with self.target.transaction():
            for sql in await self.progress.later():
                await self.structure.run(sql)
            for table in self.tables:
                await self._compare(table)
            made = await self.structure.views() if views else []
            await self.progress.end()
        await self.target.reflect()
        copied = [self._copied[table.name] for table in self.tables]
        return CopyReport(tuple(copied), tuple(made), tuple(self.structure.left_out))

    async def _compare(self, table: Table[Any]) -> None:
        """Read what the target has, and make sure that it is what was sent."""
        sent = self._copied[table.name]
        stored = await checksum(self.target.t[table.name], table.columns)
        if (stored.rows, stored.text) != (sent.rows, sent.checksum):
            raise IntegrityError(
                f"{table.name}: the copy is not the same: {stored.rows} rows of {sent.rows}",
                table_name=table.name,
                hint="if nobody else writes to the target, please report it with the types of the columns",
            )
