"""Running one migration: it and its row of the ledger are one transaction."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from deebase._engine.core import core_of
from deebase.database import database_on
from deebase.errors import (
    DeeBaseError,
    IntegrityError,
    MigrationError,
    QueryTimeoutError,
    TableExistsError,
    TransactionAbortedError,
)
from deebase.migrations.check.guarded import GuardedExecutor
from deebase.migrations.check.loss_guard import CountAgainError, Guard
from deebase.migrations.check.rules import Hazard
from deebase.migrations.chunk_progress import ChunkProgress, Direction
from deebase.migrations.chunks import Run as ChunkedRun
from deebase.migrations.files import MigrationFile
from deebase.migrations.hints import either, settling
from deebase.migrations.ledger import Ledger, LedgerEntry
from deebase.migrations.loading import Script, loaded, said_by

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase.database import Database

log: logging.Logger = logging.getLogger("deebase.migrations")

#: How often a migration is begun that meets a lock of somebody else, and the seconds between, at most.
_ATTEMPTS = 5
_PAUSE = 1.0


@dataclass(frozen=True)
class Step:
    """A migration that was applied or undone, or would be.

    Attributes:
        name: without the suffix: ``0007-add-age``.
        late: its number is lower than one that had been applied.
        seconds: how long it took, None in a plan.
        file: as it was read.
        hazards: in a plan, what is to be looked at before it is applied.
        operations: in a plan, what it does to the schema, in words: ``"adds column user.age BIGINT"``.
        statements: in a plan, the SQL that it runs where tables have no rows.
        rows: in a plan, how many rows the tables have that it changes or drops.
        note: in a plan, why operations and SQL are not known, else empty.
        backup: the file with what was there before, where one was asked for.
    """

    name: str
    late: bool
    seconds: float | None
    file: MigrationFile = field(repr=False)
    hazards: tuple[Hazard, ...] = ()
    operations: tuple[str, ...] = ()
    statements: tuple[str, ...] = ()
    rows: Mapping[str, int] = field(default_factory=lambda: dict[str, int](), hash=False)
    note: str = ""
    backup: Path | None = None

    @property
    def source(self) -> str:
        """The text of the file."""
        return self.file.text


def separate(db: Database, executor: Executor | None = None) -> Database:
    """Return a handle on the same database, and the same transactions, that knows no tables yet.

    A migration sees what the database holds, not what the program has made of it so far, and one that fails leaves
    nothing behind in the program's handles.
    """
    return database_on(core_of(db).separate(executor))


@dataclass(frozen=True)
class _Run:
    """One direction of a migration.

    Attributes:
        file: the migration.
        script: what it does.
        work: the direction that runs.
        applied: whether the ledger has it before, so that it is undone.
        may_lose: the tables that may lose what they hold; None for all.
    """

    file: MigrationFile
    script: Script
    work: Callable[[Database], Awaitable[None]]
    applied: bool
    may_lose: Collection[str] | None

    def guard(self, executor: Executor) -> Guard | None:
        """Return what sees to it that nothing is lost, where that is not allowed."""
        if self.may_lose is None:
            return None
        return Guard(executor, self.file.name, self.file.text, self.may_lose, down=self.applied)

    def guarded(self, executor: Executor) -> GuardedExecutor | None:
        """Return an executor that looks at each statement by itself, where nothing may be lost."""
        allowed, left = self.may_lose, "that statement or block was rolled back"
        if allowed is None:
            return None
        name, down = self.file.name, self.applied
        return GuardedExecutor(
            executor, lambda text: Guard(executor, name, text, allowed, down=down, left=left), self.file.text
        )


class Runner:
    """Applies and undoes single migrations of one database."""

    def __init__(self, db: Database, executor: Executor, ledger: Ledger) -> None:
        self._db = db
        self._executor = executor
        self._ledger = ledger
        self._dialect = executor.settings.name

    async def apply(self, file: MigrationFile, *, late: bool, may_lose: Collection[str] | None = None) -> Step | None:
        """Apply a migration; None when somebody else has done so by now.

        Args:
            file: the migration.
            late: for the step.
            may_lose: the tables that may lose what they hold; None for all.

        Raises:
            MigrationError: it failed, or loses something; the message says what is left of it.
        """
        with loaded(file, self._dialect) as script:
            start = time.perf_counter()
            run = _Run(file, script, script.upgrade, False, may_lose)
            if not await self._way(script)(run):
                return None
            seconds = time.perf_counter() - start
        log.info("applied %s in %.3f s", file.name, seconds)
        return Step(file.name, late, seconds, file)

    async def undo(self, file: MigrationFile, *, may_lose: Collection[str] | None = None) -> Step | None:
        """Undo a migration; None when somebody else has done so by now.

        Args:
            file: the migration.
            may_lose: as for ``apply``.

        Raises:
            MigrationError: it failed, loses something, or cannot be undone.
        """
        with loaded(file, self._dialect) as script:
            start = time.perf_counter()
            run = _Run(file, script, script.downgrade, True, may_lose)
            if not await self._way(script)(run):
                return None
            seconds = time.perf_counter() - start
        log.info("undid %s in %.3f s", file.name, seconds)
        return Step(file.name, False, seconds, file)

    def _way(self, script: Script) -> Callable[[_Run], Awaitable[bool]]:
        """Return how one direction of a migration is run."""
        if script.transactional:
            return self._together
        return self._in_chunks if script.resumable else self._apart

    def is_transactional(self, file: MigrationFile) -> bool:
        """Whether one transaction holds all of a migration.

        Raises:
            MigrationError: it cannot be loaded.
        """
        with loaded(file, self._dialect) as script:
            return script.transactional

    def check_reversible(self, file: MigrationFile) -> None:
        """Refuse a migration that cannot be undone.

        Raises:
            MigrationError: it says so.
        """
        with loaded(file, self._dialect) as script:
            if script.final is not None:
                raise MigrationError(
                    f"{file.name} cannot be undone: {script.final}",
                    hint="restore a backup, or write a migration that goes on from here",
                )

    # -- in a transaction ----------------------------------------------------------------------

    async def _together(self, run: _Run) -> bool:
        """Run one direction of a migration and write the ledger, in one transaction; again if a lock is not to be had.

        Who waits for a lock on a table keeps all others waiting who come later, so it is given up after a while
        (``lock_timeout`` of the database), and they go first.
        """
        guard = run.guard(self._executor)
        left = _ATTEMPTS
        while True:
            try:
                return await self._once(run, guard)
            except CountAgainError:
                continue
            except DeeBaseError as error:
                left -= 1
                await _pause_before_another_attempt(run.file, error, left)

    async def _once(self, run: _Run, guard: Guard | None) -> bool:
        file = run.file
        try:
            async with self._db.transaction():
                # Looked at again where nobody else can write it: a lock may get lost with its connection.
                await self._ledger.lock()
                if await self._ledger.has(file.name) is not run.applied:
                    return False
                started_at, start = datetime.now(UTC), time.perf_counter()
                await self._guarded(run, guard)
                if run.applied:
                    await self._ledger.remove(file.name)
                else:
                    seconds = time.perf_counter() - start
                    await self._ledger.add(file.name, file, started_at=started_at, seconds=seconds)
        except (TransactionAbortedError, IntegrityError) as error:
            # Of the COMMIT: a statement had failed and went unnoticed, or a deferred constraint was violated.
            raise _failed(file, "", error, _UNDONE) from error
        return True

    async def _guarded(self, run: _Run, guard: Guard | None) -> None:
        """Run one direction of a migration, and see that nothing is lost by it."""
        if guard is None:
            await self._work(run, run.work, _UNDONE)
            return
        await guard.around(lambda: self._work(run, run.work, _UNDONE))

    async def _work(
        self, run: _Run, work: Callable[[Database], Awaitable[None]], left: str, executor: Executor | None = None
    ) -> None:
        try:
            await work(separate(self._db, executor or self._executor))
        except Exception as error:
            raise _failed(run.file, run.script.where(error), error, left) from error

    # -- outside of a transaction --------------------------------------------------------------

    async def _apart(self, run: _Run) -> bool:
        """Run one direction of a migration that no transaction can hold: begun, done and noted one after another."""
        file = run.file
        async with self._db.transaction():
            await self._ledger.lock()
            if await self._ledger.has(file.name) is not run.applied:
                return False
            started_at, start = datetime.now(UTC), time.perf_counter()
            if run.applied:
                await self._ledger.change(file.name, started_at=started_at, finished_at=None)
            else:
                await self._ledger.add(file.name, file, started_at=started_at, seconds=None)
        guarded = run.guarded(self._executor)
        try:
            await self._work(run, run.work, f"it may be half done: {settling(file.name)}", guarded)
        except MigrationError:
            if guarded is None or guarded.refused is None or guarded.wrote:
                raise
            await self._not_begun(run)
            raise guarded.refused from None
        if run.applied:
            await self._ledger.remove(file.name)
        else:
            seconds = time.perf_counter() - start
            await self._ledger.change(file.name, finished_at=datetime.now(UTC), seconds=seconds)
        return True

    async def _not_begun(self, run: _Run) -> None:
        """Write into the ledger that nothing of a migration was done."""
        if run.applied:
            await self._ledger.change(run.file.name, finished_at=datetime.now(UTC), progress=None)
        else:
            await self._ledger.remove(run.file.name)

    # -- in chunks -----------------------------------------------------------------------------

    async def _in_chunks(self, run: _Run) -> bool:
        """Run one direction of a migration whose loops keep their places, from where it was cut off."""
        file = run.file
        direction: Direction = "down" if run.applied else "up"
        await self._ledger.make()
        left, reached = _ATTEMPTS, ""
        while True:
            entry = await self._taken(file, direction)
            if entry is None or entry.progress is None:
                return False
            # As often as there is a way forward.
            left, reached = (left - 1 if entry.progress == reached else _ATTEMPTS - 1), entry.progress
            guarded = run.guarded(self._executor)
            begun = ChunkProgress.read(entry.progress)
            chunks = ChunkedRun(guarded or self._executor, self._ledger, file.name, begun)
            start = time.perf_counter()
            try:
                kept = f"what its chunks had saved is kept: {_goes_on(chunks)}"
                await self._work(run, chunks.around(run.work), kept, guarded)
            except DeeBaseError as error:
                if guarded is not None and guarded.refused and not guarded.wrote and not begun.loops:
                    await self._not_begun(run)
                    raise guarded.refused from None
                await _pause_before_another_attempt(file, error, left)
                continue
            await self._finished(file, chunks, time.perf_counter() - start)
            return True

    async def _taken(self, file: MigrationFile, direction: Direction) -> LedgerEntry | None:
        """Return the row of a migration that is begun or gone on with; None when somebody else has finished it."""
        async with self._db.transaction():
            await self._ledger.lock()
            entry = await self._ledger.find(file.name)
            now, begun = datetime.now(UTC), ChunkProgress(direction).text
            if entry is None and direction == "up":
                await self._ledger.add(file.name, file, started_at=now, seconds=None)
                await self._ledger.change(file.name, progress=begun)
            elif entry is not None and entry.finished_at is not None and direction == "down":
                await self._ledger.change(file.name, started_at=now, finished_at=None, progress=begun)
            elif entry is None or entry.finished_at is not None:
                return None
            return await self._ledger.find(file.name)

    async def _finished(self, file: MigrationFile, run: ChunkedRun, seconds: float) -> None:
        async with self._db.transaction():
            await run.hold()
            if run.progress.direction == "down":
                await self._ledger.remove(file.name)
            else:
                await self._ledger.change(file.name, finished_at=datetime.now(UTC), seconds=seconds, progress=None)


_UNDONE = "nothing of it was kept"


def _goes_on(run: ChunkedRun) -> str:
    return f"{either(f'{run.progress.direction}()', run.progress.direction)} goes on from there"


async def _pause_before_another_attempt(file: MigrationFile, error: DeeBaseError, left: int) -> None:
    """Wait for a moment if it is what somebody else holds that a migration failed at.

    Raises:
        DeeBaseError: it is not, or there is no attempt left.
    """
    passing = error.retryable or getattr(error.__cause__, "retryable", False)
    if not passing or left == 0:
        raise error
    log.warning("%s waits for what somebody else holds: %s; it is tried again", file.name, error.message)
    await asyncio.sleep(random.uniform(_PAUSE / 4, _PAUSE))


def _failed(file: MigrationFile, where: str, error: BaseException, left: str) -> MigrationError:
    """Return the error for one in a migration, whose own message is shown only if it can hold no values."""
    what = f"{type(error).__name__}: {error.message}" if isinstance(error, DeeBaseError) else said_by(error)
    hint = getattr(error, "hint", None)
    if isinstance(error, TableExistsError):
        counted = either(f"repair({file.name!r}, applied=True)", f"repair {file.name} --applied")
        hint = f"if this database has all of it already, {counted} counts it as applied"
    if isinstance(error, QueryTimeoutError):
        hint = "a statement of a migration may take long: Database(..., command_timeout=0)"
    passing = isinstance(error, ConnectionError) or getattr(error, "retryable", False)
    after = "run it again" if passing else f"mend the file, {either('rerecord()', 'rerecord')}, then run it again"
    return MigrationError(f"{file.path} failed{where}: {what}; {left}", hint=f"{hint}; {after}" if hint else after)
