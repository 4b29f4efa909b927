"""Short reads in the thread of the event loop, which save the way to the thread of a lane and back.

The connection is a reading lane like any other, except that it is idle nearly always: while its thread waits for work,
the thread of the event loop uses it. Whatever may take long (opening, session settings, the schema, a new statement)
happens in the thread of the lane. A read that fails for any reason is not answered here: a lane runs it again.
"""

from __future__ import annotations

import asyncio
import math
import os
import sqlite3
import time
from collections import deque
from collections.abc import Awaitable, Collection
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from deebase._backends.sqlite.thread.job import CALL, ROWS, blocks_read
from deebase._lanes.interface import Params, Rows
from deebase._sql.statement import SLOW, Statement
from deebase._types.forms.moment_forms import KINDS

if TYPE_CHECKING:
    from deebase._backends.sqlite.engine import SqlitePool

#: Instructions of SQLite's virtual machine between two looks at the clock: about 20 us, and 1 % of the time.
STEPS = 1000
#: The longest text or BLOB (bytes). SQLite copies one in a single instruction, which nothing interrupts.
LONGEST = 65_536
#: The part of the budget in which the reads of one turn of the event loop begin: the others wait for the next turn.
SHARE_OF_A_TURN = 0.5
#: Reads that wait for the next turn at most; the others go to a lane.
MOST_WAITING = 64
#: A statement that waited for the disk stays out of the loop for this many times as long, so that at most one
#: thousandth of the time is spent waiting.
REST = 1000.0
#: A statement that takes longer (seconds) in the thread of the connection goes to a lane, which may take any time.
LEARNING = 0.1
#: The longest wait (seconds) for the connection to open, while another process holds a lock: a lane may wait as long as
#: the user allows, and the read would wait twice.
OPENING = 1.0
#: The longest rest, and the time until a connection that could not be opened is tried again (seconds).
LONGEST_REST, RETRY = 60.0, 1.0

#: Instructions that may take any time: functions (LIKE is one), counting a whole table, virtual tables except for the
#: list of keys: reading it takes as long as its text is.
_LONG_INSTRUCTIONS = ("Function", "PureFunc", "Agg", "Count", "VOpen")
_LISTED_KEYS = "EXPLAIN SELECT 1 FROM json_each('[]')"
_QUICK_FUNCTIONS = tuple(f"{kind.name}(" for kind in KINDS)
_QUICK_COLLATIONS = {"BINARY", "NOCASE", "RTRIM", "deebase_decimal"}

_LEARN = Statement("-- first read for the event loop")


class _Learned(NamedTuple):
    """What the first run of a statement on the connection showed.

    Attributes:
        is_wal: whether the file is in WAL mode, where readers do not wait for writers.
        allowed: whether the statement may run in the loop.
        rows: its rows.
    """

    is_wal: bool
    allowed: bool
    rows: Rows


