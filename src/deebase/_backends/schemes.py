"""Reads the target and the options of ``Database``; the scheme of a URL selects the backend."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple, cast

from deebase._backends.postgres import settings as postgres
from deebase._backends.protocols import Settings
from deebase._backends.sqlite import settings as sqlite
from deebase.errors import ConfigurationError

ACCEPTED = "a path, ':memory:', sqlite:///path, file:path?mode=ro, or postgresql://user:password@host/name"
#: The function that reads a URL, by scheme.
_READERS = {
    "sqlite": sqlite.from_url,
    "sqlite+aiosqlite": sqlite.from_url,
    "postgresql": postgres.from_url,
    "postgres": postgres.from_url,
    "postgresql+asyncpg": postgres.from_url,
}


class ReplicaOptions(NamedTuple):
    """The options of ``Database`` about replicas."""

    replicas: Any = None
    pool_size: Any = None
    reads: Any = "primary"
    max_lag: Any = 2.0


def settings_for(target: Any, options: Mapping[str, Any], replicas: ReplicaOptions | None = None) -> Settings:
    """Return the settings of a target and the options of ``Database``.

    Raises:
        ConfigurationError: an unsupported scheme, a malformed URL, an option out of range.
    """
    settings, asked = _settings_of(target, options), replicas or ReplicaOptions()
    if asked.reads not in ("primary", "fresh"):
        raise ConfigurationError("reads is 'primary' or 'fresh'", hint="reads='fresh' reads from replicas by itself")
    if asked.max_lag is not None:
        _seconds("max_lag", asked.max_lag)
    _size("replica_pool_size", asked.pool_size)
    listed = asked.replicas
    if listed is None:
        return settings
    if not isinstance(listed, str) or not listed.strip():
        raise ConfigurationError(
            f"replicas is a URL, not {type(listed).__name__}" if listed else "the URL of the replicas is empty",
            hint="replicas='postgresql://app@/shop?host=a:5432&host=b:5432'",
        )
    if _READERS.get(listed.partition("://")[0].lower()) is not postgres.from_url:
        raise ConfigurationError(
            "replicas is the URL of a PostgreSQL server", hint="replicas='postgresql://app@b/shop'"
        )
    own = options if asked.pool_size is None else {**options, "pool_size": asked.pool_size}
    made = settings.backend.replicas(listed, own)
    return replace(settings, replicas=replace(made, reads_fresh=asked.reads == "fresh", max_lag=asked.max_lag))


def _settings_of(target: Any, options: Mapping[str, Any]) -> Settings:
    if not isinstance(target, (str, os.PathLike)):
        raise ConfigurationError(f"a database is named by {ACCEPTED}, not by {type(target).__name__}")
    text = cast(Any, os.fspath(target))
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigurationError("the name of the database is empty or not text", hint=f"give {ACCEPTED}")
    for name in ("timeout", "connect_timeout", "command_timeout", "lock_timeout", "idle_timeout"):
        _seconds(name, options[name])
    if not _fits_in_loop(options.get("in_loop")):
        raise ConfigurationError("in_loop is a number of seconds up to 1", hint="in_loop=0.0002, or None for none")
    _size("pool_size", options["pool_size"])
    scheme, found, _ = text.partition("://") if isinstance(target, str) else ("", "", "")
    scheme = scheme.lower()
    if isinstance(target, str) and re.match(r"(sqlite|postgres)\w*(\+\w+)?(:(?!//)|//)", text, re.IGNORECASE):
        # Not echoed: a URL that lacks its colon or slashes may hold a password.
        raise ConfigurationError("this URL is malformed: :// does not follow the scheme", hint=f"give {ACCEPTED}")
    if isinstance(target, str) and sqlite.is_uri(text):
        return sqlite.from_url(text, options)
    if text == ":memory:" or not found:
        return sqlite.from_path(text, options)
    if scheme in _READERS:
        return _READERS[scheme](text, options)
    raise ConfigurationError(
        f"the scheme {scheme[:40]!r} is not supported"
        if re.fullmatch(r"[\w+.-]*", scheme)
        else "this URL is malformed",
        hint=f"give {ACCEPTED}",
    )


def _size(name: str, value: Any) -> None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < 1):
        raise ConfigurationError(f"{name} is a whole number from 1", hint=f"{name}=10")


def _seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e7:
        raise ConfigurationError(f"{name} is a number of seconds", hint=f"{name}=10, or 0 for none")


def _fits_in_loop(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool) and 0 <= value <= 1)
