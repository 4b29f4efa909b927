"""Running one migration, together with its row of the ledger."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Collection, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

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
from deebase.migrations.ledger import LedgerEntry
from deebase.migrations.loading import Script, loaded, shown
from deebase.migrations.target import Target

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase.database import Database

log: logging.Logger = logging.getLogger("deebase.migrations")

#: Attempts of a migration that meets a lock of another session, and the seconds between them, at most.
_ATTEMPTS = 5
_PAUSE = 1.0

_ROLLED_BACK = "nothing of it was kept"

_Work = Callable[["Database"], Awaitable[None]]


@dataclass(frozen=True)
class Step:
    """A migration that was applied or undone, or would be.

    Attributes:
        name: its name without the suffix: ``0007-add-age``.
        late: whether its number is lower than that of an applied migration.
        seconds: how long it took; None in a plan.
        file: the file as it was read.
        hazards: in a plan, what to check before it is applied.
        operations: in a plan, its changes of the schema, in words: ``"adds column user.age BIGINT"``.
        statements: in a plan, the SQL that it runs on empty tables.
        rows: in a plan, the number of rows of each table that it changes or drops.
        note: in a plan, why operations and SQL are unknown, else empty.
        backup: the backup that was written before, if one was requested.
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


@dataclass(frozen=True)
class _Run:
    """One direction of a migration.

    Attributes:
        target: the database.
        file: the migration.
        script: its functions.
        down: whether it is undone.
        may_lose: the tables that may lose rows or values; None for all.
    """

    target: Target
    file: MigrationFile
    script: Script
    down: bool
    may_lose: Collection[str] | None

    @property
    def work(self) -> _Work:
        """The function that runs."""
        return self.script.downgrade if self.down else self.script.upgrade

    def guard(self) -> Guard | None:
        """Return what compares the database before and after, unless everything may be lost."""
        if self.may_lose is None:
            return None
        return Guard(self.target, self.file.name, self.file.text, self.may_lose, down=self.down)

    def guarded(self) -> GuardedExecutor | None:
        """Return an executor that checks each statement by itself, unless everything may be lost."""
        if self.may_lose is None:
            return None
        allowed, left = self.may_lose, "that statement or block was rolled back"
        return GuardedExecutor(
            self.target,
            lambda text: Guard(self.target, self.file.name, text, allowed, down=self.down, left=left),
            self.file.text,
        )


