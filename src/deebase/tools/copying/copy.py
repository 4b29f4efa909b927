"""``copy_database``: creates tables, fills them one by one, finishes and compares them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from deebase._sqltext.ordering import groups
from deebase._tables.table import Table
from deebase.database import Database
from deebase.errors import IntegrityError, InvalidOperationError, SchemaError, ValidationError
from deebase.tools.access import tools_of
from deebase.tools.copying.copy_progress import PROGRESS, CopiedTable, CopyProgress
from deebase.tools.copying.file_copy import FileCopy
from deebase.tools.copying.row_copy import checksum, send
from deebase.tools.copying.target_schema import TargetSchema

Rows: TypeAlias = Table[Any]
#: Called with the name of a table, the number of copied rows and the number of all rows.
Tell = Callable[[str, int, int], object]


@dataclass(frozen=True)
class CopyReport:
    """The result of a copy.

    Attributes:
        tables: the copied tables, with their number of rows and their checksum, the same on both sides.
        views: the names of the created views.
        left_out: descriptions of what the target lacks: triggers, and views and CHECKs whose SQL it does not accept.
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
    on PostgreSQL) are created after all rows. At the end the rows of both sides are counted and compared by checksum,
    and sequences are set past the highest key. A table ``_deebase_copy`` in the target records the progress, so that
    an interrupted copy can be resumed; it is dropped at the end.

    Args:
        source: the database to copy from; it is not changed.
        target: the database to copy to.
        tables: the names of the tables; by default all of them, and the views.
        progress: called as rows are copied.
        resume: continue an interrupted copy: finished tables are compared, not copied again.
        restart: drop the tables of an interrupted copy, and start again.

    Returns:
        What was copied, and what was not.

    Raises:
        SchemaError: a table exists in the target already, or does not exist in the source.
        InvalidOperationError: the target has an unfinished copy, or the source has changed since.
        IntegrityError: a row of the source violates a foreign key.

    Example:
        ```python
        report = await copy_database(Database("app.db"), Database("postgresql://localhost/app"))
        ```
    """
    if resume and restart:
        raise ValidationError("resume excludes restart", hint="pass one of them")
    await source.reflect()
    await target.reflect()
    names = [name for name in dir(source.t) if name != PROGRESS] if tables is None else list(tables)
    copy = _Copy(source, target, [source.t[name] for name in names], progress)
    if copy.progress.begun and not (resume or restart):
        raise copy.progress.unfinished()
    one, other = tools_of(source).files, tools_of(target).files
    if one is not None and other is not None and not (resume and copy.progress.begun):
        await copy.abandon()
        made = FileCopy(one, other, progress)
        copied = await made.run(None if tables is None else names, resume=resume)
        await target.reflect()
        return CopyReport(tuple(copied), tuple(made.views), tuple(made.left_out))
    # All tables are read from one state of the source.
    async with source.transaction(read_only=True, isolation=tools_of(source).snapshot_isolation):
        before = await copy.begin(restart=restart)
        for group in groups(copy.tables, copy.needs):
            await copy.rows(group, before)
        return await copy.finish(views=tables is None)


class _Copy:
    def __init__(self, source: Database, target: Database, tables: Sequence[Rows], tell: Tell | None) -> None:
        self.source = source
        self.target = target
        self.tables = tables
        self.structure = TargetSchema(source, target)
        self.progress = CopyProgress(target)
        self._tell = tell
        self._copied: dict[str, CopiedTable] = {}

    def needs(self, table: Rows) -> set[str]:
        """Return the other tables that a table refers to."""
        keys = table._source.model.foreign_keys  # pyright: ignore[reportPrivateUsage]
        return {key.table for key in keys} - {table.name}

    # -- beginning -----------------------------------------------------------------------------

    async def begin(self, *, restart: bool) -> dict[str, CopiedTable]:
        """Create the tables, unless a copy is resumed; return the tables that are already copied."""
        begun = await self.progress.tables() if self.progress.begun else None
        if begun is not None and not restart:
            self._require_same_tables(begun)
            for table in self.tables:
                await self.structure.target_spec(table)
            return {name: copied for name, copied in begun.items() if copied is not None}
        async with self.target.transaction():
            if begun is not None:
                await self._drop(begun)
            self._require_absent()
            designs = [await self.structure.target_spec(table) for table in self.tables]
            later = await self.structure.create(designs)
            await self.progress.begin([table.name for table in self.tables], later)
        return {}

    async def abandon(self) -> None:
        """Drop the tables of an unfinished copy."""
        if self.progress.begun:
            async with self.target.transaction():
                await self._drop(await self.progress.tables())

    async def _drop(self, begun: Iterable[str]) -> None:
        await self.structure.drop(list(begun))
        await self.progress.end()
        await self.target.reflect()

    def _require_absent(self) -> None:
        for table in self.tables:
            if table.name in self.target.t or table.name in self.target.v:
                raise SchemaError(
                    f"table {table.name} already exists in the target",
                    table_name=table.name,
                    hint="drop it, name other tables, or copy its rows with insert_all",
                )

    def _require_same_tables(self, begun: Iterable[str]) -> None:
        names = {table.name for table in self.tables}
        if names != set(begun):
            raise InvalidOperationError(
                f"the unfinished copy is of other tables: {', '.join(sorted(begun))}",
                operation="copy_database",
                target=PROGRESS,
                hint="name the same tables, or start again: restart=True (deebase db copy --restart)",
            )

    # -- rows ----------------------------------------------------------------------------------

    async def rows(self, group: Sequence[Rows], before: dict[str, CopiedTable]) -> None:
        """Copy tables that refer to each other, in one transaction."""
        if all(table.name in before for table in group):
            for table in group:
                await self._unchanged(table, before[table.name])
            return
        async with self.target.transaction():
            await self.structure.defer_foreign_keys()
            for table in group:
                self._copied[table.name] = await self._send(table)
                await self.progress.done(self._copied[table.name])

    async def _send(self, table: Rows) -> CopiedTable:
        total = await table.count()

        def tell(rows: int) -> None:
            if self._tell is not None:
                self._tell(table.name, rows, total)

        sent = await send(table, self.target.t[table.name], tell)
        tell(sent.rows)
        return CopiedTable(table.name, sent.rows, sent.text)

    async def _unchanged(self, table: Rows, before: CopiedTable) -> None:
        """Refuse a table that has changed since it was copied."""
        now = await checksum(table, table.columns)
        if (now.rows, now.text) != (before.rows, before.checksum):
            raise InvalidOperationError(
                f"{table.name} of the source has changed since it was copied",
                operation="copy_database",
                target=table.name,
                hint="start again: restart=True (deebase db copy --restart)",
            )
        self._copied[table.name] = before

    # -- the end -------------------------------------------------------------------------------

    async def finish(self, *, views: bool) -> CopyReport:
        """Create the deferred objects and the views, and compare both sides."""
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

    async def _compare(self, table: Rows) -> None:
        """Compare the rows of the target with those that were sent."""
        sent = self._copied[table.name]
        stored = await checksum(self.target.t[table.name], table.columns)
        if (stored.rows, stored.text) != (sent.rows, sent.checksum):
            raise IntegrityError(
                f"{table.name}: the copy differs from the source: {stored.rows} rows of {sent.rows}",
                table_name=table.name,
                hint="if no other program writes to the target, please report it with the types of the columns",
            )
