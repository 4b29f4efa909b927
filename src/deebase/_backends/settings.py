"""Where a database is and how to connect to it, read from what the user gave."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import ArgumentError

from deebase.errors import ConfigurationError

ACCEPTED = "a path, ':memory:', sqlite:///path, or postgresql://user:password@host/name"
_SQLITE = ("sqlite", "sqlite+aiosqlite")
_POSTGRES = ("postgresql", "postgres", "postgresql+asyncpg")

#: asyncpg knows libpq's modes under another name of the option.
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")


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
    if text == ":memory:" or not found:
        return _sqlite(text, options)
    if scheme in _SQLITE:
        path = text.partition("://")[2].partition("?")[0]
        return _sqlite(path.removeprefix("/") or ":memory:", options)
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


def _sqlite(path: str, options: Mapping[str, Any]) -> Settings:
    memory = path == ":memory:"
    if memory:
        # One memory database for several connections: db.engine gives the same as the lanes.
        database: str = f"file:/deebase-{uuid.uuid4().hex}"
        url = sa.URL.create("sqlite+aiosqlite", database=database, query={"vfs": "memdb", "uri": "true"})
        display = ":memory:"
    else:
        database = os.path.expanduser(path)
        url = sa.URL.create("sqlite+aiosqlite", database=database)
        display = path
    return Settings(
        sa_url=url,
        name="sqlite",
        display=display,
        path=None if memory else database,
        memory=memory,
        dialect=_dialect(url),
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
    quote_keywords(dialect)
    return dialect


def quote_keywords(dialect: Dialect) -> None:
    """Have a dialect quote the keywords of SQLite that SQLAlchemy takes for plain names."""
    if dialect.name == "sqlite":
        preparer = dialect.identifier_preparer
        preparer.reserved_words = {*preparer.reserved_words, "nothing", "returning"}


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
    try:
        url = sa.make_url(text).set(drivername="postgresql+asyncpg")
        query: dict[str, Any] = dict(url.query)
    except (ArgumentError, ValueError):
        # Not chained: the original quotes the URL, password and all.
        raise ConfigurationError(
            "this PostgreSQL URL is malformed", hint="postgresql://user:password@host:5432/name, with %-codes for @ : /"
        ) from None
    connect_args = _postgres_connect_args(options)
    mode = query.pop("sslmode", None)
    if mode is not None:
        if mode not in _SSL_MODES:
            raise ConfigurationError("the sslmode of the URL is unknown", hint=f"one of {', '.join(_SSL_MODES)}")
        connect_args["ssl"] = mode
    password = query.pop("password", None)
    if password is not None:
        url = url.set(password=str(password))
    user = query.pop("user", None)
    if user is not None:
        url = url.set(username=str(user))
    _server_options(query, connect_args)
    url = url.set(query=query)
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
        engine_options=dict(options["engine_options"] or {}),
    )


#: What asyncpg and SQLAlchemy's dialect take from a URL besides what is translated here.
_URL_OPTIONS = {
    "host",
    "port",
    "ssl",
    "passfile",
    "service",
    "target_session_attrs",
    "gsslib",
    "krbsrvname",
    "direct_tls",
    "statement_cache_size",
    "prepared_statement_cache_size",
}


def _server_options(query: dict[str, Any], connect_args: dict[str, Any]) -> None:
    """Take libpq's options out of a URL's query, and refuse those nobody would read."""
    name = query.pop("application_name", None)
    if name is not None:
        connect_args["server_settings"] = {**connect_args.get("server_settings", {}), "application_name": str(name)}
    seconds = query.pop("connect_timeout", None)
    if seconds is not None:
        if not re.fullmatch(r"\d{1,6}", str(seconds)):
            raise ConfigurationError("connect_timeout of the URL is a number of seconds", hint="connect_timeout=10")
        connect_args["timeout"] = int(seconds) or None
    unknown = sorted(set(query) - _URL_OPTIONS)
    if unknown:
        raise ConfigurationError(
            f"the option {unknown[0][:40]!r} of the URL is not known",
            hint="sslmode, application_name, connect_timeout, host are; else engine_options={'connect_args': ...}",
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
        }
    milliseconds = {
        "statement_timeout": options["command_timeout"],
        "lock_timeout": options["lock_timeout"],
        "idle_in_transaction_session_timeout": options["idle_timeout"],
    }
    settings = {name: str(round(seconds * 1000)) for name, seconds in milliseconds.items()}
    # The scanner of SQL text reads a backslash in a string as the plain character it is by default.
    fixed = {"application_name": "deebase", "standard_conforming_strings": "on"}
    return {**args, "server_settings": {**fixed, **settings}}
