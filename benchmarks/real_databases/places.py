"""Databases that the steps use: the given ones, copies of them, and empty ones."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import shutil
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit, urlunsplit

from benchmarks.real_databases import sqlite_catalog
from benchmarks.real_databases.postgres_catalog import PostgresTools
from benchmarks.real_databases.values import Rows
from benchmarks.server import Server


class Place(Protocol):
    """A database, and what an independent reader says of it.

    Attributes:
        url: what DeeBase is given.
    """

    url: str

    def exact(self) -> dict[str, str]:
        """Return the definition of each object, by kind and name."""
        ...

    def meaning(self) -> dict[str, str]:
        """Return what each object means, whatever its text looks like."""
        ...

    def rows(self, *, loose: bool) -> dict[str, Rows]:
        """Return the rows of each table."""
        ...


@dataclass(frozen=True)
class SqlitePlace:
    """A SQLite file."""

    path: Path

    @property
    def url(self) -> str:
        return str(self.path)

    def exact(self) -> dict[str, str]:
        return sqlite_catalog.exact(self.path)

    def meaning(self) -> dict[str, str]:
        return sqlite_catalog.meaning(self.path)

    def rows(self, *, loose: bool) -> dict[str, Rows]:
        return sqlite_catalog.rows(self.path, loose=loose)


@dataclass(frozen=True)
class PostgresPlace:
    """A PostgreSQL database."""

    url: str
    tools: PostgresTools

    def exact(self) -> dict[str, str]:
        return self.tools.exact(self.url)

    def meaning(self) -> dict[str, str]:
        return self.tools.meaning(self.url)

    def rows(self, *, loose: bool) -> dict[str, Rows]:
        return self.tools.rows(self.url, loose=loose)


@dataclass
class SqliteFiles:
    """Makes SQLite files.

    Attributes:
        directory: where they are.
    """

    directory: Path
    name = "SQLite"
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def empty(self) -> SqlitePlace:
        """Return an empty database."""
        return SqlitePlace(self.directory / f"file{next(self._numbers)}.db")

    def copy_of(self, source: Path) -> SqlitePlace:
        """Return a copy of a file, without its write-ahead log."""
        place = self.empty()
        with closing(sqlite3.connect(source)) as one, closing(sqlite3.connect(place.path)) as other:
            one.backup(other)
        return place

    def drop(self, place: SqlitePlace) -> None:
        """Delete a database."""
        for path in place.path.parent.glob(f"{place.path.name}*"):
            shutil.rmtree(path) if path.is_dir() else path.unlink()


@dataclass
class PostgresDatabases:
    """Makes databases on a server of PostgreSQL.

    Attributes:
        server: the server.
        tools: its programs.
    """

    server: Server
    tools: PostgresTools
    name = "PostgreSQL"
    _numbers: Iterator[int] = field(default_factory=itertools.count)

    def empty(self) -> PostgresPlace:
        """Return an empty database."""
        name = f"real{next(self._numbers)}"
        asyncio.run(self.server.execute(f"CREATE DATABASE {name} TEMPLATE template0"))
        return PostgresPlace(urlunsplit(urlsplit(self.server.url)._replace(path=f"/{name}")), self.tools)

    def copy_of(self, source: Path | str) -> PostgresPlace:
        """Return a database loaded from a SQL file, or a copy of the database at a URL."""
        place = self.empty()
        if isinstance(source, str):
            sql = self.tools.dump(source)
        else:
            data = gzip.decompress(source.read_bytes()) if source.suffix == ".gz" else source.read_bytes()
            sql = data.decode("utf-8", "surrogateescape")
        self.tools.load(place.url, sql)
        return place

    def drop(self, place: PostgresPlace) -> None:
        """Drop a database."""
        asyncio.run(self.server.execute(f"DROP DATABASE {urlsplit(place.url).path[1:]} WITH (FORCE)"))
