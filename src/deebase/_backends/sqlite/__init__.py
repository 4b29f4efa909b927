"""SQLite through aiosqlite."""

from deebase._backends.protocols import Backend
from deebase._backends.sqlite.ddl import SqliteSchema
from deebase._backends.sqlite.driver_errors import SqliteErrors
from deebase._backends.sqlite.features import CAPABILITIES
from deebase._backends.sqlite.inventory import SqliteReflector
from deebase._backends.sqlite.search.search_writer import SqliteSearch
from deebase._backends.sqlite.sql import SqliteRules

BACKEND = Backend(
    package=__name__,
    capabilities=CAPABILITIES,
    translator=lambda _uniques: SqliteErrors(),
    sql=SqliteRules(),
    reflector=SqliteReflector(),
    schema=SqliteSchema(),
    search=SqliteSearch(),
)
