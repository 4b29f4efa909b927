"""Migrations that are killed, interrupted or run by many: all of one is there or nothing, and the ledger agrees."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from deebase import Database
from deebase.migrations import Migrator, files

Run = Callable[..., "subprocess.CompletedProcess[str]"]

FIRST = """
-- upgrade
CREATE TABLE base (id INTEGER PRIMARY KEY, name TEXT);
INSERT INTO base VALUES (1, 'a'), (2, 'b');

-- downgrade
DROP TABLE base;
"""

FIVE_STEPS = """
async def upgrade(db):
    await db.q("CREATE TABLE child (id INTEGER PRIMARY KEY, base_id INTEGER REFERENCES base (id))")
    await db.q("INSERT INTO child SELECT id * 10, id FROM base")
    await db.q("ALTER TABLE base ADD COLUMN age INTEGER NOT NULL DEFAULT 7")
    await db.q("CREATE UNIQUE INDEX ix_name ON base (name)")
    await db.q("UPDATE base SET name = name || '!' WHERE id = 2")


async def downgrade(db):
    await db.q("UPDATE base SET name = 'b' WHERE id = 2")
    await db.q("DROP INDEX ix_name")
    await db.q("ALTER TABLE base DROP COLUMN age")
    await db.q("DELETE FROM child")
    await db.q("DROP TABLE child")
"""

#: What the programs below have in common: a process of its own that kills itself at its Nth statement.
KILLING = """
    import asyncio, itertools, os, signal, sys
    from asyncpg import Connection
    from asyncpg.prepared_stmt import PreparedStatement
    from sqlalchemy import event
    from deebase._sqltext.capabilities import capabilities_of
    from deebase import Database
    from deebase.errors import TableNotFoundError
    from deebase.migrations import Migrator

    def killer(number):
        counter = itertools.count(1)

        def statement(_):
            if next(counter) == number:
                os.kill(os.getpid(), signal.SIGKILL)

        return statement

    def watch(db, statement):
        # Before each statement, BEGIN and COMMIT included: SQLite tells, asyncpg is asked through these.
        @event.listens_for(db.engine.sync_engine, "connect")
        def connected(connection, _):
            if capabilities_of(db.engine.dialect).is_one_file:
                connection.run_async(lambda driver: driver.set_trace_callback(statement))

        for cls, name in ((Connection, "execute"), (Connection, "fetch"), (PreparedStatement, "fetch")):
            setattr(cls, name, watched(getattr(cls, name), statement))

    def watched(method, statement):
        def run(*args, **options):
            statement(None)
            return method(*args, **options)

        return run

    async def run_watched(number):
        async with Database(url) as db:
            watch(db, killer(number))
            await run(db)

    def killed(number):
        pid = os.fork()
        if pid == 0:
            try:
                asyncio.run(run_watched(number))
                os._exit(0)
            finally:
                os._exit(1)
        status = os.waitpid(pid, 0)[1]
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return True
        assert os.WEXITSTATUS(status) == 0, number
        return False

    url, directory, direction, every = sys.argv[1:]
    every = int(every)

    async def run(db):
        migrator = Migrator(db, directory)
        await (migrator.up() if direction == "up" else migrator.down(allow_destructive=True))
