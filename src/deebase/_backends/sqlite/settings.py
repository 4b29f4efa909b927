"""The settings of a SQLite database, from a path, a ``sqlite:`` URL or a ``file:`` URI."""

from __future__ import annotations

import os
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Never, cast
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import sqlalchemy as sa

from deebase._backends.additions import read_additions
from deebase._backends.protocols import Settings
from deebase._backends.sqlite import BACKEND
from deebase._backends.sqlite.sql import make_dialect
from deebase.errors import ConfigurationError

_MODES = ("ro", "rw", "rwc", "memory")
#: Connections that read a database in memory beside those of its owner.
_READERS = 2
_SWITCHES = {"1": True, "true": True, "yes": True, "on": True, "0": False, "false": False, "no": False, "off": False}
#: The options that SQLite reads from the query of a URI (sqlite.org/uri.html), and the flag of SQLAlchemy for URIs.
_OPTIONS = ("cache", "immutable", "mode", "uri", "vfs")


@dataclass(frozen=True)
class SqliteTarget:
    """A SQLite database.

    Attributes:
        path: the file; None for a database in memory.
        sa_url: the URL for SQLAlchemy.
        display: the name of the database for users.
        read_only: whether the file is opened read-only.
        creates: whether a missing file is created.
    """

    path: str | None
    sa_url: sa.URL
    display: str
    read_only: bool = False
    creates: bool = True


def is_uri(text: str) -> bool:
    """Whether a text is a URI in SQLite's form."""
    return text[:5].lower() == "file:"


def sqlite_file(path: str) -> SqliteTarget:
    """Return the database of a path, which may hold any characters."""
    return _in_memory(path, {}, shared=False) if path == ":memory:" else _file(path, "rwc", {})


def sqlite_target(text: str) -> SqliteTarget:
    """Return the database of a ``sqlite:`` URL or a ``file:`` URI.

    Raises:
        ConfigurationError: an option is unknown, or its value is not valid.
    """
    query = ""
    if text[:6].lower() == "sqlite":
        name, _, query = text.partition("://")[2].partition("?")
        text = name.removeprefix("/") or ":memory:"
    if is_uri(text):
        text, _, own = text.partition("#")[0].partition("?")
        text, query = _path_of_uri(text), own or query
    options = _options(query)
    mode, shared = options.get("mode", "rwc"), options.get("cache") == "shared"
    if text == ":memory:" or mode == "memory":
        return _in_memory(text, options, shared=shared)
    if shared:
        raise ConfigurationError(
            "cache=shared is not supported for files: their connections would lock each other's tables",
            hint="omit it; the connections of a Database share one writer",
        )
    return _file(text, mode, options)


def _path_of_uri(text: str) -> str:
    rest = text[5:]
    if rest.startswith("//"):
        host = urlsplit(rest).netloc
        if host not in ("", "localhost"):
            raise ConfigurationError("a file: URI has no host", hint="file:///abs/app.db, or file:app.db")
        rest = rest[2 + len(host) :]
    return unquote(rest)


def _options(query: str) -> dict[str, str]:
    options = dict(parse_qsl(query, keep_blank_values=True))
    for name, value in options.items():
        if name not in _OPTIONS:
            raise ConfigurationError(
                f"the option {name[:40]!r} of the SQLite URL is not known",
                hint="use mode, immutable, cache or vfs; others are arguments of Database(...), such as timeout=10",
            )
        allowed = {"mode": _MODES, "cache": ("shared", "private"), "immutable": _SWITCHES, "uri": _SWITCHES}.get(name)
        if (allowed is not None and value not in allowed) or (name == "vfs" and not re.fullmatch(r"[\w.-]+", value)):
            listed = ", ".join(allowed) if allowed is not None else "the name of a VFS of SQLite"
            raise ConfigurationError(f"the option {name} of the SQLite URL is not valid", hint=f"one of {listed}")
    return options


