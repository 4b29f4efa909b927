"""Copies of databases, backups and the way back, and what the doctor finds."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import AsyncIterator
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from deebase import (
    CheckViolationError,
    Database,
    DatabaseError,
    ForeignKey,
    IntegrityError,
    InvalidOperationError,
    SchemaError,
    ValidationError,
)
from deebase._sqltext.capabilities import Capabilities
from deebase.tools.backup import backup, restore
from deebase.tools.copying import CopyReport, copy_database
from deebase.tools.doctor import examine
from deebase.types import ForeignKeyMark
from tests.contract.test_files import FULL, Everything
from tests.support.capabilities import can
from tests.support.own_server import programs_directory


class Team:
    id: int
    captain_id: ForeignKey[int, "player"] | None
    name: str


class Player:
    id: int
    team_id: ForeignKey[int, "team"]
    mentor_id: ForeignKey[int, "player"] | None
    number: int = 7


async def fill(db: Database) -> None:
    """Tables that refer to each other in a circle, every type, a view of a view."""
    teams, players = await db.create_all(
        Team,
        Player,
        options={
            Team: {"indexes": ["name"]},
            Player: {"foreign_keys": {"team_id": ForeignKeyMark("team.id", on_delete="cascade")}},
        },
    )
    await teams.insert_all([{"id": 1, "name": "a"}, {"id": 9, "name": "b"}])
    await players.insert_all({"id": n, "team_id": 1, "mentor_id": None} for n in range(1, 2500))
    await players.update_where({"mentor_id": 2499}, id=1)
    await teams.update(id=1, captain_id=2)
    everything = await db.create(Everything)
    await everything.insert_all([FULL, dict.fromkeys(FULL), {**FULL, "price": None}])
    await db.create_view("grown", "SELECT id, name FROM team WHERE id > 1")
    await db.create_view("all_grown", "SELECT * FROM grown")


@pytest.fixture
async def other(postgres_url: str, tmp_path: Path, capabilities: Capabilities) -> AsyncIterator[Database]:
    """A database of the other kind."""
    url = postgres_url if capabilities.is_one_file else str(tmp_path / "other.db")
    async with Database(url) as database:
        yield database


async def rows_of(db: Database) -> dict[str, Any]:
    await db.reflect()
    return {table.name: [plain(row) for row in await table.rows_as(dict)(order_by="id")] for table in db.t}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """Return a row as a reflected table has it: only ``create`` knows the class of an Enum."""
    return {name: value.value if isinstance(value, Enum) else value for name, value in row.items()}


async def test_a_database_is_the_same_on_the_other_side_and_back(db: Database, other: Database, tmp_path: Path) -> None:
    await fill(db)
    told: list[tuple[str, int, int]] = []
    report = await copy_database(db, other, progress=lambda *step: told.append(step))
    assert {table.name: table.rows for table in report.tables} == {"everything": 3, "player": 2499, "team": 2}
    assert set(report.views) == {"grown", "all_grown"}
    assert ("player", 2499, 2499) in told
    async with Database(tmp_path / "back.db") as back:
        again: CopyReport = await copy_database(other, back)
        # Between two files the checksum is that of the stored values.
        if can(db).is_one_file:
            assert [table.checksum for table in again.tables] == [table.checksum for table in report.tables]
            assert await rows_of(back) == await rows_of(db)
    assert await other.v.all_grown() == [{"id": 9, "name": "b"}]
    players = other.t.player
    assert players.foreign_keys == db.t.player.foreign_keys
    assert [index["columns"] for index in other.t.team.indexes] == [["captain_id"], ["name"]]
    # Keys go on behind the highest one, and foreign keys are looked at again.
    assert (await players.insert(team_id=9))["id"] == 2500
    with pytest.raises(IntegrityError):
        await players.insert(team_id=77)
    await other.t.team.update(id=1, captain_id=None)
    await players.update(id=1, mentor_id=None)
    await other.t.team.delete(1)
    assert await players.count() == 1


def stopping_at(name: str) -> Any:
    """Return a progress callback that ends the copy within a table."""

    def stop(table: str, rows: int, total: int) -> None:
        if table == name:
            raise ZeroDivisionError

    return stop


async def cut_off(db: Database, other: Database) -> None:
    """Fill a database, and begin a copy of it that ends after some of its tables."""
    await fill(db)
    with pytest.raises(ZeroDivisionError):
        await copy_database(db, other, progress=stopping_at("player"))


async def test_a_copy_that_was_cut_off_goes_on_with_the_table_that_it_was_at(db: Database, other: Database) -> None:
    await cut_off(db, other)
    await other.reflect()
    assert await other.t._deebase_copy.count(name="everything", rows=3) == 1
    assert await other.t.player.count() == 0
    with pytest.raises(InvalidOperationError, match="has an unfinished copy") as caught:
        await copy_database(db, other)
    assert "--resume" in str(caught.value)
    told: list[str] = []
    report = await copy_database(db, other, resume=True, progress=lambda table, *_: told.append(table))
    assert {table.name: table.rows for table in report.tables} == {"everything": 3, "player": 2499, "team": 2}
    assert set(told) == {"player", "team"}
    assert "_deebase_copy" not in other.t
    assert other.t.player.foreign_keys == db.t.player.foreign_keys
    assert [index["columns"] for index in other.t.team.indexes] == [["captain_id"], ["name"]]
    with pytest.raises(IntegrityError):
        await other.t.player.insert(team_id=77)
    assert await other.v.all_grown() == [{"id": 9, "name": "b"}]


async def test_a_copy_goes_on_only_with_a_source_that_is_the_same(db: Database, other: Database) -> None:
    await cut_off(db, other)
    with pytest.raises(ValidationError, match="resume excludes restart"):
        await copy_database(db, other, resume=True, restart=True)
    with pytest.raises(InvalidOperationError, match="of other tables: everything, player, team"):
        await copy_database(db, other, resume=True, tables=["team", "player"])
    await db.t.everything.delete(1)
    with pytest.raises(InvalidOperationError, match="everything of the source has changed") as caught:
        await copy_database(db, other, resume=True)
    assert "--restart" in str(caught.value)
    report = await copy_database(db, other, restart=True)
    assert {table.name: table.rows for table in report.tables} == {"everything": 2, "player": 2499, "team": 2}
    assert await rows_of(other) == await rows_of(db)


async def test_documents_of_any_kind_are_copied(db: Database, other: Database) -> None:
    key, kind = ("BIGINT", "JSONB") if can(db).checks_types else ("INTEGER", "JSON")
    await db.script(f"""CREATE TABLE t (id {key} PRIMARY KEY, d {kind});
        INSERT INTO t VALUES (1, '[1, {{"a": null}}]'), (2, '{{"b": [2.5]}}'), (3, '"x"'), (4, NULL), (5, '7')""")
    report = await copy_database(db, other)
    assert report.left_out == ()
    assert await other.t.t(order_by="id").scalars("d") == [[1, {"a": None}], {"b": [2.5]}, "x", None, 7]


async def test_a_copy_without_what_is_there_already(db: Database, other: Database) -> None:
    await fill(db)
    await copy_database(db, other, tables=["everything"])
    with pytest.raises(SchemaError, match="table everything already exists"):
        await copy_database(db, other)
    for wrong in ("nowhere", 5, [5]):
        with pytest.raises(ValidationError, match="tables is a list of names"):
            await copy_database(db, other, tables=wrong)  # type: ignore[arg-type]
    with pytest.raises(SchemaError, match="nowhere"):
        await copy_database(db, other, tables=["nowhere"])
    assert dir(other.t) == ["everything"]


async def test_what_the_target_does_not_have_is_told(db: Database, other: Database) -> None:
    if can(db).is_one_file:
        await db.script(
            "CREATE TABLE t (id INTEGER PRIMARY KEY, n INT CHECK (n > 0) CHECK (n GLOB '*'), twice INT AS (n * 2));"
            "CREATE VIEW odd AS SELECT strftime('%Y', 'now') AS y FROM t; INSERT INTO t VALUES (1, 4);"
        )
    else:
        await db.script(
            "CREATE TABLE t (id int PRIMARY KEY, n int CHECK (n > 0) CHECK (n::text ~ '.'),"
            " twice int GENERATED ALWAYS AS (n * 2) STORED);"
            "CREATE VIEW odd AS SELECT to_char(now(), 'YYYY') AS y FROM t; INSERT INTO t VALUES (1, 4);"
        )
    report = await copy_database(db, other)
    notes = "\n".join(report.left_out)
    foreign = "GLOB" if can(db).is_one_file else "~"
    assert all(text in notes for text in (foreign, "t: CHECK (", "twice is computed", "view odd: the target does not"))
    assert "n > 0" not in notes
    assert await other.t.t[1] == {"id": 1, "n": 4, "twice": 8}
    with pytest.raises(CheckViolationError):
        await other.t.t.insert(n=-1)


# -- backups -----------------------------------------------------------------------------------


@pytest.fixture
def programs(capabilities: Capabilities, monkeypatch: pytest.MonkeyPatch) -> None:
    """pg_dump and pg_restore of the server's version on PATH; libpq needs no more than the socket."""
    if not capabilities.is_one_file:
        monkeypatch.setenv("PATH", f"{programs_directory()}{os.pathsep}{os.environ['PATH']}")


