"""Migrations: applied, undone, told apart, mended; the ledger and the schema always agree."""

from __future__ import annotations

import asyncio
import gc
import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deebase import (
    BusyError,
    Database,
    DeeBaseError,
    InvalidOperationError,
    MigrationError,
    TableNotFoundError,
    ValidationError,
)
from deebase.migrations import Migrator, files
from deebase.migrations.runner_lock import runner_lock
from deebase.migrations.target import Target
from tests.support.capabilities import can

PYTHON = '''"""A step."""


async def upgrade(db):
    {up}


async def downgrade(db):
    {down}
'''


@pytest.fixture
def migrator(db: Database, tmp_path: Path) -> Migrator:
    return Migrator(db, tmp_path / "migrations")


@pytest.fixture
def add(migrator: Migrator) -> Callable[..., files.MigrationFile]:
    """Write a sealed migration: from SQL, from the bodies of Python functions, or one that makes a table."""

    def write(name: str, up: str | None = None, down: str = "pass", *, sql: bool = False) -> files.MigrationFile:
        files.make_directory(migrator.directory)
        table = "t" + name.partition("-")[0]
        if sql or up is None:
            up, down = up or f"CREATE TABLE {table} (id INTEGER);", down if up else f"DROP TABLE {table};"
            text = f"-- upgrade\n{up}\n\n-- downgrade\n{down}\n"
            return files.write(migrator.directory / f"{name}.sql", text, sealed=True)
        text = PYTHON.format(up=up, down=down)
        return files.write(migrator.directory / f"{name}.py", text, sealed=True)

    return write


@pytest.fixture
def tables(db: Database) -> Callable[[], Awaitable[list[str]]]:
    async def names() -> list[str]:
        sql = (
            "SELECT name FROM sqlite_master WHERE type = 'table'"
            if can(db).is_one_file
            else "SELECT tablename AS name FROM pg_tables WHERE schemaname = current_schema()"
        )
        return sorted(row["name"] for row in await db.q(sql) if row["name"] != "_deebase_migrations")

    return names


Add = Callable[..., files.MigrationFile]
Names = Callable[[], Awaitable[list[str]]]


async def states(migrator: Migrator) -> dict[str, str]:
    return {status.name: status.state for status in await migrator.status()}


# -- up and down -------------------------------------------------------------------------------------


async def test_migrations_are_applied_in_order_and_once(migrator: Migrator, add: Add, tables: Names) -> None:
    add("0002-b")
    add("0001-a")
    assert [step.name for step in await migrator.up()] == ["0001-a", "0002-b"]
    assert await tables() == ["t0001", "t0002"]
    assert await migrator.up() == []
    await migrator.require_current()


async def test_the_ledger_tells_when_and_how_long(migrator: Migrator, db: Database, add: Add) -> None:
    file = add("0001-a")
    (step,) = await migrator.up()
    (status,) = await migrator.status()
    assert (status.state, status.number, status.note) == ("applied", 1, "")
    assert status.applied_at is not None
    assert status.applied_at.tzinfo is not None
    assert status.seconds is not None
    assert step.seconds is not None
    assert 0 <= status.seconds <= step.seconds
    assert status.version
    (row,) = await db.q("SELECT name, suffix, checksum, source FROM _deebase_migrations")
    assert row == {"name": "0001-a", "suffix": ".sql", "checksum": file.checksum, "source": file.text}


async def test_a_migration_and_its_row_are_one_transaction(migrator: Migrator, db: Database, add: Add) -> None:
    add(
        "0001-a",
        "await db.q('CREATE TABLE a (id INTEGER)')\n"
        "    async with db.transaction():\n        await db.q('INSERT INTO a VALUES (1)')\n"
        "    raise RuntimeError('secret value')",
    )
    with pytest.raises(MigrationError) as caught:
        await migrator.up()
    assert "0001-a.py failed at line 9: RuntimeError; nothing of it was kept" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert isinstance(caught.value.__cause__, RuntimeError)
    assert await states(migrator) == {"0001-a": "pending"}
    with pytest.raises(MigrationError, match="lacks 1 migration"):
        await migrator.require_current()
    (migrator.directory / "0001-a.py").unlink()
    add("0001-a")
    assert len(await migrator.up()) == 1