class Runner:
    """Applies and undoes single migrations of one database."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._db = target.db
        self._ledger = target.ledger

    def loaded(self, file: MigrationFile) -> AbstractContextManager[Script]:
        """Return a context that yields the functions of a migration.

        Raises:
            MigrationError: it cannot be loaded.
        """
        return loaded(file, self._target.capabilities)

    async def apply(
        self, file: MigrationFile, *, late: bool = False, may_lose: Collection[str] | None = None
    ) -> Step | None:
        """Apply a migration; return None if another runner has applied it meanwhile.

        Args:
            file: the migration.
            late: for the step.
            may_lose: the tables that may lose rows or values; None for all.

        Raises:
            MigrationError: it failed, or loses something; the message says what is left of it.
        """
        step = await self._run(file, may_lose, down=False)
        return None if step is None else Step(file.name, late, step.seconds, file)

    async def undo(self, file: MigrationFile, *, may_lose: Collection[str] | None = None) -> Step | None:
        """Undo a migration; return None if another runner has undone it meanwhile.

        Args:
            file: the migration.
            may_lose: as for ``apply``.

        Raises:
            MigrationError: it failed, loses something, or cannot be undone.
        """
        return await self._run(file, may_lose, down=True)

    async def _run(self, file: MigrationFile, may_lose: Collection[str] | None, *, down: bool) -> Step | None:
        with self.loaded(file) as script:
            start = time.perf_counter()
            run = _Run(self._target, file, script, down, may_lose)
            if script.transactional:
                done = await self._in_transaction(run)
            else:
                done = await (self._in_chunks(run) if script.resumable else self._without_transaction(run))
            seconds = time.perf_counter() - start
        if not done:
            return None
        log.info("%s %s in %.3f s", "undid" if down else "applied", file.name, seconds)
        return Step(file.name, False, seconds, file)

    async def _work(self, run: _Run, left: str, executor: Executor | None = None, work: _Work | None = None) -> None:
        """Run the function of a migration.

        Args:
            run: the migration.
            left: what is left of it if it fails, for the message.
            executor: runs its statements; by default that of the database.
            work: the function, if it is wrapped.
        """
        try:
            await (work or run.work)(self._target.handle(executor))
        except Exception as error:
            raise _failed(run.file, run.script.where(error), error, left) from error

    # -- in a transaction ----------------------------------------------------------------------

    async def _in_transaction(self, run: _Run) -> bool:
        """Run a migration and write the ledger in one transaction; try again if a lock is not available.

        A session that waits for a lock on a table blocks all sessions that ask for it later. So the wait is limited
        (``lock_timeout`` of the database), and the others go first.
        """
        guard = run.guard()
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
                # Checked again where no other runner can write it: a lock is lost with its connection.
                await self._ledger.lock()
                if await self._ledger.has(file.name) is not run.down:
                    return False
                started_at, start = datetime.now(UTC), time.perf_counter()
                if guard is None:
                    await self._work(run, _ROLLED_BACK)
                else:
                    await guard.around(lambda: self._work(run, _ROLLED_BACK))
                if run.down:
                    await self._ledger.remove(file.name)
                else:
                    seconds = time.perf_counter() - start
                    await self._ledger.add(file.name, file, started_at=started_at, seconds=seconds)
        except (TransactionAbortedError, IntegrityError) as error:
            # Of the COMMIT: an error of a statement was swallowed, or a deferred constraint was violated.
            raise _failed(file, "", error, _ROLLED_BACK) from error
        return True

    # -- outside of a transaction --------------------------------------------------------------

    async def _without_transaction(self, run: _Run) -> bool:
        """Run a migration that no transaction can hold: its start, its work and its end are recorded one by one."""
        file = run.file
        async with self._db.transaction():
            await self._ledger.lock()
            if await self._ledger.has(file.name) is not run.down:
                return False
            started_at, start = datetime.now(UTC), time.perf_counter()
            if run.down:
                await self._ledger.change(file.name, started_at=started_at, finished_at=None)
            else:
                await self._ledger.add(file.name, file, started_at=started_at, seconds=None)
        guarded = run.guarded()
        try:
            await self._work(run, f"it may be half done: {settling(file.name)}", guarded)
        except MigrationError:
            if guarded is None or guarded.refused is None or guarded.wrote:
                raise
            await self._reset(run)
            raise guarded.refused from None
        await self._record_end(run, time.perf_counter() - start)
        return True

    async def _record_end(self, run: _Run, seconds: float) -> None:
        if run.down:
            await self._ledger.remove(run.file.name)
        else:
            await self._ledger.change(run.file.name, finished_at=datetime.now(UTC), seconds=seconds, progress=None)

    async def _reset(self, run: _Run) -> None:
        """Record in the ledger that nothing of a migration was done."""
        if run.down:
            await self._ledger.change(run.file.name, finished_at=datetime.now(UTC), progress=None)
        else:
            await self._ledger.remove(run.file.name)

    # -- in chunks -----------------------------------------------------------------------------

    async def _in_chunks(self, run: _Run) -> bool:
        """Run a migration whose loops record their positions, from where an earlier run was cut off."""
        file = run.file
        await self._ledger.make()
        left, reached = _ATTEMPTS, ""
        while True:
            entry = await self._claim(run)
            if entry is None or entry.progress is None:
                return False
            # The attempts count only while there is no progress.
            left, reached = (left - 1 if entry.progress == reached else _ATTEMPTS - 1), entry.progress
            guarded = run.guarded()
            begun = ChunkProgress.read(entry.progress)
            chunks = ChunkedRun(guarded or self._target.executor, self._ledger, file.name, begun)
            start = time.perf_counter()
            try:
                direction = chunks.progress.direction
                kept = f"its saved chunks are kept: {either(f'{direction}()', direction)} continues from there"
                await self._work(run, kept, guarded, chunks.around(run.work))
            except DeeBaseError as error:
                if guarded is not None and guarded.refused and not guarded.wrote and not begun.loops:
                    await self._reset(run)
                    raise guarded.refused from None
                await _pause_before_another_attempt(file, error, left)
                continue
            async with self._db.transaction():
                await chunks.hold()
                await self._record_end(run, time.perf_counter() - start)
            return True

    async def _claim(self, run: _Run) -> LedgerEntry | None:
        """Return the row of a migration that starts or continues; None if another runner has finished it."""
        file = run.file
        direction: Direction = "down" if run.down else "up"
        async with self._db.transaction():
            await self._ledger.lock()
            entry = await self._ledger.find(file.name)
            now, begun = datetime.now(UTC), ChunkProgress(direction).text
            if entry is None and not run.down:
                await self._ledger.add(file.name, file, started_at=now, seconds=None)
                await self._ledger.change(file.name, progress=begun)
            elif entry is not None and entry.finished_at is not None and run.down:
                await self._ledger.change(file.name, started_at=now, finished_at=None, progress=begun)
            elif entry is None or entry.finished_at is not None:
                return None
            return await self._ledger.find(file.name)


async def _pause_before_another_attempt(file: MigrationFile, error: DeeBaseError, left: int) -> None:
    """Wait for a moment if a migration failed because of a lock of another session.

    Raises:
        DeeBaseError: it failed for another reason, or no attempt is left.
    """
    passing = error.retryable or getattr(error.__cause__, "retryable", False)
    if not passing or left == 0:
        raise error
    log.warning("%s waits for a lock of another session: %s; trying again", file.name, error.message)
    await asyncio.sleep(random.uniform(_PAUSE / 4, _PAUSE))


def _failed(file: MigrationFile, where: str, error: BaseException, left: str) -> MigrationError:
    """Return the error of a failed migration; the message of its cause is shown only if it can hold no values."""
    what = f"{type(error).__name__}: {error.message}" if isinstance(error, DeeBaseError) else shown(error)
    hint = getattr(error, "hint", None)
    if isinstance(error, TableExistsError):
        counted = either(f"repair({file.name!r}, applied=True)", f"repair {file.name} --applied")
        hint = f"if this database has all of it already, {counted} counts it as applied"
    if isinstance(error, QueryTimeoutError):
        hint = "a statement of a migration may take long: Database(..., command_timeout=0)"
    passing = isinstance(error, ConnectionError) or getattr(error, "retryable", False)
    after = "run it again" if passing else f"correct the file, {either('rerecord()', 'rerecord')}, then run it again"
    return MigrationError(f"{file.path} failed{where}: {what}; {left}", hint=f"{hint}; {after}" if hint else after)
