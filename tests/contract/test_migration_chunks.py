"""Migrations that change rows in chunks: each is saved with its place, and a run goes on where one was cut off."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from deebase import Database, InvalidOperationError, MigrationError
from deebase.migrations import Migrator, chunked, files

HEAD = '''"""Rows."""

import asyncio

from deebase.migrations import chunked, irreversible

resumable = True

'''

ADD_ONE = """
async def upgrade(db):
    await db.reflect()
    async for rows in chunked(db.t["it; 'em"], size=3):
        STOP
        await db.t["it; 'em"].update_all([{"id": row["id"], "n": row["n"] + 1} for row in rows])


async def downgrade(db):
    await db.reflect()
    async for rows in chunked(db.t["it; 'em"], size=4):
        STOP
        await db.t["it; 'em"].update_all([{"id": row["id"], "n": row["n"] - 1} for row in rows])
"""

Write = Callable[..., Path]


class Item:
    id: int
    n: int


@pytest.fixture
def migrator(db: Database, tmp_path: Path) -> Migrator:
    return Migrator(db, tmp_path / "migrations")


@pytest.fixture
def write(migrator: Migrator) -> Write:
    def sealed(text: str, name: str = "0001-rows", *, head: str = HEAD) -> Path:
        files.make_directory(migrator.directory)
        path = migrator.directory / f"{name}.py"
        return files.write(path, head + text, sealed=True).path

    return sealed


@pytest.fixture
async def items(db: Database) -> Callable[[], asyncio.Future[list[int]]]:
    """Make ten rows with 0; return what tells their numbers."""
    table = await db.create(Item, name="it; 'em")
    await table.insert_all([{"n": 0} for _ in range(10)])
    return lambda: asyncio.ensure_future(table(order_by="id").scalars("n"))


Numbers = Callable[[], "asyncio.Future[list[int]]"]


async def state(migrator: Migrator) -> tuple[str, str]:
    (status,) = await migrator.status()
    return status.state, status.note.partition("UTC, ")[2]


def failing(text: str, last: int) -> str:
    """Return the text of a migration that fails at the chunk with a key."""
    return text.replace("STOP", f"assert {last} not in [row['id'] for row in rows]")


async def test_rows_are_changed_once_and_back(migrator: Migrator, db: Database, write: Write, items: Numbers) -> None:
    write(ADD_ONE.replace("STOP", "assert len(rows) in (1, 2, 3, 4)"))
    (step,) = await migrator.up()
    assert (step.name, await items()) == ("0001-rows", [1] * 10)
    assert await state(migrator) == ("applied", "")
    assert (await db.q("SELECT progress, finished_at FROM _deebase_migrations"))[0]["progress"] is None
    assert await migrator.up() == []
    await migrator.down()
    assert await items() == [0] * 10
    assert await state(migrator) == ("pending", "")


async def test_a_run_goes_on_with_the_chunk_at_which_one_failed(
    migrator: Migrator, write: Write, items: Numbers
) -> None:
    path = write(failing(ADD_ONE, 8))
    with pytest.raises(MigrationError, match=r"at line 14: AssertionError; its saved chunks are kept") as caught:
        await migrator.up()
    assert "await migrator.rerecord()" in (caught.value.hint or "")
    assert await items() == [1] * 6 + [0] * 4
    assert await state(migrator) == ("unfinished", "with 6 rows of it; 'em done")
    with pytest.raises(MigrationError, match="lacks 1 migration"):
        await migrator.require_current()
    with pytest.raises(MigrationError, match="half done") as caught:
        await migrator.down()
    assert caught.value.hint == "await migrator.up() or deebase migrate up continues"
    # The file is mended, which has to be said, as of each that was begun.
    files.write(path, HEAD + ADD_ONE.replace("STOP", "pass"), sealed=True)
    assert (await state(migrator))[0] == "edited"
    assert await migrator.rerecord() == ["0001-rows"]
    assert (await state(migrator))[0] == "unfinished"
    (step,) = await migrator.up()
    assert (step.name, await items()) == ("0001-rows", [1] * 10)


async def test_the_way_back_goes_on_as_well(migrator: Migrator, write: Write, items: Numbers) -> None:
    path = write(ADD_ONE.replace("STOP", "pass"))
    await migrator.up()
    files.write(path, HEAD + failing(ADD_ONE, 8), sealed=True)
    await migrator.rerecord()
    with pytest.raises(MigrationError, match="its saved chunks are kept"):
        await migrator.down()
    assert await items() == [0] * 4 + [1] * 6
    assert await state(migrator) == ("failed", "with 4 rows of it; 'em done")
    with pytest.raises(MigrationError, match="half undone") as caught:
        await migrator.up()
    assert caught.value.hint == "await migrator.down() or deebase migrate down continues"
    files.write(path, HEAD + ADD_ONE.replace("STOP", "pass"), sealed=True)
    await migrator.rerecord()
    (step,) = await migrator.down()
    assert (step.name, await items()) == ("0001-rows", [0] * 10)
    assert await state(migrator) == ("pending", "")


async def test_a_cancelled_run_goes_on(migrator: Migrator, write: Write, items: Numbers, tmp_path: Path) -> None:
    # It waits where the second chunk is changed, and not saved.
    reached = tmp_path / "reached"
    last = "row in rows])\n"
    wait = f"""        if rows[0]["id"] == 4:
            open({str(reached)!r}, "w").close()
            await asyncio.Event().wait()
