"""The process of a service: started, checked, loaded by wrk, terminated."""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal
from urllib.request import Request, urlopen

from benchmarks.clock import Clock, Cost
from benchmarks.figures import Figures
from benchmarks.store import Store
from benchmarks.target import Target
from benchmarks.workload import person, values

RequestKind = Literal["one", "several", "listed", "insert"]
TITLES: dict[RequestKind, str] = {
    "one": "one row by key",
    "several": "20 rows by key",
    "listed": "list of 20",
    "insert": "insert",
}
SCRIPT = Path(__file__).with_name("requests.lua")
#: Seconds until a service must serve.
_START = 30
#: Seconds that a service has to end after SIGTERM.
_END = 10
#: Seconds of CPU time that a service may use in a twentieth of a second when it serves no request.
_IDLE = 0.001


@dataclass(frozen=True)
class Load:
    """What wrk measured, and what the service spent.

    Attributes:
        cost: Of one request: the time of the whole load divided by its requests, and the CPU time of the service.
        p50: Latency in seconds.
        p99: Latency in seconds.
    """

    cost: Cost
    p50: float
    p99: float


@dataclass
class ServiceFigures(Figures):
    """The figures of one service for one kind of request.

    Attributes:
        p50: Latency in seconds, one figure per round.
        p99: Latency in seconds.
    """

    p50: list[float] = field(default_factory=list[float])
    p99: list[float] = field(default_factory=list[float])

    def add_load(self, load: Load) -> None:
        """Add the figures of one round."""
        self.add(load.cost)
        self.p50.append(load.p50)
        self.p99.append(load.p99)

    @property
    def requests(self) -> float | None:
        """Requests per second, the median of the rounds."""
        seconds = self.median()
        return None if seconds is None else 1 / seconds


class Service:
    """One running service."""

    def __init__(self, name: str, store: Store, url: str, clock: Clock) -> None:
        self.name = name
        self._store = store
        self._url = url
        self._clock = clock

    async def check(self) -> None:
        """Send a request of each kind and compare the answer with what every library must answer.

        Raises:
            AssertionError: The answer is another.
        """
        aged = [person(key) for key in range(1, 2_000) if person(key)["age"] == 30][:20]
        several = [7, 10_000, 7, *range(100, 117)]
        expected = {
            "/person/7": person(7),
            f"/people/{','.join(map(str, several))}": [person(key) for key in several],
            "/aged/30": aged,
        }
        for path, answer in expected.items():
            _expect(path, await asyncio.to_thread(_answer, self._url + path), answer)
        stored = await asyncio.to_thread(_answer, f"{self._url}/person", values(5))
        _expect("/person", stored, {**values(5), "id": stored["id"]})
        read = await asyncio.to_thread(_answer, f"{self._url}/person/{stored['id']}")
        _expect("the inserted row", read, stored)

    async def load(self, kind: RequestKind, seconds: int, connections: int) -> Load:
        """Send requests of one kind on so many connections.

        Raises:
            RuntimeError: A request failed.
        """
        await self._store.reset(deletable=0)
        command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(SCRIPT), self._url, "--", kind]
        self._clock.start()
        wrk = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
        output, _ = await wrk.communicate()
        cost = self._clock.stop()
        await self._settle()
        measured = json.loads(output.decode().strip().splitlines()[-1])
        if measured["errors"] or not measured["requests"]:
            raise RuntimeError(f"{measured['errors']} of {measured['requests']} requests failed")
        # wrk knows better than our clock when the load began and ended.
        cost = replace(cost, wall=measured["seconds"])
        return Load(cost.per(measured["requests"]), measured["p50"], measured["p99"])

    async def _settle(self) -> None:
        """Wait until the service has ended the requests that wrk left, so that it does not disturb the next one."""
        for _ in range(200):
            self._clock.start()
            await asyncio.sleep(0.05)
            if self._clock.stop().cpu < _IDLE:
                break


def _answer(url: str, body: object = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    with urlopen(Request(url, data, {"Content-Type": "application/json"}), timeout=10) as response:
        return json.load(response)


def _expect(what: str, answer: object, expected: object) -> None:
    if answer != expected:
        raise AssertionError(f"{what}: got {answer!r} instead of {expected!r}")


@asynccontextmanager
async def running_service(name: str, target: Target, store: Store, postmaster: int | None) -> AsyncIterator[Service]:
    """Start the service of a library; terminate it at the end.

    Raises:
        RuntimeError: It does not start.
    """
    command = [sys.executable, "-m", "benchmarks.services.app", name, json.dumps(target.as_json())]
    process = await asyncio.create_subprocess_exec(*command, stdout=PIPE)
    try:
        async with asyncio.timeout(_START):
            port = (await _output(process).readline()).decode().strip()
        if not port:
            raise RuntimeError(f"the service ended with status {await process.wait()}")
        yield Service(name, store, f"http://127.0.0.1:{port}", Clock(postmaster, process.pid))
    finally:
        await _ended(process)


async def _ended(process: Process) -> None:
    if process.returncode is None:
        process.terminate()
    try:
        async with asyncio.timeout(_END):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()


def _output(process: Process) -> asyncio.StreamReader:
    if process.stdout is None:
        raise RuntimeError("the process has no output")
    return process.stdout


def wrk_is_installed() -> bool:
    """Tell whether the load generator can be run (`apt-get install wrk`)."""
    return shutil.which("wrk") is not None
