"""The settings of a session that policies compare with the rows of secured tables."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from deebase._backends.postgres.catalog_queries import qualified
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import identifier, literal
from deebase.errors import InvalidOperationError

if TYPE_CHECKING:
    from deebase._lanes.acting import Acting

#: The policy of a secured table.
POLICY = "deebase_secure"

#: Why the role of a session is not subject to the policies, or could remove them; nothing if it is.
_ROLE_TEXT = f"""
SELECT r.rolname::text, CASE WHEN r.rolsuper THEN 'is a superuser' WHEN r.rolbypassrls THEN 'has BYPASSRLS'
 ELSE 'owns the table ' || (
  SELECT min(c.relname::text) FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
  WHERE p.polname = '{POLICY}' AND pg_has_role(c.relowner, 'MEMBER')) END
FROM pg_roles r WHERE r.rolname = current_user
"""
_ROLE = qualified(_ROLE_TEXT)
#: The same, if any table is secured.
UNRESTRICTED = qualified(f"""
SELECT * FROM ({_ROLE_TEXT}) AS role (name, why)
WHERE why IS NOT NULL AND EXISTS (SELECT FROM pg_policy WHERE polname = '{POLICY}')
""")
HINT = (
    "connect as an ordinary role: CREATE ROLE app LOGIN PASSWORD '...' NOSUPERUSER NOBYPASSRLS; "
    "GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA public TO app; "
    "GRANT USAGE ON ALL SEQUENCES IN SCHEMA public TO app"
)


class SessionActing:
    """For which values one session acts.

    Args:
        driver: the connection.
        local: whether the settings end with each transaction, as behind PgBouncer.
    """

    __slots__ = ("_acting", "_driver", "_is_known", "_names", "_was_set_inside", "local")

    def __init__(self, driver: Any, *, local: bool) -> None:
        self.local: bool = local
        self._driver = driver
        self._acting: Acting | None = None
        #: Whether the session certainly acts for it.
        self._is_known = True
        #: The settings that the session has had.
        self._names: set[str] = set()
        self._was_set_inside = False

    def reset(self) -> None:
        """Record that the session has its initial settings."""
        self._acting, self._is_known, self._was_set_inside = None, True, False
        self._names.clear()

    def begun(self) -> None:
        """Record the begin of a transaction."""
        self._was_set_inside = False
        if self.local:
            self.reset()

    def undone(self) -> None:
        """Record a rollback, which takes back the settings of its transaction or savepoint."""
        if self._was_set_inside:
            self._is_known = False

    def is_for(self, acting: Acting | None) -> bool:
        """Whether the session acts for these values."""
        return self._is_known and self._acting == acting

    async def set(self, acting: Acting | None) -> None:
        """Act for these values.

        The caller discards the connection if this fails or is cancelled.
        """
        self._is_known = False
        wanted = {**dict.fromkeys(self._names, ""), **({} if acting is None else acting.settings)}
        if wanted:
            # Text, not parameters: one round trip, and nothing is prepared.
            await self._driver.execute(_statement(wanted.items(), local=self.local))
        self._names.update(wanted)
        self._acting, self._is_known = acting, True
        self._was_set_inside = self._was_set_inside or bool(self._driver.is_in_transaction())

    async def check_role(self) -> None:
        """Refuse a role for which row security does not hold.

        Raises:
            InvalidOperationError: it is a superuser, bypasses row security or owns a secured table.
        """
        name, why = await self._driver.fetchrow(_ROLE)
        if why is not None:
            raise InvalidOperationError(
                f"the role {name} {why}, so that row security does not restrict it", operation="acting", hint=HINT
            )


def _statement(settings: Iterable[tuple[str, str]], *, local: bool) -> str:
    calls = [
        f"pg_catalog.set_config({literal(name, POSTGRES)}, {literal(value, POSTGRES)}, {'true' if local else 'false'})"
        for name, value in settings
    ]
    return f"SELECT {', '.join(calls)}"


def secure_statements(table: str, columns: Iterable[tuple[str, str]]) -> list[str]:
    """Return the statements that secure the rows of a table.

    Args:
        table: the table, quoted.
        columns: its columns and their types, as the server writes them.
    """
    condition = " AND ".join([
        f"{identifier(name)} = CAST(nullif(current_setting({literal(f'deebase.{name}'.lower(), POSTGRES)}, true), '')"
        f" AS {kind})"
        for name, kind in columns
    ])  # fmt: skip
    return [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY {POLICY} ON {table} USING ({condition}) WITH CHECK ({condition})",
    ]


def unsecure_statements(table: str) -> list[str]:
    """Return the statements that end the security of the rows of a table, which is quoted."""
    return [
        f"DROP POLICY {POLICY} ON {table}",
        f"ALTER TABLE {table} NO FORCE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} DISABLE ROW LEVEL SECURITY",
    ]
