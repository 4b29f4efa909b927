"""What a schema can have besides what classes say: compared with itself it gives nothing, and it is made and undone."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from pathlib import Path
from typing import TypedDict

import pytest

from deebase import Database, Index, MigrationError
from deebase.migrations import Migrator
from tests.support.capabilities import can
from tests.support.migrations import compare, scratch
from tests.support.worlds import only_on

#: A migration reads the tables, of which some have columns without a counterpart in Python.
pytestmark = pytest.mark.filterwarnings("ignore:.* read and written as text")


#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")


class Shape(Enum):
    ROUND = "it's\nround"
    SQUARE = "?:%;"


class Size(TypedDict):
    width: int


class Thing:
    id: int
    name: str
    number: int | None
    shape: Shape = Shape.SQUARE
    shapes: list[Shape] | None = None
    size: Size | None = None


#: What both databases take as it is.
COMMON = [
    'CREATE TABLE key_of_two (a integer, "b b" integer, n integer, CONSTRAINT "my pk" PRIMARY KEY ("b b", a))',
    "CREATE TABLE referring (id integer PRIMARY KEY, x integer, y integer, self_id integer REFERENCES referring (id), "
    'FOREIGN KEY (x, y) REFERENCES key_of_two ("b b", a) ON DELETE SET NULL ON UPDATE CASCADE)',
    "CREATE TABLE later (id integer PRIMARY KEY, of integer REFERENCES referring (id) DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE once (id integer PRIMARY KEY, a varchar, b varchar, CONSTRAINT \"u 'q'\" UNIQUE (a, b))",
    "CREATE TABLE no_key (a integer, b integer)",
    "CREATE TABLE defaults (id integer PRIMARY KEY, at timestamp DEFAULT CURRENT_TIMESTAMP, "
    "three integer DEFAULT (1 + 2), quoted varchar DEFAULT 'it''s; :x ?', blank varchar DEFAULT '')",
    "CREATE TABLE computed (id integer PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a + 1) STORED)",
    "CREATE INDEX by_expression ON once (lower(a), b DESC) WHERE a <> 'x:%?' AND id > 3",
    "CREATE UNIQUE INDEX by_another ON once (coalesce(a, ''))",
    "CREATE VIEW first_view AS SELECT id FROM once WHERE a <> '?'",
    "CREATE VIEW second_view AS SELECT id FROM first_view",
]
SQLITE = [
    "CREATE TABLE strictly (id integer PRIMARY KEY, a text, b any) STRICT",
    "CREATE TABLE without (id text PRIMARY KEY, a text) WITHOUT ROWID",
    "CREATE TABLE collated (id integer PRIMARY KEY, a text COLLATE NOCASE UNIQUE)",
    "CREATE TABLE virtual (id integer PRIMARY KEY, a integer, b integer GENERATED ALWAYS AS (a + 1) VIRTUAL)",
    "CREATE TABLE counting (id integer PRIMARY KEY AUTOINCREMENT, a text CHECK (a <> ';'))",
]
POSTGRES = [
    "CREATE TYPE \"mo od\" AS ENUM ('a', 'it''s', '?:%')",
    'CREATE DOMAIN positive AS numeric(10, 2) DEFAULT 1 NOT NULL CONSTRAINT "more :x" CHECK (VALUE > 0)',
    'CREATE DOMAIN of_mood AS "mo od"',
    'CREATE TABLE own_types (id integer PRIMARY KEY, m "mo od" DEFAULT \'a\', p positive, o of_mood, ms "mo od"[])',
    "CREATE TABLE arrays (id integer PRIMARY KEY, a integer[], b text[] DEFAULT '{}', c integer[][])",
    "CREATE TABLE many (id integer PRIMARY KEY, a smallint, b varchar(10), c char(3), d numeric(10,2), e real, f json, "
    "g inet, h tsvector, i timestamptz(3), j bit(3), k int4range, m interval day to second, n money, o oid)",
    "CREATE TABLE identities (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, n bigserial)",
    "CREATE TABLE excluded (id integer PRIMARY KEY, r int4range, EXCLUDE USING gist (r WITH &&))",
    'CREATE TABLE collated (id integer PRIMARY KEY, a text COLLATE "C")',
    "CREATE TABLE late (id integer PRIMARY KEY, b integer UNIQUE DEFERRABLE INITIALLY DEFERRED)",
    "CREATE TABLE documents (id integer PRIMARY KEY, j jsonb, v varchar CHECK (v ~ '^a?$'))",
    "CREATE TABLE listed (id integer PRIMARY KEY, a varchar, b varchar(5), "
    "CHECK (a IN ('x', 'it''s (ARRAY[', 'back\\slash') AND id > 0 OR b NOT IN ('y', 'z')))",
    "CREATE INDEX by_document ON documents USING gin (j jsonb_path_ops)",
    "CREATE INDEX by_range ON documents USING brin (id) WITH (pages_per_range = 4)",
    "CREATE INDEX including ON documents (id) INCLUDE (v)",
    "CREATE MATERIALIZED VIEW kept AS SELECT id, v FROM documents",
    "CREATE UNIQUE INDEX of_kept ON kept (id)",
]


async def run(db: Database, statements: Sequence[str]) -> None:
    for statement in statements:
        # To q() a question mark outside of strings is a parameter; there is none here.
        await db.q(statement)


async def everything(db: Database) -> None:
    checks = ["number > 0", "name <> 'a;b'"]
    await db.create(Thing, checks=checks, indexes=[Index("part of it", "number", where="number > 3")])
    own = SQLITE if can(db).is_one_file else POSTGRES
    await run(db, [*own, *COMMON])
    if can(db).is_one_file:
        strict = type("Strict", (), {"__annotations__": {"id": int, "n": float}})
        await db.create(strict, strict=True)


async def nothing(db: Database) -> None:
    pass


async def differences(db: Database, make: object) -> list[str]:
    async with scratch(db) as wanted:
        await make(wanted)  # type: ignore[operator]
        return [str(difference) for difference in (await compare(db, wanted)).differences()]


async def test_a_schema_is_written_applied_and_undone_with_all_it_has(db: Database, tmp_path: Path) -> None:
    migrator = Migrator(db, tmp_path / "migrations", models=everything)
    text = (await migrator.new("everything")).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "not done here" in line or "in a scratch" in line] == []
    await migrator.seal()
    await migrator.up()
    assert await differences(db, everything) == []
    with pytest.raises(MigrationError, match="nothing to do"):
        await migrator.new("again")
    await migrator.down()
    assert await differences(db, nothing) == []


@pytest.mark.on_a_file
async def test_a_database_with_all_of_it_gets_a_first_migration(db: Database, tmp_path: Path) -> None:
    await everything(db)
    migrator = Migrator(db, tmp_path / "migrations")
    assert await migrator.baseline() == "0001-baseline"
    assert await migrator.drift() == []
    assert await migrator.check() == []


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_check_that_was_dumped_and_restored_is_the_same(db: Database) -> None:
    statements = ["CREATE TABLE t (id integer PRIMARY KEY, a varchar CHECK (a IN ('x', 'it''s')))"]

    async def make(made: Database) -> None:
        await made.create(Thing)
        await run(made, statements)

    await make(db)
    shown = "SELECT conname, pg_get_constraintdef(oid) AS text FROM pg_constraint WHERE contype = 'c' ORDER BY conname"
    before = await db.q(shown)
    for table, name in (("t", "t_a_check"), ("thing", "thing_shape_check")):
        (text,) = [row["text"] for row in before if row["conname"] == name]
        await db.q(f"ALTER TABLE {table} DROP CONSTRAINT {name}, ADD CONSTRAINT {name} {text}")
    # PostgreSQL shows what it was given back in other words.
    assert await db.q(shown) != before
    assert await differences(db, make) == []


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_a_label_is_added_to_a_type_and_taken_away_again(db: Database, tmp_path: Path) -> None:
    table = "CREATE TABLE t (id integer PRIMARY KEY, m mood DEFAULT 'b', many mood[])"
    await run(db, ["CREATE TYPE mood AS ENUM ('b', 'd')", table])
    await Migrator(db, tmp_path / "migrations").baseline()
    await db.q("INSERT INTO t VALUES (1, 'd', '{b,d}')")

    async def models(wanted: Database) -> None:
        await run(wanted, ["CREATE TYPE mood AS ENUM ('a', 'b', 'c', 'd')", table])

    assert await differences(db, models) == ["mood: is another type"]
    migrator = Migrator(db, tmp_path / "migrations", models=models)
    text = (await migrator.new("more moods")).read_text(encoding="utf-8")
    assert "not done here" not in text
    assert "in a scratch" not in text
    await migrator.seal()
    await migrator.up()
    assert await differences(db, models) == []
    await migrator.down()
    assert await db.q("SELECT m::text, many::text, enum_range(m)::text AS all FROM t") == [
        {"m": "d", "many": "{b,d}", "all": "{b,d}"}
    ]
    assert await migrator.drift() == []