async def test_those_before_a_failing_one_stay(migrator: Migrator, add: Add, tables: Names) -> None:
    add("0001-a")
    add("0002-b", "CREATE TABLE b (id INTEGER); SELECT nothing FROM nowhere;", sql=True)
    add("0003-c")
    with pytest.raises(MigrationError, match=r"0002-b\.sql failed at statement 2: QueryError") as caught:
        await migrator.up()
    assert "rerecord()" in str(caught.value)
    assert await tables() == ["t0001"]
    assert await states(migrator) == {"0001-a": "applied", "0002-b": "pending", "0003-c": "pending"}


@pytest.mark.parametrize(
    "body",
    [
        "try:\n        await db.q('SELECT nothing FROM nowhere')\n    except Exception:\n        pass",
        "await db.q('COMMIT')",
        "async with db.transaction() as tx:\n        await tx.connection.commit()",
    ],
)
async def test_a_migration_cannot_leave_its_transaction(migrator: Migrator, add: Add, tables: Names, body: str) -> None:
    add("0001-a", f"await db.q('CREATE TABLE a (id INTEGER)')\n    {body}")
    with pytest.raises(MigrationError, match="nothing of it was kept"):
        await migrator.up()
    assert await tables() == []
    assert await states(migrator) == {"0001-a": "pending"}


async def test_a_failure_at_commit_is_told_as_one_of_the_migration(migrator: Migrator, add: Add, db: Database) -> None:
    await db.script("CREATE TABLE p (id INTEGER PRIMARY KEY)")
    await db.q("CREATE TABLE c (p INTEGER REFERENCES p (id) DEFERRABLE INITIALLY DEFERRED)")
    add("0001-a", "INSERT INTO c VALUES (7);", "SELECT 1;", sql=True)
    with pytest.raises(MigrationError, match=r"0001-a\.sql failed: ForeignKeyViolationError"):
        await migrator.up()
    assert await states(migrator) == {"0001-a": "pending"}


async def test_a_migration_sees_the_database_and_not_what_the_program_knows(
    migrator: Migrator, add: Add, db: Database
) -> None:
    class Thing:
        id: int
        name: str

    things = await db.create(Thing)
    await things.insert(name="a")
    add(
        "0001-a",
        "assert 'thing' not in db.t\n    things = await db.reflect_table('thing')\n"
        "    things = await things.add_column('city', str | None)\n    await things.insert(name='b', city='Ulm')\n"
        "    class Other:\n        id: int\n    await db.create(Other)",
    )
    await migrator.up()
    assert "other" not in db.t
    things = await db.reflect_table("thing")
    assert [row["city"] for row in await things(order_by="id")] == [None, "Ulm"]


async def test_the_handle_of_a_migration_shares_nothing_that_knows_tables(db: Database) -> None:
    own = Target(db).handle()
    shared = [name for name, value in vars(own).items() if value is vars(db)[name]]
    assert own._core.catalog is not db._core.catalog
    assert not [name for name in shared if db._core.catalog in gc.get_referents(vars(db)[name])]
    assert own._core.executor is db._core.executor


async def test_what_a_failed_migration_made_is_not_known_to_the_program(
    migrator: Migrator, add: Add, db: Database
) -> None:
    add("0001-a", "class Thing:\n        id: int\n    await db.create(Thing)\n    raise RuntimeError")
    with pytest.raises(MigrationError):
        await migrator.up()
    with pytest.raises(TableNotFoundError):
        await db.reflect_table("thing")


async def test_up_and_down_go_to_a_number(migrator: Migrator, add: Add, tables: Names) -> None:
    for n in range(1, 5):
        add(f"000{n}-s")
    assert [step.name for step in await migrator.up(2)] == ["0001-s", "0002-s"]
    await migrator.up()
    assert [step.name for step in await migrator.down()] == ["0004-s"]
    assert [step.name for step in await migrator.down(1)] == ["0003-s", "0002-s"]
    assert await tables() == ["t0001"]
    assert [step.name for step in await migrator.down(to=0)] == ["0001-s"]
    assert await migrator.down() == []
    assert await migrator.up(0) == []
    for call in (migrator.up, migrator.down):
        with pytest.raises(MigrationError, match="no migration with the number 9") as caught:
            await call(9)
        assert "0004-s" in str(caught.value)


