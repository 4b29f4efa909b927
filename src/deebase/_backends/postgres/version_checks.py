"""Servers whose certificate is not verified."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa


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
