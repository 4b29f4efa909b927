"""Fixtures that every test may use: the backends, a fresh database, and a watch for what a test leaves behind."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import gc
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Generator, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import HealthCheck, Phase, settings

from tests.support.leaks import Snapshot
from tests.support.postgres import PostgresTestServer, running_server
from tests.support.repeats import mark_repeats

if TYPE_CHECKING:
    from deebase import Database
    from deebase._sqltext.capabilities import Capabilities

BACKENDS = ("sqlite-memory", "sqlite-file", "postgres")

#: A file system in memory, and what has to be free in it for a run.
_MEMORY, _ROOM = "/dev/shm", 3 << 30

# Fixtures are shared by all examples of a property, so its body leaves the database as it found it.
_SHARED = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
#: A failure is reported as it was found. Looking for a shorter example takes minutes where each try makes tables, and
#: the time limit of the test would end that without a report: only the long profile, with its longer limit, does so.
_FOUND = (Phase.explicit, Phase.reuse, Phase.generate)
for _profile, _examples, _phases in (
    ("default", 10, _FOUND),
    ("more", 25, _FOUND),
    ("long", 200, (*_FOUND, Phase.target, Phase.shrink)),
):
    settings.register_profile(
        _profile, max_examples=_examples, deadline=None, suppress_health_check=_SHARED, phases=_phases
    )


def in_ci() -> bool:
    """Tell whether this is the run that decides: nothing may be left out of it."""
    return os.environ.get("CI", "").lower() in {"1", "true", "yes"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add --long and --in-loop."""
    parser.addoption("--long", action="store_true", help="run load and fault tests with their full figures")
    parser.addoption("--in-loop", type=float, help="seconds of in_loop= where a test gives none; 0 for no such reads")


def _use_memory_for_files(config: pytest.Config) -> None:
    """Keep the files of this run in memory, where nothing waits for a disk.

    No promise that a test can check depends on it: what a killed process wrote is there in both.
    """
    try:
        enough = shutil.disk_usage(_MEMORY).free >= _ROOM and os.access(_MEMORY, os.W_OK)
    except OSError:
        return
    if not enough or "TMPDIR" in os.environ or config.getoption("--basetemp"):
        return
    # Short: the path of a socket has 107 bytes at most.
    own = tempfile.mkdtemp(prefix="dbt-", dir=_MEMORY)
    os.environ["TMPDIR"] = tempfile.tempdir = own
    # At the very end: the wheel of the server writes something when the interpreter exits.
    atexit.register(shutil.rmtree, own, ignore_errors=True)

    def undo() -> None:
        del os.environ["TMPDIR"]
        tempfile.tempdir = None

    config.add_cleanup(undo)


def pytest_configure(config: pytest.Config) -> None:
    """Choose the Hypothesis profile and the place of files, and let the programs of tests be interrupted."""
    _use_memory_for_files(config)
    if config.getoption("--in-loop") is not None:
        from deebase import Database

        cast(Any, Database.__init__).__kwdefaults__["in_loop"] = config.getoption("--in-loop")
    # The programs of tests import the package: it is compiled once, not by each of them. And pytest keeps the tests
    # that it has compiled: that takes half of the collection.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        # As in the background of a shell; programs that tests start would inherit it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if not config.getoption("--hypothesis-profile", default=None):
        settings.load_profile("long" if config.getoption("--long") else "default")


# Before the options -m and -k are applied: `--long -m long` runs what a default run leaves out.
@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Deselect the long tests, or give all tests the time they need when the long ones run."""
    mark_repeats(items, of_directories=not any(".py" in argument for argument in config.args))
    if config.getoption("--long"):
        for item in items:
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(900))
        return
    long = [item for item in items if item.get_closest_marker("long")]
    if long:
        config.hook.pytest_deselected(items=long)
        items[:] = [item for item in items if not item.get_closest_marker("long")]


@pytest.hookimpl(wrapper=True)
def pytest_collection(session: pytest.Session) -> Generator[None, object, object]:
    """Keep what is collected out of every garbage collection: ten thousand tests are a million objects.

    A default run collects garbage less often, too, which saves a tenth of it. Tests of memory are long ones.
    """
    gc.disable()
    try:
        result = yield
        gc.collect()
        gc.freeze()
        if not session.config.getoption("--long"):
            gc.set_threshold(20_000, 20, 50)
        return result
    finally:
        gc.enable()


@pytest.fixture(scope="session")
def long_run(request: pytest.FixtureRequest) -> bool:
    """Whether the full figures were asked for with --long."""
    return bool(request.config.getoption("--long"))


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresTestServer]:
    """The PostgreSQL server of this run, started once and stopped at the end.

    Where none can be had, the tests that need it are skipped; in CI they fail.
    """
    with ExitStack() as stack:
        try:
            server = stack.enter_context(running_server())
        except (ImportError, OSError, RuntimeError, AssertionError, subprocess.SubprocessError) as error:
            if in_ci():
                raise
            pytest.skip(f"no PostgreSQL server: {error!r}")
        yield server


@pytest.fixture
def postgres_url(postgres_server: PostgresTestServer) -> Iterator[str]:
    """URL of an empty PostgreSQL database of this test's own."""
    with postgres_server.fresh_database() as url:
        yield url


@pytest.fixture(params=BACKENDS)
def backend_name(request: pytest.FixtureRequest) -> str:
    """Each backend in turn: sqlite-memory, sqlite-file, postgres."""
    return str(request.param)


@pytest.fixture
def capabilities(backend_name: str) -> Capabilities:
    """What the database of this test can do: tests ask it instead of the name."""
    from deebase._backends import BACKENDS

    return next(one.capabilities for one in BACKENDS if one.capabilities.name.startswith(backend_name.split("-")[0]))


@pytest.fixture
def db_url(backend_name: str, tmp_path: Path, request: pytest.FixtureRequest) -> str:
    """What to give to Database(...) for an empty database of this test's own."""
    if backend_name == "postgres":
        return str(request.getfixturevalue("postgres_url"))
    return ":memory:" if backend_name == "sqlite-memory" else str(tmp_path / "test.db")


@pytest.fixture
async def db(db_url: str) -> AsyncIterator[Database]:
    """An open, empty database, closed after the test."""
    from deebase import Database

    async with Database(db_url) as database:
        yield database
        # What was cancelled may run on for a moment.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(10):
                while database._core.executor.lanes_in_use:
                    await asyncio.sleep(0.001)
        assert database._core.executor.lanes_in_use == 0, "a connection was never given back"


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """One event loop for a synchronous test, such as a Hypothesis state machine: `runner.run(coroutine)`."""
    with asyncio.Runner() as own:
        yield own


@pytest.fixture
async def _test_loop() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


@pytest.fixture(autouse=True)
def _leaves_nothing_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test that leaves a thread, a file descriptor or an unfinished task behind."""
    if request.node.get_closest_marker("leaks_allowed") or not sys.platform.startswith("linux"):
        yield
        return
    # Asked for here, the loop exists before the count and outlives it, so that its unfinished tasks can still be seen.
    loop = request.getfixturevalue("_test_loop") if request.node.get_closest_marker("asyncio") else None
    before = Snapshot.take(loop)
    yield
    leaks = before.leaks(loop)
    assert not leaks, "left behind by this test:\n" + "\n".join(leaks)
