"""The resources of each event loop for one database: SQLAlchemy's engine, and lanes."""

from __future__ import annotations

import asyncio
import os
import threading
import weakref
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, cast

from deebase._backends.error_translation import describing
from deebase._backends.protocols import Settings, Translate
from deebase._engine.coalesce import Coalescer
from deebase._engine.reading_block import Reads
from deebase._engine.routed_lanes import RoutedLanes
from deebase._lanes.acting import ActingContext
from deebase._lanes.interface import Lanes
from deebase._lanes.replica import Replica, ReplicaLanes
from deebase._sql.statement import Statement

if TYPE_CHECKING:
    import sqlite3

    from sqlalchemy.ext.asyncio import AsyncEngine

#: Seconds for which `asyncio.run` waits at its end for running operations if `close` was not called.
_PATIENCE = 1.0

Note = Callable[[Statement], None]


class LoopResources:
    """The engine and the lanes of one event loop; nothing is opened before the first statement."""

    def __init__(
        self,
        settings: Settings,
        loop: asyncio.AbstractEventLoop,
        note: Note,
        translate: Translate,
        reads: Reads,
        acting: ActingContext,
    ) -> None:
        # Imported here, because SQLAlchemy's asyncio part and the drivers are not needed earlier.
        from deebase._engine.connect import make_engine, make_lanes

        self.loop = loop
        self.engine: AsyncEngine = make_engine(settings, translate)
        #: The lanes of the database itself.
        self.primary: Lanes = make_lanes(self.engine, settings, loop, translate)
        self.primary.acting = acting
        self._engines = [self.engine]
        self._routed: RoutedLanes | None = None
        if settings.replicas is not None:
            replicas: list[Replica] = []
            for host in settings.replicas.hosts:
                engine = make_engine(host, translate)
                self._engines.append(engine)
                lanes = cast("ReplicaLanes", make_lanes(engine, host, loop, translate))
                lanes.acting = acting
                replicas.append(Replica(host.display, lanes, describing(translate)))
            in_order = settings.replicas.in_order
            self._routed = RoutedLanes(
                loop, self.primary, replicas, reads, in_order=in_order, note=note, translate=translate
            )
        self.lanes: Lanes = self._routed or self.primary
        self.coalescer: Coalescer = Coalescer(loop, self.lanes, note, translate, acting)
        self._timeout = _PATIENCE
        # A loop that shuts down closes its async generators. Lanes must be closed then if close() was not called
        # (`asyncio.run` twice, pytest).
        self._closer = self._until_shutdown()
        self._started = loop.create_task(self._closer.__anext__())

    def coalescer_by_context(self) -> Coalescer | None:
        """Return what combines the reads by key of the calling code; None if they are sent one by one."""
        return self.coalescer if self._routed is None else self._routed.coalescer(self.coalescer)

    async def _until_shutdown(self) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            await self.lanes.close(self._timeout)
            for engine in self._engines:
                await engine.dispose()

    async def close(self, timeout: float) -> None:
        """Close lanes and engine; further calls do nothing."""
        self._timeout = timeout
        await self._started
        await self._closer.aclose()


class Loops:
    """The resources of all event loops that use one database.

    Args:
        settings: where the database is.
        note: called with each statement of a coalesced read.
        translate: returns our error for one of the driver.
        reads: where reads go by their context.
        acting: for which values each task acts.
    """

    def __init__(
        self, settings: Settings, note: Note, translate: Translate, reads: Reads, acting: ActingContext
    ) -> None:
        self.acting = acting
        self._settings = settings
        self._reads = reads
        self._note = note
        self._translate = translate
        self._resources: dict[asyncio.AbstractEventLoop, LoopResources] = {}
        #: The resources of a parent process. Still referenced: closing them would end the parent's connections.
        self._inherited: dict[asyncio.AbstractEventLoop, LoopResources] = {}
        self._guard = threading.Lock()
        self._pid = os.getpid()
        self._anchor: sqlite3.Connection | None = None

    @property
    def in_use(self) -> int:
        """Number of lanes that are lent, in all event loops."""
        return sum(resources.lanes.in_use for resources in self._resources.values())

    def find(self, loop: asyncio.AbstractEventLoop) -> LoopResources:
        """Return the resources of an event loop, which are made at the first call."""
        with self._guard:
            self._leave_to_parent()
            self._resources = {known: found for known, found in self._resources.items() if not known.is_closed()}
            resources = self._resources.get(loop)
            if resources is None:
                self._hold_memory()
                resources = LoopResources(self._settings, loop, self._note, self._translate, self._reads, self.acting)
                self._resources[loop] = resources
            return resources

    def _leave_to_parent(self) -> None:
        """Start without resources in a forked process."""
        if self._pid != os.getpid():
            self._inherited, self._resources, self._pid = self._resources, {}, os.getpid()

    def _hold_memory(self) -> None:
        """Keep a named memory database open until this object is deleted, even if its lanes are closed."""
        if self._settings.memory and self._anchor is None:
            import sqlite3

            path = str(self._settings.sa_url.database)
            self._anchor = sqlite3.connect(f"{path}?vfs=memdb", uri=True, check_same_thread=False)
            weakref.finalize(self, self._anchor.close)

    async def close(self, timeout: float) -> None:
        """Close the resources of all event loops."""
        here = asyncio.get_running_loop()
        self._leave_to_parent()
        found, self._resources = self._resources, {}
        for loop, resources in found.items():
            if loop is here:
                await resources.close(timeout)
            elif loop.is_running():
                await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(resources.close(timeout), loop))
        if self._anchor is not None:
            self._anchor.close()
            self._anchor = None

    def take(self, loop: asyncio.AbstractEventLoop) -> LoopResources | None:
        """Return the resources of an event loop, to be closed; the next statement makes new ones."""
        return self._resources.pop(loop, None)

    def close_stopped(self, timeout: float) -> None:
        """Close the resources of event loops that do not run and are not closed."""
        for loop in [loop for loop in self._resources if not (loop.is_closed() or loop.is_running())]:
            loop.run_until_complete(self._resources.pop(loop).close(timeout))
