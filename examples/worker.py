"""A queue in a table: workers take jobs, try again what fails, and finish each job once.

``python examples/worker.py`` runs it on a temporary SQLite file, or on ``DATABASE_URL``, where any number of processes
may run it side by side.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from collections import Counter
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from deebase import Database, Table, UTCDateTime

JOBS = 60
WORKERS = 6
TRIES = 3


@dataclass
class Job:
    """One thing to do, not before ``due``."""

    id: int | None
    text: str
    due: UTCDateTime
    state: str = "waiting"
    tries: int = 0


class Refused(Exception):
    """What the other side may say."""


class Worker:
    """Takes one job after the other until none is due."""

    def __init__(self, db: Database, jobs: Table[Job], sent: Counter[str]) -> None:
        self.db, self.jobs, self.sent = db, jobs, sent

    async def run(self) -> None:
        """Work until nothing is due."""
        while await self.step():
            pass

    async def step(self) -> bool:
        """Take a job, do it, and write down what came of it; return whether there was one.

        The row stays locked while the job is done. Should the process die, the database takes the lock back and the job
        is waiting as before. Others do not queue up for it: they take the next one (``skip_locked``). SQLite has one
        writer at a time, so there one worker works while the others wait.
        """
        async with self.db.transaction():
            due = self.jobs(
                self.jobs.c.due <= datetime.now(UTC), state="waiting", order_by=["due", "id"], skip_locked=True
            )
            job = await due.first()
            if job is None:
                return False
            try:
                await self.send(job)
                job.state = "done"
            except Refused:
                job.tries += 1
                job.state = "waiting" if job.tries < TRIES else "failed"
                job.due += timedelta(milliseconds=1)
            await self.jobs.update(job)
            return True

    async def send(self, job: Job) -> None:
        """Stand for the call of another service, which refuses some."""
        await asyncio.sleep(0)
        if (job.text.endswith("7") and job.tries == 0) or job.text == "message 13":
            raise Refused
        self.sent[job.text] += 1


async def main(url: str) -> None:
    """Fill the queue, let the workers empty it, and count."""
    async with Database(url) as db:
        jobs = await db.create(Job, indexes=[("state", "due", "id")], if_not_exists=True)
        now = datetime.now(UTC)
        await jobs.insert_all(Job(None, f"message {number}", now - timedelta(hours=1)) for number in range(JOBS))

        sent: Counter[str] = Counter()
        async with asyncio.TaskGroup() as workers:
            for _ in range(WORKERS):
                workers.create_task(Worker(db, jobs, sent).run())

        print("sent:", len(sent), "messages, none of them twice:", set(sent.values()) == {1})
        for state in ("waiting", "done", "failed"):
            print(state, await jobs.count(state=state))
        print("tried again:", await jobs.count(jobs.c.tries > 0, state="done"))


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as directory:
        asyncio.run(main(os.environ.get("DATABASE_URL", f"{directory}/jobs.db")))
