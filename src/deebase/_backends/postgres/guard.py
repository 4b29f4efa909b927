"""The checks of PostgreSQL before a read-only statement runs, in its READ ONLY transaction.

Such a transaction changes no rows, but it runs COPY ... TO PROGRAM, and functions that write files, end connections or
change settings. So the parser of the server must accept the statement as a query, which rules out all commands, and
the catalog must list every function in it as free of side effects: those that the text names, and those in the views,
policies and functions that it uses. A superuser, or a role that can reach files of the server, may only call functions
of the server and of extensions: other functions may be those of a less privileged role.
"""

from __future__ import annotations

from typing import Any

from deebase._backends.postgres.catalog_queries import qualified
from deebase._lanes.limits import Limits
from deebase._sql.read_only import OPERATION, read_query, refused
from deebase._sqltext.dialects import POSTGRES
from deebase.errors import InvalidOperationError

#: Quotes and backslashes have the meaning that our tokenizer assumes; compiling the check below would take longer than
#: the check.
_SETTINGS = "SET LOCAL standard_conforming_strings = on; SET LOCAL jit = off"
#: The server ends each step of the statement after it.
_TIME_LIMIT = "; SET LOCAL statement_timeout = {milliseconds}"
_QUERY = "DECLARE deebase_read NO SCROLL CURSOR FOR "
#: Functions of the server that are volatile for reasons other than side effects.
_HARMLESS = (
    "clock_timestamp", "currval", "gen_random_uuid", "lastval", "pg_backend_pid", "pg_blocking_pids", "pg_column_size",
    "pg_current_wal_lsn", "pg_database_size", "pg_get_keywords", "pg_indexes_size", "pg_is_in_recovery",
    "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_last_xact_replay_timestamp", "pg_lock_status",
    "pg_prepared_statement", "pg_relation_size", "pg_safe_snapshot_blocking_pids", "pg_sequence_last_value", "pg_sleep",
    "pg_table_size", "pg_tablespace_size", "pg_total_relation_size", "random", "random_normal", "statement_timestamp",
    "timeofday", "uuidv4", "uuidv7", "version",
)  # fmt: skip
#: Functions that are not volatile, and still run the SQL in their arguments, or take a transaction number.
_ACTING = (
    "connectby", "crosstab", "crosstab2", "crosstab3", "crosstab4", "database_to_xml", "database_to_xml_and_xmlschema",
    "pg_current_xact_id", "schema_to_xml", "schema_to_xml_and_xmlschema", "table_to_xml", "table_to_xml_and_xmlschema",
    "txid_current", "xpath_table",
)  # fmt: skip
#: Operators that the grammar uses without their symbols, as IN, BETWEEN, LIKE and CASE do.
_GRAMMAR_OPERATORS = ("=", "<>", "<", ">", "<=", ">=", "~~", "!~~", "~~*", "!~~*", "~", "!~")
#: The first object that a statement may not use, of all that it uses. Its parameters: names before a parenthesis, all
#: names, harmless functions, functions that act, operators of the grammar, and the text.
#: ``relations``: tables and views by their names, in any schema, and those in views. ``trees``: the parsed expressions
#: of views, policies and domains. ``called``: functions by name, or written like a column of a row, those of operators
#: and casts, those in the trees, and those in the bodies of functions; ``direct`` if the text itself may call them.
#: Objects below 16384 belong to the server (src/include/access/transam.h).
_SUSPECTS = qualified(
    r"""
WITH RECURSIVE relations (oid) AS (
 SELECT c.oid FROM pg_catalog.pg_class c WHERE c.relname = ANY ($2::text[]) AND c.oid >= 16384
 UNION
 SELECT used.oid FROM relations CROSS JOIN LATERAL (
  SELECT d.refobjid FROM pg_catalog.pg_rewrite r
  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_rewrite'::regclass AND d.objid = r.oid
  WHERE r.ev_class = relations.oid AND r.ev_type = '1'
   AND d.refclassid = 'pg_catalog.pg_class'::regclass AND d.refobjid >= 16384
  UNION ALL
  SELECT i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = relations.oid
 ) AS used (oid)
), extended AS (
 SELECT d.classid, d.objid FROM pg_catalog.pg_depend d WHERE d.deptype = 'e'
), trees AS (
 SELECT r.ev_action::text AS tree FROM relations JOIN pg_catalog.pg_class c ON c.oid = relations.oid AND c.relkind = 'v'
 JOIN pg_catalog.pg_rewrite r ON r.ev_class = c.oid AND r.ev_type = '1'
 WHERE ('pg_catalog.pg_class'::regclass, c.oid) NOT IN (TABLE extended)
 UNION ALL
 SELECT p.polqual::text FROM relations JOIN pg_catalog.pg_policy p ON p.polrelid = relations.oid
 UNION ALL
 SELECT k.conbin::text FROM pg_catalog.pg_type t JOIN pg_catalog.pg_constraint k ON k.contypid = t.oid
 WHERE t.typname = ANY ($2::text[])
), called AS (
 SELECT p.oid, true AS direct FROM pg_catalog.pg_proc p WHERE p.proname = ANY ($1::text[])
 UNION
 SELECT p.oid, true FROM pg_catalog.pg_proc p JOIN pg_catalog.pg_type t ON t.oid = p.proargtypes[0] AND t.typtype = 'c'
 WHERE p.proname = ANY ($2::text[]) AND p.pronargs = 1
 UNION
 SELECT o.oprcode::oid, true FROM pg_catalog.pg_operator o
 WHERE o.oid >= 16384 AND (o.oprname = ANY ($5::text[]) OR strpos($6, o.oprname) > 0)
 UNION
 SELECT k.castfunc, false FROM pg_catalog.pg_cast k
 WHERE k.castfunc >= 16384 AND (
  EXISTS (SELECT FROM pg_catalog.pg_type t WHERE t.oid IN (k.castsource, k.casttarget) AND t.typname = ANY ($2::text[]))
  OR EXISTS (SELECT FROM relations JOIN pg_catalog.pg_attribute a ON a.attrelid = relations.oid
             WHERE a.atttypid IN (k.castsource, k.casttarget)))
 UNION
 SELECT m[1]::oid, false FROM trees, regexp_matches(tree, ':(?:funcid|aggfnoid|winfnoid) (\d+)', 'g') AS m
 UNION
 SELECT o.oprcode::oid, false FROM trees, regexp_matches(tree, ':opno (\d+)', 'g') AS m
 JOIN pg_catalog.pg_operator o ON o.oid = m[1]::oid AND o.oid >= 16384
 UNION
 SELECT inner_call.oid, false FROM called CROSS JOIN LATERAL (
  SELECT f.oid FROM pg_catalog.pg_aggregate a
  CROSS JOIN LATERAL (VALUES (a.aggtransfn), (a.aggfinalfn), (a.aggmtransfn), (a.aggminvtransfn), (a.aggmfinalfn))
   AS f (oid)
  WHERE a.aggfnoid = called.oid AND a.aggfnoid >= 16384 AND f.oid <> 0
  UNION ALL
  SELECT q.oid FROM pg_catalog.pg_proc p
  CROSS JOIN LATERAL regexp_matches(p.prosrc, '(\w+)"?\s*\(', 'g') AS m
  JOIN pg_catalog.pg_proc q ON q.proname = lower(m[1])
  WHERE p.oid = called.oid AND p.oid >= 16384
  UNION ALL
  SELECT m[1]::oid FROM pg_catalog.pg_proc p
  CROSS JOIN LATERAL regexp_matches(p.prosqlbody::text, ':(?:funcid|aggfnoid|winfnoid) (\d+)', 'g') AS m
  WHERE p.oid = called.oid AND p.oid >= 16384
 ) AS inner_call (oid)
), functions AS (
 SELECT p.*, c.direct,
  p.oid < 16384 OR ('pg_catalog.pg_proc'::regclass, p.oid) IN (TABLE extended) AS installed
 FROM called c JOIN pg_catalog.pg_proc p ON p.oid = c.oid
)
SELECT 'the function ' || f.proname || CASE
  WHEN f.installed AND f.proname = ANY ($4::text[]) THEN ' runs SQL or takes a number'
  WHEN f.provolatile = 'v' AND (f.direct OR f.installed) THEN ' is volatile'
  WHEN f.prosecdef THEN ' runs with the rights of its owner'
  WHEN NOT l.lanpltrusted AND f.prokind = 'f' THEN ' is written in a language that reaches the server'
  WHEN f.prosrc ~* '\mexecute\M' THEN ' builds the SQL that it runs'
  ELSE ' would run with the rights of a role that reaches files of the server' END
FROM functions f JOIN pg_catalog.pg_language l ON l.oid = f.prolang
WHERE CASE WHEN f.installed
 THEN f.proname = ANY ($4::text[]) OR (f.provolatile = 'v' AND NOT (
  f.pronamespace = 'pg_catalog'::regnamespace AND f.proname = ANY ($3::text[])))
 ELSE (f.provolatile = 'v' AND f.direct) OR f.prosecdef OR (NOT l.lanpltrusted AND f.prokind = 'f')
  OR f.prosrc ~* '\mexecute\M' OR {privileged} END
UNION ALL
SELECT 'the foreign table ' || c.relname || ' is read by another server or program'
FROM relations JOIN pg_catalog.pg_class c ON c.oid = relations.oid WHERE c.relkind = 'f'
LIMIT 1
""".format(
        privileged="(pg_has_role('pg_read_server_files', 'MEMBER') OR pg_has_role('pg_write_server_files', 'MEMBER')"
        " OR pg_has_role('pg_execute_server_program', 'MEMBER'))"
    )
)


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
    suspect = await driver.fetchval(_SUSPECTS, found.calls, found.names, _HARMLESS, _ACTING, _GRAMMAR_OPERATORS, sql)
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
