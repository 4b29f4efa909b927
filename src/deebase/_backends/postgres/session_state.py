"""The session of a PostgreSQL connection: how it is reset between two tasks, and its required settings."""

from __future__ import annotations

import math
import time
from typing import Any

from deebase._backends.postgres.catalog_queries import qualified
from deebase.errors import InvalidOperationError

# DISCARD ALL, except for the statements that the driver has prepared and still uses. The user comes first, as the
# statements after it run with the rights of that user. RESET ALL restores the settings of the start of the connection.
RESET = """
RESET SESSION AUTHORIZATION;
RESET ROLE;
RESET ALL;
SELECT pg_advisory_unlock_all();
CLOSE ALL;
UNLISTEN *;
DISCARD TEMP;
DISCARD SEQUENCES;
DO $$
DECLARE prepared text;
BEGIN
  FOR prepared IN SELECT name FROM pg_catalog.pg_prepared_statements WHERE from_sql LOOP
    EXECUTE 'DEALLOCATE ' || pg_catalog.quote_ident(prepared);
  END LOOP;
END
$$;
"""


# Triggers, views, policies and defaults run code that the text of a statement does not show. A function is suspect by
# its body, if a part of a table uses it; calls of built-in functions are found by their OIDs only.
# Then the tables whose AFTER triggers, or those of a partition, may change a row that RETURNING has already returned:
# in tgtype, 66 is BEFORE or INSTEAD OF, and 20 is INSERT or UPDATE (src/include/catalog/pg_trigger.h).
_CODE = qualified(r"""
SELECT (EXISTS (
  SELECT FROM pg_catalog.pg_proc AS p
  WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace)
    AND coalesce(p.prosrc, '') || coalesce(pg_catalog.pg_get_function_sqlbody(p.oid), '') ~*
      'set_config(?!\s*\([^;]*,\s*true\s*\))|advisory_lock|\m(listen|temp|temporary)\M|(;|\m(begin|then|else|loop))\s*set\s'
    AND (p.prorettype = 'pg_catalog.trigger'::regtype OR EXISTS (
      SELECT FROM pg_catalog.pg_depend AS d
      WHERE d.refclassid = 'pg_catalog.pg_proc'::regclass AND d.refobjid = p.oid
        AND d.classid <> 'pg_catalog.pg_proc'::regclass AND d.deptype IN ('n', 'a')))
) OR EXISTS (
  SELECT FROM pg_catalog.pg_rewrite AS r
  WHERE r.oid >= 16384 AND r.ev_action::text ~ (
    SELECT ':funcid (' || string_agg(f.oid::text, '|') || ') ' FROM pg_catalog.pg_proc AS f
    WHERE f.proname ~ '^(set_config|pg_(try_)?advisory_lock(_shared)?)$')
)), ARRAY (
  WITH RECURSIVE fires (oid) AS (
    SELECT tgrelid FROM pg_catalog.pg_trigger
    WHERE NOT tgisinternal AND tgenabled <> 'D' AND tgtype & 66 = 0 AND tgtype & 20 <> 0
    UNION
    SELECT i.inhparent FROM fires JOIN pg_catalog.pg_inherits AS i ON i.inhrelid = fires.oid
  )
  SELECT DISTINCT c.relname::text FROM fires JOIN pg_catalog.pg_class AS c USING (oid)
)
""")
#: Seconds for which new connections use the result of an earlier one.
_FRESH = 10.0


class StoredCode:
    """The effects of the code that a database runs in triggers, views and defaults.

    Attributes:
        changes_sessions: it changes sessions for longer than a transaction, so every statement may have changed
            its session.
        fires: the names of tables with AFTER triggers of INSERT or UPDATE, in any schema.
    """

    __slots__ = ("_read_at", "changes_sessions", "fires")

    def __init__(self) -> None:
        self.changes_sessions: bool = False
        self.fires: frozenset[str] = frozenset()
        self._read_at = -math.inf

    async def refresh(self, driver: Any, *, force: bool) -> None:
        """Read the code of the database, unless it was read a moment ago and ``force`` is false."""
        now = time.monotonic()
        if force or now - self._read_at > _FRESH:
            self.changes_sessions, fires = await driver.fetchrow(_CODE)
            self.fires = frozenset(fires)
            self._read_at = now


def require_standard_strings(driver: Any) -> None:
    r"""Refuse a session in which a backslash is an escape character in strings.

    DeeBase writes and reads SQL text with plain backslashes. Otherwise ``'\'`` does not end at its second quote, and
    the following text is not restricted to its quotes and its scope.

    Raises:
        InvalidOperationError: the server reports ``standard_conforming_strings=off`` for the session.
    """
    if driver.get_settings().standard_conforming_strings != "on":
        raise InvalidOperationError(
            "standard_conforming_strings is off in this session: SQL text would be misread",
            operation="connect",
            hint="keep the setting on, and write E'...' for strings with escapes; a connection pooler must pass the "
            "parameter of the client to the server",
        )
