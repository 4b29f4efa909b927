"""Copies from one SQLite file to another keep the SQL of the schema and the stored values."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, InvalidOperationError, NotNullViolationError, QueryError, SchemaError
from deebase.tools.copying import CopyReport, copy_database

SCHEMA = """
    PRAGMA user_version = 7;
    PRAGMA application_id = 1196444487;
    CREATE TABLE "order by" (a INTEGER PRIMARY KEY AUTOINCREMENT, [b c] TEXT COLLATE NOCASE DEFAULT NULL,
        `d` VARCHAR(5) CHECK (`d` <> 'x') /* of a customer */, e NUMERIC UNIQUE ON CONFLICT IGNORE);
    CREATE TABLE pairs (a TEXT, b INT, c TEXT AS (a || b) STORED, PRIMARY KEY (a, b DESC)) STRICT, WITHOUT ROWID;
    CREATE TABLE child (p INTEGER PRIMARY KEY REFERENCES missing DEFERRABLE INITIALLY DEFERRED);
    CREATE TABLE plain (a, b);
    CREATE TABLE taken (rowid, oid, _rowid_);
    CREATE VIEW early AS SELECT * FROM later;
    CREATE VIEW later AS SELECT a FROM pairs;
    CREATE TRIGGER writes INSTEAD OF INSERT ON early BEGIN SELECT no_such_function(1); END;
    CREATE UNIQUE INDEX once ON pairs (b COLLATE RTRIM DESC) WHERE a > 'x';
    CREATE INDEX long ON "order by" (length("b c"), e DESC);
    CREATE TRIGGER doubles AFTER INSERT ON plain BEGIN INSERT INTO taken VALUES (1, 2, 3); END;
    CREATE VIRTUAL TABLE words USING fts5(a, content='');
    CREATE VIRTUAL TABLE words_more USING fts4(a, b);
    CREATE VIRTUAL TABLE places USING rtree(id, x0, x1);
"""
ROWS = """
    INSERT INTO "order by" VALUES (5, 'Text', 'y', 1.5), (9, x'00ff', NULL, 2), (12, CAST(x'ff41' AS TEXT), '', 'n');
    DELETE FROM "order by" WHERE a = 12;
    INSERT INTO "order by" VALUES (10, CAST(x'ff41' AS TEXT), '', 'none');
    INSERT INTO pairs (a, b) VALUES ('y', 1), ('x', 2);
    INSERT INTO child VALUES (77);
    INSERT INTO plain (rowid, a, b) VALUES (3, 1, 1.0), (-8, '1', x'31'), (1000, NULL, 9223372036854775807);
    DELETE FROM taken WHERE rowid = 1;
    INSERT INTO words (rowid, a) VALUES (4, 'the sea'), (6, 'the land');
    INSERT INTO words_more VALUES ('one', 'two');
    INSERT INTO places VALUES (1, 1.5, 2.5), (8, -1, 1);
    PRAGMA ignore_check_constraints = ON;
    INSERT INTO "order by" (a, d) VALUES (11, 'x');