async def test_the_last_applied_is_undone_first_whatever_its_number(migrator: Migrator, add: Add) -> None:
    add("0002-b")
    await migrator.up()
    add("0001-a")
    await migrator.up()
    assert [step.name for step in await migrator.down()] == ["0001-a"]
    assert [step.name for step in await migrator.down()] == ["0002-b"]


async def test_a_failed_downgrade_leaves_the_migration_applied(migrator: Migrator, add: Add, tables: Names) -> None:
    add("0001-a", "CREATE TABLE a (id INTEGER);", "DROP TABLE a; DROP TABLE nothing;", sql=True)
    await migrator.up()
    with pytest.raises(MigrationError, match="failed at statement 2"):
        await migrator.down()
    assert await tables() == ["a"]
    assert await states(migrator) == {"0001-a": "applied"}


async def test_nothing_is_undone_when_one_of_them_cannot_be(migrator: Migrator, add: Add, tables: Names) -> None:
    add("0001-a", "CREATE TABLE a (id INTEGER);", "-- irreversible: rows are gone", sql=True)
    add("0002-b")
    await migrator.up()
    with pytest.raises(MigrationError, match="0001-a cannot be undone: rows are gone"):
        await migrator.down(to=0)
    assert await tables() == ["a", "t0002"]


async def test_a_plan_changes_nothing(migrator: Migrator, add: Add, tables: Names, tmp_path: Path) -> None:
    file = add("0001-a")
    (step,) = await migrator.up(plan=True)
    assert (step.name, step.seconds, step.source) == ("0001-a", None, file.text)
    assert await tables() == []
    assert await states(migrator) == {"0001-a": "pending"}
    assert not list(tmp_path.glob("*-migrating"))


async def test_status_creates_no_ledger(migrator: Migrator, db: Database, add: Add) -> None:
    add("0001-a")
    await migrator.status()
    with pytest.raises(MigrationError):
        await migrator.require_current()
    with pytest.raises(TableNotFoundError):
        await db.reflect_table("_deebase_migrations")


async def test_up_and_down_refuse_an_open_transaction(migrator: Migrator, db: Database, add: Add) -> None:
    add("0001-a")
    for call in (migrator.up, migrator.down):
        with pytest.raises(InvalidOperationError, match="inside of a transaction"):
            async with db.transaction():
                await call()


async def test_a_missing_directory_is_no_empty_one(migrator: Migrator) -> None:
    for call in (migrator.up, migrator.down, migrator.status, migrator.require_current):
        with pytest.raises(MigrationError, match="no directory"):
            await call()


# -- what needs attention ----------------------------------------------------------------------------


