"""Where a database is and how to connect to it, read from what the user gave."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.dialects import adapt
from deebase._backends.postgres.url import postgres_url, take_options
from deebase._backends.sqlite.url import SqliteTarget, is_uri, sqlite_file, sqlite_target
from deebase.errors import ConfigurationError

ACCEPTED = "a path, ':memory:', sqlite:///path, file:path?mode=ro, or postgresql://user:password@host/name"
_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRES = ("postgresql", "postgres", "postgresql+asyncpg")


@dataclass(frozen=True)
class Settings:
    """How to connect; made once per Database, without touching the database."""

    sa_url: sa.URL
    name: str
    display: str
    path: str | None
    memory: bool
    dialect: Dialect
    pool_size: int
    timeout: float
    #: Of a SQLite file: whether it is only read, and whether a missing one is made.
    read_only: bool = False
    creates: bool = True
    pragmas: Sequence[tuple[str, Any]] = ()
    #: Whether a SQLite file whose schema is harmless gets trust when it needs it: no pragma says otherwise.
    trusts_harmless: bool = False
    connect_args: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())
    engine_options: dict[str, Any] = field(default_factory=lambda: dict[str, Any]())


def settings_for(target: Any, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a target and the options of ``Database``.

    Raises:
        ConfigurationError: an unsupported scheme, a malformed URL, an option out of range.
    """
    if not isinstance(target, (str, os.PathLike)):
        raise ConfigurationError(f"a database is named by {ACCEPTED}, not by {type(target).__name__}")
    text = cast(Any, os.fspath(target))
    if not isinstance(text, str) or not text.strip() or "\0" in text:
        raise ConfigurationError("the name of the database is empty or no text", hint=f"give {ACCEPTED}")
    for name in ("timeout", "connect_timeout", "command_timeout", "lock_timeout", "idle_timeout"):
        _seconds(name, options[name])
    pool_size = options["pool_size"]
    if pool_size is not None and (isinstance(pool_size, bool) or not isinstance(pool_size, int) or pool_size < 1):
        raise ConfigurationError("pool_size is a whole number from 1", hint="pool_size=10")
    scheme, found, _ = text.partition("://") if isinstance(target, str) else ("", "", "")
    scheme = scheme.lower()
    if isinstance(target, str) and re.match(r"(sqlite|postgres)\w*(\+\w+)?(:(?!//)|//)", text, re.IGNORECASE):
        # Not echoed: a URL that lacks its colon or slashes may hold a password.
        raise ConfigurationError("this URL is malformed: :// does not follow the scheme", hint=f"give {ACCEPTED}")
    if isinstance(target, str) and (scheme in _SQLITE or is_uri(text)):
        return _sqlite(sqlite_target(text), options)
    if text == ":memory:" or not found:
        return _sqlite(sqlite_file(text), options)
    if scheme in _POSTGRES:
        return _postgres(text, options)
    raise ConfigurationError(
        f"the scheme {scheme[:40]!r} is not supported"
        if re.fullmatch(r"[\w+.-]*", scheme)
        else "this URL is malformed",
        hint=f"give {ACCEPTED}",
    )


def _seconds(name: str, value: Any) -> None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < 1e7:
        raise ConfigurationError(f"{name} is a number of seconds", hint=f"{name}=10, or 0 for none")


def _sqlite(target: SqliteTarget, options: Mapping[str, Any]) -> Settings:
    return Settings(
        sa_url=target.sa_url,
        name="sqlite",
        display=target.display,
        path=target.path,
        memory=target.path is None,
        read_only=target.read_only,
        creates=target.creates,
        dialect=_dialect(target.sa_url),
        pool_size=options["pool_size"] or 4,
        timeout=float(options["timeout"]),
        pragmas=_pragmas(options),
        trusts_harmless="trusted_schema"
        not in {str(name).lower() for name in cast("Mapping[str, Any]", options["pragmas"] or {})},
        connect_args={"isolation_level": None, "timeout": 0.05},
        engine_options=dict(options["engine_options"] or {}),
    )


