"""The hosts of a PostgreSQL URL, in each of the forms of libpq."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any, NamedTuple
from urllib.parse import unquote

import sqlalchemy as sa

from deebase.errors import ConfigurationError

_HINT = "write host=a:5432&host=b:5432, or host=a,b&port=5432,5432, or user@a:5432,b:5432/name"
#: What stands before the hosts of a URL: the user and the password, as SQLAlchemy reads them.
_USER = re.compile(r"(?:[^:/@]*(?::[^@]*)?@)?")
_HOSTS = re.compile(r"[^/?]*")
_TOKEN = re.compile(r"(?P<host>[\w.-]+|[/@][^:]*)(?::(?P<port>\d{0,5}))?")


class Address(NamedTuple):
    """One server: a host name, an address or the directory of a socket, and a port."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"

    def of(self, url: sa.URL) -> sa.URL:
        """Return a URL with this host alone."""
        if self.host.startswith(("/", "@")):
            return url._replace(host=None, port=self.port).update_query_dict({"host": self.host})
        return url.set(host=self.host, port=self.port)


def default_port() -> int:
    """Return the port of a host that names none, as libpq and the driver do."""
    given = os.environ.get("PGPORT", "")
    return int(given) if given.isdecimal() else 5432


def take_host_list(text: str) -> tuple[str, tuple[str, ...]]:
    """Return a URL without the hosts before its path, and these hosts, if there are several of them."""
    scheme, separator, rest = text.partition("://")
    user = _USER.match(rest)
    start = 0 if user is None else user.end()
    found = _HOSTS.match(rest, start)
    hosts = "" if found is None else found.group()
    if "," not in hosts:
        return text, ()
    return f"{scheme}{separator}{rest[:start]}{rest[start + len(hosts) :]}", tuple(hosts.split(","))


def with_host_list(url: sa.URL, listed: tuple[str, ...]) -> sa.URL:
    """Return a URL that lists each of its hosts with its port in the query; one with a single host as it is.

    Args:
        url: the URL; its query may list hosts.
        listed: hosts that were taken out of the URL.

    Raises:
        ConfigurationError: a host is listed twice, is empty or malformed; the ports do not match the hosts.
    """
    queried = _items(url.query.get("host"))
    ports = _items(url.query.get("port"))
    if listed and (queried or ports):
        raise ConfigurationError("the URL lists hosts before its path and in host= or port=", hint=_HINT)
    tokens = listed or queried
    if len(tokens) < 2:
        if len(ports) > 1:
            raise ConfigurationError("the URL lists several ports for one host", hint=_HINT)
        return url
    if url.host:
        raise ConfigurationError("the URL names a host before its path, and others in host=", hint=_HINT)
    if not ports and url.port is not None:
        ports = [str(url.port)]
    if len(ports) not in (0, 1, len(tokens)):
        raise ConfigurationError(
            f"the URL lists {len(tokens)} hosts and {len(ports)} ports", hint="one port for each host, or one for all"
        )
    several = ports * len(tokens) if len(ports) == 1 else ports or [""] * len(tokens)
    made = [_address(token, port) for token, port in zip(tokens, several, strict=True)]
    if len(set(made)) < len(made):
        raise ConfigurationError("the URL lists a host twice", hint="list each server once")
    query = {name: value for name, value in url.query.items() if name not in ("host", "port")}
    bare = url.set(query=query)._replace(host=None, port=None)
    return bare.update_query_dict({"host": tuple(map(str, made))})


def addresses_of(url: sa.URL) -> list[Address]:
    """Return the hosts of a URL that was read; empty if it names none."""
    tokens = _items(url.query.get("host"))
    if not tokens:
        return [Address(url.host, url.port or default_port())] if url.host else []
    ports = _items(url.query.get("port")) or [""]
    several = ports * len(tokens) if len(ports) == 1 else ports
    if len(tokens) == 1 and _TOKEN.fullmatch(tokens[0]) is None:
        # An address with colons, which only a single host may have.
        return [Address(tokens[0], int(ports[0] or default_port()))]
    return [_address(token, port) for token, port in zip(tokens, several, strict=True)]


def _items(value: Any) -> list[str]:
    given: Iterable[str] = () if value is None else (value,) if isinstance(value, str) else value
    return [item for each in given for item in each.split(",")]


def _address(token: str, port: str) -> Address:
    found = _TOKEN.fullmatch(unquote(token.strip()))
    if found is None:
        # Not quoted: the text may be part of a password.
        raise ConfigurationError("a host in the list of the URL is empty or malformed", hint=_HINT)
    own = found["port"] or ""
    if own and port:
        raise ConfigurationError("the URL gives the port of a host twice", hint=_HINT)
    number = own or port or str(default_port())
    if not number.isdecimal() or not 0 < int(number) < 65536:
        raise ConfigurationError("a port in the URL is not a number from 1 to 65535", hint=_HINT)
    return Address(found["host"], int(number))
