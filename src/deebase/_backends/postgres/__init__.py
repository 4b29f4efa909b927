"""PostgreSQL through asyncpg."""

from deebase._backends.postgres.ddl import PostgresSchema
from deebase._backends.postgres.driver_errors import PostgresErrors
from deebase._backends.postgres.features import CAPABILITIES
from deebase._backends.postgres.inventory import PostgresReflector
from deebase._backends.postgres.search.search_writer import PostgresSearch
from deebase._backends.postgres.sql import PostgresRules
from deebase._backends.protocols import Backend

BACKEND = Backend(
    package=__name__,
    capabilities=CAPABILITIES,
    translator=PostgresErrors,
    sql=PostgresRules(),
    reflector=PostgresReflector(),
    schema=PostgresSchema(),
    search=PostgresSearch(),
)