"""
    path = write(ADD_ONE.replace("STOP", "pass").replace(last, last + wait, 1))
    task = asyncio.create_task(migrator.up())
    while not reached.exists():
        await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await items() == [1] * 3 + [0] * 7
    assert await state(migrator) == ("unfinished", "with 3 rows of it; 'em done")
    files.write(path, HEAD + ADD_ONE.replace("STOP", "pass"), sealed=True)
    await migrator.rerecord()
    await migrator.up()
    assert await items() == [1] * 10


TWO_LOOPS = """
async def upgrade(db):
    await db.reflect()
    items = db.t["it; 'em"]
    async for rows in chunked(items, items.c.id > 5, size=2):
        await items.update_all([{"id": row["id"], "n": row["n"] + 1} for row in rows])
    async for rows in chunked(items, size=5):
        await items.update_all([{"id": row["id"], "n": row["n"] + 10} for row in rows])
        assert rows[0]["id"] != LAST
    async for rows in chunked(items, name="the last", where="n > ?", params=[10], size=10):
        await items.update_all([{"id": row["id"], "n": row["n"] + 100} for row in rows])


downgrade = irreversible("numbers")
"""


async def test_each_loop_keeps_a_place_of_its_own(migrator: Migrator, write: Write, items: Numbers) -> None:
    path = write(TWO_LOOPS.replace("LAST", "6"))
    with pytest.raises(MigrationError, match="AssertionError"):
        await migrator.up()
    assert await items() == [10] * 5 + [1] * 5
    assert await state(migrator) == ("unfinished", "with 5 rows of it; 'em and 5 rows of it; 'em 2 done")
    files.write(path, HEAD + TWO_LOOPS.replace("LAST", "0"), sealed=True)
    await migrator.rerecord()
    await migrator.up()
    assert await items() == [10] * 5 + [111] * 5


async def test_a_table_without_rows_is_done(migrator: Migrator, db: Database, write: Write) -> None:
    await db.create(Item, name="it; 'em")
    write(ADD_ONE.replace("STOP", "raise AssertionError"))
    await migrator.up()
    assert await state(migrator) == ("applied", "")


class Pair:
    a: str
    b: int
    n: int


COMPOSITE = """
async def upgrade(db):
    await db.reflect()
    async for rows in chunked(db.t["pair"], size=2):
        await db.t["pair"].update_all([{**row, "n": row["n"] + 1} for row in rows])


