"""The checks of PostgreSQL before a read-only statement runs, in its READ ONLY transaction.

Such a transaction changes no rows, but it runs COPY ... TO PROGRAM, and functions that write files, end connections or
change settings. So the parser of the server must accept the statement as a query, which rules out all commands, and
the catalog must list every function in it as free of side effects. A superuser, or a role that can reach files of the
server, may only call functions of the server and of extensions: other functions may be those of a less privileged role.
"""

from __future__ import annotations

from typing import Any

from deebase._sql.limits import Limits
from deebase._sql.read_only import OPERATION, read_query, refused
from deebase._sqltext.dialects import POSTGRES
from deebase.errors import InvalidOperationError

#: With this setting, quotes and backslashes have the meaning that our tokenizer assumes.
_SETTINGS = "SET LOCAL standard_conforming_strings = on"
#: The server ends each step of the statement after it.
_TIME_LIMIT = "; SET LOCAL statement_timeout = {milliseconds}"
_QUERY = "DECLARE deebase_read NO SCROLL CURSOR FOR "
#: Functions of the server that are volatile for reasons other than side effects.
_HARMLESS = (
    "clock_timestamp", "currval", "gen_random_uuid", "lastval", "pg_backend_pid", "pg_blocking_pids", "pg_column_size",
    "pg_current_wal_lsn", "pg_database_size", "pg_get_keywords", "pg_indexes_size", "pg_is_in_recovery",
    "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp", "pg_lock_status",
    "pg_prepared_statement", "pg_relation_size", "pg_safe_snapshot_blocking_pids", "pg_sequence_last_value", "pg_sleep",
    "pg_table_size", "pg_tablespace_size", "pg_total_relation_size", "random", "random_normal", "setseed",
    "statement_timestamp", "timeofday", "uuidv4", "uuidv7", "version",
)  # fmt: skip
#: Functions by the names in the text: called, or written like a column of a row; aggregates by the functions that they
#: consist of; operators by their symbols. Schemas are ignored: every function with the name counts.
_SUSPECTS = """
WITH called AS (
 SELECT p.* FROM pg_catalog.pg_proc p
 WHERE p.proname = ANY ($1::text[])
  OR (p.proname = ANY ($2::text[]) AND p.pronargs = 1
      AND EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid = p.proargtypes[0] AND t.typtype = 'c'))
)
SELECT 'the function ' || c.proname || ' is volatile' FROM called c
 LEFT JOIN pg_catalog.pg_aggregate a ON a.aggfnoid = c.oid
 LEFT JOIN pg_catalog.pg_proc f ON f.oid IN (a.aggtransfn, a.aggfinalfn, a.aggmtransfn, a.aggmfinalfn)
WHERE (c.provolatile = 'v' OR f.provolatile = 'v')
 AND NOT (c.pronamespace = 'pg_catalog'::regnamespace AND c.proname = ANY ($3::text[]))
UNION ALL
SELECT 'the operator ' || o.oprname || ' is volatile' FROM pg_catalog.pg_operator o
 JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
WHERE p.provolatile = 'v' AND strpos($4, o.oprname) > 0
UNION ALL
SELECT 'the function ' || c.proname || ' would run with the rights of a role that reaches files of the server'
FROM called c
WHERE c.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
 AND NOT EXISTS (SELECT FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_proc'::regclass AND d.objid = c.oid AND d.deptype = 'e')
 AND (pg_has_role('pg_read_server_files', 'MEMBER') OR pg_has_role('pg_write_server_files', 'MEMBER')
      OR pg_has_role('pg_execute_server_program', 'MEMBER'))
LIMIT 1
"""


async def check_reads(driver: Any, sql: str, limits: Limits) -> None:
    """Refuse a statement that could do more than read.

    Args:
        driver: asyncpg's connection, in a READ ONLY transaction.
        sql: the statement, with $1 for parameters.
        limits: its limits, of which the server watches the time.

    Raises:
        InvalidOperationError: it is not a query, or calls a function that may have side effects.
    """
    found = read_query(sql, POSTGRES)
    seconds = limits.seconds
    limit = "" if seconds is None else _TIME_LIMIT.format(milliseconds=max(round(seconds * 1000), 1))
    await driver.execute(_SETTINGS + limit)
    # Report errors of the statement first: the longer text below has other positions.
    await driver.prepare(sql)
    if found.query is not None:
        await _must_be_query(driver, found.query)
    suspect = await driver.fetchval(_SUSPECTS, found.calls, found.names, _HARMLESS, sql)
    if suspect is not None:
        raise InvalidOperationError(
            f"{suspect}, and may do more than read",
            operation=OPERATION,
            hint="declare your own function STABLE, and connect as a role that is not a superuser",
        )


async def _must_be_query(driver: Any, query: str) -> None:
    try:
        await driver.prepare(_QUERY + query)
    except Exception as error:
        if getattr(error, "sqlstate", None) is None:
            raise
        raise refused("a statement that is not a query") from error
