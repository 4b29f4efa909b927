"""An empty database for each side of a run, with the tables and rows of the workload."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks.server import Server, running_server
from benchmarks.store import Store, store_for
from benchmarks.target import Backend, Durability, Target

BACKENDS: tuple[Backend, ...] = ("sqlite", "postgres")


def chosen_backends(choice: str) -> list[Backend]:
    """Return the one of this name, or all of them."""
    return [backend for backend in BACKENDS if choice in (backend, "all")]


@dataclass
class Databases:
    """Makes the databases of one run.

    Attributes:
        directory: Of the SQLite files.
        server: The PostgreSQL server, if the run needs it.
        durability: Of every database.
    """

    directory: Path
    server: Server | None
    durability: Durability

    @property
    def postmaster(self) -> int | None:
        """The first process of the server."""
        return self.server.process if self.server else None

    async def make(self, name: str, backend: Backend) -> tuple[Target, Store]:
        """Make a database with the tables and rows of the workload."""
        target = await self.empty(name, backend)
        store = store_for(target)
        await store.create()
        return target, store

    async def empty(self, name: str, backend: Backend) -> Target:
        """Make a database without tables."""
        if backend == "sqlite":
            return Target(backend, self.directory / f"{name}.db", "", 0, self.durability)
        if self.server is None:
            raise RuntimeError("no server was started")
        await self.server.configure(self.durability)
        await self.server.execute(f"CREATE DATABASE bench_{name}")
        return Target(backend, self.server.directory, f"bench_{name}", self.server.port, self.durability)


@contextmanager
def databases(backends: list[Backend], durability: Durability) -> Iterator[Databases]:
    """Yield the place of the databases; remove them at the end."""
    with ExitStack() as stack:
        directory = Path(stack.enter_context(TemporaryDirectory(prefix="dbbench-", ignore_cleanup_errors=True)))
        server = stack.enter_context(running_server()) if "postgres" in backends else None
        yield Databases(directory, server, durability)