downgrade = irreversible("numbers")
"""


async def test_a_key_of_several_columns(migrator: Migrator, db: Database, write: Write) -> None:
    pairs = await db.create(Pair, pk=["a", "b"])
    await pairs.insert_all([{"a": a, "b": b, "n": 0} for a in ("x", "it's \n é", "?:%") for b in (1, 2, 3)])
    write(COMPOSITE)
    await migrator.up()
    assert await pairs().scalars("n") == [1] * 9


# -- what is refused ---------------------------------------------------------------------------------


async def upgrade_fails(migrator: Migrator, match: str) -> str:
    with pytest.raises(MigrationError, match=match) as caught:
        await migrator.up()
    return caught.value.hint or ""


async def test_a_migration_that_does_not_say_so_is_no_place_for_chunks(
    migrator: Migrator, db: Database, write: Write, items: Numbers
) -> None:
    for head in (HEAD.replace("resumable = True", ""), HEAD.replace("resumable", "transactional")):
        path = write(ADD_ONE, head=head)
        assert "resumable = True" in await upgrade_fails(migrator, "chunked")
        path.unlink()
    with pytest.raises(InvalidOperationError, match="chunked"):
        chunked(db.t["it; 'em"])


LEFT = {
    "break": "break",
    "return": "return",
    "nested": 'async for _ in chunked(db.t["it; \'em"], size=2): pass',
    "task": 'await asyncio.create_task(anext(chunked(db.t["it; \'em"], size=2)))',
    "named": 'chunked(db.t["it; \'em"], name="it; \'em")',
}


@pytest.mark.parametrize("statement", LEFT.values(), ids=LEFT)
async def test_a_loop_is_run_to_its_end_and_alone(
    migrator: Migrator, db: Database, write: Write, items: Numbers, statement: str
) -> None:
    write(
        ADD_ONE.replace("STOP", f"if rows[0]['id'] == 4: {statement}".replace("if rows[0]['id'] == 4: async", "async"))
    )
    hint = await upgrade_fails(migrator, "InvalidOperationError|ValidationError")
    assert "conditions to chunked" in hint or "one loop after the other" in hint or "second pass" in hint
    done = 0 if statement.startswith("async") else 3
    assert await items() == [1] * done + [0] * (10 - done)
    assert (await state(migrator))[0] == "unfinished"
    # Nothing is left open.
    async with db.transaction():
        assert await db.item("SELECT 1") == 1


async def test_a_chunk_is_part_of_no_other_transaction(migrator: Migrator, write: Write, items: Numbers) -> None:
    text = ADD_ONE.replace("STOP", "pass").replace("async for", "async with db.transaction():\n      async for", 1)
    write(text)
    assert "each by itself" in await upgrade_fails(migrator, "InvalidOperationError")
    assert await items() == [0] * 10


async def test_a_table_without_a_key_has_no_chunks(migrator: Migrator, db: Database, write: Write) -> None:
    await db.q("CREATE TABLE keyless (n integer)")
    write(ADD_ONE.replace("it; 'em", "keyless").replace("STOP", "pass"))
    assert "primary key" in await upgrade_fails(migrator, "InvalidOperationError")


async def test_a_chunk_that_went_wrong_unnoticed_is_not_saved(migrator: Migrator, write: Write, items: Numbers) -> None:
    swallowed = "\n        ".join(
        [*("try:", "    await db.q('SELECT nothing FROM nowhere')", "except Exception:", "    pass")]
    )
    write(ADD_ONE.replace("STOP", swallowed).replace('await db.t["it; \'em"].update_all', "await asyncio.sleep(0);len"))
    await upgrade_fails(migrator, "TransactionAbortedError")
    assert await state(migrator) == ("unfinished", "with nothing done")


async def test_who_has_lost_a_migration_to_another_runner_stops(
    migrator: Migrator, db: Database, write: Write, items: Numbers
) -> None:
    taken = "await db.q(\"UPDATE _deebase_migrations SET progress = progress || ' '\")"
    write(ADD_ONE.replace("STOP", f"if rows[0]['id'] == 4: {taken}"))
    await upgrade_fails(migrator, "another program continues 0001-rows")
    assert await items() == [1] * 6 + [0] * 4


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_lock_of_somebody_else_is_waited_for(
    migrator: Migrator, write: Write, items: Numbers, db_url: str
) -> None:
    write(ADD_ONE.replace("STOP", "pass"))
    async with Database(db_url, lock_timeout=0.2) as own, Database(db_url) as other:
        held = asyncio.Event()

        async def hold() -> None:
            async with other.transaction():
                await other.q('SELECT 1 FROM "it; \'em" WHERE id = 5 FOR UPDATE')
                held.set()
                await asyncio.sleep(0.5)

        holder = asyncio.create_task(hold())
        await held.wait()
        (step,) = await Migrator(own, migrator.directory).up()
        await holder
    assert (step.name, await items()) == ("0001-rows", [1] * 10)


# -- looking and mending -----------------------------------------------------------------------------


async def test_one_that_is_half_done_can_be_settled_by_hand(migrator: Migrator, write: Write, items: Numbers) -> None:
    path = write(failing(ADD_ONE, 8))
    await upgrade_fails(migrator, "AssertionError")
    assert await migrator.repair() == []
    path.unlink()
    assert (await state(migrator))[0] == "failed"
    assert len(await migrator.repair()) == 1
    assert await state(migrator) == ("unfinished", "with 6 rows of it; 'em done")
    await migrator.repair("0001-rows", applied=True)
    assert await state(migrator) == ("applied", "")
    await migrator.repair("0001-rows", applied=False)
    assert await state(migrator) == ("applied", "")


async def test_a_script_does_not_pretend_to_change_rows(migrator: Migrator, write: Write, items: Numbers) -> None:
    write("async def upgrade(db):\n    await db.reflect()\n\ndowngrade = irreversible('x')\n")
    files.write(migrator.directory / "0002-t.sql", "-- upgrade\nSELECT 1;\n-- downgrade\nSELECT 1;\n", sealed=True)
    script = await migrator.script()
    assert "-- 0001-rows changes rows in chunks" in script
    assert "'0001-rows'" not in script
    assert "'0002-t'" in script


async def test_it_is_tried_with_all_others(migrator: Migrator, db: Database, write: Write) -> None:
    files.make_directory(migrator.directory)
    table = 'CREATE TABLE "it; \'em" (id integer PRIMARY KEY, n integer)'
    text = f'-- upgrade\n{table};\n-- downgrade\nDROP TABLE "it; \'em";\n'
    files.write(migrator.directory / "0001-t.sql", text, sealed=True)
    write(ADD_ONE.replace("STOP", "pass"), "0002-rows")
    assert await migrator.check() == []
    _, planned = await migrator.up(plan=True)
    assert (planned.operations, planned.note) == (("changes rows",), "")
    await migrator.up()
    assert await migrator.drift() == []
    with pytest.raises(MigrationError, match="0002-rows changes rows"):
        await migrator.squash(1, 2, "both")


async def test_what_a_half_done_one_will_make_is_not_known(migrator: Migrator, write: Write, items: Numbers) -> None:
    write(failing(ADD_ONE, 8))
    await upgrade_fails(migrator, "AssertionError")
    with pytest.raises(MigrationError, match="0001-rows is half done") as caught:
        await migrator.drift()
    assert "deebase migrate status" in (caught.value.hint or "")


async def test_a_ledger_of_before_is_read_and_extended(
    migrator: Migrator, db: Database, write: Write, items: Numbers
) -> None:
    files.make_directory(migrator.directory)
    files.write(migrator.directory / "0001-t.sql", "-- upgrade\nSELECT 1;\n-- downgrade\nSELECT 1;\n", sealed=True)
    await migrator.up()
    await db.q("ALTER TABLE _deebase_migrations DROP COLUMN progress")
    assert [status.state for status in await migrator.status()] == ["applied"]
    write(ADD_ONE.replace("STOP", "pass"), "0002-rows")
    await migrator.up()
    assert [status.state for status in await migrator.status()] == ["applied", "applied"]
    assert await items() == [1] * 10


async def test_a_draft_for_rows_shows_how(migrator: Migrator) -> None:
    path = await migrator.new("fill names", data=True)
    text = path.read_text(encoding="utf-8")
    with pytest.raises(MigrationError, match="does nothing"):
        await migrator.seal()
    # The example in it is one that runs.
    uncommented = text.replace("    # ", "    ")
    path.write_text(uncommented, encoding="utf-8")
    await migrator.seal()
    db = migrator._workspace.target.db
    await db.q('CREATE TABLE "user" (id integer PRIMARY KEY, name varchar)')
    await db.q("INSERT INTO \"user\" VALUES (1, ' Ada '), (2, 'Bob')")
    await migrator.up()
    assert [row["name"] for row in await db.q('SELECT name FROM "user" ORDER BY id')] == ["Ada", "Bob"]
