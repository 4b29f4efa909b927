"""What loses rows or values is rolled back unless it is allowed, however the migration is written."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, MigrationError
from deebase._backends import BACKENDS
from deebase.migrations import Migrator, files
from tests.support.capabilities import can
from tests.support.migration_losses import (
    DESTRUCTIVE_PYTHON,
    DESTRUCTIVE_SQL,
    HARMLESS_PYTHON,
    HARMLESS_SQL,
    ROWS,
    SETUP,
    TABLES,
    of,
)

_PYTHON = "async def upgrade(db):\n    {up}\n\n\nasync def downgrade(db):\n    {down}\n"

Write = Callable[..., Migrator]


@pytest.fixture
async def shop(db: Database) -> Database:
    """A database with rows in its tables."""
    await db.script(SETUP.of(can(db)))
    await db.script(ROWS)
    return db


@pytest.fixture
def write(db: Database, tmp_path: Path) -> Write:
    """Write one migration, in a directory of its own."""
    count = 0

    def made(up: str, down: str | None = None, *, python: bool = False) -> Migrator:
        nonlocal count
        count += 1
        migrator = Migrator(db, tmp_path / f"migrations{count}")
        files.make_directory(migrator.directory)
        text = (
            _PYTHON.format(up=up, down=down or "pass")
            if python
            else f"-- upgrade\n{up};\n\n-- downgrade\n{down or 'SELECT 1'};\n"
        )
        files.write(migrator.directory / f"0001-x{count}.{'py' if python else 'sql'}", text, sealed=True)
        return migrator

    return made


@pytest.fixture
def rows(db: Database) -> Callable[[], Awaitable[list[Any]]]:
    async def read() -> list[Any]:
        found = [await db.q(f"SELECT * FROM {table} ORDER BY id") for table in TABLES]
        partitioned = not can(db).is_one_file
        return [*found, await db.q("SELECT * FROM event ORDER BY id")] if partitioned else found

    return read


Rows = Callable[[], Awaitable[list[Any]]]


@pytest.mark.on_a_file
@pytest.mark.parametrize("python", [False, True], ids=["sql", "python"])
async def test_what_loses_rows_or_values_is_stopped(shop: Database, write: Write, rows: Rows, python: bool) -> None:
    before, passed = await rows(), list[str]()
    cases = of(DESTRUCTIVE_PYTHON if python else DESTRUCTIVE_SQL, can(shop))
    for name, case in cases.items():
        migrator = write(case, python=python)
        refused = await _refused(migrator)
        if refused is None:
            passed.append(name)
            continue
        assert "would lose what the database holds: " in refused.message, (name, refused)
        assert "allow_destructive=True" in (refused.hint or "")
        assert await rows() == before, name
        assert [status.state for status in await migrator.status() if status.file] == ["pending"], name
    assert passed == []


async def _refused(migrator: Migrator) -> MigrationError | None:
    try:
        await migrator.up()
    except MigrationError as error:
        return error
    return None


def test_the_ways_to_lose_rows_are_many_on_each_database() -> None:
    for database in (backend.capabilities for backend in BACKENDS):
        assert len(of(DESTRUCTIVE_SQL, database)) + len(of(DESTRUCTIVE_PYTHON, database)) >= 60
        assert len(of(HARMLESS_SQL, database)) + len(of(HARMLESS_PYTHON, database)) >= 20


@pytest.mark.parametrize("python", [False, True], ids=["sql", "python"])
@pytest.mark.on_a_file
async def test_what_loses_nothing_is_applied(db: Database, write: Write, python: bool) -> None:
    database = can(db)
    cases = of(HARMLESS_PYTHON if python else HARMLESS_SQL, database)
    for name, case in cases.items():
        await _emptied(db)
        await db.script(SETUP.of(database))
        await db.script(ROWS)
        migrator = write(case, python=python)
        assert len(await migrator.up()) == 1, name


async def _emptied(db: Database) -> None:
    if can(db).has_schemas:
        await db.script("DROP SCHEMA public CASCADE; DROP SCHEMA IF EXISTS other CASCADE; CREATE SCHEMA public")
        return
    found = await db.q("SELECT type, name FROM sqlite_master WHERE type IN ('table', 'view')")
    async with db.transaction():
        await db.q("PRAGMA defer_foreign_keys = ON")
        for item in found:
            await db.q(f'DROP {item["type"]} "{item["name"]}"')


async def test_names_and_numbers_are_told(shop: Database, write: Write) -> None:
    for case, text in (
        ("DROP TABLE city", "table city with 3 rows"),
        ("DELETE FROM city WHERE id = 1", "1 of 3 rows of city"),
        ("UPDATE city SET note = NULL WHERE id = 1", "1 of 2 values of city.note"),
        ("ALTER TABLE city DROP COLUMN note", "column city.note with 2 values"),
        (
            "DELETE FROM log; UPDATE city SET size = 1",
            "3 values, which all become one, of city.size; 1 of 1 row of log",
        ),
    ):
        with pytest.raises(MigrationError) as caught:
            await write(case).up()
        found = caught.value.message.partition("holds: ")[2].partition("; nothing of it was kept")[0]
        assert sorted(found.split("; ")) == sorted(text.split("; "))


async def test_it_is_done_where_it_is_allowed(shop: Database, write: Write) -> None:
    migrator = write("DELETE FROM log; UPDATE city SET note = NULL")
    for allowed in (["city"], "log", []):
        with pytest.raises(MigrationError, match="would lose"):
            await migrator.up(allow_destructive=allowed)
    assert len(await migrator.up(allow_destructive=["city", "log"])) == 1
    assert await shop.q("SELECT count(note) AS n FROM city") == [{"n": 0}]
    assert len(await write("DROP TABLE city").up(allow_destructive=True)) == 1


async def test_the_way_back_is_stopped_too(shop: Database, write: Write, rows: Rows) -> None:
    migrator = write("ALTER TABLE city ADD COLUMN x integer", "ALTER TABLE city DROP COLUMN x; DELETE FROM log")
    await migrator.up()
    before = await rows()
    (step,) = await migrator.down(plan=True)
    assert [(hazard.table, hazard.rows) for hazard in step.hazards if hazard.destructive] == [("log", 1)]
    with pytest.raises(MigrationError, match="would lose what the database holds: 1 of 1 row of log") as caught:
        await migrator.down()
    assert "down(allow_destructive=True" in (caught.value.hint or "")
    assert await rows() == before
    assert [status.state for status in await migrator.status()] == ["applied"]
    assert len(await migrator.down(allow_destructive=True)) == 1


async def test_what_is_counted_is_what_the_text_names_or_what_was_written_to(
    shop: Database, write: Write, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG", "deebase.sql"):
        await write("ALTER TABLE city ADD COLUMN x integer").up()
        additive = [record.getMessage() for record in caplog.records if "count(*)" in record.getMessage()]
        caplog.clear()
        await write("UPDATE city SET note = 'none' WHERE note IS NULL").up()
        counted = [record.getMessage() for record in caplog.records if "count(*)" in record.getMessage()]
        caplog.clear()
        await write('await db.q("INSERT INTO l" + "og VALUES (7, 7)")', python=True).up()
        inserted = [record.getMessage() for record in caplog.records if "count(*)" in record.getMessage()]
    assert len(counted) == 2
    assert all('"city"' in sql for sql in counted)
    assert additive == []
    assert all('"log"' in sql for sql in inserted)


async def test_no_statement_of_a_migration_ends_its_transaction(db: Database, write: Write) -> None:
    await db.q("CREATE TABLE city (id integer)")
    await db.q("INSERT INTO city VALUES (1)")
    for end in ("COMMIT", "ROLLBACK"):
        up = f"""async with db.transaction() as tx:
        await db.q("DELETE FROM city")
        await tx.connection.exec_driver_sql("{end}")
        await tx.connection.exec_driver_sql("BEGIN")
        await db.q("DELETE FROM city")"""
        with pytest.raises(MigrationError):
            await write(up, python=True).up()
        assert await db.q("SELECT id FROM city") == [{"id": 1}]


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_rows_that_another_session_deletes_stop_nothing(shop: Database, write: Write, db_url: str) -> None:
    async with Database(db_url) as other:
        up = """from deebase import Database
    global calls
    calls = calls + 1 if "calls" in globals() else 1
    async with Database({url!r}) as other:
        if not await db.q("SELECT 1 FROM city WHERE id = 99"):
            await db.q("INSERT INTO city (id, name) VALUES (99, 'x')")
        held = await other.q("SELECT count(*) AS n FROM pg_locks WHERE mode = 'ShareRowExclusiveLock'"
                             " AND relation = 'city'::regclass")
        if not held[0]["n"]:
            await other.q("DELETE FROM city WHERE id = 3")
    await db.q("UPDATE city SET name = upper(name)")"""
        assert len(await write(up.format(url=db_url), python=True).up()) == 1
        assert [row["id"] for row in await other.q("SELECT id FROM city ORDER BY id")] == [1, 2, 99]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_a_connection_is_as_it_was_after_a_migration(shop: Database, write: Write) -> None:
    with pytest.raises(MigrationError, match="would lose"):
        await write("DELETE FROM city").up()
    async with shop.transaction() as tx:
        await shop.q("DELETE FROM city")
        await tx.connection.exec_driver_sql("COMMIT")
        await tx.connection.exec_driver_sql("BEGIN")
    assert await shop.q("SELECT count(*) AS n FROM city") == [{"n": 0}]


# -- outside of one transaction ----------------------------------------------------------------------

OUTSIDE = {
    "delete": 'await db.q("DELETE FROM city WHERE 1 = 1")',
    "a name that is built": 'await db.q("DROP TABLE ci" + "ty")',
    "the API": "await db.reflect(); await db.t.city.delete_where(id=1)",
    "a block": """async with db.transaction():
        await db.q("UPDATE city SET note = NULL")""",
    "a block that hides the name": """async with db.transaction():
        await db.q("UPDATE ci" + "ty SET note = NULL")""",
    "connection": """async with db.transaction() as tx:
        await tx.connection.exec_driver_sql("DELETE FROM city")""",
    "script": 'await db.script("SELECT 1; DELETE FROM city WHERE 1 = 1")',
    "retry": """async def work():
        await db.q("DELETE FROM log WHERE 1 = 1")
    await db.retry(work)""",
}


@pytest.mark.parametrize("mark", ["transactional = False", "resumable = True"])
async def test_statements_outside_of_a_transaction_are_stopped_one_by_one(
    shop: Database, write: Write, rows: Rows, mark: str
) -> None:
    before = await rows()
    for name, case in OUTSIDE.items():
        migrator = write(case, python=True)
        (path,) = migrator.directory.glob("*.py")
        files.write(path, f"{mark}\n{files.read(path).text}", sealed=True)
        with pytest.raises(MigrationError, match="would lose what the database holds"):
            await migrator.up()
        assert await rows() == before, name
        assert [status.state for status in await migrator.status() if status.file] == ["pending"], name
    sql = write("-- not transactional\nSELECT 1; DELETE FROM city WHERE 1 = 1")
    with pytest.raises(MigrationError, match="3 of 3 rows of city"):
        await sql.up()
    assert await rows() == before


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
@pytest.mark.parametrize(
    "case",
    [
        'await db.q("SELECT clear()")',
        'await db.q("SELECT * FROM cleared")',
        'await db.q("VALUES (clear())")',
        '[row async for row in db.stream("WITH gone AS (DELETE FROM city RETURNING id) SELECT id FROM gone")]',
    ],
)
async def test_what_a_select_deletes_outside_of_a_transaction_is_stopped(
    shop: Database, write: Write, rows: Rows, case: str
) -> None:
    await shop.script(
        "CREATE FUNCTION clear() RETURNS integer LANGUAGE sql AS 'DELETE FROM city; SELECT 1';"
        " CREATE VIEW cleared AS SELECT 1 AS one, clear()"
    )
    before = await rows()
    migrator = write(case, python=True)
    (path,) = migrator.directory.glob("*.py")
    files.write(path, f"transactional = False\n{files.read(path).text}", sealed=True)
    with pytest.raises(MigrationError, match="3 of 3 rows of city"):
        await migrator.up()
    assert await rows() == before
    assert [status.state for status in await migrator.status() if status.file] == ["pending"]


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
async def test_a_table_may_be_called_concurrently(db: Database, write: Write) -> None:
    await db.script("CREATE TABLE concurrently (id integer); INSERT INTO concurrently VALUES (1)")
    with pytest.raises(MigrationError, match="table concurrently with 1 row"):
        await write("DROP TABLE concurrently").up()
    migrator = write("DROP TABLE concurrently")
    (path,) = migrator.directory.glob("*.sql")
    files.write(path, f"-- not transactional\n{files.read(path).text}", sealed=True)
    with pytest.raises(MigrationError, match="table concurrently with 1 row"):
        await migrator.up()


@pytest.mark.on_a_file
async def test_chunks_may_be_as_large_as_they_can_whatever_the_key(db: Database, write: Write) -> None:
    await db.script(
        "CREATE TABLE pair (a integer, b integer, c integer, d integer, n integer, PRIMARY KEY (a, b, c, d));"
        "INSERT INTO pair WITH RECURSIVE g(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM g WHERE n < 10000)"
        " SELECT n, n, n, n, n FROM g"
    )
    up = """await db.reflect()
    async for rows in chunked(db.t.pair, size=10000):
        await db.q("UPDATE pair SET n = n + 1")"""
    migrator = write(up, python=True)
    (path,) = migrator.directory.glob("*.py")
    head = "from deebase.migrations import chunked\nresumable = True\n"
    files.write(path, f"{head}{files.read(path).text}", sealed=True)
    assert len(await migrator.up()) == 1
    assert await db.q("SELECT min(n) AS n FROM pair") == [{"n": 2}]


async def test_what_loses_nothing_runs_outside_of_a_transaction(shop: Database, write: Write) -> None:
    up = """await db.q("CREATE INDEX ix ON city (size)")
    async with db.transaction():
        await db.q("UPDATE city SET name = upper(name)")
    await db.reflect()
    await db.t.city.add_column("x", int, default=1)"""
    migrator = write(up, python=True)
    (path,) = migrator.directory.glob("*.py")
    files.write(path, f"transactional = False\n{files.read(path).text}", sealed=True)
    assert len(await migrator.up()) == 1
    assert await shop.q("SELECT name, x FROM city WHERE id = 1") == [{"name": "ULM", "x": 1}]


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ('await city.update_all([{"id": row["id"], "note": None} for row in rows])', "2 values of city.note"),
        ('await city.update_all([{"id": row["id"], "note": ""} for row in rows])', "2 values of city.note"),
        ("[row.update(note=None) for row in rows]; await city.update_all(rows)", "2 values of city.note"),
        ('[await city.delete(row["id"]) for row in rows]', "rows of city"),
        ('await db.q("DELETE FROM l" + "og")', "rows of log"),
        ('await db.q("DROP TABLE IF EXISTS l" + "og")', "table log"),
    ],
)
@pytest.mark.on_a_file
async def test_chunks_that_lose_rows_or_values_are_not_saved(
    shop: Database, write: Write, rows: Rows, body: str, text: str
) -> None:
    before = await rows()
    up = f"await db.reflect(); city = db.t.city\n    async for rows in chunked(city, size=2):\n        {body}"
    migrator = write(up, python=True)
    (path,) = migrator.directory.glob("*.py")
    head = "from deebase.migrations import chunked\nresumable = True\n"
    files.write(path, f"{head}{files.read(path).text}", sealed=True)
    with pytest.raises(MigrationError, match=f"would lose what the database holds: .*{text}"):
        await migrator.up()
    assert await rows() == before
    assert [status.state for status in await migrator.status()] == ["pending"]
    assert len(await migrator.up(allow_destructive=True)) == 1
