"""What a session of PostgreSQL is set back to between two tasks."""

from __future__ import annotations

from typing import Any

import asyncpg

# The driver is not typed.
_Connection: Any = asyncpg.Connection

# DISCARD ALL, but for the statements that the driver has prepared and goes on using. The user comes first, as the
# statements behind it run with that user's rights; RESET ALL goes back to what the connection was opened with.
_RESET = """
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


class Session(_Connection):
    """A connection whose ``reset`` leaves nothing behind that a statement can have set."""

    def get_reset_query(self) -> str:
        """Return what ``reset`` sends, in one round trip."""
        return _RESET
