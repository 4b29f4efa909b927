"""The settings of a PostgreSQL server: the options of its URL, as in libpq, and those of asyncpg."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy.exc import ArgumentError

from deebase._backends.additions import refuse_additions
from deebase._backends.postgres import BACKEND
from deebase._backends.postgres.link.hosts import HostChoice
from deebase._backends.postgres.link.listed_hosts import addresses_of, take_host_list, with_host_list
from deebase._backends.postgres.sql import make_dialect
from deebase._backends.protocols import Replicas, Settings
from deebase.errors import ConfigurationError

log = logging.getLogger("deebase")

#: Connections of a Database that only reads, at most those of the one that it belongs to.
_READING_CONNECTIONS = 4
#: The modes of libpq; asyncpg has another name for the option.
_SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
_SESSION_ATTRIBUTES = ("any", "primary", "standby", "read-write", "read-only", "prefer-standby")
#: Those of the servers that replicas may be.
_OF_REPLICAS = ("any", "standby", "read-only", "prefer-standby")
_BALANCES = ("disable", "random")
#: The options that asyncpg and SQLAlchemy's dialect read from a URL; others are translated here.
_TAKEN = {
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
#: Options of libpq (manual, 34.1.2) that asyncpg does not support, and that do not change the meaning of a connection.
_IGNORED = {
    "channel_binding",
    "client_encoding",
    "fallback_application_name",
    "gssdelegation",
    "gssencmode",
    "keepalives",
    "keepalives_count",
    "keepalives_idle",
    "keepalives_interval",
    "sslcompression",
    "sslsni",
    "tcp_user_timeout",
}


def postgres_url(text: str) -> sa.URL:
    """Return the parts of a URL.

    Raises:
        ConfigurationError: it is malformed; the message quotes no part of it, because any part may be a password.
    """
    text, hosts = take_host_list(text)
    try:
        url = sa.make_url(text).set(drivername="postgresql+asyncpg")
    except (ArgumentError, ValueError):
        # Not chained: the original error quotes the URL with the password.
        raise ConfigurationError(
            "this PostgreSQL URL is malformed", hint="postgresql://user:password@host:5432/name, with %-codes for @ : /"
        ) from None
    if url.password is not None and "@" in f"{url.host}{url.database}":
        # The end of the password is uncertain: the host or database may be a part of it.
        raise ConfigurationError(
            "this PostgreSQL URL has more than one @ after the user", hint="write %40 for an @ in the password"
        )
    url = with_host_list(url, hosts)
    host = unquote(url.host or "")
    if host.startswith(("/", "@")):
        # A socket, in the form of libpq; the driver only reads it from the query.
        return url._replace(host=None).update_query_dict({"host": host})
    return url.set(host=host or None)


def take_options(url: sa.URL, connect_args: dict[str, Any]) -> sa.URL:
    """Translate the query of a URL into arguments of the driver, and return the URL without the translated options.

    Raises:
        ConfigurationError: an option is unknown, or its value is not valid.
    """
    query: dict[str, Any] = dict(url.query)
    mode = query.pop("sslmode", None)
    if mode is not None:
        connect_args["ssl"] = _one_of("sslmode", mode, _SSL_MODES)
    wanted = _one_of("target_session_attrs", query.get("target_session_attrs", "any"), _SESSION_ATTRIBUTES)
    balance = _one_of("load_balance_hosts", query.pop("load_balance_hosts", "disable"), _BALANCES)
    if wanted != "any" or len(addresses_of(url)) > 1:
        connect_args["async_creator_fn"] = HostChoice(wanted, shuffles=balance == "random")
    password, user = query.pop("password", None), query.pop("user", None)
    if password is not None:
        url = url.set(password=str(password))
    if user is not None:
        url = url.set(username=str(user))
    settings = {name: str(query.pop(name)) for name in ("application_name", "options") if name in query}
    connect_args["server_settings"] = {**connect_args["server_settings"], **settings}
    seconds = query.pop("connect_timeout", None)
    if seconds is not None:
        if not re.fullmatch(r"\d{1,6}", str(seconds)):
            raise ConfigurationError("connect_timeout of the URL is a number of seconds", hint="connect_timeout=10")
        connect_args["timeout"] = int(seconds) or None
    ignored = sorted(_IGNORED & query.keys())
    if ignored:
        log.debug("the driver does not support these options of the URL, which are ignored: %s", ", ".join(ignored))
    _refuse_unknown(query)
    return url.set(query={name: value for name, value in query.items() if name not in _IGNORED})


def _one_of(name: str, value: Any, allowed: tuple[str, ...]) -> str:
    if value not in allowed:
        raise ConfigurationError(f"the {name} of the URL is unknown", hint=f"one of {', '.join(allowed)}")
    return str(value)


def _refuse_unknown(query: dict[str, Any]) -> None:
    if query.get("gssencmode") == "require":
        raise ConfigurationError(
            "gssencmode=require is not supported: the driver encrypts with TLS only", hint="sslmode=verify-full"
        )
    unknown = sorted(query.keys() - _TAKEN - _IGNORED)
    if unknown:
        raise ConfigurationError(
            f"the option {unknown[0][:40]!r} of the URL is not known",
            hint="use sslmode, application_name, connect_timeout, options or host; otherwise "
            "engine_options={'connect_args': ...}",
        )


def from_url(text: str, options: Mapping[str, Any]) -> Settings:
    """Return the settings of a URL and the options of ``Database``.

    Raises:
        ConfigurationError: the URL or an option is not valid.
    """
    refuse_additions(options)
    connect_args = _connect_args(options)
    url = take_options(postgres_url(text), connect_args)
    engine_options = dict(options["engine_options"] or {})
    _require_standard_strings(engine_options)
    _require_known_role(engine_options)
    return Settings(
        backend=BACKEND,
        sa_url=url,
        display=_shown(url),
        path=None,
        memory=False,
        dialect=make_dialect(url),
        pool_size=options["pool_size"] or 10,
        timeout=float(options["timeout"]),
        connect_args=connect_args,
        engine_options=engine_options,
    )


def _shown(url: sa.URL) -> str:
    """Return the URL for people: with all of its hosts, and without the password."""
    plain = url.set(drivername="postgresql", query={})
    hosts = addresses_of(url)
    if len(hosts) < 2:
        return plain.render_as_string(hide_password=True)
    before, _, after = plain.set(host="hosts.invalid").render_as_string(hide_password=True).rpartition("hosts.invalid")
    return f"{before}{','.join(map(str, hosts))}{after}"


def replicas(text: str, options: Mapping[str, Any]) -> Replicas:
    """Return the settings of each replica.

    Args:
        text: the URL, which lists their hosts.
        options: those of ``Database``.

    Raises:
        ConfigurationError: the URL or an option is not valid, or names no host.
    """
    both = from_url(text, options)
    given = both.sa_url.query
    if given.get("target_session_attrs", "standby") not in _OF_REPLICAS:
        raise ConfigurationError(
            "target_session_attrs of the replicas asks for a primary", hint="omit it: a replica is a standby"
        )
    hosts = addresses_of(both.sa_url)
    if not hosts:
        raise ConfigurationError(
            "the URL of the replicas names no host", hint="replicas='postgresql://app@host:5432/shop'"
        )
    query = {name: value for name, value in given.items() if name not in ("host", "port", "target_session_attrs")}
    connect_args = dict(both.connect_args)
    if "statement_cache_size" not in connect_args:
        # PgBouncer rejects the parameter. A replica that is promoted accepts no write on these connections either.
        connect_args["server_settings"] = {**connect_args["server_settings"], "default_transaction_read_only": "on"}
    made: list[Settings] = []
    for address in hosts:
        at = address.of(both.sa_url.set(query=query))
        own = {**connect_args, "async_creator_fn": HostChoice("standby")}
        made.append(replace(both, sa_url=at, display=str(address), connect_args=own))
    in_order = postgres_url(text).query.get("load_balance_hosts") == "disable"
    return Replicas(tuple(made), in_order=in_order)


def reading(settings: Settings) -> Settings:
    """Return settings for the same database whose connections cannot write."""
    if settings.read_only:
        return settings
    connect_args = dict(settings.connect_args)
    if "statement_cache_size" not in connect_args:
        # PgBouncer rejects the parameter. Every statement runs in a READ ONLY transaction in any case.
        connect_args["server_settings"] = {
            **connect_args["server_settings"],
            "application_name": "deebase read only",
            "default_transaction_read_only": "on",
        }
    return replace(
        settings, read_only=True, connect_args=connect_args, pool_size=min(settings.pool_size, _READING_CONNECTIONS)
    )


# The scanner of SQL text treats a backslash in a string as a plain character, which is the default.
_STANDARD_STRINGS = {"standard_conforming_strings": "on"}
# The text of a default, a view or an index must not depend on the settings of a role or a database.
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


def _require_known_role(engine_options: Mapping[str, Any]) -> None:
    wanted = engine_options.get("connect_args", {}).get("target_session_attrs")
    if wanted is not None:
        raise ConfigurationError(
            "target_session_attrs is an option of the URL, not of connect_args",
            hint="postgresql://app@/shop?host=a:5432&host=b:5432&target_session_attrs=read-write",
        )


def _connect_args(options: Mapping[str, Any]) -> dict[str, Any]:
    args: dict[str, Any] = {
        "timeout": options["connect_timeout"] or None,
        "command_timeout": options["command_timeout"] or None,
    }
    if options["pgbouncer"]:
        # In transaction mode each statement may run on another server connection: nothing may be cached there.
        return {
            **args,
            "statement_cache_size": 0,
            "prepared_statement_cache_size": 0,
            "prepared_statement_name_func": lambda: "",
            # PgBouncer sets these two on each server connection, and rejects unknown parameters.
            "server_settings": {**_STANDARD_STRINGS, "DateStyle": "ISO"},
        }
    milliseconds = {
        "statement_timeout": options["command_timeout"],
        "lock_timeout": options["lock_timeout"],
        "idle_in_transaction_session_timeout": options["idle_timeout"],
    }
    limits = {name: str(round(seconds * 1000)) for name, seconds in milliseconds.items()}
    return {**args, "server_settings": {"application_name": "deebase", **_STANDARD_STRINGS, **_FORMATS, **limits}}
