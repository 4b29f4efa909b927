"""The session of a PostgreSQL connection: what sets it back between two tasks, and what it has to be like."""

from __future__ import annotations

from typing import Any

from deebase.errors import InvalidOperationError

# DISCARD ALL, but for the statements that the driver has prepared and goes on using. The user comes first, as the
# statements behind it run with that user's rights; RESET ALL goes back to what the connection was opened with.
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


def require_standard_strings(driver: Any) -> None:
    r"""Refuse a session in which a backslash is more than a character of a string.

    Every text that DeeBase writes or reads takes it for one. Otherwise ``'\'`` does not end where it seems to, and
    what follows leaves its quotes and its scope.

    Raises:
        InvalidOperationError: the server reports ``standard_conforming_strings=off`` for the session.
    """
    if driver.get_settings().standard_conforming_strings != "on":
        raise InvalidOperationError(
            "standard_conforming_strings is off in this session: SQL text would be misread",
            operation="connect",
            hint="leave the setting on, and write E'...' for strings with escapes; behind a connection pooler, "
            "let it pass the parameter of the client on",
        )
