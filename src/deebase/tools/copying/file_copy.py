"""Copies from one file to another of the same kind: the SQL and the values stay as they are stored."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from deebase._backends.database_tools import FileCopies
from deebase.errors import IntegrityError, SchemaError
from deebase.tools.copying.copy_progress import CopiedTable


class FileCopy:
    """A copy of a file, or of some of its tables, by way of a snapshot.

    The target changes in one transaction: an interrupted copy leaves nothing, and is resumed by another one.

    Args:
        source: the file to copy from.
        target: the file to copy to.
        tell: called with the name of a table, the number of read rows and the number of all rows.
    """

    def __init__(self, source: FileCopies, target: FileCopies, tell: Callable[[str, int, int], object] | None) -> None:
        self._source = source
        self._target = target
        self._tell = tell
        #: Descriptions of what the target lacks.
        self.left_out: list[str] = []
        #: The names of the views.
        self.views: list[str] = []

    async def run(self, tables: Sequence[str] | None, *, resume: bool) -> list[CopiedTable]:
        """Copy the tables with everything that belongs to them; None is the whole file."""
        with tempfile.TemporaryDirectory(prefix="deebase-") as directory:
            snapshot = Path(directory, "snapshot.db")
            await self._source.write(snapshot)
            if tables is not None:
                self.left_out += await self._source.keep(snapshot, tables)
            objects = (await self._source.objects(snapshot)).objects
            self.views = [item.name for item in objects if item.kind == "view"]
            copied = [await self._read(item.name, snapshot) for item in objects if item.kind.endswith("table")]
            missing = [name for name in tables or () if name not in [table.name for table in copied]]
            if missing:
                raise SchemaError(f"table {missing[0]} does not exist in the source", table_name=missing[0])
            # The target of a copy that ended after its transaction has everything.
            if not (resume and await self._is_there(copied)):
                self.left_out += await self._target.take(snapshot)
                await self._compare(copied)
        return copied

    async def _read(self, name: str, snapshot: Path) -> CopiedTable:
        found = await self._source.rows(name, snapshot)
        if self._tell is not None:
            self._tell(name, found.rows, found.rows)
        return CopiedTable(name, found.rows, found.digest)

    async def _is_there(self, copied: Sequence[CopiedTable]) -> bool:
        present = set(await self._target.names())
        return {table.name for table in copied} | set(self.views) <= present and not await self._differing(copied)

    async def _differing(self, copied: Sequence[CopiedTable]) -> CopiedTable | None:
        """Return the first table whose rows in the target are others."""
        for table in copied:
            stored = await self._target.rows(table.name)
            if (stored.rows, stored.digest) != (table.rows, table.checksum):
                return table
        return None

    async def _compare(self, copied: Sequence[CopiedTable]) -> None:
        differing = await self._differing(copied)
        if differing is not None:
            raise IntegrityError(
                f"{differing.name}: the copy differs from the {differing.rows} rows of the source",
                table_name=differing.name,
                hint="if no other program writes to the target, please report it with the CREATE TABLE",
            )
