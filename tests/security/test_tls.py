"""A server without TLS is refused by a client that wants it verified, before it hears anything worth knowing."""

from __future__ import annotations

import asyncio
import ssl

import pytest

from deebase import ConnectionError, Database

PASSWORD = "canary-p4ss"


async def test_a_server_without_tls_learns_nothing() -> None:
    heard = bytearray()

    async def pretend(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        # The answer to SSLRequest of a server without TLS (protocol-flow in the PostgreSQL manual).
        heard.extend(await reader.read(100))
        writer.write(b"N")
        while data := await reader.read(1000):
            heard.extend(data)
        writer.close()

    server = await asyncio.start_server(pretend, "127.0.0.1", 0)
    async with server:
        port = server.sockets[0].getsockname()[1]
        url = f"postgresql://ann:{PASSWORD}@127.0.0.1:{port}/secretdb"
        for verifying in (True, ssl.create_default_context(), "require"):
            options = {"connect_args": {"ssl": verifying}}
            async with Database(url, connect_timeout=2, engine_options=options) as db:
                with pytest.raises(ConnectionError):
                    await db.q("SELECT 1")
    assert heard
    for secret in (b"ann", PASSWORD.encode(), b"secretdb"):
        assert secret not in heard
