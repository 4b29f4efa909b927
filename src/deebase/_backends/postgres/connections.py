"""Opens connections to PostgreSQL."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine

from deebase._backends.error_translation import describing
from deebase._backends.postgres.adbc import AdbcReader
from deebase._backends.postgres.catalog_queries import qualified
from deebase._backends.postgres.codecs import set_codecs
from deebase._backends.postgres.engine import PostgresLanes
from deebase._backends.postgres.lane import PostgresLane
from deebase._backends.postgres.link.hosts import HostChoice
from deebase._backends.postgres.link.listed_hosts import addresses_of
from deebase._backends.postgres.link.received import ReceiveLimit
from deebase._backends.postgres.session_state import StoredCode, require_standard_strings
from deebase._backends.postgres.sql import NumbersAtExecution
from deebase._backends.protocols import LANE, Settings, Translate
from deebase._types.forms.json_texts import loads
from deebase.errors import ConnectionError

log = logging.getLogger("deebase")

#: The role of the session, if it reaches what is outside of the database; every superuser is a member of all roles.
_STRONG = qualified("""
SELECT current_user::text WHERE pg_has_role('pg_read_server_files', 'MEMBER')
 OR pg_has_role('pg_write_server_files', 'MEMBER') OR pg_has_role('pg_execute_server_program', 'MEMBER')
""")


class PostgresEngine:
    """Opens connections to a PostgreSQL server."""

    def engine_options(self, settings: Settings) -> dict[str, Any]:
        """Return the options of ``create_async_engine``."""
        given: dict[str, Any] = settings.engine_options.get("connect_args", {})
        ours = settings.connect_args
        server_settings = {**ours["server_settings"], **given.get("server_settings", {})}
        connect_args = {**ours, **given, "server_settings": server_settings}
        return {"json_deserializer": loads, **settings.engine_options, "connect_args": connect_args}

    def prepare(self, engine: AsyncEngine, settings: Settings) -> None:
        """Set the codecs on each new connection, and report the statements that SQLAlchemy sends on it."""
        _warn_of_unverified(settings, self.engine_options(settings)["connect_args"])
        _watch_session(engine)
        engine.dialect.statement_compiler = NumbersAtExecution
        event.listen(engine.sync_engine, "connect", _set_codecs)

    def lanes(
        self, engine: AsyncEngine, settings: Settings, loop: asyncio.AbstractEventLoop, translate: Translate
    ) -> PostgresLanes:
        """Return the connections of one event loop."""
        code, warned = StoredCode(), set[str]()
        connect_args = self.engine_options(settings)["connect_args"]
        choice = connect_args.get("async_creator_fn")
        return PostgresLanes(
            loop,
            lambda: _open(engine, settings, code, warned),
            limit=settings.pool_size,
            timeout=settings.timeout,
            place=settings.display,
            describe=describing(translate),
            adbc=AdbcReader(engine, settings, connect_args),
            hosts=choice if isinstance(choice, HostChoice) else None,
        )


def _set_codecs(connection: Any, _record: Any) -> None:
    driver = connection.driver_connection
    # The driver looks up the types of results and parameters that it does not know.
    driver._intro_query = qualified(driver._intro_query)
    connection.run_async(set_codecs)


def _warn_of_unverified(settings: Settings, connect_args: dict[str, Any]) -> None:
    host = unverified_host(settings.sa_url, connect_args)
    if host is not None:
        log.warning(
            "the certificate of the server %s is not verified: an attacker could read and change the data; "
            "engine_options={'connect_args': {'ssl': True}} verifies it",
            host,
        )


def _watch_session(engine: AsyncEngine) -> None:
    """Report the statements that SQLAlchemy sends on a connection to its lane."""

    def sends(connection: sa.Connection, _cursor: Any, sql: str, *_: Any) -> None:
        lane = connection.get_execution_options().get(LANE)
        if lane is not None:
            lane.sends(sql)

    event.listen(engine.sync_engine, "before_cursor_execute", sends)


async def _open(engine: AsyncEngine, settings: Settings, code: StoredCode, warned: set[str]) -> PostgresLane:
    """Open one connection."""
    try:
        connection = await engine.connect()
    except TimeoutError as error:
        raise ConnectionError(
            "the server did not accept a connection in time", hint="check host and port, or raise connect_timeout="
        ) from error
    try:
        driver = (await connection.get_raw_connection()).driver_connection
        require_standard_strings(driver)
        await code.refresh(driver, force=False)
        # PgBouncer may give each transaction another session.
        lane = PostgresLane(connection, driver, code, local="statement_cache_size" in settings.connect_args)
        await connection.execution_options(isolation_level="AUTOCOMMIT", **{LANE: lane})
        if settings.read_only:
            lane.received = ReceiveLimit(driver)
            await _warn_of_rights(driver, settings, warned)
    except BaseException:
        # Not returned to SQLAlchemy's pool, which on a lost link waits as long as a command may take to close it.
        await connection.invalidate()
        await connection.close()
        raise
    return lane


async def _warn_of_rights(driver: Any, settings: Settings, warned: set[str]) -> None:
    """Log once that the role of a Database that only reads can do more than read."""
    if warned:
        return
    warned.add(settings.display)
    role = await driver.fetchval(_STRONG)
    if role is not None:
        log.warning(
            "%s is opened for reading by the role %s, which is a superuser or can reach files and programs of the "
            "server; if others write the SQL, use a role that can only read: GRANT pg_read_all_data TO ...",
            settings.display,
            role,
        )


def unverified_host(url: sa.URL, connect_args: Mapping[str, Any]) -> str | None:
    """Return the host of a server whose certificate is not verified; None if it is verified, or without a network.

    Args:
        url: the URL of the server.
        connect_args: further arguments of asyncpg, such as ``ssl``.
    """
    hosts = addresses_of(url)
    away = [each for each in hosts if not _is_local(each.host)]
    if not away or _verifies(connect_args.get("ssl", url.query.get("ssl"))):
        return None
    return away[0].host if len(hosts) == 1 else str(away[0])


def _is_local(host: str) -> bool:
    if host.startswith(("/", "@")) or host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _verifies(ssl: Any) -> bool:
    """Whether asyncpg verifies the certificate, as it does for True and an ssl context."""
    if isinstance(ssl, str):
        return ssl in ("verify-ca", "verify-full")
    mode = getattr(ssl, "verify_mode", None)
    return ssl is True or (mode is not None and mode.name == "CERT_REQUIRED")


ENGINE = PostgresEngine()