"""

#: Runs `up` or `down` in forked processes of which the Nth kills itself at its Nth statement, until one lives.
KILLED_AT_EACH_STATEMENT = (
    KILLING
    + """
    BEFORE = ([{"id": 1, "name": "a"}, {"id": 2, "name": "b"}], None, False, ["0001-first"])
    AFTER = (
        [{"id": 1, "name": "a", "age": 7}, {"id": 2, "name": "b!", "age": 7}],
        [{"id": 10, "base_id": 1}, {"id": 20, "base_id": 2}],
        True,
        ["0001-first", "0002-five-steps"],
    )

    async def look(db):
        base = await db.reflect_table("base")
        try:
            child = await (await db.reflect_table("child"))(order_by="id")
        except TableNotFoundError:
            child = None
        indexed = "ix_name" in [index["name"] for index in base.indexes]
        statuses = await Migrator(db, directory).status()
        assert {status.state for status in statuses} <= {"applied", "pending"}, statuses
        applied = [status.name for status in statuses if status.state == "applied"]
        return await base(order_by="id"), child, indexed, applied

    async def prepare():
        async with Database(url) as db:
            migrator = Migrator(db, directory)
            await (migrator.up(1) if direction == "up" else migrator.up())
            assert await look(db) == start

    async def go_on(number):
        async with Database(url) as db:
            found = await look(db)
            assert found in (start, end), (number, found)
            if found == start:
                await run(db)
            assert await look(db) == end
            await Migrator(db, directory).down(to=0, allow_destructive=True)
            await db.q("DROP TABLE _deebase_migrations")
            return found == end

    start, end = (BEFORE, AFTER) if direction == "up" else (AFTER, BEFORE)
    seen, number, alive = [], 1, False
    while not alive:
        asyncio.run(prepare())
        alive = not killed(number)
        seen.append(asyncio.run(go_on(number)))
        number += every
    # Once it is done it stays done.
    assert seen == sorted(seen), seen
    print("killed", len(seen) - 1, "before", seen.count(False))
"""
)

IN_CHUNKS = """
from deebase.migrations import chunked

resumable = True


async def upgrade(db):
    await add(db, 1)


async def downgrade(db):
    await add(db, -1)


async def add(db, number):
    await db.reflect()
    async for rows in chunked(db.t["item"], size=2):
        for row in rows:
            await db.t["item"].update({"id": row["id"], "n": row["n"] + number})
"""

#: The same for a migration in chunks, of which each is there or not, and which goes on behind it.
KILLED_IN_CHUNKS = (
    KILLING
    + """
    async def prepare():
        async with Database(url) as db:
            await db.script("DROP TABLE IF EXISTS item; CREATE TABLE item (id INTEGER PRIMARY KEY, n INTEGER)")
            await db.q("INSERT INTO item VALUES (1, 0), (2, 0), (3, 0)")
            if direction == "down":
                await Migrator(db, directory).up()

    async def go_on():
        async with Database(url) as db:
            item = await db.reflect_table("item")
            found = tuple(abs(n - old) for n in await item(order_by="id").scalars("n"))
            # Of each chunk all or nothing, in their order.
            assert found in ((0, 0, 0), (1, 1, 0), (1, 1, 1)), found
            (status,) = await Migrator(db, directory).status()
            if status.state not in ("applied", "pending"):
                assert (status.state, status.half_undone) == expected, status
                done = status.note.partition("with ")[2]
                assert done == ("nothing done" if not any(found) else f"{sum(found)} rows of item done"), (done, found)
                seen.append((found, status.state))
            await run(db)
            assert await item().scalars("n") == [1 - old] * 3
            (status,) = await Migrator(db, directory).status()
            assert status.state == ("applied" if direction == "up" else "pending")
            await db.q("DROP TABLE _deebase_migrations")

    old, expected = (0, ("unfinished", False)) if direction == "up" else (1, ("failed", True))
    seen, number, alive = [], 1, False
    while not alive:
        asyncio.run(prepare())
        alive = not killed(number)
        number += every
        if alive and direction == "down":
            break
        asyncio.run(go_on())
    # Killed before the first chunk, inside and between them, and behind the last one.
    assert [found for found, _ in seen] == sorted(found for found, _ in seen)
    assert len({found for found, _ in seen}) == 3, seen
    print("half done", len(seen))
