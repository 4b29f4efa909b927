"""Combines the reads by key of one turn of the event loop into one statement."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Any

from deebase._lanes.acting import Acting, ActingContext
from deebase._lanes.interface import Lanes, Params, Rows
from deebase._sql.keyed import MAX_KEYS, KeyedRead
from deebase._sql.statement import Statement

#: A key (a tuple if it has several columns), and the future of its rows.
Member = tuple[Any, "asyncio.Future[Rows]"]
#: Reads of one kind, within one scope, whose parameters follow those of the key, and for whom they act.
Group = tuple[KeyedRead, tuple[Any, ...], Acting | None]


class Coalescer:
    """Gathers the reads of one turn, sends one statement per kind, and answers each caller.

    A caller that is alone sends its read at once, and the next one, too, if the first was answered in the same turn.
    After a turn with reads of several tasks, the next ones wait for the end of their turn, until one is alone again.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        lanes: Lanes,
        note: Callable[[Statement], None],
        translate: Callable[[BaseException, Statement | None], BaseException | None],
        acting: ActingContext,
    ) -> None:
        self._loop = loop
        self._acting = acting
        self._translate = translate
        self._lanes = lanes
        self._note = note
        self._groups: dict[Group, list[Member]] = {}
        self._scheduled = False
        self._crowded = False
        #: The task whose read was sent at once in this turn.
        self._ahead: asyncio.Task[Any] | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def join(self, read: KeyedRead, args: Params, *, waits: bool) -> asyncio.Future[Rows] | None:
        """Return the future of the rows for a key; None if the caller is the first, which sends it.

        Args:
            read: the columns, and those of the key.
            args: its parameters.
            waits: the first read waits for the end of the turn, too, if it would have to wait for the database.
        """
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
            if not self._crowded and (not waits or self._lanes.runs_at_once(read.statement)):
                self._ahead = asyncio.current_task()
                return None
        elif self._ahead is not None and self._ahead is asyncio.current_task():
            # Its last read was answered at once: it is no crowd.
            return None
        future: asyncio.Future[Rows] = self._loop.create_future()
        width = read.width
        if len(args) == 1:
            key, held = args[0], ()
        else:
            key, held = args[0] if width == 1 else tuple(args[:width]), tuple(args[width:])
        group = read, held, self._acting.current() if self._acting.used else None
        members = self._groups.get(group)
        if members is None:
            members = self._groups[group] = []
        members.append((key, future))
        return future

    def _flush(self) -> None:
        self._scheduled = False
        groups, self._groups = self._groups, {}
        self._crowded = sum(map(len, groups.values())) + (self._ahead is not None) > 1
        self._ahead = None
        for group, members in groups.items():
            for start in range(0, len(members), MAX_KEYS):
                part = members[start : start + MAX_KEYS]
                task = self._loop.create_task(self._serve(group, part))
                self._tasks.add(task)
                task.add_done_callback(partial(self._served, part))

    def _served(self, members: list[Member], task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        # If the task was cancelled, perhaps before it began, or interrupted by the user, no caller waits forever.
        for _, future in members:
            future.cancel()

    async def _serve(self, group: Group, members: list[Member]) -> None:
        read, held, acting = group
        if self._acting.used:
            # This task was begun by one of the callers, and acts for all of them.
            self._acting.enter(acting)
        waiting = [member for member in members if not member[1].done()]
        keys = list(dict.fromkeys([key for key, _ in waiting]))
        if len(keys) > 1:
            try:
                statement, args = read.many(keys, held)
                self._note(statement)
                rows = await self._lanes.fetch(statement, args)
            except Exception:
                # Sent alone, each read shows whether it is the one that fails.
                await self._serve_each(group, waiting)
                return
            key_of = read.key_of
            found = {key_of(row): [row] for row in rows}
            missing = [key for key in keys if key not in found]
            unclear = bool(missing and rows) and await self._may_be_spelled_otherwise(read, missing, held)
            for key, future in waiting:
                if not future.done() and (not unclear or key in found):
                    future.set_result(found.get(key, []))
            if not unclear:
                return
        await self._serve_each(group, waiting)

    async def _may_be_spelled_otherwise(self, read: KeyedRead, missing: list[Any], held: Params) -> bool:
        """Whether the database may find a row under a key that equals no stored key in Python.

        A collation that ignores case or padding, and a type with several spellings of one value, make such keys. The
        row of another key of the same read may be the row of this key, too.
        """
        if read.exact:
            return False
        if len(missing) == 1:
            return True
        try:
            statement, args = read.many(missing, held)
            self._note(statement)
            return bool(await self._lanes.fetch(statement, args))
        except Exception:
            # Sent alone, each key shows whether it is the one that fails.
            return True

    async def _serve_each(self, group: Group, waiting: list[Member]) -> None:
        """Answer the remaining callers with one statement per key."""
        read, held, _ = group
        for key in dict.fromkeys([key for key, future in waiting if not future.done()]):
            rows: Rows = []
            error: Exception | None = None
            try:
                self._note(read.statement)
                rows = await self._lanes.fetch(read.statement, [*(key if read.width > 1 else (key,)), *held])
            except Exception as failed:
                error = failed
            for other, future in waiting:
                if other == key and not future.done():
                    if error is None:
                        future.set_result(rows)
                    else:
                        future.set_exception(self._translated(error, read.statement))

    def _translated(self, error: Exception, statement: Statement) -> BaseException:
        """Return our error for one caller: each caller gets a separate error, with its own traceback."""
        translated = self._translate(error, statement)
        if translated is None:
            return error
        if translated is not error:
            translated.__cause__ = error
        return translated
