"""What a rebuilt SQLite table keeps: everything that the change does not name."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from deebase import (
    BusyError,
    Database,
    DataError,
    ForeignKeyViolationError,
    IntegrityError,
    InvalidOperationError,
    NotNullViolationError,
    QueryError,
    Table,
)
from deebase.types import ForeignKeyMark
from tests.support.snapshots import opened, snapshot

SCHEMA = """
CREATE TABLE log (what TEXT, id INTEGER);
CREATE TABLE team (id INTEGER PRIMARY KEY, name TEXT UNIQUE);
CREATE TABLE person ( -- all people
    id INTEGER PRIMARY KEY AUTOINCREMENT, -- counts by itself
    name TEXT COLLATE NOCASE NOT NULL ON CONFLICT FAIL,
    "e mail" VARCHAR(100) CONSTRAINT "one mail" UNIQUE,
    age INTEGER DEFAULT (1 + 2) CHECK (age >= 0), /* in years */
    boss INTEGER REFERENCES person (id) ON DELETE SET NULL DEFERRABLE INITIALLY DEFERRED,
    team_id INT REFERENCES team ON DELETE CASCADE ON UPDATE CASCADE,
    note,
    half REAL GENERATED ALWAYS AS (age / 2.0) VIRTUAL,
    twice INT AS (age * 2) STORED,
    CHECK (length(name) > 0), UNIQUE (name, age) ON CONFLICT ABORT
);
CREATE TABLE badge (
    code TEXT PRIMARY KEY, person_id INTEGER NOT NULL REFERENCES person (id) ON DELETE CASCADE,
    mail TEXT REFERENCES person ("e mail") ON UPDATE CASCADE ON DELETE CASCADE
) WITHOUT ROWID;
CREATE INDEX ix_plain ON person (age DESC, name COLLATE BINARY);
CREATE UNIQUE INDEX "ix expression" ON person (lower(name) || age);
CREATE INDEX ix_partial ON person (team_id) WHERE age > 10 /* grown */;
CREATE TRIGGER person_added AFTER INSERT ON person BEGIN INSERT INTO log VALUES ('added ' || NEW.name, NEW.id); END;
CREATE TRIGGER person_gone AFTER DELETE ON person WHEN OLD.age > 1 BEGIN
    INSERT INTO log SELECT 'gone; ' || count(*), OLD.id FROM person; END;
CREATE VIEW grown AS SELECT id, name AS name FROM person WHERE age > 10;
CREATE TRIGGER grown_changed INSTEAD OF UPDATE ON grown BEGIN UPDATE person SET name = NEW.name WHERE id = NEW.id; END;
CREATE VIRTUAL TABLE found USING fts5(name, content='person', content_rowid='id');
CREATE TRIGGER person_found AFTER INSERT ON person BEGIN
    INSERT INTO found (rowid, name) VALUES (NEW.id, NEW.name); END;
INSERT INTO team VALUES (1, 'red'), (5, 'blue');
INSERT INTO person (id, name, "e mail", age, boss, team_id, note) VALUES
    (1, 'Ada', 'ada@x', 36, NULL, 1, 'text'), (2, 'Bob', 'bob@x', 12, 1, 1, 2.5), (7, 'Cyd', NULL, 5, 2, 5, X'00FF'),
    (9, 'Dan', 'dan@x', 20, 7, NULL, 3), (40, 'gone', NULL, 0, NULL, NULL, NULL);
