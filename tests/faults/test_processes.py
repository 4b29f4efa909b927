"""Processes, event loops, threads and forks: nothing hangs, nothing is printed, nobody is disturbed."""

from __future__ import annotations

import subprocess
from collections.abc import Callable

import pytest

Run = Callable[..., "subprocess.CompletedProcess[str]"]

#: In memory with --long alone: a process of its own is the matter, whichever SQLite database it has.
every_backend = pytest.mark.parametrize(
    "backend_name", [pytest.param("sqlite-memory", marks=pytest.mark.long), "sqlite-file", "postgres"], indirect=True
)


def assert_silent(done: subprocess.CompletedProcess[str], output: str = "done\n") -> None:
    assert (done.returncode, done.stdout, done.stderr) == (0, output, "")


@pytest.mark.on_a_file
@every_backend
def test_a_process_with_cancelled_operations_prints_nothing_and_ends(
    db_url: str, run_script: Run, long_run: bool
) -> None:
    source = """
        import asyncio, random, sys
        from deebase import Database

        async def main(url, operations):
            chance, acknowledged = random.Random(3), set()

            async def operation(db, n):
                if n % 3 == 0:
                    await db.q("SELECT count(*) FROM t")
                elif n % 3 == 1:
                    await db.q("INSERT INTO t VALUES (?)", [2 * n])
                    acknowledged.add(2 * n)
                else:
                    async with db.transaction():
                        await db.q("INSERT INTO t VALUES (?)", [2 * n])
                        await db.q("INSERT INTO t VALUES (?)", [2 * n + 1])
                    acknowledged.update((2 * n, 2 * n + 1))

            async def worker(db, numbers, share):
                for n in numbers:
                    task = asyncio.create_task(operation(db, n))
                    if chance.random() < share:
                        for _ in range(chance.randrange(10)):
                            await asyncio.sleep(0)
                        task.cancel()
                    await asyncio.wait([task])
                    if not task.cancelled():
                        task.result()

            async with Database(url) as db:
                await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
                await asyncio.gather(*(worker(db, range(k, operations, 20), 0.5 if k % 2 else 0.1) for k in range(20)))
                present = {row["id"] for row in await db.q("SELECT id FROM t")}
                assert acknowledged <= present
                pairs = [2 * n for n in range(operations) if n % 3 == 2]
                assert all((k in present) == (k + 1 in present) for k in pairs)
                assert db._core.executor.lanes_in_use == 0
            print("done")

        asyncio.run(main(sys.argv[1], int(sys.argv[2])))
    """
    assert_silent(run_script(source, db_url, "4000" if long_run else "600"))


