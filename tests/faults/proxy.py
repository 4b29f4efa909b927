"""A proxy between a client and a PostgreSQL server that delays, cuts, resets or goes deaf when it is told to."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from urllib.parse import parse_qs, urlsplit

#: Where a server listens inside of its socket directory (PostgreSQL manual, unix_socket_directories).
_SOCKET = ".s.PGSQL.5432"


@dataclass
class Proxy:
    """The proxy of one test.

    Attributes:
        url: what to give to Database(...) to go through it.
        cut_at: bytes of the client's; a message that holds them cuts the link.
        deliver: whether that message still reaches the server before the link is cut.
        refuses: whether new connections are refused, as by a server that is down.
        delay: seconds that pass before bytes are handed on, in each direction.
        deaf: whether bytes of the client's are swallowed, as by a host that is gone.
        connections: how many connections were made through it.
    """

    url: str = ""
    cut_at: bytes = b""
    deliver: bool = True
    refuses: bool = False
    delay: float = 0.0
    deaf: bool = False
    connections: int = 0
    _target: str = ""
    _links: set[asyncio.Transport] = field(default_factory=set)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def cut(self) -> None:
        """Cut every link that is open."""
        for transport in self._links:
            transport.abort()

    def reset(self) -> None:
        """Reset every link that is open, as a host does that knows nothing of it."""
        for transport in self._links:
            link = transport.get_extra_info("socket")
            if link.family == socket.AF_INET:
                link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            transport.abort()

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.connections += 1
        try:
            if not self.refuses:
                await self._join(reader, writer)
        finally:
            self._tasks.discard(task)
            writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        server_reader, server_writer = await asyncio.open_unix_connection(self._target)
        self._links |= {writer.transport, server_writer.transport}  # type: ignore[arg-type]
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._to_server(reader, server_writer, writer))
                group.create_task(self._to_client(server_reader, writer))
        except* OSError:
            pass  # the link was cut, which is what this is for
        finally:
            self._links -= {writer.transport, server_writer.transport}  # type: ignore[arg-type]
            server_writer.transport.abort()

    async def _to_server(
        self, reader: asyncio.StreamReader, server: asyncio.StreamWriter, client: asyncio.StreamWriter
    ) -> None:
        while data := await reader.read(65536):
            if self.deaf:
                continue
            if self.delay:
                await asyncio.sleep(self.delay)
            if self.cut_at and self.cut_at in data:
                if self.deliver:
                    server.write(data)
                    await server.drain()
                client.transport.abort()
                # The server ends its work and its session when the link is closed in order.
                server.close()
                return
            server.write(data)
            await server.drain()
        server.close()

    async def _to_client(self, reader: asyncio.StreamReader, client: asyncio.StreamWriter) -> None:
        while data := await reader.read(65536):
            if self.delay:
                await asyncio.sleep(self.delay)
            client.write(data)
            await client.drain()
        client.close()


@contextlib.asynccontextmanager
async def proxied(postgres_url: str) -> AsyncIterator[Proxy]:
    """Give a proxy to the server of a URL, which names the directory of a socket."""
    parts = urlsplit(postgres_url)
    proxy = Proxy(_target=f"{parse_qs(parts.query)['host'][0]}/{_SOCKET}")
    server = await asyncio.start_server(proxy._accept, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        proxy.url = f"postgresql://{parts.username}@127.0.0.1:{port}{parts.path}?sslmode=disable"
        yield proxy
        proxy.cut()
        if proxy._tasks:
            await asyncio.wait(proxy._tasks)