async def test_a_backup_of_a_database_in_use_is_one_moment_of_it(db: Database, tmp_path: Path, programs: None) -> None:
    await fill(db)
    done = asyncio.Event()

    async def write() -> None:
        while not done.is_set():
            # Both rows or none.
            async with db.transaction():
                await db.t.team.insert(name="pair")
                await db.t.team.insert(name="pair")
            await asyncio.sleep(0)

    writer = asyncio.create_task(write())
    path = await backup(db, tmp_path / "one.backup")
    done.set()
    await writer
    with pytest.raises(InvalidOperationError, match="exists"):
        await backup(db, path)
    with pytest.raises(InvalidOperationError, match="not empty"):
        await restore(db, path)
    await restore(db, path, replace=True)
    assert await db.t.team.count(name="pair") % 2 == 0
    assert await db.t.player.count() == 2499
    assert (await db.t.player.insert(team_id=1))["id"] == 2500
    assert not [name for name in os.listdir(tmp_path) if name.startswith(".")]


async def test_what_came_after_the_backup_goes(db: Database, tmp_path: Path, programs: None) -> None:
    await fill(db)
    before, path = await rows_of(db), await backup(db, tmp_path / "one.backup")
    await db.script(
        "CREATE TABLE later (id INTEGER PRIMARY KEY, team_id INTEGER REFERENCES team (id)); "
        "INSERT INTO later VALUES (1, 1); ALTER TABLE team ADD COLUMN later_id INTEGER REFERENCES later (id); "
        "CREATE VIEW latest AS SELECT * FROM later"
    )
    if can(db).has_own_types:
        await db.script(
            "CREATE TYPE mood AS ENUM ('fine'); CREATE SCHEMA more; CREATE TABLE more.one (m mood); "
            "CREATE FUNCTION half(n integer) RETURNS integer LANGUAGE sql AS 'SELECT n / 2'; CREATE SEQUENCE counted; "
            "CREATE DOMAIN name AS text CHECK (value <> ''); CREATE TYPE pair AS (a integer, b name)"
        )
    await restore(db, path, replace=True)
    assert await rows_of(db) == before
    assert "later_id" not in db.t.team.columns
    if can(db).has_own_types:
        left = "SELECT count(*) FROM pg_type WHERE typname IN ('mood', 'name', 'pair') AND typnamespace = 2200"
        assert await db.item(left) == 0
        assert await db.item("SELECT count(*) FROM pg_namespace WHERE nspname = 'more'") == 0
        assert await db.item("SELECT count(*) FROM pg_proc WHERE proname = 'half'") == 0
        # All of it or nothing.
        archive = bytearray(path.read_bytes())
        path.write_bytes(bytes(archive[: len(archive) // 2]))
        with pytest.raises(DatabaseError, match=r"pg_restore|psql"):
            await restore(db, path, replace=True)
        assert await rows_of(db) == before


#: One of each kind of object that a schema, or a database, can hold.
OBJECTS = [
    "CREATE TYPE pair AS (a integer, b text)",
    "CREATE TYPE mood AS ENUM ('fine', 'sad')",
    "CREATE DOMAIN positive AS integer CHECK (value > 0)",
    "CREATE TYPE span AS RANGE (subtype = float8)",
    "CREATE TYPE shell",
    "CREATE FUNCTION twice(n integer) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT n * 2'",
    "CREATE FUNCTION swapped(p pair) RETURNS text LANGUAGE sql AS 'SELECT p.b'",
    "CREATE PROCEDURE nothing(n integer) LANGUAGE sql AS 'SELECT n'",
    "CREATE AGGREGATE total(integer) (sfunc = int4pl, stype = integer)",
    "CREATE AGGREGATE rows_of(*) (sfunc = int8inc, stype = bigint, initcond = '0')",
    "CREATE FUNCTION same(a pair, b pair) RETURNS boolean LANGUAGE sql IMMUTABLE AS 'SELECT a.a = b.a'",
    "CREATE OPERATOR === (function = same, leftarg = pair, rightarg = pair)",
    "CREATE OPERATOR FAMILY ways USING btree",
    "CREATE FUNCTION compared(a mood, b mood) RETURNS integer LANGUAGE sql IMMUTABLE AS 'SELECT 0'",
    "CREATE OPERATOR CLASS by_mood FOR TYPE mood USING btree AS OPERATOR 3 = (anyenum, anyenum), "
    "FUNCTION 1 compared(mood, mood)",
    "CREATE SEQUENCE counted START 5",
    "CREATE COLLATION own (locale = 'C')",
    "CREATE CONVERSION converted FOR 'LATIN1' TO 'UTF8' FROM iso8859_1_to_utf8",
    "CREATE TEXT SEARCH CONFIGURATION searched (copy = simple)",
    "CREATE TEXT SEARCH DICTIONARY words (template = simple)",
    "CREATE CAST (pair AS text) WITH FUNCTION swapped(pair)",
    "CREATE FOREIGN DATA WRAPPER wrapper",
    "CREATE SERVER elsewhere FOREIGN DATA WRAPPER wrapper",
    "CREATE FOREIGN TABLE remote (id integer) SERVER elsewhere",
    "CREATE TABLE plain (id serial PRIMARY KEY, m mood, p pair, d positive, s span)",
    "INSERT INTO plain (m, p, d, s) VALUES ('fine', (1, 'x'), 3, '[1,2]')",
    "CREATE TABLE split (id integer) PARTITION BY RANGE (id)",
    "CREATE TABLE split_1 PARTITION OF split FOR VALUES FROM (1) TO (10)",
    "CREATE STATISTICS correlated ON id, d FROM plain",
    "CREATE VIEW seen AS SELECT id FROM plain",
    "CREATE MATERIALIZED VIEW summed AS SELECT count(*) AS n FROM plain",
    "CREATE FUNCTION noticed() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN RAISE DEBUG ''seen''; END'",
    "CREATE EVENT TRIGGER watched ON ddl_command_end EXECUTE FUNCTION noticed()",
    "CREATE PUBLICATION told FOR TABLE plain",
    "CREATE SCHEMA apart",
    "CREATE TABLE apart.one (p pair)",
    "SELECT lo_create(4711)",
]
_KINDS = [
    *["pg_class", "pg_proc", "pg_type", "pg_operator", "pg_opclass", "pg_opfamily", "pg_collation", "pg_conversion"],
    *["pg_ts_config", "pg_ts_dict", "pg_statistic_ext", "pg_foreign_server", "pg_foreign_data_wrapper", "pg_cast"],
    *["pg_event_trigger", "pg_publication", "pg_namespace", "pg_constraint"],
]


async def _objects_of(db: Database) -> list[str]:
    """Return every object that is not one of PostgreSQL's own."""
    found: list[str] = []
    for catalog in _KINDS:
        rows = await db.q(
            f"SELECT i.type || ' ' || i.identity AS name FROM {catalog} c, "
            f"pg_identify_object('{catalog}'::regclass, c.oid, 0) i WHERE c.oid >= 16384 AND i.identity NOT LIKE 'pg_%'"
        )
        found += [str(row["name"]) for row in rows]
    return sorted(name for name in found if "toast" not in name)


@pytest.mark.filterwarnings("ignore:.*Python has no type for")
@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_every_kind_of_object_is_emptied_and_restored(db: Database, tmp_path: Path, programs: None) -> None:
    empty = await backup(db, tmp_path / "empty.backup")
    nothing = await _objects_of(db)
    for statement in OBJECTS:
        await db.q(statement)
    before = await _objects_of(db)
    whole = await backup(db, tmp_path / "whole.backup")
    with pytest.raises(InvalidOperationError, match="not empty"):
        await restore(db, empty)
    await restore(db, empty, replace=True)
    assert await _objects_of(db) == nothing
    assert dir(db.t) == []
    await restore(db, whole)
    assert await _objects_of(db) == before
    await restore(db, whole, replace=True)
    assert await _objects_of(db) == before
    assert await db.item("SELECT count(*) FROM plain WHERE m = 'fine' AND (p).b = 'x'") == 1
    assert await db.item("SELECT nextval('counted')") == 5


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
@pytest.mark.parametrize("statement", ["CREATE TYPE pair AS (a integer)", "CREATE FUNCTION f() RETURNS int RETURN 1"])
async def test_a_database_with_no_table_is_not_empty(
    db: Database, tmp_path: Path, programs: None, statement: str
) -> None:
    await db.q(statement)
    path = await backup(db, tmp_path / "one.backup")
    with pytest.raises(InvalidOperationError, match="not empty"):
        await restore(db, path)
    await restore(db, path, replace=True)


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_an_extension_stays_where_it_is(db: Database, tmp_path: Path, programs: None) -> None:
    await db.q("CREATE EXTENSION citext")
    await db.q("CREATE TABLE word (w citext)")
    path = await backup(db, tmp_path / "one.backup")
    await db.q("INSERT INTO word VALUES ('A')")
    await restore(db, path, replace=True)
    assert await db.item("SELECT count(*) FROM word WHERE w = 'a'") == 0
    assert await db.item("SELECT 'A'::citext = 'a'::citext") is True


async def test_what_is_no_backup_is_refused(db: Database, tmp_path: Path) -> None:
    await fill(db)
    before = await rows_of(db)
    bad = tmp_path / "bad"
    bad.write_bytes(b"not a backup at all")
    for path in (bad, tmp_path / "missing"):
        with pytest.raises(InvalidOperationError):
            await restore(db, path, replace=True)
    if can(db).is_one_file:
        good = await backup(db, tmp_path / "good")
        data = bytearray(good.read_bytes())
        data[4096 : 4096 + 2000] = os.urandom(2000)
        bad.write_bytes(bytes(data))
        with pytest.raises(DatabaseError, match="the file is damaged"):
            await restore(db, bad, replace=True)
    assert await rows_of(db) == before


async def test_without_the_programs_it_says_so(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if can(db).has_own_types:
        monkeypatch.setattr(shutil, "which", lambda _: None)
        with pytest.raises(InvalidOperationError, match="pg_dump is not installed"):
            await backup(db, tmp_path / "x")
        assert os.listdir(tmp_path) == []
    else:
        assert (await backup(db, tmp_path / "x")).stat().st_size > 0


# -- the doctor --------------------------------------------------------------------------------


async def test_the_doctor_finds_what_is_wrong(db: Database) -> None:
    assert [finding for finding in await examine(db) if finding.table is not None] == []
    await db.script(
        "CREATE TABLE parent (id INTEGER PRIMARY KEY); CREATE TABLE child (parent_id INTEGER REFERENCES parent (id));"
        "CREATE TABLE fine (id INTEGER PRIMARY KEY, parent_id INTEGER REFERENCES parent (id));"
        "CREATE INDEX one ON fine (parent_id); CREATE INDEX two ON fine (parent_id);"
    )
    if can(db).is_one_file:
        for statement in ("PRAGMA foreign_keys = OFF", "INSERT INTO child VALUES (7)", "PRAGMA foreign_keys = ON"):
            await db.q(statement)
    else:
        await db.script("ALTER TABLE fine ADD CONSTRAINT big CHECK (id > 1) NOT VALID")
    found = {(finding.rule, finding.table): finding for finding in await examine(db)}
    assert ("no-key", "child") in found
    assert ("foreign-key-without-index", "child") in found
    assert ("foreign-key-without-index", "fine") not in found
    assert found["duplicate-index", "fine"].fix == "drop_index('two')"
    special = ("dangling-rows", "child") if can(db).is_one_file else ("unchecked-constraint", "fine")
    assert found[special].fix
    assert [finding.severity for finding in await examine(db)] == sorted(
        [finding.severity for finding in found.values()], key=["error", "warning", "advice"].index
    )