def _in_memory(name: str, options: dict[str, str], *, shared: bool) -> SqliteTarget:
    if options.get("mode", "memory") != "memory" or {"immutable", "vfs"} & options.keys():
        raise ConfigurationError(
            "a database in memory has no mode, immutable or vfs", hint="use a file, or omit the option"
        )
    # One memory database for several connections: db.engine opens the same one as the lanes.
    known = f"shared-{quote(name, safe='')}" if shared else uuid.uuid4().hex
    query = {"vfs": "memdb", "uri": "true"}
    url = sa.URL.create("sqlite+aiosqlite", database=f"file:/deebase-{known}", query=query)
    return SqliteTarget(None, url, f"{name}?mode=memory&cache=shared" if shared else ":memory:")


def _file(text: str, mode: str, options: dict[str, str]) -> SqliteTarget:
    path = os.path.expanduser(text)
    immutable = _SWITCHES[options.get("immutable", "0")]
    given: dict[str, str] = {name: options[name] for name in ("mode", "vfs") if name in options}
    if mode == "ro":
        given["mode"] = mode
    if immutable:
        given["immutable"] = "1"
    if not given:
        return SqliteTarget(path, sa.URL.create("sqlite+aiosqlite", database=path), text)
    place = "file:" + quote(os.path.abspath(path))
    return SqliteTarget(
        path=path,
        sa_url=sa.URL.create("sqlite+aiosqlite", database=place, query={**given, "uri": "true"}),
        display=f"{text}?{'&'.join(f'{name}={value}' for name, value in given.items())}",
        read_only=immutable or mode == "ro",
        creates=mode == "rwc" and not immutable,
    )


def from_path(path: str, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a path and the options of ``Database``.

    Raises:
        ConfigurationError: an option is not valid.
    """
    return _settings(sqlite_file(path), options)


def from_url(text: str, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a ``sqlite:`` URL or a ``file:`` URI, and the options of ``Database``.

    Raises:
        ConfigurationError: an option of either is not valid.
    """
    return _settings(sqlite_target(text), options)


def reading(settings: Settings) -> Settings:
    """Return settings for the same database whose connections cannot write."""
    if settings.path is None:
        # SQLite has no mode for it; its connections are `query_only`.
        return replace(settings, read_only=True, in_loop=None, pool_size=min(settings.pool_size, _READERS))
    if settings.read_only:
        return settings
    target = _file(settings.path, "ro", {"vfs": str(vfs)} if (vfs := settings.sa_url.query.get("vfs")) else {})
    return replace(settings, sa_url=target.sa_url, read_only=True, creates=False)


def replicas(text: str, options: Mapping[str, Any]) -> Never:
    """Refuse: a file has no replicas.

    Raises:
        ConfigurationError: always.
    """
    raise ConfigurationError(
        "SQLite has no replicas: its readers do not wait for the writer",
        hint="omit replicas=; db.reading() and reads='fresh' work without it",
    )


def _settings(target: SqliteTarget, options: Mapping[str, Any]) -> Settings:
    given = cast("Mapping[str, Any]", options["pragmas"] or {})
    return Settings(
        backend=BACKEND,
        sa_url=target.sa_url,
        display=target.display,
        path=target.path,
        memory=target.path is None,
        read_only=target.read_only,
        creates=target.creates,
        dialect=make_dialect(target.sa_url),
        pool_size=options["pool_size"] or 4,
        timeout=float(options["timeout"]),
        in_loop=options.get("in_loop") or None,
        pragmas=_pragmas(options),
        trusts_harmless="trusted_schema" not in {str(name).lower() for name in given},
        additions=read_additions(options),
        # Connections are used by their own thread, and those for reads in the event loop by its thread, too.
        connect_args={"isolation_level": None, "timeout": 0.05, "check_same_thread": False},
        engine_options=dict(options["engine_options"] or {}),
    )


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
            raise ConfigurationError("the name of a pragma consists of letters", hint="pragmas={'cache_size': -65536}")
        if value is None:
            pragmas.pop(name.lower(), None)
            continue
        if isinstance(value, bool):
            value = int(value)
        if not isinstance(value, int) and not re.fullmatch(r"[A-Za-z_]+", str(value)):
            raise ConfigurationError(f"the value of pragma {name} is a whole number or a word")
        pragmas[name.lower()] = value
    return list(pragmas.items())