"""
)


def write(directory: Path, name: str, text: str) -> None:
    files.make_directory(directory)
    files.write(directory / name, text.lstrip("\n"), sealed=True)


#: On a server with --long alone: each of many kills takes two processes.
on_a_file = pytest.mark.parametrize(
    "backend_name", ["sqlite-file", pytest.param("postgres", marks=pytest.mark.long)], indirect=True
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    write(tmp_path / "migrations", "0001-first.sql", FIRST)
    write(tmp_path / "migrations", "0002-five-steps.py", FIVE_STEPS)
    return tmp_path / "migrations"


@on_a_file
@pytest.mark.parametrize("direction", ["up", pytest.param("down", marks=pytest.mark.long)])
def test_a_kill_at_each_statement_leaves_all_of_a_migration_or_none(
    db_url: str, run_script: Run, directory: Path, direction: str, long_run: bool
) -> None:
    # What is lost is looked for between them, too; each kill takes two processes.
    every = 1 if long_run else 3
    done = run_script(KILLED_AT_EACH_STATEMENT, db_url, str(directory), direction, str(every))
    assert (done.returncode, done.stderr) == (0, "")
    # BEGIN, a look at the ledger, five steps, the row of the ledger, COMMIT.
    _, killed, _, before = done.stdout.split()
    assert 9 // every <= int(before) <= int(killed)


@pytest.mark.long
@on_a_file
@pytest.mark.parametrize("direction", ["up", pytest.param("down", marks=pytest.mark.long)])
def test_a_kill_in_the_middle_of_chunks_has_each_row_changed_once(
    db_url: str, run_script: Run, tmp_path: Path, direction: str, long_run: bool
) -> None:
    write(tmp_path / "migrations", "0001-chunks.py", IN_CHUNKS)
    # Of two chunks: BEGIN, a look at the ledger, the rows, the ledger, the updates, COMMIT.
    every = 1 if long_run else 4
    done = run_script(KILLED_IN_CHUNKS, db_url, str(tmp_path / "migrations"), direction, str(every))
    assert (done.returncode, done.stderr) == (0, "")
    assert int(done.stdout.split()[-1]) >= 13 // every


SIGNAL = """
    signal.raise_signal(signal.SIGINT)
    await asyncio.Event().wait()
"""

SIGNAL_IN_THE_MIDDLE = f"""
import asyncio, signal


async def upgrade(db):
    await db.q("CREATE TABLE other (id INTEGER PRIMARY KEY)")
{SIGNAL}

async def downgrade(db):
    pass
"""


async def test_an_interrupt_by_the_user_leaves_nothing_half_done(
    db: Database, db_url: str, run_script: Run, directory: Path
) -> None:
    write(directory, "0003-interrupted.py", SIGNAL_IN_THE_MIDDLE)
    source = """
        import asyncio, signal, sys
        from deebase import Database
        from deebase.migrations import Migrator

        async def main():
            async with Database(sys.argv[1]) as db:
                await Migrator(db, sys.argv[2]).up(to=3)

        # Ignored where the test run itself was started in the background of a shell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            print("interrupted")
    """
    done = run_script(source, db_url, str(directory))
    assert (done.returncode, done.stdout, done.stderr) == (0, "interrupted\n", "")
    migrator = Migrator(db, directory)
    found = {status.name: status.state for status in await migrator.status()}
    assert found == {"0001-first": "applied", "0002-five-steps": "applied", "0003-interrupted": "pending"}
    write(directory, "0003-interrupted.py", SIGNAL_IN_THE_MIDDLE.replace(SIGNAL, ""))
    assert len(await migrator.up(lock_timeout=0)) == 1


async def test_a_lock_of_a_killed_process_is_free(db: Database, db_url: str, directory: Path, run_script: Run) -> None:
    source = """
        import asyncio, os, signal, sys
        from deebase import Database
        from deebase.migrations.runner_lock import runner_lock
        from deebase.migrations.target import Target

        async def main():
            async with Database(sys.argv[1]) as db, runner_lock(Target(db), 0):
                os.kill(os.getpid(), signal.SIGKILL)

        asyncio.run(main())
    """
    assert run_script(source, db_url).returncode < 0
    # The server may take a moment to see that its client is gone.
    assert len(await Migrator(db, directory).up(lock_timeout=5)) == 2
