"""Runs the statements of a SQLite lane in its thread, transaction control before them, and shared commits."""

from __future__ import annotations

import math
import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from itertools import groupby
from typing import Any

from deebase._backends.sqlite.schema_calls import quoted_texts
from deebase._backends.sqlite.schema_calls.callbacks import raise_failure
from deebase._backends.sqlite.schema_calls.trust import is_unsafe, trust_if_harmless
from deebase._backends.sqlite.thread.job import (
    BEGIN,
    CALL,
    CLEANUP,
    COMMIT,
    ROWS,
    Cancelled,
    Job,
    Meter,
    control,
    deny,
    is_busy,
)
from deebase._backends.sqlite.thread.triggers import Triggers
from deebase._lanes.pool import closed_while_running
from deebase._sql.statement import Statement

#: Instructions of SQLite's virtual machine between two checks of the cancel token.
PROGRESS_STEPS = 10_000

# A long statement would keep its processor for a time slice of the scheduler (some ms), and the thread of a short
# statement that was woken there would wait for it.
_offer_processor: Callable[[], object] = getattr(os, "sched_yield", partial(time.sleep, 0))


class LaneWorker:
    """Runs the statements of one lane, in the thread of its connection."""

    def __init__(self, raw: sqlite3.Connection) -> None:
        self.raw: sqlite3.Connection = raw
        #: The statement that runs now.
        self.current: Job | None = None
        #: When the running statement ends, in seconds of the monotonic clock.
        self.stops_at: float = math.inf
        #: Further work would never finish: the running statement ends, and the others are refused.
        self.closed: bool = False
        self.triggers: Triggers = Triggers()
        #: Whether a harmless schema is trusted when it needs it (module ``trust``).
        self.trusts: bool = False
        #: The functions of the application that statements may call where only reading is allowed.
        self.added: frozenset[str] | None = None
        #: Transaction control that runs before the next statement, so that it needs no hop. The loop adds to it, and
        #: only the thread removes what it ran: a cancelled statement may run, or not.
        self.ahead: list[Statement] = []
        #: Whether BEGIN ran in the transaction that the lane is lent to.
        self.has_begun: bool = True
        #: The user has access to the connection.
        self.is_lent: bool = False
        #: Why the transaction could not begin on a connection that is lent, which then refuses every statement.
        self.refusal: BaseException | None = None
        self._meter: Meter = Meter()

    def watch(self) -> None:
        """Install the handler that ends a statement whose caller was cancelled."""

        def wanted() -> int:
            _offer_processor()
            job = self.current
            if job is None:
                return 0
            return 1 if self.closed or job.cancelled or time.monotonic() > self.stops_at else 0

        self.raw.set_progress_handler(wanted, PROGRESS_STEPS)

    def run(self, jobs: list[Job], *, alone: bool) -> None:
        """Run jobs; each gets its result or its error.

        Args:
            jobs: the jobs.
            alone: they run outside of a transaction.

        Raises:
            BaseException: the connection itself failed (a rollback on a full disk).
        """
        if not alone:
            for job in jobs:
                self._run_one(job)
            return
        for shares, group in groupby(jobs, self._shares_commit):
            if shares:
                self._run_shared(list(group))
                continue
            for job in group:
                self._run_one(job)
                if self.raw.in_transaction:
                    # A statement outside of a transaction must not leave one open on the lane.
                    self.raw.rollback()

    def _shares_commit(self, job: Job) -> bool:
        # A collation that fails is noticed after the statement, which must not be committed then.
        return job.statement.shares_commit or (self.added is not None and job.statement.writes is not None)

    def _run_one(self, job: Job) -> None:
        if job.cancelled:
            return
        if self.closed:
            job.error = closed_while_running()
            return
        if (self.ahead or self.refusal) and job.mode != CLEANUP and not self._catch_up(job):
            return
        self._meter.start()
        try:
            if job.statement.reread is not None and job.mode == ROWS:
                job.result = self.triggers.stored(self.raw, job.statement, lambda: self._perform_patiently(job, [job]))
            else:
                job.result = self._perform_patiently(job, [job])
        except BaseException as error:  # any error belongs to the caller
            job.error = self.failure(error)
        self._meter.stop(job.statement)
        if job.is_last is not None:
            self._commit_after(job, job.is_last)

    def _commit_after(self, job: Job, is_last: Callable[[Any], bool]) -> None:
        """Commit the transaction of a statement that succeeded and is its last one."""
        if job.error is not None or job.cancelled or not is_last(job.result):
            return
        try:
            self._perform_patiently(control(COMMIT, [job]), [job])
            job.commit = True
        except BaseException as error:  # any error belongs to ``commit``
            job.commit = self.failure(error)

    def _catch_up(self, job: Job) -> bool:
        """Run the transaction control that waits for a statement, and return whether the statement may follow.

        What fails keeps waiting, and with it every statement, until the transaction or the savepoint is undone.
        """
        ahead = self.ahead
        try:
            if self.refusal is not None:
                raise self.refusal
            while ahead:
                self._perform_patiently(control(ahead[0], [job]), [job])
                self.has_begun = True
                del ahead[0]
        except BaseException as error:
            if self.is_lent and self.refusal is None:
                # Statements of the user may follow, which would run without the transaction.
                self.refusal = error
                self.raw.set_authorizer(deny)
            job.error = self.failure(error)
        return job.error is None and not job.cancelled

    def _perform_patiently(self, job: Job, callers: list[Job]) -> Any:
        """Run a statement that may have to wait for another process, up to the job's deadline.

        Each attempt waits ``busy_timeout`` inside SQLite. Between two attempts the callers are checked, which a long
        wait inside SQLite would not do.
        """
        raw = self.raw
        self.current = job
        try:
            while True:
                try:
                    result = job.perform(raw)
                    if self.added is not None:
                        raise_failure()
                    return result
                except sqlite3.DatabaseError as error:
                    raise_failure()
                    # Refused before anything was done; a function (CALL) may have run statements before.
                    if job.mode < CALL and self.is_allowed_now(error):
                        continue
                    waits = not raw.in_transaction or job.statement.sql == "COMMIT"
                    if not (waits and is_busy(error)) or time.monotonic() >= job.deadline:
                        raise
                    if self.closed or all(caller.cancelled for caller in callers):
                        raise Cancelled from error
        finally:
            self.current = None

    def is_allowed_now(self, error: BaseException) -> bool:
        """Whether what failed in the schema of the file was allowed just now."""
        if is_unsafe(error):
            return self.trusts and trust_if_harmless(self.raw)
        return quoted_texts.accept_if_needed(self.raw, error)

    def failure(self, error: BaseException) -> BaseException:
        # If the closing lane interrupted the statement, report that.
        return closed_while_running() if self.closed else error

    def _run_shared(self, jobs: list[Job]) -> None:
        """Run writes of one row each in one transaction, or each in its own if that fails.

        An error that ends the whole transaction (RAISE(ROLLBACK), an interrupted write, a deferred foreign key at
        COMMIT, a full disk) undoes all of them before any caller was answered.
        """
        while jobs := [job for job in jobs if not job.cancelled]:
            failure = self._commit(jobs)
            if failure is None:
                return
            if len(jobs) == 1:
                jobs[0].error = self.failure(failure)
                return
            if not is_busy(failure):
                for job in jobs:
                    self._run_shared([job])
                return
            # Another process holds the lock: callers whose time is up get the error, the others keep waiting.
            now = time.monotonic()
            for job in jobs:
                if job.deadline <= now:
                    job.error = failure
            jobs = [job for job in jobs if job.deadline > now]

    def _commit(self, jobs: list[Job]) -> BaseException | None:
        """Run writes in one transaction; return the error if none was saved, None if all were.

        A single write gets a transaction too, so that errors have the same effect as in a batch (in autocommit mode
        SQLite keeps the row after RAISE(FAIL)), and its duration is measured without the commit.
        """
        try:
            self._perform_patiently(control(BEGIN, jobs), jobs)
            for job in jobs:
                self._run_row(job, lone=len(jobs) == 1)
            self._perform_patiently(control(COMMIT, jobs), jobs)
        except BaseException as error:  # of any kind: none of them is stored
            for job in jobs:
                job.result = job.error = None
            if self.raw.in_transaction:
                self.raw.rollback()
            return error
        return None

    def _run_row(self, job: Job, *, lone: bool) -> None:
        """Run one write of a transaction; if it fails, undo it, or raise its error if it is the only write."""
        raw = self.raw
        if not lone:
            raw.execute("SAVEPOINT deebase_row")
        self._run_one(job)
        if job.error is not None:
            if lone or not raw.in_transaction:
                raise job.error
            raw.execute("ROLLBACK TO deebase_row")
        if not lone:
            raw.execute("RELEASE deebase_row")
