"""Copies within one kind of database that is not a file: the schema by its own SQL, the rows as they are stored."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Collection, Mapping, Sequence

from deebase._backends.copy_forms import Access, RowTransfer, StoredTable
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase.database import Database
from deebase.errors import DeeBaseError, SchemaError
from deebase.tools.access import copy_access, learn_tables, tools_of
from deebase.tools.copying.copy_progress import (
    PROGRESS,
    BegunTable,
    CopiedTable,
    CopyProgress,
    changed,
    differing,
    require_absent,
    require_same_tables,
)
from deebase.tools.copying.report import CopyReport, Tell

#: Pieces of rows that are read ahead.
_AHEAD = 8
#: Kinds of objects that belong to no table, and that a copy of some tables takes along.
_TAKEN_ALONG = frozenset({"extension", "schema", "type", "domain", "collation", "function", "sequence"})


class StoredCopy:
    """One copy within a kind of database.

    Args:
        source: the database to copy from, in a transaction that reads one state of it.
        target: the database to copy to.
        rows: the rows of the source.
        tell: called as rows are copied.
    """

    def __init__(
        self, source: Database, target: Database, rows: tuple[RowTransfer, RowTransfer], tell: Tell | None
    ) -> None:
        self._source = source
        self._target = target
        self._from, self._to = rows
        self._read: Access = copy_access(source)
        self._write: Access = copy_access(target)
        self._progress = CopyProgress(target)
        self._tell = tell
        self._left_out: list[str] = []

    async def run(self, names: Sequence[str] | None, *, restart: bool) -> CopyReport:
        """Copy tables, or everything."""
        await self._prepare(self._read, self._from)
        script = await tools_of(self._source).schema_script()
        tables = {table.name: table for table in await self._from.tables() if table.name != PROGRESS}
        chosen = _chosen(script, tables, names)
        objects = [item for item in script.objects if _is_taken(item, chosen, names)]
        begun = await self._begin(objects, list(chosen), restart=restart, all_of_it=names is None)
        copied = [await self._table(table, begun.get(name)) for name, table in chosen.items()]
        await self._finish([item for item in objects if item.after_rows], chosen, all_of_it=names is None)
        await learn_tables(self._target)
        views = [item.name for item in objects if item.kind in ("view", "materialized view")]
        not_carried = script.not_carried if names is None else ()
        return CopyReport(tuple(copied), tuple(views), (*self._left_out, *not_carried))

    async def _prepare(self, access: Access, rows: RowTransfer) -> None:
        for sql in rows.prepare():
            await access.run(sql)

    # -- the schema ----------------------------------------------------------------------------

    async def _begin(
        self, objects: Sequence[SchemaObject], names: Sequence[str], *, restart: bool, all_of_it: bool
    ) -> dict[str, BegunTable]:
        """Create what comes before the rows, unless a copy is resumed; return the tables of that."""
        begun = await self._progress.tables() if self._progress.begun else None
        if begun is not None and not restart:
            require_same_tables(names, begun)
            return begun
        async with self._target.transaction():
            if begun is not None:
                for item in reversed([item for item in objects if not item.after_rows]):
                    await self._drop(item)
                await self._progress.end()
            require_absent(names, [table.name for table in await self._to.tables()])
            for item in objects:
                if not item.after_rows:
                    await self._create(item, needed=all_of_it or item.kind == "table")
            await self._progress.begin(dict.fromkeys(names, ""), [])
        return {}

    async def _create(self, item: SchemaObject, *, needed: bool) -> None:
        """Create an object; one that is not needed may exist, or need what the copy does not have."""
        try:
            async with self._target.transaction():
                for sql in item.create:
                    await self._write.run(sql)
        except DeeBaseError as error:
            if needed:
                raise
            self._left_out.append(f"{item.label}: {error.message}")

    async def _drop(self, item: SchemaObject) -> None:
        try:
            async with self._target.transaction():
                for sql in item.drop:
                    await self._write.run(sql)
        except DeeBaseError:
            # It was there before the copy, or is in use.
            return

    async def _finish(
        self, objects: Sequence[SchemaObject], tables: dict[str, StoredTable], *, all_of_it: bool
    ) -> None:
        places = None if all_of_it else frozenset([(table.schema, table.table) for table in tables.values()])
        async with self._target.transaction():
            for item in objects:
                await self._create(item, needed=all_of_it)
            for sql in await self._from.sequences(places):
                await self._write.run(sql)
            await self._progress.end()

    # -- rows ----------------------------------------------------------------------------------

    async def _table(self, table: StoredTable, begun: BegunTable | None) -> CopiedTable:
        """Copy the rows of a table, in one transaction, and compare them."""
        rows, text = await self._from.digest(table)
        made = CopiedTable(table.name, rows, text)
        if begun is not None and begun.copied is not None:
            if begun.copied != made:
                raise changed(table.name)
            return made
        self._say(table.name, 0, rows)
        async with self._target.transaction():
            await self._prepare(self._write, self._to)
            if rows:
                await self._send(table)
            stored = await self._to.digest(table)
            if stored != (rows, text):
                raise differing(made, stored[0])
            await self._progress.done(made)
        self._say(table.name, rows, rows)
        return made

    async def _send(self, table: StoredTable) -> None:
        waiting: asyncio.Queue[bytes | None] = asyncio.Queue(_AHEAD)

        async def read() -> None:
            try:
                await self._read.copy_out(self._from.query(table), waiting.put)
            except Exception:
                await waiting.put(None)
                raise
            # Not after a cancel: nothing takes the pieces then, and the queue may be full.
            await waiting.put(None)

        async def pieces() -> AsyncGenerator[bytes, None]:
            while (piece := await waiting.get()) is not None:
                yield piece
            # An error of the reader must not end the data as if it were complete.
            await reading

        reading = asyncio.ensure_future(read())
        try:
            await self._write.copy_in(table.schema, table.table, table.columns, pieces())
        finally:
            if not reading.done():
                reading.cancel()
            await asyncio.wait([reading])
        await reading

    def _say(self, name: str, rows: int, total: int) -> None:
        if self._tell is not None:
            self._tell(name, rows, total)


def _chosen(
    script: SchemaScript, tables: dict[str, StoredTable], names: Collection[str] | None
) -> dict[str, StoredTable]:
    """Return the tables whose rows are copied; a partitioned table is copied with its partitions."""
    if names is None:
        return tables
    known = {item.name for item in script.objects if item.kind == "table"}
    for name in names:
        if name not in known:
            raise SchemaError(f"table {name} does not exist in the source", table_name=name)
    return {name: table for name, table in tables.items() if name in names or not table.whole.isdisjoint(names)}


def _is_taken(item: SchemaObject, chosen: Mapping[str, StoredTable], names: Collection[str] | None) -> bool:
    """Whether an object is copied: everything, or tables with what belongs to them and what they may need."""
    if names is None:
        return item.table != PROGRESS and item.name != PROGRESS
    taken = set(names).union(chosen, *[table.whole for table in chosen.values()])
    if item.kind == "table":
        return item.name in taken
    return item.table in taken if item.table is not None else item.kind in _TAKEN_ALONG