@pytest.mark.on_a_file
@every_backend
def test_two_loops_one_after_the_other_use_one_database(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, sys
        from deebase import Database

        db = Database(sys.argv[1])

        async def first():
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            await db.q("INSERT INTO t VALUES (1)")

        async def second():
            await db.q("INSERT INTO t VALUES (2)")
            assert await db.q("SELECT id FROM t ORDER BY id") == [{"id": 1}, {"id": 2}]
            await db.close()

        asyncio.run(first())
        asyncio.run(second())
        print("done")
    """
    assert_silent(run_script(source, db_url))


@every_backend
def test_threads_with_loops_of_their_own_share_one_database(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, sys, threading
        from deebase import Database

        db = Database(sys.argv[1])

        async def work(start):
            for key in range(start, start + 25):
                async with db.transaction():
                    await db.q("INSERT INTO t VALUES (?)", [key])
            await asyncio.gather(*(db.q("INSERT INTO t VALUES (?)", [k]) for k in range(start + 25, start + 50)))

        async def prepare():
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")

        async def check():
            assert await db.item("SELECT count(*) FROM t") == 200
            await db.close()

        asyncio.run(prepare())
        threads = [threading.Thread(target=asyncio.run, args=(work(100 * n),)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asyncio.run(check())
        print("done")
    """
    assert_silent(run_script(source, db_url))


@every_backend
def test_an_exit_without_close_neither_hangs_nor_prints(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, sys
        from deebase import Database

        async def hold(db, inside):
            async with db.transaction():
                await db.q("DELETE FROM t")
                inside.set()
                await asyncio.Event().wait()

        async def nothing(db):
            pass

        async def leaves(db):
            sys.exit(0)

        async def open_block(db):
            await db.transaction().__aenter__()

        async def open_stream(db):
            await anext(db.stream("SELECT 1"))

        async def waiting_read(db):
            tasks.append(asyncio.create_task(db.q("SELECT count(*) FROM t")))

        async def running_block(db):
            inside = asyncio.Event()
            tasks.append(asyncio.create_task(hold(db, inside)))
            await inside.wait()

        async def starting_block(db):
            tasks.append(asyncio.create_task(hold(db, asyncio.Event())))
            await asyncio.sleep(0)

        async def main(ending):
            db = Database(sys.argv[1])
            await db.q("CREATE TABLE IF NOT EXISTS t (id INTEGER PRIMARY KEY)")
            await ending(db)

        tasks = []
        for ending in (nothing, leaves, open_block, open_stream, waiting_read, running_block, starting_block, nothing):
            try:
                asyncio.run(main(ending))
            except SystemExit:
                pass
        print("done")
    """
    assert_silent(run_script(source, db_url))


@pytest.mark.on_a_file
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
def test_an_exit_by_an_error_prints_that_error_alone(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, sys
        from deebase import Database

        async def main():
            db = Database(sys.argv[1])
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            async with db.transaction():
                await db.q("INSERT INTO t VALUES (1)")
                raise ZeroDivisionError("of the program")

        asyncio.run(main())
    """
    done = run_script(source, db_url)
    assert done.returncode == 1
    assert done.stderr.startswith("Traceback")
    assert done.stderr.endswith("ZeroDivisionError: of the program\n")
    assert done.stderr.count("Traceback") == 1


@pytest.mark.on_a_file
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
def test_a_loop_that_is_dropped_without_a_shutdown_does_not_hang_the_exit(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, sys
        from deebase import Database

        loop = asyncio.new_event_loop()
        db = Database(sys.argv[1])
        loop.run_until_complete(db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)"))
        print("done", flush=True)
    """
    done = run_script(source, db_url)
    assert (done.returncode, done.stdout) == (0, "done\n")


@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
@pytest.mark.parametrize("child", ["await db.q('INSERT INTO t VALUES (2)')", "pass"])
def test_a_forked_child_and_its_parent_do_not_disturb_each_other(db_url: str, run_script: Run, child: str) -> None:
    source = f"""
        import asyncio, os, sys, warnings
        from deebase import Database

        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        db = Database(sys.argv[1])

        async def in_child():
            {child}
            await db.close()

        async def main():
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
            await db.q("INSERT INTO t VALUES (1)")
            pid = os.fork()
            if pid == 0:
                try:
                    asyncio.run(in_child())
                    os._exit(0)
                except BaseException as error:
                    print(repr(error), file=sys.stderr, flush=True)
                finally:
                    os._exit(1)
            assert (await asyncio.to_thread(os.waitpid, pid, 0))[1] == 0
            await db.q("INSERT INTO t VALUES (3)")
            async with db.transaction():
                await db.q("INSERT INTO t VALUES (4)")
            found = [row["id"] for row in await db.q("SELECT id FROM t ORDER BY id")]
            assert [key for key in found if key != 2] == [1, 3, 4], found
            await db.close()
            print("done")

        asyncio.run(main())
    """
    assert_silent(run_script(source, db_url))


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
def test_reads_in_the_event_loop_keep_to_their_loop_thread_and_process(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, gc, os, sys, threading, warnings
        from deebase import Database
        from deebase._sql.statement import Statement

        warnings.filterwarnings("ignore", message=".*multi-threaded, use of fork", category=DeprecationWarning)
        db = Database(sys.argv[1], in_loop=1)

        async def used():
            # The statement is cached, and known to be short, after the first of them.
            t = await db.reflect_table("t")
            for n in range(100):
                assert (await t.get(1))["n"] == 7
            reads = db._core.executor.lanes()._loop_reads
            assert reads._raw is not None and reads._pid == os.getpid()
            return reads._raw

        async def create():
            await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)")
            await db.q("INSERT INTO t VALUES (1, 7)")
            await used()

        def unused(reads):
            short = [one for one in gc.get_objects() if isinstance(one, Statement) and one.runs_in_loop]
            assert short and not any(reads.is_ready_for(one) or reads._may_learn(one) for one in short)

        def fork(child):
            pid = os.fork()
            if pid == 0:
                try:
                    child()
                    os._exit(0)
                except BaseException as error:
                    print(repr(error), file=sys.stderr, flush=True)
                finally:
                    os._exit(1)
            assert os.waitpid(pid, 0)[1] == 0

        with asyncio.Runner() as runner:
            runner.run(create())
            # In a loop of its own, the child has a connection of its own.
            fork(lambda: asyncio.run(used()))
            # In the loop of the parent, it leaves the connection of the parent alone.
            reads = db._core.executor._here.lanes._loop_reads
            fork(lambda: unused(reads))
            runner.run(used())

            found = []
            threads = [threading.Thread(target=lambda: found.append(asyncio.run(used()))) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert len(set(map(id, found))) == 4
            runner.run(db.close())
        print("done")
    """
    assert_silent(run_script(source, db_url))


@pytest.mark.on_a_file
@pytest.mark.parametrize("backend_name", ["sqlite-file", "postgres"], indirect=True)
def test_an_interrupt_by_the_user_ends_the_process(db_url: str, run_script: Run) -> None:
    source = """
        import asyncio, signal, sys
        from deebase import Database

        async def main():
            async with Database(sys.argv[1]) as db:
                await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
                async with db.transaction():
                    await db.q("INSERT INTO t VALUES (1)")
                    signal.raise_signal(signal.SIGINT)
                    await asyncio.Event().wait()

        # Ignored where the test run itself was started in the background of a shell.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        try:
            asyncio.run(main())
        except KeyboardInterrupt:
            pass

        async def check():
            async with Database(sys.argv[1]) as db:
                if "memory" not in repr(db):
                    assert await db.item("SELECT count(*) FROM t") == 0

        asyncio.run(check())
        print("done")
    """
    assert_silent(run_script(source, db_url))
