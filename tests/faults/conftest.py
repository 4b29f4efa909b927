"""What the fault tests share: a table of pairs, bounded polling, and processes of their own."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest

from deebase import Database
from tests.faults.proxy import Proxy, proxied
from tests.support.tree import ROOT
from tests.support.worlds import PAIRS, only_on

#: Seconds after which a process of a test counts as hanging, by default and with --long.
PROCESS_LIMIT, LONG_PROCESS_LIMIT = 28.0, 300.0

# In development mode asyncio complains of every callback slower than 0.1 s, the first import of a module included.
_PREAMBLE = """
import logging
logging.getLogger("asyncio").addFilter(lambda record: not record.msg.startswith("Executing"))
"""


@pytest.fixture
async def t(db: Database) -> Database:
    """An open database with the table ``t`` of two integers."""
    await db.q(PAIRS)
    return db


#: The databases with several connections.
backend_name = only_on("sqlite-file", "postgres")


@pytest.fixture
def run_script(tmp_path: Path, long_run: bool) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program in a process of its own, with every check of the interpreter on."""

    def run(source: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        program = tmp_path / "program.py"
        program.write_text(_PREAMBLE + textwrap.dedent(source), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", str(program), *arguments],
            env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
            capture_output=True,
            text=True,
            timeout=LONG_PROCESS_LIMIT if long_run else PROCESS_LIMIT,
            check=False,
        )

    return run


@pytest.fixture
def eventually() -> Callable[[Callable[[], bool]], Coroutine[Any, Any, None]]:
    """Wait, at most 20 s, until a condition holds of which nothing can be awaited."""

    async def wait(condition: Callable[[], bool]) -> None:
        async with asyncio.timeout(20):
            while not condition():
                await asyncio.sleep(0.001)

    return wait


@pytest.fixture
async def proxy(postgres_url: str) -> AsyncIterator[Proxy]:
    """A proxy to the PostgreSQL server, which a test can slow down or cut."""
    if "host=" not in postgres_url:
        pytest.skip("the proxy goes to the socket of the server from the wheel")
    async with proxied(postgres_url) as running:
        yield running
