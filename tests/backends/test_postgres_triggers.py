"""Rows that a write returns on PostgreSQL are the stored ones, also where an AFTER trigger changes them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from deebase import Database, Index, Table, UniqueViolationError

Rows = Table[dict[str, Any]]

pytestmark = pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)

FUNCTIONS = """
    CREATE FUNCTION times_ten() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE note SET n = NEW.n * 10 WHERE id = NEW.id; RETURN NULL; END $$;
    CREATE FUNCTION note_change() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN UPDATE note SET at = 'changed' WHERE id = NEW.id; RETURN NULL; END $$;
"""
AFTER_INSERT = "CREATE TRIGGER made AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION times_ten()"
AFTER_UPDATE = "CREATE TRIGGER changed AFTER UPDATE OF s ON note FOR EACH ROW EXECUTE FUNCTION note_change()"


class Note:
    id: int
    n: int | None
    s: str
    at: str | None


@pytest.fixture
async def notes(db: Database) -> AsyncIterator[Rows]:
    table = await db.create(Note, indexes=[Index("note_s", "s", unique=True)])
    await db.script(FUNCTIONS)
    # Written before there is a trigger, so it is one that comes later.
    await table.insert(n=1, s="first")
    await db.q(AFTER_INSERT)
    await db.q(AFTER_UPDATE)
    yield table
    assert (await table.lookup(s="first"))["n"] == 1


async def test_each_way_to_write_a_row(notes: Rows) -> None:
    row = await notes.insert(n=2, s="a")
    assert row == await notes[row["id"]] == {"id": 2, "n": 20, "s": "a", "at": None}
    assert await notes.update({"id": 2, "s": "b"}) == {"id": 2, "n": 20, "s": "b", "at": "changed"}
    assert await notes.upsert({"s": "c", "n": 3}, on="s") == {"id": 3, "n": 30, "s": "c", "at": None}
    assert await notes.upsert({"id": 3, "s": "d"}) == {"id": 3, "n": 30, "s": "d", "at": "changed"}
    assert await notes.get_or_create({"s": "e"}, defaults={"n": 4}) == (
        {"id": 4, "n": 40, "s": "e", "at": None},
        True,
    )
    # A key that is given moves the sequence, which RETURNING tells behind the columns.
    assert await notes.insert({"id": 9, "n": 1, "s": "f"}) == {"id": 9, "n": 10, "s": "f", "at": None}


async def test_many_rows(notes: Rows) -> None:
    rows = await notes.insert_all([{"n": n, "s": f"s{n}"} for n in range(5)], returning=True)
    assert rows == [{"id": n + 2, "n": n * 10, "s": f"s{n}", "at": None} for n in range(5)]
    rows = await notes.upsert_all([{"id": n + 2, "s": f"t{n}"} for n in range(5)], returning=True)
    assert rows == [{"id": n + 2, "n": n * 10, "s": f"t{n}", "at": "changed"} for n in range(5)]
    rows = await asyncio.gather(*(notes.insert(n=n, s=f"u{n}") for n in range(20)))
    assert [row["n"] for row in rows] == [n * 10 for n in range(20)]


async def test_a_refused_row_leaves_the_connection_usable(db: Database, notes: Rows) -> None:
    await notes.insert(n=2, s="a")
    session = await db.item("SELECT pg_backend_pid()")
    with pytest.raises(UniqueViolationError):
        await notes.insert(n=2, s="a")
    assert await db.item("SELECT pg_backend_pid()") == session
    assert await notes.count() == 2


async def test_inside_of_a_transaction_that_makes_and_undoes_triggers(db: Database, notes: Rows) -> None:
    await db.q("DROP TRIGGER made ON note")
    assert (await notes.insert(n=1, s="a"))["n"] == 1
    async with db.transaction() as tx:
        await db.q(AFTER_INSERT)
        assert (await notes.insert(n=2, s="b"))["n"] == 20
        await tx.rollback()
    assert (await notes.insert(n=2, s="b"))["n"] == 2
    async with db.transaction():
        await db.q(AFTER_INSERT)
    assert (await notes.insert(n=3, s="c"))["n"] == 30
    async with db.transaction():
        assert (await notes.insert(n=4, s="d"))["n"] == 40


async def test_a_trigger_that_changes_the_key_or_removes_the_row(db: Database, notes: Rows) -> None:
    await db.script(
        """
        CREATE FUNCTION moved() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE note SET id = id + 100 WHERE id = NEW.id; RETURN NULL; END $$;
        CREATE FUNCTION removed() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN DELETE FROM note WHERE s = NEW.s; RETURN NULL; END $$;
        CREATE TRIGGER moved AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION moved();
        """
    )
    row = await notes.insert(n=1, s="a")
    assert row == await notes.lookup(s="a")
    assert row["id"] > 100
    await db.q("CREATE TRIGGER removed AFTER INSERT ON note FOR EACH ROW EXECUTE FUNCTION removed()")
    assert (await notes.insert(n=1, s="b"))["s"] == "b"
    assert await notes.count() == 2


@pytest.mark.filterwarnings("ignore:.*Python has no type for")
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("char(4)", "'a'"),
        ("varchar(4)", "'a'"),
        ("mood", "'fine'"),
        ("positive", "5"),
        ("numeric(20, 4)", "1.5"),
        ("float8", "0.1"),
        ("uuid", "'12345678-1234-5678-1234-567812345678'"),
        ("date", "'infinity'"),
        ("date", "'9999-12-31'"),
        ("timestamptz", "'2024-01-01 10:00+02'"),
        ("timestamp", "'2024-01-01 10:00'"),
        ("time", "'10:00'"),
        ("interval", "'1 mon 3 days 25:00'"),
        ("bytea", "'\\x00ff'"),
        ("inet", "'10.0.0.1/8'"),
        ("int4range", "'[1,5)'"),
        ("bit(3)", "'101'"),
        ("macaddr", "'08:00:2b:01:02:03'"),
        ("boolean", "true"),
        ("xid8", "'7'"),
    ],
)
async def test_keys_of_each_type(db: Database, key: str, value: str) -> None:
    await db.script(
        f"""
        CREATE TYPE mood AS ENUM ('fine', 'sad');
        CREATE DOMAIN positive AS int CHECK (value > 0);
        CREATE TABLE k (key {key} PRIMARY KEY DEFAULT {value}, n int);
        CREATE FUNCTION made() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE k SET n = n * 10; RETURN NULL; END $$;
        CREATE TRIGGER made AFTER INSERT ON k FOR EACH STATEMENT EXECUTE FUNCTION made();
        """
    )
    table = await db.reflect_table("k")
    assert [await table.insert(n=2)] == await table()
    assert await db.q("SELECT n FROM k") == [{"n": 20}]


@pytest.mark.parametrize("key", ["", "doc jsonb PRIMARY KEY DEFAULT '[1]',", "parts int[] PRIMARY KEY DEFAULT '{1}',"])
async def test_a_row_that_no_simple_key_tells_is_given_as_it_was_written(db: Database, key: str) -> None:
    await db.script(
        f"""
        CREATE TABLE log ({key} n int);
        CREATE FUNCTION made() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE log SET n = n * 10; RETURN NULL; END $$;
        CREATE TRIGGER made AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION made();
        """
    )
    log = await db.reflect_table("log")
    assert (await log.insert(n=2))["n"] == 2
    assert await db.item("SELECT n FROM log") == 20


async def test_triggers_of_partitions(db: Database) -> None:
    await db.script(
        """
        CREATE TABLE part (id int, n int, PRIMARY KEY (id)) PARTITION BY RANGE (id);
        CREATE TABLE part_low PARTITION OF part FOR VALUES FROM (0) TO (100);
        CREATE FUNCTION made() RETURNS trigger LANGUAGE plpgsql AS
            $$ BEGIN UPDATE part SET n = n * 10 WHERE id = NEW.id; RETURN NULL; END $$;
        CREATE TRIGGER made AFTER INSERT ON part_low FOR EACH ROW EXECUTE FUNCTION made();
        """
    )
    part = await db.reflect_table("part")
    assert await part.insert(id=1, n=2) == {"id": 1, "n": 20}


async def test_a_key_that_comes_back_by_on_update(db: Database) -> None:
    await db.q("CREATE TABLE k (id INTEGER PRIMARY KEY, boss INTEGER REFERENCES k (id) ON UPDATE CASCADE, name TEXT)")
    table = await db.reflect_table("k")
    await table.insert(id=1, boss=1, name="Ada")
    assert await table.update({"id": 2}, pk=1) == await table[2] == {"id": 2, "boss": 2, "name": "Ada"}


async def test_a_connection_that_is_opened_later_knows_triggers_of_other_programs(db: Database, db_url: str) -> None:
    await db.create(Note)
    await db.script(FUNCTIONS)
    async with Database(db_url) as other:
        await other.q(AFTER_INSERT)
    async with Database(db_url) as later:
        await later.reflect()
        assert (await later.t.note.insert(n=2, s="a"))["n"] == 20
