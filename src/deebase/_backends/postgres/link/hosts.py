"""The reasons why no host of a PostgreSQL URL can be used."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from sqlalchemy.ext.asyncio import AsyncEngine

from deebase.errors import ConnectionError

#: Seconds to find the reason of one host: the connection itself has failed, and the caller waits.
_PATIENCE = 2.0
#: Arguments that SQLAlchemy's dialect does not pass to the driver.
_OF_THE_DIALECT = ("async_creator_fn", "prepared_statement_cache_size", "prepared_statement_name_func")

Reason = Callable[[BaseException], str]


async def no_host(engine: AsyncEngine, connect_args: dict[str, Any], reason: Reason) -> ConnectionError:
    """Query the role of each host, and return the error that lists them.

    Args:
        engine: the engine whose connection failed.
        connect_args: arguments of the driver in addition to the URL.
        reason: returns the message for an error of the driver.
    """
    given = {**engine.dialect.create_connect_args(engine.url)[1], **connect_args}
    options: dict[str, Any] = {name: value for name, value in given.items() if name not in _OF_THE_DIALECT}
    driver: Any = engine.dialect.loaded_dbapi
    connect = driver.asyncpg.connect
    wanted = options.pop("target_session_attrs", "any")
    hosts, ports = _listed(options.pop("host", "localhost")), _listed(options.pop("port", 5432))
    places = zip(hosts, ports if len(ports) == len(hosts) else ports * len(hosts), strict=True)
    found = await asyncio.gather(*(_state(connect, host, port, options, reason) for host, port in places))
    return ConnectionError(
        f"no host meets target_session_attrs={wanted}: {'; '.join(found)}",
        hint="during a failover try again in a moment; otherwise correct the hosts, or target_session_attrs",
    )


def _listed(value: Any) -> list[Any]:
    several: list[Any] = value
    return several if isinstance(value, list) else [value]


async def _state(connect: Any, host: str, port: int, options: dict[str, Any], reason: Reason) -> str:
    place = f"{host}:{port}"
    try:
        async with asyncio.timeout(_PATIENCE):
            connection = await connect(host=host, port=port, **options)
            try:
                standby, read_only = await connection.fetchrow(
                    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only')::boolean"
                )
            finally:
                connection.terminate()
    except Exception as error:
        return f"{place}: {reason(error)}"
    if standby:
        return f"{place} is a standby"
    return f"{place} is a primary that {'rejects' if read_only else 'accepts'} writes"