"""


def filled(path: Path, schema: str = SCHEMA + ROWS) -> Path:
    with closing(sqlite3.connect(path, isolation_level=None)) as raw:
        raw.executescript(schema)
    return path


def dumped(path: Path) -> dict[str, Any]:
    """Return the schema and the stored values of a file, by the driver alone."""
    found: dict[str, Any] = {}
    with closing(sqlite3.connect(path)) as raw:
        raw.text_factory = bytes
        for pragma in ("user_version", "application_id", "encoding", "page_size"):
            found[pragma] = raw.execute(f"PRAGMA {pragma}").fetchone()
        found["schema"] = raw.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
        listed = raw.execute("SELECT name, type, wr FROM pragma_table_list WHERE schema = 'main'").fetchall()
        for name, kind, without_rowid in [(name.decode(), kind.decode(), wr) for name, kind, wr in listed]:
            if kind in ("table", "shadow") and name not in ("sqlite_schema", "sqlite_temp_schema"):
                columns = [row[1].decode() for row in raw.execute(f'PRAGMA table_xinfo("{name}")').fetchall()]
                rowid = [] if without_rowid else ["rowid"]
                values = ", ".join([*rowid, *[f'"{one}", typeof("{one}")' for one in columns]])
                found[name] = sorted(raw.execute(f'SELECT {values} FROM "{name}"').fetchall(), key=repr)
    return found


async def copied(source: Path, target: Path, **options: Any) -> CopyReport:
    async with Database(source) as one, Database(target) as other:
        return await copy_database(one, other, **options)


async def test_a_whole_file_is_the_same(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source.db"), tmp_path / "target.db"
    report = await copied(source, target)
    assert dumped(target) == dumped(source)
    assert {table.name: table.rows for table in report.tables}["plain"] == 3
    assert set(report.views) == {"early", "later"}
    assert report.left_out == ()
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("SELECT rowid FROM words('sea')").fetchall() == [(4,)]
        assert raw.execute("SELECT id FROM places WHERE x0 < 0").fetchall() == [(8,)]


@pytest.mark.parametrize("pragma", ["page_size = 1024", "encoding = 'UTF-16le'", "auto_vacuum = 1"])
async def test_the_form_of_the_file_is_kept(tmp_path: Path, pragma: str) -> None:
    source, target = filled(tmp_path / "source.db", f"PRAGMA {pragma};{SCHEMA}{ROWS}"), tmp_path / "target.db"
    await copied(source, target)
    assert dumped(target) == dumped(source)
    async with Database(target) as db:
        assert await db.item("PRAGMA journal_mode") == "wal"


async def test_a_file_is_added_to_another(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source.db"), filled(tmp_path / "target.db", "CREATE TABLE old (a)")
    report = await copied(source, target)
    before, after = dumped(source), dumped(target)
    taken = [values for name, values in before.items() if name == "taken"]
    assert taken == [after["taken"]]
    for name in ("order by", "pairs", "child", "plain", "words_data", "words_more_content", "places_node"):
        assert after[name] == before[name], name
    assert after["sqlite_sequence"] == before["sqlite_sequence"]
    assert [row for row in after["schema"] if row[1] != b"old"] == before["schema"]
    assert after["user_version"] == (0,)
    assert report.left_out == (
        "pragma user_version: the target keeps its own",
        "pragma application_id: the target keeps its own",
    )
    async with Database(target) as db:
        assert await db.q("SELECT rowid FROM words('sea')") == [{"rowid": 4}]
        assert await db.item("PRAGMA foreign_keys") == 1


@pytest.mark.parametrize("empty", [True, False])
async def test_some_tables_are_copied(tmp_path: Path, empty: bool) -> None:
    source, target = filled(tmp_path / "source.db"), tmp_path / "target.db"
    if not empty:
        filled(target, "CREATE TABLE old (a)")
    report = await copied(source, target, tables=["order by", "plain", "child", "words"])
    before, after = dumped(source), dumped(target)
    for name in ("order by", "plain", "child", "words_data", "sqlite_sequence"):
        assert after[name] == before[name], name
    kept = {"order by", "plain", "child", "words", "long"}
    assert {row[1].decode() for row in after["schema"]} - {"old"} >= kept
    assert "taken" not in after
    assert report.views == ()
    assert "trigger doubles: it uses taken, not copied" in report.left_out


async def test_what_is_there_already_is_refused(tmp_path: Path) -> None:
    source = filled(tmp_path / "source.db")
    target = filled(tmp_path / "target.db", "CREATE TABLE t (a); CREATE INDEX long ON t (a); INSERT INTO t VALUES (1)")
    before = dumped(target)
    with pytest.raises(SchemaError, match="index long already exists in the target"):
        await copied(source, target)
    assert dumped(target) == before


class Stopped(Exception):
    pass


async def test_a_copy_that_was_cut_off_leaves_nothing_and_is_resumed(tmp_path: Path) -> None:
    source, target = filled(tmp_path / "source.db"), tmp_path / "target.db"
    told: list[tuple[str, int, int]] = []

    def stop(*step: Any) -> None:
        told.append(step)
        if step[0] == "plain":
            raise Stopped

    with pytest.raises(Stopped):
        await copied(source, target, progress=stop)
    assert ("plain", 3, 3) in told
    assert dumped(target)["schema"] == []
    await copied(source, target, resume=True)
    assert dumped(target) == dumped(source)
    # It ended after its transaction: nothing is left to do.
    report = await copied(source, target, resume=True)
    assert {table.name for table in report.tables} >= {"plain", "words"}
    with pytest.raises(SchemaError, match="already exists in the target"):
        await copied(source, target)


async def test_an_unfinished_copy_from_elsewhere_is_dropped_first(tmp_path: Path) -> None:
    source = filled(tmp_path / "source.db")
    target = filled(
        tmp_path / "target.db",
        """CREATE TABLE _deebase_copy (id INTEGER PRIMARY KEY, name TEXT, sql TEXT, rows INTEGER, checksum TEXT);
        INSERT INTO _deebase_copy (name) VALUES ('plain'); CREATE TABLE plain (id INTEGER PRIMARY KEY);""",
    )
    with pytest.raises(InvalidOperationError, match="has an unfinished copy"):
        await copied(source, target)
    await copied(source, target, restart=True)
    assert dumped(target) == dumped(source)


async def test_a_file_in_memory_is_copied(tmp_path: Path) -> None:
    source = filled(tmp_path / "source.db", f"PRAGMA page_size = 8192;{SCHEMA}{ROWS}")
    async with Database(source) as one, Database(":memory:") as other:
        await copy_database(one, other)
        assert await other.q("SELECT rowid FROM words('land')") == [{"rowid": 6}]
        async with Database(tmp_path / "back.db") as back:
            await copy_database(other, back)
    assert dumped(tmp_path / "back.db")["schema"] == dumped(source)["schema"]


MISSING = """
    CREATE TABLE t (a TEXT, b AS (odd(a)));
    CREATE INDEX by_odd ON t (odd(a));
    CREATE TRIGGER more AFTER INSERT ON t BEGIN SELECT odd(1); END;
