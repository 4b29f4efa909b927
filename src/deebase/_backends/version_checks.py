"""What is worth a line in the log when a database is opened: builds of SQLite with a bug, unverified servers."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa

from deebase.errors import ConfigurationError

Version = tuple[int, int, int]

#: The first and the last build with the bug, and those of older branches in which it is mended (sqlite.org/wal.html).
_WAL_RESET_BUG: tuple[Version, Version] = ((3, 7, 0), (3, 51, 2))
_MENDED: tuple[Version, ...] = ((3, 44, 6), (3, 50, 7))


#: What reflection asks for is not in older ones: PRAGMA table_list (sqlite.org/pragma.html#pragma_table_list).
_OLDEST_SQLITE: Version = (3, 37, 0)


def refuse_old_sqlite(version: Version) -> None:
    """Raise for a build of SQLite that lacks what DeeBase needs, before a statement fails for no visible reason.

    Raises:
        ConfigurationError: it is too old.

    Example:
        ```python
        refuse_old_sqlite((3, 37, 0))
        ```
    """
    if version < _OLDEST_SQLITE:
        found, needed = (".".join(map(str, one)) for one in (version, _OLDEST_SQLITE))
        raise ConfigurationError(
            f"this Python is linked with SQLite {found}, and {needed} is needed",
            hint="take a Python with a newer SQLite: python -c 'import sqlite3; print(sqlite3.sqlite_version)'",
        )


def wal_reset_notice(version: Version) -> str | None:
    """Return what to know of a build of SQLite whose WAL may lose commits; None for one without the bug.

    Two processes that checkpoint at the same time can meet it. Within one process DeeBase has one writer, which
    checkpoints.

    Example:
        ```python
        assert wal_reset_notice((3, 51, 3)) is None
        ```
    """
    first, last = _WAL_RESET_BUG
    mended = any(version[:2] == good[:2] and version >= good for good in _MENDED)
    if not first <= version <= last or mended:
        return None
    shown = ".".join(map(str, version))
    return (
        f"SQLite {shown} has a bug that can lose commits when several processes checkpoint one database at once; "
        "3.51.3, 3.50.7 and 3.44.6 do not"
    )


def unverified_host(url: sa.URL, connect_args: Mapping[str, Any]) -> str | None:
    """Return the host of a server whose certificate is not verified; None where it is, or where no network is between.

    Args:
        url: where the server is.
        connect_args: what asyncpg is given besides, ``ssl`` among it.
    """
    hosts = [url.host] if url.host else list(_listed(url.query.get("host")))
    away = [host for host in hosts if host and not _is_local(host)]
    return None if not away or _verifies(connect_args.get("ssl", url.query.get("ssl"))) else away[0]


def _listed(value: str | tuple[str, ...] | None) -> tuple[str, ...]:
    if value is None:
        return ()
    return value if isinstance(value, tuple) else tuple(value.split(","))


def _is_local(host: str) -> bool:
    if host.startswith(("/", "@")) or host == "localhost" or host.startswith("localhost:"):
        return True
    try:
        return ipaddress.ip_address(host.rpartition(":")[0] if host.count(":") == 1 else host).is_loopback
    except ValueError:
        return False


def _verifies(ssl: Any) -> bool:
    """Whether asyncpg compares the certificate with known authorities: True and a context of one's own do."""
    if isinstance(ssl, str):
        return ssl in ("verify-ca", "verify-full")
    mode = getattr(ssl, "verify_mode", None)
    return ssl is True or (mode is not None and mode.name == "CERT_REQUIRED")