def _dialect(url: sa.URL) -> Dialect:
    """Return a dialect that compiles without the driver being loaded."""
    dialect: Dialect = url.get_dialect()()
    if dialect.name == "postgresql":
        # What a connection would find out: backslashes are plain in strings (the default since 9.1).
        dialect._backslash_escapes = False  # type: ignore[attr-defined]
    adapt(dialect)
    return dialect


def _pragmas(options: Mapping[str, Any]) -> list[tuple[str, Any]]:
    durability = options["durability"]
    if durability not in ("full", "normal"):
        raise ConfigurationError("durability is 'full' or 'normal'", hint="durability='full' syncs at every commit")
    pragmas: dict[str, Any] = {
        "busy_timeout": 50,
        "journal_mode": "WAL",
        "synchronous": "FULL" if durability == "full" else "NORMAL",
        "foreign_keys": "ON" if options["foreign_keys"] else "OFF",
        "trusted_schema": "OFF",
        "mmap_size": 0,
        "journal_size_limit": 64 * 1024 * 1024,
    }
    for name, value in dict(options["pragmas"] or {}).items():
        if not isinstance(name, str) or not re.fullmatch(r"[A-Za-z_]+", name):
            raise ConfigurationError("a pragma is named by letters", hint="pragmas={'cache_size': -65536}")
        if value is None:
            pragmas.pop(name.lower(), None)
            continue
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int) and not re.fullmatch(r"[A-Za-z_]+", str(value)):
            raise ConfigurationError(f"the value of pragma {name} is a whole number or a word")
        pragmas[name.lower()] = value
    return list(pragmas.items())


def _postgres(text: str, options: Mapping[str, Any]) -> Settings:
    connect_args = _postgres_connect_args(options)
    url = take_options(postgres_url(text), connect_args)
    engine_options = dict(options["engine_options"] or {})
    _require_standard_strings(engine_options)
    return Settings(
        sa_url=url,
        name="postgresql",
        display=url.set(drivername="postgresql", query={}).render_as_string(hide_password=True),
        path=None,
        memory=False,
        dialect=_dialect(url),
        pool_size=options["pool_size"] or 10,
        timeout=float(options["timeout"]),
        connect_args=connect_args,
        engine_options=engine_options,
    )


# The scanner of SQL text reads a backslash in a string as the plain character that it is by default.
_STANDARD_STRINGS = {"standard_conforming_strings": "on"}
# What the text of a default, a view or an index says must not depend on the settings of a role or a database.
_FORMATS = {
    "DateStyle": "ISO",
    "IntervalStyle": "postgres",
    "bytea_output": "hex",
    "extra_float_digits": "1",
    "quote_all_identifiers": "off",
}


def _require_standard_strings(engine_options: Mapping[str, Any]) -> None:
    given: Mapping[str, Any] = engine_options.get("connect_args", {}).get("server_settings", {})
    if any(name.lower() in _STANDARD_STRINGS and str(value).lower() != "on" for name, value in given.items()):
        raise ConfigurationError(
            "standard_conforming_strings cannot be switched off: SQL text would be misread",
            hint="write E'...' for strings with escapes",
        )


def _postgres_connect_args(options: Mapping[str, Any]) -> dict[str, Any]:
    args: dict[str, Any] = {
        "timeout": options["connect_timeout"] or None,
        "command_timeout": options["command_timeout"] or None,
    }
    if options["pgbouncer"]:
        # In transaction mode each statement may meet another server: nothing may be kept there.
        return {
            **args,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
            # PgBouncer sets these two on each server that it lends, and refuses parameters that it does not know.
            "server_settings": {**_STANDARD_STRINGS, "DateStyle": "ISO"},
        }
    milliseconds = {
        "statement_timeout": options["command_timeout"],
        "lock_timeout": options["lock_timeout"],
        "idle_in_transaction_session_timeout": options["idle_timeout"],
    }
    limits = {name: str(round(seconds * 1000)) for name, seconds in milliseconds.items()}
    return {**args, "server_settings": {"application_name": "deebase", **_STANDARD_STRINGS, **_FORMATS, **limits}}
