"""The event loop that synchronous code runs its calls on."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
import weakref
from collections.abc import Callable, Coroutine, Iterator
from concurrent.futures import Future
from contextvars import Context, copy_context
from functools import partial
from typing import Any, TypeVar

from deebase.errors import InvalidOperationError

T = TypeVar("T")


class LoopRunner:
    """Runs coroutines on one event loop, for any number of threads.

    The thread that calls first runs the loop during each call, which spares two switches between threads. As soon as
    another thread calls, the loop moves to a thread of its own, and stays there. No task may be half done then, because
    SQLAlchemy's greenlets go on in the thread that started them alone.
    """

    def __init__(self) -> None:
        self.renew()
        _runners.add(self)

    def renew(self) -> None:
        """Start without a loop: a forked process has none of its parent's threads and connections."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        #: The thread that runs the loop during its own calls.
        self._first: int | None = None
        #: Held by the thread that runs the loop.
        self._running = threading.Lock()
        self._moved = threading.Event()
        self._starting = threading.Lock()
        self._local = threading.local()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine, and return what it returns.

        Raises:
            InvalidOperationError: the calling thread runs an event loop, which the call would block.
        """
        if asyncio._get_running_loop() is not None:
            work.close()
            raise InvalidOperationError(
                "a synchronous call would block the event loop that runs in this thread",
                operation="deebase.sync",
                hint="use deebase.Database and await its calls here, also in the cells of a notebook",
            )
        if self._closed:
            # The database is closed, too, and says so.
            with asyncio.Runner() as runner:
                return runner.run(work)
        if self._thread is None and self._is_first() and self._running.acquire(blocking=False):
            try:
                return self._run_here(work)
            finally:
                self._running.release()
        return self._run_there(work)

    def _is_first(self) -> bool:
        with self._starting:
            if self._first is None:
                self._first = threading.get_ident()
            return self._first == threading.get_ident()

    def iterate(self, rows: Any) -> Iterator[Any]:
        """Yield what an asynchronous generator yields."""
        try:
            while True:
                try:
                    row = self.run(rows.__anext__())
                except StopAsyncIteration:
                    return
                yield row
        finally:
            if not self._closed:
                self.run(rows.aclose())

    def _context(self) -> Context:
        """Return the context of the calls of this thread: a transaction is open from one call to another."""
        context: Context | None = getattr(self._local, "context", None)
        if context is None:
            context = self._local.context = copy_context()
        return context

    def _run_here(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._the_loop()
        task = loop.create_task(work, context=self._context())
        try:
            loop.run_until_complete(task)
        except (KeyboardInterrupt, SystemExit):
            # Its connection is returned, and its transaction rolled back, before the program goes on.
            if task.cancel():
                with contextlib.suppress(BaseException):
                    loop.run_until_complete(task)
            raise
        except BaseException:
            # Raised again below.
            pass
        while left := asyncio.all_tasks(loop):
            loop.run_until_complete(asyncio.wait(left))
        return task.result()

    def _run_there(self, work: Coroutine[Any, Any, T]) -> T:
        loop = self._loop_of_its_thread()
        context, done = self._context(), Future[T]()
        task: asyncio.Task[T] | None = None

        def start() -> None:
            nonlocal task
            task = loop.create_task(work, context=context)
            task.add_done_callback(finish)

        def finish(task: asyncio.Task[T]) -> None:
            if task.cancelled():
                done.set_exception(asyncio.CancelledError())
            elif (error := task.exception()) is not None:
                done.set_exception(error)
            else:
                done.set_result(task.result())

        self._moved.wait()
        loop.call_soon_threadsafe(start)
        try:
            return done.result()
        except (KeyboardInterrupt, SystemExit):
            loop.call_soon_threadsafe(lambda: task is not None and task.cancel())
            with contextlib.suppress(BaseException):
                done.result()
            raise

    def _the_loop(self) -> asyncio.AbstractEventLoop:
        with self._starting:
            if self._loop is None:
                self._loop = asyncio.new_event_loop()
            return self._loop

    def _loop_of_its_thread(self) -> asyncio.AbstractEventLoop:
        loop = self._the_loop()
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run_forever, args=[loop], name="deebase-sync", daemon=True)
                self._thread.start()
        return loop

    def _run_forever(self, loop: asyncio.AbstractEventLoop) -> None:
        with self._running:
            asyncio.set_event_loop(loop)
            self._moved.set()
            while True:
                try:
                    loop.run_forever()
                    return
                except (KeyboardInterrupt, SystemExit):
                    # Raised by what a call ran; the call raises it, too, in the thread that waits for it.
                    continue

    def close(self) -> None:
        """End the loop, and what its connections and generators still have to do; further calls do nothing."""
        loop, self._closed = self._loop, True
        if loop is None or loop.is_closed():
            return
        if self._thread is not None:
            asyncio.run_coroutine_threadsafe(loop.shutdown_asyncgens(), loop).result()
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
        else:
            loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


_runners: weakref.WeakSet[LoopRunner] = weakref.WeakSet()


def _each(action: Callable[[LoopRunner], None]) -> None:
    for runner in list(_runners):
        action(runner)


atexit.register(_each, LoopRunner.close)
os.register_at_fork(after_in_child=partial(_each, LoopRunner.renew))
