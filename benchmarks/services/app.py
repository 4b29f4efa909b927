"""The service of one library, which is the same but for the peer that it calls.

`python -m benchmarks.services.app LIBRARY TARGET` prints its port, and serves until it is terminated.
"""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sys

import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.peers import entry_of
from benchmarks.peers.peer import Peer, as_dict
from benchmarks.target import Target


def application(peer: Peer) -> Starlette:
    """Return the app over one library."""

    async def one(request: Request) -> JSONResponse:
        return JSONResponse(as_dict(await peer.get(request.path_params["key"])))

    async def several(request: Request) -> JSONResponse:
        keys = map(int, request.path_params["keys"].split(","))
        rows = await asyncio.gather(*(peer.get(key) for key in keys))
        return JSONResponse([as_dict(row) for row in rows])

    async def listed(request: Request) -> JSONResponse:
        return JSONResponse([as_dict(row) for row in await peer.where_20(request.path_params["age"])])

    async def insert(request: Request) -> JSONResponse:
        return JSONResponse(as_dict(await peer.insert(await request.json())), 201)

    return Starlette(
        routes=[
            Route("/person/{key:int}", one),
            Route("/people/{keys}", several),
            Route("/aged/{age:int}", listed),
            Route("/person", insert, methods=["POST"]),
        ]
    )


async def serve(peer: Peer, target: Target) -> None:
    """Serve on a free port of the loopback interface until SIGTERM."""
    # The peer connects in the task that serves: Tortoise keeps its connections in the context of that task.
    await peer.setup(target)
    config = uvicorn.Config(application(peer), log_level="warning", access_log=False, timeout_graceful_shutdown=2)
    with socket.create_server(("127.0.0.1", 0), backlog=2048) as listening:
        print(listening.getsockname()[1], flush=True)
        try:
            await uvicorn.Server(config).serve(sockets=[listening])
        finally:
            await peer.close()


if __name__ == "__main__":
    # uvicorn raises the signal again when it has shut down, which must not end the process with an error.
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve(entry_of(sys.argv[1]).load()(), Target.from_json(json.loads(sys.argv[2]))))
