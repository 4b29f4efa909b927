"""The compared libraries: one module each, which is imported when it is needed."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from typing import cast

from benchmarks.peers.peer import Peer
from benchmarks.target import Backend

_BOTH: tuple[Backend, ...] = ("sqlite", "postgres")


@dataclass(frozen=True)
class Entry:
    """The location of a peer.

    Attributes:
        name: Name on the command line.
        module: Module of this package that holds the class.
        distributions: Packages whose versions are reported.
        backends: Backends it works on.
    """

    name: str
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
    Entry("deebase", "deebase_tables", ("deebase", "sqlalchemy")),
    Entry("sqlite3", "raw_sqlite3", (), ("sqlite",)),
    Entry("aiosqlite", "raw_aiosqlite", ("aiosqlite",), ("sqlite",)),
    Entry("asyncpg", "raw_asyncpg", ("asyncpg",), ("postgres",)),
    Entry("sqlalchemy", "sqlalchemy_core", ("sqlalchemy",)),
    Entry("tortoise", "tortoise_models", ("tortoise-orm",)),
    Entry("piccolo", "piccolo_tables", ("piccolo",)),
    Entry("sqlmodel", "sqlmodel_session", ("sqlmodel",)),
    Entry("fastlite", "fastlite_tables", ("fastlite", "apsw"), ("sqlite",)),
)

#: The reference: the driver that DeeBase itself uses, called directly.
BASELINES: dict[Backend, str] = {"sqlite": "aiosqlite", "postgres": "asyncpg"}
