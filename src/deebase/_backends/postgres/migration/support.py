"""What migrations need of PostgreSQL."""

from __future__ import annotations

from deebase._backends.migration_protocols import Connected
from deebase._backends.postgres.ddl import converted
from deebase._backends.postgres.migration.contents import PostgresCensus, lock_table
from deebase._backends.postgres.migration.extras import read_parts
from deebase._backends.postgres.migration.lock import runner_lock
from deebase._backends.postgres.migration.scratch import create_extensions, create_schema, drop_extensions, scratch
from deebase._backends.stored_tables import Census
from deebase._sql.statement import Statement
from deebase.errors import DeeBaseError

_COLUMNS = Statement(
    "SELECT attname::text FROM pg_attribute WHERE attrelid = to_regclass($1) AND attnum > 0", reads=True
)
#: There is no cast between two types (cannot_coerce).
_NO_CAST = "42846"


class PostgresMigrations:
    """Implements ``MigrationSupport``."""

    now: str = "CURRENT_TIMESTAMP"
    runner_lock = staticmethod(runner_lock)
    lock_table = staticmethod(lock_table)
    read_parts = staticmethod(read_parts)
    scratch = staticmethod(scratch)
    create_schema = staticmethod(create_schema)
    create_extensions = staticmethod(create_extensions)
    drop_extensions = staticmethod(drop_extensions)

    async def column_names(self, database: Connected, table: str) -> set[str]:
        return {str(name) for (name,) in await database.fetch(_COLUMNS, [table])}

    def census(self, database: Connected, ledger: str) -> Census:
        return PostgresCensus(database, ledger)

    async def never_converts(self, database: Connected, old: str, new: str, sample: object) -> bool:
        try:
            await database.fetch(Statement(f"SELECT {converted(f'NULL::{old}', old, new.upper())}", reads=True), [])
        except DeeBaseError as error:
            # A type that the migration itself creates is not known yet.
            return getattr(error.__cause__, "sqlstate", None) == _NO_CAST
        return False


SUPPORT = PostgresMigrations()
