"""The compared libraries: one module each, which is imported when it is needed."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import click

from benchmarks.peers.peer import Peer
from benchmarks.target import Backend

_BOTH: tuple[Backend, ...] = ("sqlite", "postgres")


@dataclass(frozen=True)
class Entry:
    """The location of a peer.

    Attributes:
        name: Name on the command line.
        title: Name for readers.
        module: Module of this package that holds the class.
        distributions: Packages whose versions are reported.
        backends: Backends it works on.
    """

    name: str
    title: str
    module: str
    distributions: tuple[str, ...]
    backends: tuple[Backend, ...] = _BOTH

    def load(self) -> type[Peer]:
        """Import the peer.

        Raises:
            ImportError: Its library is not installed.
        """
        module = importlib.import_module(f"benchmarks.peers.{self.module}")
        return cast("type[Peer]", module.PEER)


ENTRIES = (
    Entry("deebase", "DeeBase", "deebase_tables", ("deebase", "sqlalchemy")),
    Entry("sqlite3", "sqlite3", "raw_sqlite3", (), ("sqlite",)),
    Entry("aiosqlite", "aiosqlite", "raw_aiosqlite", ("aiosqlite",), ("sqlite",)),
    Entry("asyncpg", "asyncpg", "raw_asyncpg", ("asyncpg",), ("postgres",)),
    Entry("sqlalchemy", "SQLAlchemy Core", "sqlalchemy_core", ("sqlalchemy",)),
    Entry("tortoise", "Tortoise ORM", "tortoise_models", ("tortoise-orm",)),
    Entry("piccolo", "Piccolo", "piccolo_tables", ("piccolo",)),
    Entry("sqlmodel", "SQLModel", "sqlmodel_session", ("sqlmodel",)),
    Entry("fastlite", "fastlite", "fastlite_tables", ("fastlite", "apsw"), ("sqlite",)),
)

#: The reference: the driver that DeeBase itself uses, called directly.
BASELINES: dict[Backend, str] = {"sqlite": "aiosqlite", "postgres": "asyncpg"}


def entry_of(name: str) -> Entry:
    """Return the peer of this name."""
    return next(entry for entry in ENTRIES if entry.name == name)


def title_of(name: str) -> str:
    """Return a peer's name for readers; another side keeps its own."""
    return next((entry.title for entry in ENTRIES if entry.name == name), name)


def chosen(text: str, names: Sequence[str], what: str) -> list[str]:
    """Return the names of an option that takes several with commas.

    Raises:
        click.BadParameter: A name is not one of those.
    """
    found = [name.strip() for name in text.split(",") if name.strip()]
    unknown = [name for name in found if name not in names]
    if unknown:
        raise click.BadParameter(f"no such {what}: {', '.join(unknown)}; there are {', '.join(names)}")
    return found


def chosen_entries(text: str) -> list[Entry]:
    """Return the peers that an option names; all of them when it is empty."""
    names = chosen(text, [entry.name for entry in ENTRIES], "library")
    return [entry for entry in ENTRIES if not names or entry.name in names]