"""


def with_functions(path: Path) -> Path:
    with closing(sqlite3.connect(path)) as raw:
        raw.create_function("odd", 1, lambda value: f"<{value}>", deterministic=True)
        raw.executescript(MISSING)
        raw.execute("INSERT INTO t VALUES ('x')")
        raw.commit()
    return path


async def test_a_file_that_needs_functions_is_copied_without_them(tmp_path: Path) -> None:
    source, target = with_functions(tmp_path / "source.db"), tmp_path / "target.db"
    await copied(source, target)
    with closing(sqlite3.connect(target)) as raw:
        assert raw.execute("SELECT a FROM t").fetchall() == [("x",)]
        assert {name for (name,) in raw.execute("SELECT name FROM sqlite_master")} == {"t", "by_odd", "more"}
    other = filled(tmp_path / "other.db", "CREATE TABLE old (a)")
    with pytest.raises(QueryError, match="no such function: odd"):
        await copied(source, other)
    functions: dict[str, Any] = {"odd": lambda value: f"<{value}>"}
    async with Database(source) as one, Database(other, functions=functions) as two:
        await copy_database(one, two)
        assert await two.q("SELECT a, b FROM t") == [{"a": "x", "b": "<x>"}]


@pytest.mark.filterwarnings("ignore:table g is left out")
async def test_a_virtual_table_whose_module_is_missing_is_copied_with_the_file(tmp_path: Path) -> None:
    source = filled(
        tmp_path / "source.db",
        """CREATE TABLE t (a); CREATE TABLE g_node (a); INSERT INTO g_node VALUES (1); PRAGMA writable_schema = ON;
        INSERT INTO sqlite_master VALUES ('table', 'g', 'g', 0, 'CREATE VIRTUAL TABLE g USING VirtualShape(x)');""",
    )
    await copied(source, tmp_path / "whole.db")
    assert dumped(tmp_path / "whole.db") == dumped(source)
    await copied(source, tmp_path / "some.db", tables=["t"])
    assert [row[1] for row in dumped(tmp_path / "some.db")["schema"]] == [b"t"]
    other = filled(tmp_path / "other.db", "CREATE TABLE old (a)")
    report = await copied(source, other)
    assert report.left_out == ("virtual table g: this SQLite library has no module virtualshape",)


HOLES = """CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT, c INT); INSERT INTO t VALUES (1, 'a', 1), (2, NULL, -1);
    PRAGMA writable_schema = ON; UPDATE sqlite_master
    SET sql = 'CREATE TABLE t (id INTEGER PRIMARY KEY, n TEXT NOT NULL, c INT CHECK (c > 0))' WHERE name = 't';"""


async def test_rows_that_violate_a_constraint_are_copied_with_the_file(tmp_path: Path) -> None:
    await copied(filled(tmp_path / "from.db", HOLES), tmp_path / "to.db")
    assert dumped(tmp_path / "to.db") == dumped(tmp_path / "from.db")


async def test_null_in_a_not_null_column_is_not_added_to_another_file(tmp_path: Path) -> None:
    target = filled(tmp_path / "to.db", "CREATE TABLE other (a);")
    before = dumped(target)
    with pytest.raises(NotNullViolationError, match=r"t\.n: a value is missing"):
        await copied(filled(tmp_path / "from.db", HOLES), target)
    assert dumped(target) == before


async def test_a_table_that_does_not_exist_is_named_and_nothing_is_copied(tmp_path: Path) -> None:
    async with Database(tmp_path / "a.db") as one, Database(tmp_path / "b.db") as other:
        await one.q("CREATE TABLE t (id INTEGER PRIMARY KEY)")
        with pytest.raises(SchemaError, match="table nowhere does not exist in the source"):
            await copy_database(one, other, tables=["t", "nowhere"])
        await other.reflect()
        assert not dir(other.t)
