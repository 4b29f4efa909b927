"""Database files of strangers: what is in them is data, and none of it runs, hangs or escapes as another error."""

from __future__ import annotations

import sqlite3
from contextlib import suppress
from pathlib import Path

import pytest

from deebase import Database, DatabaseError, DeeBaseError
from deebase.migrations import Migrator
from deebase.migrations.target import Target

#: What a schema may try to call: files, extensions, functions of ours.
CALLS = [
    "load_extension('evil')",
    "writefile('evil.txt', 'x')",
    "readfile('secret.txt')",
    "fts3_tokenizer('simple')",
    "deebase_fits('x', 1)",
    "edit('x')",
]


def made(path: Path, *statements: str) -> Path:
    raw = sqlite3.connect(path)
    raw.execute("PRAGMA writable_schema = ON")
    for statement in statements:
        raw.execute(statement)
    raw.commit()
    raw.close()
    return path


@pytest.mark.parametrize("call", CALLS)
async def test_what_a_view_or_trigger_calls_is_not_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    monkeypatch.chdir(tmp_path)
    quoted = call.replace("'", "''")
    path = made(
        tmp_path / "hostile.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        "INSERT INTO t VALUES (1, 1)",
        f"INSERT INTO sqlite_master VALUES ('view', 'v', 'v', 0, 'CREATE VIEW v AS SELECT {quoted} AS id')",
        "INSERT INTO sqlite_master VALUES ('trigger', 'g', 't', 0, "
        f"'CREATE TRIGGER g AFTER UPDATE ON t BEGIN SELECT {quoted}; END')",
    )
    async with Database(path) as db:
        with pytest.raises(DeeBaseError):
            await db.q("SELECT * FROM v")
        with pytest.raises(DeeBaseError):
            await db.q("UPDATE t SET n = 2")
        assert await db.q("SELECT n FROM t") == [{"n": 1}]
    assert {file.name for file in tmp_path.iterdir()} == {"hostile.db"}


#: Parts of a schema that call a function, where SQLite accepts the function.
CALLING = {
    "view": "CREATE VIEW v AS SELECT {call} AS n",
    "trigger": "CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT {call}; END",
    "check": "CREATE TABLE c (a INTEGER CHECK ({call} IS NOT a))",
    "computed": "CREATE TABLE c (a INTEGER, b AS ({call} || a))",
    "index": "CREATE INDEX i ON t ({call})",
}


@pytest.mark.filterwarnings("ignore:view v is left out")
@pytest.mark.parametrize("statement", CALLING.values(), ids=CALLING)
@pytest.mark.parametrize("call", CALLS)
async def test_a_baseline_runs_nothing_of_the_schema(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str, statement: str
) -> None:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "hostile.db"
    called: list[str] = []
    statement = statement.format(call=f"spy({call})")
    kind, name = statement.split()[1:3]
    quoted = statement.replace("'", "''")
    of = name if kind in ("TABLE", "VIEW") else "t"
    page = 2 if kind in ("TABLE", "INDEX") else 0
    made(
        path,
        "CREATE TABLE t (id INTEGER PRIMARY KEY, n INTEGER)",
        f"INSERT INTO sqlite_master VALUES ('{kind.lower()}', '{name}', '{of}', {page}, '{quoted}')",
    )
    # SQLite does not read some of these schemas.
    with suppress(DeeBaseError):
        async with Database(path, functions={"spy": called.append}) as db:
            await Migrator(db, tmp_path / "migrations").baseline()
    assert called == []
    assert {file.name for file in tmp_path.iterdir()} <= {"hostile.db", "migrations"}


@pytest.mark.parametrize(("call", "trusted"), [("load_extension('evil')", 0), ("json_extract('{}', '$.a')", 1)])
async def test_a_scratch_database_trusts_harmless_schemas_alone(tmp_path: Path, call: str, trusted: int) -> None:
    trigger = f"CREATE TRIGGER g AFTER INSERT ON t BEGIN SELECT {call}; END"
    path = made(tmp_path / "theirs.db", "CREATE TABLE t (id INTEGER PRIMARY KEY)", trigger)
    async with Database(path) as db:
        async with Target(db).scratch() as scratch:
            assert await scratch.db.item("PRAGMA trusted_schema") == trusted
        migrator = Migrator(db, tmp_path / "migrations")
        await migrator.baseline()
        assert await migrator.drift() == []


async def test_a_second_statement_behind_a_stored_one_is_not_run(tmp_path: Path) -> None:
    other = tmp_path / "other.db"
    path = made(
        tmp_path / "hostile.db",
        "CREATE TABLE t (id INTEGER PRIMARY KEY)",
        f"UPDATE sqlite_master SET sql = sql || '; ATTACH DATABASE ''{other}'' AS other; CREATE TABLE other.x (a)'",
    )
    async with Database(path) as db:
        await Migrator(db, tmp_path / "migrations").baseline()
    async with Database(tmp_path / "new.db") as new:
        with pytest.raises(DeeBaseError):
            await Migrator(new, tmp_path / "migrations").up()
    assert not other.exists()


async def test_extensions_cannot_be_loaded(tmp_path: Path) -> None:
    async with Database(tmp_path / "x.db") as db:
        for call in ("load_extension('x')", "load_extension('x', 'y')"):
            with pytest.raises(DeeBaseError):
                await db.q(f"SELECT {call}")
        assert await db.item("PRAGMA trusted_schema") == 0


async def test_a_schema_that_is_not_sql_is_reported_as_corrupt(tmp_path: Path) -> None:
    path = made(
        tmp_path / "hostile.db",
        "CREATE TABLE t (id INTEGER)",
        "UPDATE sqlite_master SET sql = 'CREATE TABLE t (id INTEGER) garbage (((('",
    )
    async with Database(path) as db:
        with pytest.raises(DatabaseError, match="corrupt"):
            await db.q("SELECT * FROM t")
        with pytest.raises(DatabaseError):
            await db.reflect()


@pytest.mark.parametrize("kept", [0, 1, 15, 16, 99, 100, 4095, 4096, 5000])
async def test_a_file_that_was_cut_off_is_an_error_of_ours(tmp_path: Path, kept: int) -> None:
    whole = made(tmp_path / "whole.db", "CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT)")
    raw = sqlite3.connect(whole)
    raw.executemany("INSERT INTO t (text) VALUES (?)", [("x" * 500,)] * 100)
    raw.commit()
    raw.close()
    path = tmp_path / "cut.db"
    path.write_bytes(whole.read_bytes()[:kept])
    async with Database(path) as db:
        with pytest.raises(DatabaseError):
            await db.reflect()
            await db.q("SELECT sum(length(text)) FROM t")
        assert db._core.executor.lanes_in_use == 0


async def test_a_giant_schema_is_read(tmp_path: Path) -> None:
    columns = ", ".join(f"c{n} INTEGER DEFAULT {n}" for n in range(1500))
    path = made(
        tmp_path / "giant.db",
        f"CREATE TABLE wide (id INTEGER PRIMARY KEY, {columns})",
        *(
            f'CREATE TABLE "t {n}" (id INTEGER PRIMARY KEY, parent INTEGER REFERENCES "t {n - 1}")'
            for n in range(1, 400)
        ),
    )
    async with Database(path) as db:
        await db.reflect()
        assert len(db.t) == 400
        assert (await db.t["wide"].insert(id=1))["c1499"] == 1499
