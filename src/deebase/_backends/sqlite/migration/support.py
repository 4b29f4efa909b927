"""Implementation of the interface for migrations."""

from __future__ import annotations

from collections.abc import Iterable

from deebase._backends.migration_protocols import Connected
from deebase._backends.sqlite.casts import fits
from deebase._backends.sqlite.migration.contents import SqliteCensus
from deebase._backends.sqlite.migration.extras import read_parts
from deebase._backends.sqlite.migration.lock import runner_lock
from deebase._backends.sqlite.migration.scratch import scratch
from deebase._backends.stored_tables import Census
from deebase._sql.statement import Statement

_COLUMNS = Statement("SELECT name FROM pragma_table_info(?)", reads=True)


class SqliteMigrations:
    """Implements ``MigrationSupport``."""

    #: CURRENT_TIMESTAMP has another form than the stored moments.
    now: str = "strftime('%Y-%m-%d %H:%M:%f000', 'now')"
    runner_lock = staticmethod(runner_lock)
    read_parts = staticmethod(read_parts)
    scratch = staticmethod(scratch)

    async def column_names(self, database: Connected, table: str) -> set[str]:
        return {str(name) for (name,) in await database.fetch(_COLUMNS, [table])}

    async def lock_table(self, database: Connected, table: str) -> None:
        """See ``MigrationSupport``; BEGIN IMMEDIATE has done so already."""

    def census(self, database: Connected, ledger: str) -> Census:
        return SqliteCensus(database, ledger)

    async def never_converts(self, database: Connected, old: str, new: str, sample: object) -> bool:
        return sample is not None and not fits(new, sample)

    async def create_schema(self, database: Connected, scratch: Connected) -> None:
        """See ``MigrationSupport``; SQLite has none."""

    async def create_extensions(self, database: Connected, scratch: Connected) -> None:
        """See ``MigrationSupport``; SQLite has none."""

    async def drop_extensions(self, scratch: Connected, scripts: Iterable[str]) -> None:
        """See ``MigrationSupport``; SQLite has none."""


SUPPORT = SqliteMigrations()