DELETE FROM person WHERE id = 40;
INSERT INTO badge VALUES ('a', 1, 'ada@x'), ('b', 2, 'bob@x'), ('c', 1, NULL);
"""


@pytest.fixture
def path(tmp_path: Path) -> Path:
    result = tmp_path / "made by others.db"
    with opened(result) as connection:
        connection.executescript(SCHEMA)
    connection.close()
    return result


@pytest.fixture
async def db(path: Path) -> AsyncIterator[Database]:
    # Full-text tables of older releases of SQLite are no part of a schema that is not trusted.
    async with Database(path, pragmas={"trusted_schema": "ON"}) as database:
        await database.reflect()
        yield database


CHANGES: dict[str, dict[str, Any]] = {
    "not null": {"not_null": "age"},
    "default": {"defaults": {"age": 4}},
    "no default": {"defaults": {"age": None}},
    "type": {"types": {"age": int}},
    "foreign key gone": {"drop_foreign_keys": "team_id"},
    "own foreign key gone": {"drop_foreign_keys": ["boss"]},
    "foreign key": {"add_foreign_keys": {"age": ForeignKeyMark("person", on_delete="cascade")}},
    "column gone": {"drop": "note"},
    "order": {"column_order": ["note", "name"]},
    "several": {"not_null": ["age"], "defaults": {"note": None, "age": 9}, "drop_foreign_keys": "boss"},
}


def other_than(shot: dict[str, Any], *names: str) -> dict[str, Any]:
    """Return a snapshot without some tables, and without the text of person."""
    kept = {name: value for name, value in shot.items() if name not in names}
    kept["schema"] = [row for row in shot["schema"] if row[:2] != ("table", "person")]
    return kept


@pytest.mark.parametrize("inside", [False, True], ids=["alone", "in a transaction"])
@pytest.mark.parametrize("name", CHANGES)
async def test_everything_else_stays(db: Database, path: Path, name: str, inside: bool) -> None:
    change = CHANGES[name]
    if "add_foreign_keys" in change:
        await db.q("UPDATE person SET age = 1")
        await db.q("DROP INDEX ix_partial")
    before = snapshot(path)
    if inside:
        async with db.transaction():
            await db.t.person.transform(**change)
    else:
        await db.t.person.transform(**change)
    after = snapshot(path)
    whole = name not in ("column gone", "order")
    assert other_than(after, *([] if whole else ["person"])) == other_than(before, *([] if whole else ["person"]))
    assert len(after["person"]) == len(before["person"])
    # The rest of what was written is there to the letter.
    text = {row[1]: row[3] for row in after["schema"]}["person"]
    for kept in ("-- all people", "-- counts by itself", "COLLATE NOCASE NOT NULL ON CONFLICT FAIL", "AUTOINCREMENT"):
        assert kept in text
    assert 'CONSTRAINT "one mail" UNIQUE' in text
    assert "UNIQUE (name, age) ON CONFLICT ABORT" in text


async def test_the_counter_goes_on_and_triggers_fire(db: Database, path: Path) -> None:
    people = await db.t.person.transform(not_null="age")
    row = await people.insert(name="Eve", age=30)
    assert row["id"] == 41
    assert (row["half"], row["twice"]) == (15.0, 60)
    assert await db.item("SELECT what FROM log WHERE id = 41") == "added Eve"
    assert await db.item("SELECT rowid FROM found WHERE found MATCH 'eve'") == 41
    with pytest.raises(NotNullViolationError):
        await people.insert(name="Fay", age=None)
    with pytest.raises(IntegrityError):
        await people.insert(name="EVE", age=30)
    await people.delete(1)
    assert await db.item("SELECT count(*) FROM badge") == 1
    assert await db.item("SELECT boss FROM person WHERE id = 2") is None
    await db.q("UPDATE grown SET name = 'Zoe' WHERE id = 41")
    assert (await people[41])["name"] == "Zoe"


async def test_no_row_of_a_cascading_child_goes(db: Database, path: Path) -> None:
    before = snapshot(path)["badge"]
    people = db.t.person
    async with db.transaction():
        people = await people.transform(not_null="age")
        people = await people.transform(defaults={"age": 1})
        async with db.transaction():
            await people.drop_column("note")
    assert snapshot(path)["badge"] == before
    assert await db.item("SELECT count(*) FROM person") == 4


async def test_a_change_in_a_transaction_goes_with_it(db: Database, path: Path) -> None:
    before = snapshot(path)
    for error in (ZeroDivisionError, KeyboardInterrupt):
        with pytest.raises(error):
            async with db.transaction():
                await db.q("INSERT INTO log VALUES ('in between', 0)")
                await db.t.person.transform(drop="note", types={"age": float}, not_null="age")
                raise error
        await db.reflect()
        assert snapshot(path) == before
    async with db.transaction():
        await db.q("INSERT INTO log VALUES ('stays', 0)")
        with pytest.raises(ZeroDivisionError):
            async with db.transaction():
                await db.t.person.transform(drop="note")
                raise ZeroDivisionError
    assert snapshot(path)["schema"] == before["schema"]
    assert len(snapshot(path)["log"]) == len(before["log"]) + 1


async def test_columns_are_renamed_everywhere(db: Database, path: Path) -> None:
    people = await db.t.person.transform(rename={"name": "full name", "e mail": "mail"}, not_null="age")
    assert people.columns[:3] == ("id", "full name", "mail")
    row = await people.insert({"full name": "Eve", "age": 50})
    assert await db.item("SELECT what FROM log WHERE id = ?", [row["id"]]) == "added Eve"
    assert (await db.q("SELECT * FROM grown WHERE id = ?", [row["id"]]))[0] == {"id": 41, "name": "Eve"}
    await db.reflect()
    assert db.t.badge.foreign_keys[1]["references"] == "person.mail"
    swapped = await people.transform(rename={"full name": "mail", "mail": "full name"})
    assert swapped.columns[:3] == ("id", "mail", "full name")
    assert (await swapped[1])["mail"] == "Ada"
    assert snapshot(path)["broken references"] == []


USES = {
    "id": "part of the key",
    "age": "index ix expression, index ix_partial, index ix_plain, the computed column half, the computed column twice",
    "name": "index ix expression",
    "team_id": "index ix_partial",
    "e mail": "a foreign key of badge",
}


@pytest.mark.parametrize("column", USES)
async def test_a_column_in_use_is_not_dropped(db: Database, path: Path, column: str) -> None:
    before = snapshot(path)
    with pytest.raises(InvalidOperationError, match=USES[column]):
        await db.t.person.drop_column(column)
    assert snapshot(path) == before


async def test_what_uses_a_column_is_named(db: Database) -> None:
    with pytest.raises(InvalidOperationError) as info:
        await db.t.person.drop_column("name")
    for named in ("trigger person_added", "view grown", "virtual table found", "UNIQUE (age, name)", "CHECK"):
        assert named in str(info.value) or named == "CHECK"


async def test_a_column_takes_its_own_constraints_along(db: Database, path: Path) -> None:
    people = await db.t.person.drop_column("boss")
    assert people.foreign_keys == [
        {"column": "team_id", "references": "team.id", "on_delete": "cascade", "on_update": "cascade"}
    ]
    assert "DEFERRABLE" not in people.schema
    with pytest.raises(InvalidOperationError, match="badge"):
        await people.drop_column("e mail")
    await db.t.badge.drop()
    people = await people.drop_column("e mail")
    assert "one mail" not in people.schema
    assert await people.count() == 4
    snapshot(path)


async def test_references_that_lead_nowhere_already_are_no_hindrance(db: Database, path: Path) -> None:
    with opened(path) as connection:
        connection.execute("INSERT INTO badge VALUES ('lost', 77, NULL)")
        connection.execute("UPDATE person SET team_id = 99 WHERE id = 2")
    connection.close()
    before = snapshot(path)
    assert len(before["broken references"]) == 2
    await db.t.person.transform(not_null="age")
    assert snapshot(path)["broken references"] == before["broken references"]
    with pytest.raises(ForeignKeyViolationError, match="1 row"):
        people = await db.t.person.transform(drop_foreign_keys="team_id")
        await people.transform(add_foreign_keys={"team_id": "team"})


async def test_a_key_that_others_refer_to_stays(db: Database, path: Path) -> None:
    before = snapshot(path)
    for change in ({"pk": "name"}, {"pk": None}):
        with pytest.raises(InvalidOperationError, match="a foreign key of"):
            await db.t.person.transform(**change)
    assert snapshot(path) == before


async def test_another_key(db: Database, path: Path) -> None:
    table: Table[Any] = db.t.log
    await table.insert(what="x", id=1)
    before = len(snapshot(path)["log"])
    table = await table.transform(pk=["id", "what"], not_null="what")
    assert table.pks == ("id", "what")
    table = await table.transform(pk=None)
    assert table.pks == ()
    assert table.columns == ("what", "id")
    assert len(snapshot(path)["log"]) == before


async def test_strict_without_rowid_and_auto_vacuum(tmp_path: Path) -> None:
    path = tmp_path / "strict.db"
    with opened(path) as connection:
        connection.execute("PRAGMA auto_vacuum = FULL")
        connection.executescript("""
            CREATE TABLE plain (x);
            CREATE TABLE s (a INTEGER PRIMARY KEY, b TEXT, c ANY) STRICT;
            CREATE TABLE w (a TEXT, b INT, c TEXT UNIQUE, PRIMARY KEY (b DESC, a)) WITHOUT ROWID, STRICT;
            CREATE TABLE child (w_c TEXT REFERENCES w (c) ON DELETE CASCADE);
            INSERT INTO s VALUES (3, 'x', 1), (9, NULL, 'y');
            INSERT INTO w VALUES ('a', 1, 'c1'), ('b', 2, 'c2');
            INSERT INTO child VALUES ('c1'), ('c2');
            INSERT INTO plain SELECT randomblob(3000) FROM (VALUES (1), (2), (3));
        """)
    connection.close()
    async with Database(path) as db:
        await db.reflect()
        before = snapshot(path)
        w = await db.t.w.transform(defaults={"c": "none"}, column_order=["c"])
        assert w.schema.endswith("WITHOUT ROWID, STRICT")
        assert w.pks == ("b", "a")
        s = await db.t.s.transform(types={"b": str}, defaults={"b": "b"})
        assert s.schema.endswith("STRICT")
        after = snapshot(path)
        for name in ("s", "child", "plain"):
            assert after[name] == before[name]
        assert len(after["w"]) == 2
        with pytest.raises(InvalidOperationError, match="WITHOUT ROWID"):
            await w.transform(pk=None)
        s = await s.add_column("rank", int, default=3)
        s = await s.add_column("day", str | None)
        assert (await s[3])["rank"] == 3


async def test_rowids_stay_where_no_column_is_the_rowid(tmp_path: Path) -> None:
    path = tmp_path / "rowids.db"
    with opened(path) as connection:
        connection.executescript("""
            CREATE TABLE t (a TEXT, rowid TEXT);
            INSERT INTO t (_rowid_, a, rowid) VALUES (5, 'x', 'mine'), (77, 'y', 'z');
            CREATE TABLE k (id TEXT PRIMARY KEY, n INT);
            INSERT INTO k (rowid, id, n) VALUES (8, 'eight', 1), (3, '3', 2);
        """)
    connection.close()
    async with Database(path) as db:
        await db.reflect()
        await db.t.t.transform(defaults={"a": "b"})
        assert [row["r"] for row in await db.q("SELECT _rowid_ AS r, * FROM t")] == [5, 77]
        await db.t.k.transform(not_null="n")
        assert await db.q("SELECT rowid AS r, id FROM k ORDER BY n") == [{"r": 8, "id": "eight"}, {"r": 3, "id": "3"}]


async def test_types_convert_what_is_stored(db: Database, path: Path) -> None:
    await db.script("""
        CREATE TABLE v (id INTEGER PRIMARY KEY, day TEXT, n TEXT, x REAL, flag TEXT);
        INSERT INTO v VALUES (1, '2024-02-01T10:00', '12', 2.0, 'true'), (2, NULL, ' 7', 3.0, 'f');
    """)
    await db.reflect()
    v = await db.t.v.transform(types={"day": datetime, "n": int, "x": int, "flag": bool})
    assert await v[1] == {"id": 1, "day": datetime(2024, 2, 1, 10), "n": 12, "x": 2, "flag": True}
    assert await v[2] == {"id": 2, "day": None, "n": 7, "x": 3, "flag": False}
    assert await v(day=datetime(2024, 2, 1, 10)).count() == 1
    v = await v.transform(types={"n": str})
    await v.update(pk=1, n="many")
    with pytest.raises(DataError, match="1 row"):
        await v.transform(types={"n": int})
    assert (await v[1])["n"] == "many"


async def test_statements_are_shown_and_nothing_is_done(db: Database, path: Path) -> None:
    before = snapshot(path)
    statements = await db.t.person.transform_sql(not_null="age", rename={"note": "remark"})
    assert snapshot(path) == before
    with opened(path) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        connection.execute("BEGIN IMMEDIATE")
        for statement in statements:
            connection.execute(statement)
        connection.execute("COMMIT")
    connection.close()
    after = snapshot(path)
    await db.reflect()
    assert db.t.person.columns[6] == "remark"
    assert after["badge"] == before["badge"]
    assert after["person"] == before["person"]


async def test_a_reader_beside_it_sees_the_one_table_or_the_other(db: Database, path: Path) -> None:
    async with db.transaction():
        await db.t.person.transform(drop="note")
        with opened(path) as connection:
            assert len(connection.execute("SELECT note FROM person").fetchall()) == 4
        connection.close()
    assert "note" not in db.t.person.columns


async def many(db: Database) -> None:
    numbers = "WITH RECURSIVE n (x) AS (VALUES (100) UNION ALL SELECT x + 1 FROM n WHERE x < 4000) "
    await db.q(f"INSERT INTO person (id, name, age) {numbers} SELECT x, 'name ' || x, x FROM n")


@pytest.mark.parametrize("table", ["person", "log"])
async def test_a_rebuild_is_refused_while_its_transaction_reads(db: Database, path: Path, table: str) -> None:
    await many(db)
    before = snapshot(path)
    with pytest.raises(QueryError, match="removed the rows that the statement was reading"):
        async with db.transaction():
            rows = aiter(db.t[table]())
            await anext(rows)
            with pytest.raises(BusyError, match="statement"):
                async with db.transaction():
                    await db.t.person.transform(not_null="age")
            async for _ in rows:
                pass
    assert snapshot(path) == before