async def test_a_late_one_is_applied_and_said_to_be_late(
    migrator: Migrator, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    add("0003-c")
    await migrator.up()
    add("0002-b")
    (status, _) = await migrator.status()
    assert (status.state, status.late) == ("pending", True)
    with caplog.at_level(logging.WARNING, "deebase.migrations"):
        assert [(step.name, step.late) for step in await migrator.up()] == [("0002-b", True)]
    assert "0002-b is applied late" in caplog.text


async def test_an_edited_one_is_refused_with_the_difference_until_it_is_rerecorded(
    migrator: Migrator, add: Add
) -> None:
    file = add("0001-a")
    await migrator.up()
    add("0002-b")
    file.path.write_text(file.text.replace("id INTEGER", "id BIGINT"), encoding="utf-8")
    assert await states(migrator) == {"0001-a": "edited", "0002-b": "pending"}
    for call in (migrator.up, migrator.require_current):
        with pytest.raises(MigrationError, match="edited since it was applied") as caught:
            await call()
        assert "-CREATE TABLE t0001 (id INTEGER);\n+CREATE TABLE t0001 (id BIGINT);" in str(caught.value)
        assert "rerecord()" in str(caught.value)
    with pytest.raises(MigrationError, match="edited since it was applied"):
        await migrator.down()
    assert await migrator.rerecord() == ["0001-a"]
    assert await states(migrator) == {"0001-a": "applied", "0002-b": "pending"}
    assert [step.name for step in await migrator.up()] == ["0002-b"]


async def test_one_that_was_edited_before_it_was_applied_is_refused(migrator: Migrator, add: Add) -> None:
    file = add("0001-a")
    file.path.write_text(file.path.read_text().replace("INTEGER", "BIGINT"), encoding="utf-8")
    with pytest.raises(MigrationError, match="edited since it was sealed"):
        await migrator.up()
    with pytest.raises(MigrationError, match="no migration '0009-x'"):
        await migrator.rerecord("0009-x")
    assert await migrator.rerecord("0001-a") == ["0001-a"]
    assert len(await migrator.up()) == 1


async def test_a_missing_one_is_reported_and_written_again(
    migrator: Migrator, add: Add, caplog: pytest.LogCaptureFixture
) -> None:
    file = add("0001-a")
    await migrator.up()
    file.path.unlink()
    add("0002-b")
    assert await states(migrator) == {"0001-a": "missing", "0002-b": "pending"}
    with caplog.at_level(logging.WARNING, "deebase.migrations"):
        assert [step.name for step in await migrator.up()] == ["0002-b"]
    assert "0001-a was applied, but its file does not exist" in caplog.text
    with pytest.raises(MigrationError, match="file does not exist") as caught:
        await migrator.down(to=0)
    assert "repair()" in str(caught.value)
    await migrator.require_current()
    (line,) = await migrator.repair()
    assert "0001-a.sql was written" in line
    assert files.read(file.path) == file
    assert len(await migrator.down(to=0)) == 2


async def test_a_name_in_the_ledger_leads_nowhere_else(
    migrator: Migrator, add: Add, db: Database, tmp_path: Path
) -> None:
    add("0001-a")
    await migrator.up()
    (migrator.directory / "0001-a.sql").unlink()
    await db.q("UPDATE _deebase_migrations SET name = '../0001-a'")
    with pytest.raises(MigrationError, match="with an invalid name"):
        await migrator.repair()
    assert not list(tmp_path.glob("0001*"))


async def test_two_with_one_number_are_refused_until_they_are_renumbered(migrator: Migrator, add: Add) -> None:
    add("0001-a")
    add("0002-mine")
    await migrator.up()
    add("0002-also", "SELECT 1;", "SELECT 1;", sql=True)
    for call in (migrator.up, migrator.require_current):
        with pytest.raises(MigrationError, match="has the same number as 0002-") as caught:
            await call()
        assert "renumber()" in str(caught.value)
    assert await migrator.renumber() == [("0002-also", "0003-also")]
    assert await states(migrator) == {"0001-a": "applied", "0002-mine": "applied", "0003-also": "pending"}
    assert await migrator.renumber() == []


async def test_renumbering_two_that_are_applied_takes_the_ledger_along(migrator: Migrator, add: Add) -> None:
    first = add("0001-z")
    await migrator.up()
    first.path.rename(first.path.with_suffix(".kept"))
    add("0001-a", "SELECT 1;", "SELECT 1;", sql=True)
    await migrator.up()
    first.path.with_suffix(".kept").rename(first.path)
    assert await migrator.renumber() == [("0001-a", "0002-a")]
    assert await states(migrator) == {"0001-z": "applied", "0002-a": "applied"}


async def test_one_that_was_renamed_is_not_applied_again(migrator: Migrator, add: Add) -> None:
    file = add("0001-a")
    await migrator.up()
    files.rename(file.path, "0004-better")
    with pytest.raises(MigrationError, match="0004-better was applied under the name 0001-a"):
        await migrator.up()
    assert await migrator.rerecord() == ["0004-better"]
    assert await states(migrator) == {"0004-better": "applied"}
    assert len(await migrator.down()) == 1


# -- outside of a transaction ------------------------------------------------------------------------


async def test_a_migration_that_no_transaction_can_hold_is_noted_step_by_step(
    migrator: Migrator, add: Add, db: Database
) -> None:
    add("0001-a")
    statement = "VACUUM" if can(db).is_one_file else "VACUUM t0001"
    add("0002-vacuum", f"-- not transactional\n{statement};", f"{statement};", sql=True)
    await migrator.up()
    assert await states(migrator) == {"0001-a": "applied", "0002-vacuum": "applied"}
    assert len(await migrator.down()) == 1
    assert await states(migrator) == {"0001-a": "applied", "0002-vacuum": "pending"}


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_an_index_is_built_concurrently_while_other_runners_wait(
    migrator: Migrator, add: Add, db: Database, db_url: str
) -> None:
    add("0001-a")
    add(
        "0002-index",
        "-- not transactional\nCREATE INDEX CONCURRENTLY ix ON t0001 (id);",
        "DROP INDEX CONCURRENTLY ix;",
        sql=True,
    )
    async with Database(db_url) as other:
        done = await asyncio.gather(migrator.up(), Migrator(other, migrator.directory).up())
    assert sorted(step.name for steps in done for step in steps) == ["0001-a", "0002-index"]
    assert [step.name for step in await migrator.down()] == ["0002-index"]


@pytest.mark.parametrize("applied", [True, False])
async def test_a_half_done_one_stops_everything_until_somebody_decides(
    migrator: Migrator, add: Add, tables: Names, applied: bool
) -> None:
    add("0001-a", "-- not transactional\nCREATE TABLE a (id INTEGER); SELECT nothing FROM nowhere;", sql=True)
    add("0002-b")
    with pytest.raises(MigrationError, match="may be half done") as caught:
        await migrator.up()
    assert "repair('0001-a'" in str(caught.value)
    assert await tables() == ["a"]
    assert await states(migrator) == {"0001-a": "failed", "0002-b": "pending"}
    for call in (migrator.up, migrator.down, migrator.require_current, migrator.repair):
        with pytest.raises(MigrationError, match="has not finished") as caught:
            await call()
        assert "repair('0001-a', applied=True)" in str(caught.value)
    (line,) = await migrator.repair("0001-a", applied=applied)
    assert line == f"0001-a counts as {'' if applied else 'not '}applied"
    assert await states(migrator) == {"0001-a": "applied" if applied else "pending", "0002-b": "pending"}


# -- drafts ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sql", [False, True])
async def test_a_draft_is_opened_written_sealed_and_applied(migrator: Migrator, tables: Names, sql: bool) -> None:
    path = await migrator.new("Add cities!", sql=sql)
    assert path.name == ("draft-add-cities.sql" if sql else "draft-add-cities.py")
    with pytest.raises(MigrationError, match="is open"):
        await migrator.new("another")
    with pytest.raises(MigrationError, match="does nothing"):
        await migrator.seal()
    up, down = "CREATE TABLE city (id INTEGER)", "DROP TABLE city"
    text = path.read_text(encoding="utf-8")
    if sql:
        text = text.replace("-- upgrade\n", f"-- upgrade\n{up};\n").replace(
            "-- downgrade\n", f"-- downgrade\n{down};\n"
        )
    else:
        text = text.replace('"""Take the step."""', f"await db.q('{up}')")
        text = text.replace('"""Undo the step."""', f"await db.q('{down}')")
    path.write_text(text, encoding="utf-8")
    assert await states(migrator) == {"draft-add-cities": "draft"}
    assert await migrator.up() == []
    assert await migrator.seal() == "0001-add-cities"
    assert not path.exists()
    assert [step.name for step in await migrator.up()] == ["0001-add-cities"]
    assert await tables() == ["city"]
    await migrator.down()
    assert await tables() == []


async def test_a_draft_gets_the_number_behind_all_others(migrator: Migrator, add: Add) -> None:
    add("0007-a")
    await migrator.up()
    (migrator.directory / "0007-a.sql").unlink()
    add("0003-b")
    path = await migrator.new("x", data=True)
    path.write_text(path.read_text().replace('"""Change the rows."""', "await db.q('SELECT 1')"), encoding="utf-8")
    assert await migrator.seal("Renamed at last") == "0008-renamed-at-last"


async def test_a_file_written_by_hand_is_sealed_by_its_name(migrator: Migrator) -> None:
    files.make_directory(migrator.directory)
    path = migrator.directory / "0001-by-hand.sql"
    path.write_text("-- upgrade\nCREATE TABLE a (id INTEGER);\n-- downgrade\nDROP TABLE a;\n")
    with pytest.raises(MigrationError, match="is not sealed") as caught:
        await migrator.up()
    assert "seal('0001-by-hand')" in str(caught.value)
    assert await migrator.seal("0001-by-hand") == "0001-by-hand"
    assert len(await migrator.up()) == 1
    with pytest.raises(MigrationError, match="is sealed already"):
        await migrator.seal("0001-by-hand")
    with pytest.raises(MigrationError, match="there is no 0002-x"):
        await migrator.seal("0002-x")
    with pytest.raises(MigrationError, match="there is no draft"):
        await migrator.seal("x")
    with pytest.raises(ValidationError):
        await migrator.new("?!")


async def recorded(migrator: Migrator, db: Database, table: str) -> Path:
    async with db.transaction():
        await db.q(f"CREATE TABLE {table} (id INTEGER)")
        return await migrator.record(f"CREATE TABLE {table} (id INTEGER)", f"DROP TABLE {table}")


async def test_recorded_commands_count_as_applied_where_they_were_run(
    migrator: Migrator, db: Database, tables: Names
) -> None:
    await recorded(migrator, db, "a")
    path = await recorded(migrator, db, "b")
    assert path.name == "draft.py"
    with pytest.raises(ValidationError, match="no name yet"):
        await migrator.seal()
    assert await migrator.seal("initial schema") == "0001-initial-schema"
    assert await states(migrator) == {"0001-initial-schema": "applied"}
    assert await migrator.up() == []
    async with Database(":memory:") as elsewhere:
        assert [step.name for step in await Migrator(elsewhere, migrator.directory).up()] == ["0001-initial-schema"]
    await migrator.down()
    assert await tables() == []
    await migrator.up()
    assert await tables() == ["a", "b"]


async def test_a_recorded_draft_that_somebody_else_sealed_counts_as_applied(
    migrator: Migrator, db: Database, tables: Names
) -> None:
    path = await recorded(migrator, db, "a")
    async with Database(":memory:") as elsewhere:
        assert await Migrator(elsewhere, migrator.directory).seal("first") == "0001-first"
    assert not path.exists()
    await recorded(migrator, db, "b")
    assert await states(migrator) == {"0001-first": "applied", "draft": "draft"}
    await migrator.seal("second")
    assert await migrator.up() == []
    assert len(await migrator.down(to=0)) == 2
    assert await tables() == []


@pytest.mark.parametrize("applied", [True, False])
async def test_a_draft_that_was_recorded_and_edited_asks_what_this_database_has(
    migrator: Migrator, db: Database, applied: bool
) -> None:
    path = await recorded(migrator, db, "a")
    path.write_text(path.read_text() + "# more\n")
    with pytest.raises(MigrationError, match="but others were not") as caught:
        await migrator.seal("first")
    assert "applied=True" in str(caught.value)
    await recorded(migrator, db, "b")
    with pytest.raises(MigrationError, match="but others were not"):
        await migrator.seal("first")
    await migrator.seal("first", applied=applied)
    assert await states(migrator) == {"0001-first": "applied" if applied else "pending"}


async def test_a_command_that_was_rolled_back_is_noticed(migrator: Migrator, db: Database, tables: Names) -> None:
    await recorded(migrator, db, "a")
    with pytest.raises(RuntimeError):
        async with db.transaction():
            await recorded(migrator, db, "b")
            raise RuntimeError
    assert await tables() == ["a"]
    with pytest.raises(MigrationError, match="but others were not"):
        await migrator.seal("first")


# -- one at a time -----------------------------------------------------------------------------------


async def test_runners_of_one_process_take_turns(migrator: Migrator, db: Database, add: Add) -> None:
    for n in range(1, 4):
        add(f"000{n}-s")
    done = await asyncio.gather(*(Migrator(db, migrator.directory).up() for _ in range(5)))
    assert sorted(step.name for steps in done for step in steps) == ["0001-s", "0002-s", "0003-s"]


async def test_waiting_for_another_runner_is_bounded_and_names_it(
    migrator: Migrator, db: Database, add: Add, tmp_path: Path
) -> None:
    add("0001-a")
    async with runner_lock(Target(db), 1.0):
        with pytest.raises(BusyError, match=r"process \d+ .*; waited 0\.1 s") as caught:
            await migrator.up(lock_timeout=0.1)
        assert "lock_timeout=" in str(caught.value)
        assert len(list(tmp_path.glob("*-migrating"))) == (can(db).is_one_file and db._core.settings.path is not None)
    assert not list(tmp_path.glob("*-migrating"))
    assert len(await migrator.up(lock_timeout=0)) == 1


async def test_the_lock_is_free_after_a_failure_and_after_a_cancellation(
    migrator: Migrator, db: Database, add: Add, tables: Names
) -> None:
    add("0001-a", "raise RuntimeError")
    with pytest.raises(MigrationError):
        await migrator.up()
    add(
        "0001-a",
        "import asyncio\n    await db.q('CREATE TABLE a (id INTEGER)')\n    await asyncio.Event().wait()",
    )
    for _ in range(3):
        task = asyncio.create_task(migrator.up())
        async with asyncio.timeout(10):
            while not db._core.executor.lanes_in_use:
                await asyncio.sleep(0.001)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        async with asyncio.timeout(10):
            while db._core.executor.lanes_in_use:
                await asyncio.sleep(0.001)
    assert await tables() == []
    (migrator.directory / "0001-a.py").unlink()
    add("0001-a")
    assert len(await migrator.up(lock_timeout=0)) == 1


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_runner_whose_lock_was_lost_does_not_apply_twice(
    migrator: Migrator, db: Database, db_url: str, add: Add, tmp_path: Path
) -> None:
    go = tmp_path / "go"
    add(
        "0001-a",
        "import asyncio, pathlib\n    await db.q('CREATE TABLE a (id INTEGER)')\n"
        f"    pathlib.Path({str(tmp_path / 'inside')!r}).touch()\n"
        f"    while not pathlib.Path({str(go)!r}).exists():\n        await asyncio.sleep(0.005)",
    )

    async def lose_the_lock(other: Database) -> list[Any]:
        while not (tmp_path / "inside").exists():
            await asyncio.sleep(0.005)
        killed = await other.q(
            "SELECT pg_terminate_backend(pid) AS done FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 2"
        )
        assert killed == [{"done": True}]
        second = asyncio.create_task(Migrator(other, migrator.directory).up())
        while not await db.q("SELECT 1 FROM pg_locks WHERE NOT granted"):
            await asyncio.sleep(0.005)
        go.touch()
        return await second

    async with Database(db_url) as other:
        first, second = await asyncio.gather(migrator.up(), lose_the_lock(other))
    assert ([step.name for step in first], second) == (["0001-a"], [])


# -- locks of others ---------------------------------------------------------------------------------


class Heard(logging.Handler):
    """Sets an event as soon as a migration is to be tried again."""

    def __init__(self) -> None:
        super().__init__()
        self.event = asyncio.Event()

    def emit(self, record: logging.LogRecord) -> None:
        if "trying again" in record.getMessage():
            self.event.set()


async def test_a_migration_gives_way_to_who_holds_a_table_and_comes_again(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("deebase.migrations.runner._PAUSE", 0.01)
    heard = Heard()
    logging.getLogger("deebase.migrations").addHandler(heard)
    files.make_directory(tmp_path / "migrations")
    text = "-- upgrade\nALTER TABLE t ADD COLUMN n integer;\n-- downgrade\nALTER TABLE t DROP COLUMN n;\n"
    files.write(tmp_path / "migrations" / "0001-a.sql", text, sealed=True)
    try:
        async with Database(postgres_url) as other, Database(postgres_url, lock_timeout=0.2) as db:
            await other.q("CREATE TABLE t (id integer)")
            async with asyncio.timeout(20), asyncio.TaskGroup() as group, other.transaction():
                await other.q("SELECT * FROM t")
                task = group.create_task(Migrator(db, tmp_path / "migrations").up())
                await heard.event.wait()
            assert [step.name for step in task.result()] == ["0001-a"]
    finally:
        logging.getLogger("deebase.migrations").removeHandler(heard)


async def test_it_does_not_come_again_for_ever(
    postgres_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("deebase.migrations.runner._PAUSE", 0.01)
    files.make_directory(tmp_path / "migrations")
    text = "-- upgrade\nDROP TABLE t;\n-- downgrade\nCREATE TABLE t (id integer);\n"
    files.write(tmp_path / "migrations" / "0001-a.sql", text, sealed=True)
    async with Database(postgres_url) as other, Database(postgres_url, lock_timeout=0.05) as db:
        await other.q("CREATE TABLE t (id integer)")
        async with other.transaction():
            await other.q("SELECT * FROM t")
            with pytest.raises(MigrationError, match="BusyError") as caught:
                await Migrator(db, tmp_path / "migrations").up()
    assert "run it again" in (caught.value.hint or "")
    assert len([record for record in caplog.records if "trying again" in record.getMessage()]) == 4


async def test_an_error_under_the_lock_is_not_taken_for_one_of_the_database(db: Database) -> None:
    with pytest.raises(OSError, match="not of the database") as caught:
        async with runner_lock(Target(db), 1.0):
            raise OSError("not of the database")
    assert not isinstance(caught.value, DeeBaseError)
