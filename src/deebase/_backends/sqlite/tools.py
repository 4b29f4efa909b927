"""The tools for a SQLite file: backup and restore, inspection, and the statements for a copy."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.copy_forms import Access as CopyAccess
from deebase._backends.database_tools import Access, Diagnosis, Estimate, FileCopies, require_header
from deebase._backends.schema_script import Recreation, SchemaObject, SchemaScript
from deebase._backends.sqlite.copying.backup_files import copy_in, copy_out, require_sound
from deebase._backends.sqlite.copying.copy_source import SqliteSource
from deebase._backends.sqlite.copying.copy_target import SqliteTarget
from deebase._backends.sqlite.copying.file_copies import SqliteFileCopies
from deebase._backends.sqlite.inventory import LISTED
from deebase._backends.sqlite.script import known_script, read_script, recreation
from deebase._model.facts import TableInfo
from deebase.errors import DatabaseError

#: The header of a SQLite file (sqlite.org/fileformat2.html).
_HEADER = b"SQLite format 3\0"
#: CORRUPT and NOTADB (sqlite.org/rescode.html).
_DAMAGED = (11, 26)

_TRIGGERS = """
    SELECT name, sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE ORDER BY name
"""


class SqliteTools:
    """``DatabaseTools`` for SQLite."""

    backup_suffix: str = "db"
    explain: str = "EXPLAIN QUERY PLAN"
    #: Every transaction of SQLite reads a snapshot (sqlite.org/isolation.html).
    snapshot_isolation: Literal["repeatable read"] | None = None

    def __init__(self, access: Access) -> None:
        self._access = access
        self.files: FileCopies | None = SqliteFileCopies(access)

    # -- backups -------------------------------------------------------------------------------

    async def write_backup(self, path: Path) -> None:
        """Copy the database with SQLite's online backup, and check the integrity of the copy."""
        await self._access.with_connection(lambda raw: copy_out(raw, str(path)), False)
        require_sound(path, self._access.additions)

    def check_backup(self, path: Path) -> None:
        """Refuse a file that is not an intact SQLite database."""
        require_header(path, _HEADER, "a SQLite database")
        require_sound(path, self._access.additions)

    async def object_names(self) -> list[str]:
        """Return the names of all tables and views."""
        return [str(row[0]) for row in await self._access.read(LISTED, [None])]

    async def read_backup(self, path: Path, *, replace: bool) -> None:
        """Overwrite the database with the contents of a file."""
        await self._access.with_connection(lambda raw: copy_in(raw, path, self._access.additions), True)
        # A connection that has read a schema does not accept another text encoding.
        await self._access.reconnect()

    # -- inspection ----------------------------------------------------------------------------

    async def version(self) -> str:
        """Return the version of the SQLite library."""
        return str(await self._one("SELECT sqlite_version()"))

    async def size_bytes(self) -> int:
        """Return the size of the database file."""
        return int(await self._one("SELECT page_count * page_size FROM pragma_page_count(), pragma_page_size()"))

    async def table_estimates(self, quoted_names: Sequence[str]) -> dict[str, Estimate]:
        """Return the number of rows that ANALYZE has seen."""
        if not await self._access.read("SELECT 1 FROM sqlite_master WHERE name = 'sqlite_stat1'", []):
            return {}
        rows = await self._access.read("SELECT tbl, CAST(stat AS INTEGER) FROM sqlite_stat1", [])
        found = {self._quoted(str(name)): (int(number), None) for name, number in rows if number is not None}
        return {name: found[name] for name in quoted_names if name in found}

    def _quoted(self, name: str) -> str:
        return self._access.url.get_dialect()().identifier_preparer.quote(name)

    def vacuum(self, *, full: bool) -> str:
        """Return VACUUM, which rewrites the whole file."""
        return "VACUUM"

    async def index_definitions(self, name: str) -> list[str]:
        rows = await self._access.read("SELECT sql FROM sqlite_master WHERE type = 'index' AND name = ?", [name])
        return [str(sql) for (sql,) in rows]

    async def view_definition(self, name: str) -> str:
        """Return the CREATE VIEW of a view."""
        return str(await self._one("SELECT sql FROM sqlite_master WHERE type = 'view' AND name = ?", name))

    async def trigger_definitions(self, table: str, quoted: str) -> list[tuple[str, str]]:
        """Return the stored SQL of its triggers."""
        rows = await self._access.read(_TRIGGERS, [table])
        return [(str(name), str(sql)) for name, sql in rows]

    async def schema_script(self) -> SchemaScript:
        return await read_script(self._access.read)

    def known_script(self, tables: Sequence[TableInfo]) -> SchemaScript:
        """Return the tables and their indexes."""
        return known_script(tables)

    def recreation(
        self, table: sa.Table, facts: TableInfo, objects: Mapping[tuple[str, str], SchemaObject], dialect: Dialect
    ) -> Recreation:
        """Compare the table and its indexes by their SQL."""
        return recreation(table, facts, objects, dialect)

    async def examine(self) -> list[Diagnosis]:
        """Return problems of file, rows and settings; for a damaged file, only the damage."""
        damaged = [
            Diagnosis("damaged", "error", None, text, "restore a backup, and check the disk")
            for text in await self._damage()
        ]
        if damaged:
            # All other information in such a file may be wrong.
            return damaged
        found = await self._dangling()
        if await self._one("PRAGMA journal_mode") not in ("wal", "memory"):
            fix = "PRAGMA journal_mode = WAL"
            found.append(Diagnosis("no-wal", "warning", None, "readers wait for the writer", fix))
        if not await self._one("PRAGMA foreign_keys"):
            fix = "Database(foreign_keys=True)"
            found.append(Diagnosis("foreign-keys-off", "warning", None, "foreign keys are not enforced", fix))
        return found

    async def _dangling(self) -> list[Diagnosis]:
        try:
            rows = await self._access.read("PRAGMA foreign_key_check", [])
        except DatabaseError as error:
            # A foreign key of another program may refer to columns that are not unique, and SQLite checks none then.
            fix = "let the foreign key refer to a primary key or to unique columns"
            return [Diagnosis("dangling-rows", "error", None, f"rows cannot be checked: {error.message}", fix)]
        return [
            Diagnosis(
                "dangling-rows",
                "error",
                table,
                f"{count} rows of {table} refer to rows of {parent} that do not exist",
                "add those rows, or set the columns to NULL",
            )
            for (table, parent), count in Counter([(str(row[0]), str(row[2])) for row in rows]).items()
        ]

    async def _damage(self) -> list[str]:
        try:
            rows = await self._access.read("PRAGMA integrity_check(10)", [])
        except DatabaseError as error:
            if error.sqlstate is None or int(error.sqlstate) & 0xFF not in _DAMAGED:
                raise
            return [error.message]
        return [str(text) for (text,) in rows if text != "ok"]

    # -- copies --------------------------------------------------------------------------------

    def copy_source(self, access: CopyAccess) -> SqliteSource:
        """Return what reads the database for a copy into another kind of database."""
        return SqliteSource(access)

    def row_transfer(self, access: CopyAccess) -> None:
        """Return None: files are copied whole."""

    def copy_target(self, access: CopyAccess) -> SqliteTarget:
        """Return what creates and fills tables in a copy from another kind of database."""
        return SqliteTarget(access)

    def drop_tables(self, quoted_names: Sequence[str]) -> list[str]:
        """Return one DROP TABLE for each table."""
        return ["PRAGMA defer_foreign_keys = ON", *[f"DROP TABLE {name}" for name in quoted_names]]

    async def _one(self, sql: str, *args: Any) -> Any:
        rows = await self._access.read(sql, args)
        return rows[0][0]


TOOLS = SqliteTools