class LoopReads:
    """Runs short reads in the thread of the event loop, and the others on lanes.

    Args:
        pool: a pool of one reading lane.
        lanes: the pool of the lanes that read.
        budget: seconds after which a read is ended.
    """

    def __init__(self, pool: SqlitePool, lanes: SqlitePool, budget: float) -> None:
        self._pool = pool
        self._lanes = lanes
        self._budget = budget
        self._loop = pool.loop
        self._pid = os.getpid()
        #: The connection while the loop may use it, and the version of the session settings that it has.
        self._raw: sqlite3.Connection | None = None
        self._version = -1
        #: When the running read ends; whatever else the thread of the lane does may take any time.
        self._deadline = math.inf
        #: The time until which reads may begin in this turn of the event loop; 0 before the first one.
        self._turn_ends = 0.0
        #: Reads that wait for the next turn.
        self._waiting: deque[tuple[asyncio.Future[Rows | None], Statement, Params]] = deque()
        #: Whether the thread of the lane uses the connection.
        self._learning = False
        self._resting: dict[Statement, float] = {}
        self._rests_until = 0.0
        self._blocks_read = blocks_read()

    def is_ready_for(self, statement: Statement) -> bool:
        """Whether a read would run at once."""
        return (
            self._raw is not None
            and statement.runs_in_loop is True
            and statement.usual_seconds <= self._budget
            and self._version == self._pool.session.version
            and self._pid == os.getpid()
        )

    def fetch(self, statement: Statement, args: Params) -> Awaitable[Rows]:
        """Run a read: at once if it is known to be short."""
        if self.is_ready_for(statement):
            now = time.perf_counter()
            if self._begin_turn(now):
                rows = self._run(statement, args, now)
                if rows is not None:
                    done: asyncio.Future[Rows] = self._loop.create_future()
                    done.set_result(rows)
                    return done
            elif len(self._waiting) < MOST_WAITING:
                return self._run_later(statement, args)
        elif self._may_learn(statement):
            return self._learn(statement, args)
        return self._lanes.run(statement, args, ROWS)

    def _begin_turn(self, now: float) -> bool:
        """Whether a read may run in this turn of the event loop."""
        if self._turn_ends:
            return now < self._turn_ends
        self._turn_ends = now + SHARE_OF_A_TURN * self._budget
        # What other code of this thread reads from disks says nothing about the database.
        self._blocks_read = blocks_read()
        self._loop.call_soon(self._next_turn)
        return True

    async def _run_later(self, statement: Statement, args: Params) -> Rows:
        """Run a read in one of the next turns, in the order of the calls."""
        future: asyncio.Future[Rows | None] = self._loop.create_future()
        self._waiting.append((future, statement, args))
        rows = await future
        return cast("Rows", await self._lanes.run(statement, args, ROWS)) if rows is None else rows

    def _next_turn(self) -> None:
        """Run the reads that waited for this turn."""
        self._turn_ends = 0.0
        while self._waiting:
            now = time.perf_counter()
            if not self._begin_turn(now):
                return
            future, statement, args = self._waiting.popleft()
            if future.done():
                continue
            rows: Rows | None = None
            try:
                if self.is_ready_for(statement):
                    rows = self._run(statement, args, now)
            finally:
                future.set_result(rows)

    def _run(self, statement: Statement, args: Params, started: float) -> Rows | None:
        """Run a read in this thread; None if it fails, and a lane must run it."""
        raw = cast("sqlite3.Connection", self._raw)
        self._deadline = started + self._budget
        cursor = None
        try:
            cursor = raw.execute(statement.sql, args)
            rows = cursor.fetchall()
        except BaseException as error:
            if cursor is not None:
                # A statement that stays open would hold back the checkpoints of all processes.
                cursor.close()
            self._failed(statement, error)
            if isinstance(error, (KeyboardInterrupt, SystemExit)):
                raise
            return None
        finally:
            self._deadline = math.inf
        seconds = time.perf_counter() - started
        if seconds > self._budget:
            self._was_slow(statement, seconds, started)
        else:
            statement.ran(seconds)
        return rows

    def _failed(self, statement: Statement, error: BaseException) -> None:
        """Send a statement to the lanes for a while, and have the connection prepared again."""
        code = getattr(error, "sqlite_errorcode", None)
        if code == sqlite3.SQLITE_ERROR or isinstance(error, sqlite3.ProgrammingError):
            # Something that only the lanes have, or a mistake, which their error explains.
            statement.runs_in_loop = False
        else:
            statement.ran(2 * SLOW)
        # An interrupted statement may have been about to read a changed schema.
        self._raw = None

    def _was_slow(self, statement: Statement, seconds: float, started: float) -> None:
        """Give a statement a rest if the disk was slow, and not only the machine busy."""
        before, self._blocks_read = self._blocks_read, blocks_read()
        if self._blocks_read != before:
            statement.ran(seconds)
            statement.runs_in_loop = None
            self._resting[statement] = started + seconds + min(REST * statement.usual_seconds, LONGEST_REST)
        else:
            # The progress handler would have ended a long read: another program had the processor. Once is no reason to
            # leave the loop.
            statement.ran(min(seconds, 2 * self._budget))

    # -- learning ------------------------------------------------------------------------------

    def _may_learn(self, statement: Statement) -> bool:
        """Whether the connection, or its knowledge of a statement, is to be prepared now."""
        if statement.runs_in_loop is False or statement.usual_seconds > self._budget:
            return False
        now = time.perf_counter()
        if self._learning or now < self._rests_until or self._pool.closed or self._pid != os.getpid():
            return False
        if self._resting.get(statement, 0.0) > now:
            return False
        self._resting.pop(statement, None)
        return True

    async def _learn(self, statement: Statement, args: Params) -> Rows:
        """Run a statement in the thread of the connection, which prepares both for the loop."""
        self._learning, self._raw = True, None
        try:
            async with asyncio.timeout(OPENING):
                learned: _Learned = await self._pool.run(_LEARN, partial(self._look_at, statement, args), CALL)
        except Exception as error:
            # A lane that fails, too, tells its callers why.
            self._failed(statement, error)
            self._rests_until = time.perf_counter() + RETRY
            return cast("Rows", await self._lanes.run(statement, args, ROWS))
        finally:
            self._learning = False
        statement.runs_in_loop = learned.allowed
        if not learned.is_wal:
            self._rests_until = math.inf
        elif self._pool.idle and not self._pool.closed:
            lane = self._pool.idle[0]
            self._version, self._raw = lane.session.version, lane.worker.raw
        return learned.rows

    def _look_at(self, statement: Statement, args: Params, raw: sqlite3.Connection) -> _Learned:
        """Prepare the connection and run a statement, in the thread of the lane."""
        self._deadline = time.perf_counter() + LEARNING
        try:
            raw.execute("PRAGMA busy_timeout = 0")
            raw.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, LONGEST)
            raw.set_progress_handler(self._is_late, STEPS)
            mode = raw.execute("PRAGMA journal_mode").fetchone()[0]
            foreign = {name for (_, name) in raw.execute("PRAGMA collation_list")} - _QUICK_COLLATIONS
            # P4 of VOpen identifies the virtual table within the connection.
            quick = [step[5] for step in raw.execute(_LISTED_KEYS) if step[1] == "VOpen" and step[5]]
            plan = raw.execute(f"EXPLAIN {statement.sql}", args).fetchall()
            allowed = not any(_may_take_long(step[1], step[5], quick, foreign) for step in plan)
            # Compiles it for the loop, and reads the pages that all its runs need.
            return _Learned(mode == "wal", allowed, raw.execute(statement.sql, args).fetchall())
        finally:
            self._deadline = math.inf

    def _is_late(self) -> bool:
        return time.perf_counter() > self._deadline

    async def close(self, timeout: float) -> None:
        """Close the connection."""
        self._raw = None
        await self._pool.close(timeout)


def _may_take_long(instruction: str, operand: Any, quick: Collection[Any], foreign: set[str]) -> bool:
    """Whether one instruction of a statement may take any time.

    Args:
        instruction: its name (sqlite.org/opcode.html).
        operand: its P4, which names functions and collations.
        quick: the virtual tables that take no longer than their arguments are.
        foreign: the collations of others.
    """
    text = str(operand)
    if instruction.startswith(_LONG_INSTRUCTIONS):
        return operand not in quick and not text.startswith(_QUICK_FUNCTIONS)
    return any(name in text for name in foreign)
