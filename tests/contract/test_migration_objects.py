"""Objects besides tables in migrations: kept by the first one, compared by each, changed and restored."""

from __future__ import annotations

import dataclasses
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from deebase import Database
from deebase._backends.schema_parts import SchemaParts
from deebase._backends.schema_script import SchemaScript
from deebase._engine.core import core_of
from deebase.migrations import Migrator
from tests.support.capabilities import can
from tests.support.migrations import compare, read, scratch
from tests.support.worlds import only_on

#: A migration reads the tables, of which some have columns without a counterpart in Python.
pytestmark = pytest.mark.filterwarnings("ignore:.* read and written as text")


#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")

#: For what only PostgreSQL has.
ON_POSTGRES = pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)

Make = Callable[[Database], Awaitable[None]]

SQLITE = """
    PRAGMA user_version = 7;
    PRAGMA application_id = 1234;
    CREATE TABLE author (id integer PRIMARY KEY, name text DEFAULT null, "a:b?%" text) STRICT;
    CREATE TABLE book (id text PRIMARY KEY, author_id integer REFERENCES missing (id) MATCH FULL) WITHOUT ROWID;
    CREATE TABLE person (id integer PRIMARY KEY REFERENCES author (id));
    CREATE VIRTUAL TABLE words USING fts5(title);
    CREATE VIEW named (n) AS SELECT name FROM author WHERE name <> 'a;b :c ?';
    CREATE TRIGGER renamed AFTER UPDATE ON author BEGIN
        UPDATE author SET name = 'x;y' WHERE id = new.id;
        INSERT INTO words VALUES ('?');
    END;
    CREATE TRIGGER of_view INSTEAD OF INSERT ON named BEGIN SELECT 1; END;
"""
POSTGRES = r"""
    CREATE EXTENSION citext;
    CREATE SCHEMA sales;
    CREATE EXTENSION hstore SCHEMA sales;
    CREATE TYPE mood AS ENUM ('a', 'it''s');
    CREATE TYPE pair AS (x integer, y text);
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE SEQUENCE counter INCREMENT 5;
    CREATE FUNCTION next_one() RETURNS bigint LANGUAGE sql
        AS $$ SELECT nextval('counter') + 0 * length('; :x ? %s \d') $$;
    CREATE TABLE author (id integer PRIMARY KEY DEFAULT next_one(), name citext, m mood, p pair, n positive,
        a integer[], CHECK (a[1:2] <> '{1}' AND name ~ '^\w?$'));
    CREATE TABLE person (id integer PRIMARY KEY REFERENCES author (id) MATCH FULL ON UPDATE CASCADE DEFERRABLE);
    CREATE UNLOGGED TABLE logs (id integer PRIMARY KEY) WITH (fillfactor = 50);
    CREATE TABLE measured (at date NOT NULL, n integer) PARTITION BY RANGE (at);
    CREATE TABLE measured_1 PARTITION OF measured FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
    CREATE TABLE sales.orders (id serial PRIMARY KEY, author_id integer,
        EXCLUDE USING gist (int4range(id, id) WITH &&));
    ALTER TABLE sales.orders ADD FOREIGN KEY (author_id) REFERENCES author (id) NOT VALID;
    CREATE INDEX ON author USING gin (a) WITH (fastupdate = off);
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.name := 'x;y'; RETURN new; END$$;
    CREATE FUNCTION all_authors() RETURNS SETOF author LANGUAGE sql STABLE BEGIN ATOMIC SELECT * FROM author; END;
    CREATE TRIGGER touch BEFORE UPDATE ON author FOR EACH ROW EXECUTE FUNCTION touched();
    CREATE VIEW safe WITH (security_barrier) AS SELECT id FROM author;
    CREATE MATERIALIZED VIEW kept AS SELECT id, name FROM author;
    CREATE UNIQUE INDEX of_kept ON kept (id);
    CREATE RULE nothing AS ON DELETE TO person DO INSTEAD NOTHING;
    CREATE STATISTICS together ON m, n FROM author;
    ALTER TABLE author ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY visible ON author FOR SELECT USING (name <> current_user);
    CREATE POLICY written ON author AS RESTRICTIVE FOR INSERT WITH CHECK (n > 0);
    ALTER TABLE sales.orders ENABLE ROW LEVEL SECURITY;
    COMMENT ON COLUMN author.name IS 'it''s; :x ?';
"""


async def rich(db: Database) -> None:
    await db.script(SQLITE if can(db).is_one_file else POSTGRES)


async def nothing(db: Database) -> None:
    pass


async def differences(db: Database, make: Make) -> list[str]:
    async with scratch(db) as wanted:
        await make(wanted)
        return [str(difference) for difference in (await compare(db, wanted)).differences()]


async def catalog(db: Database) -> Sequence[Any]:
    """What the catalogs say of the objects, without the reader of the script."""
    if can(db).is_one_file:
        stored = await db.q("SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE '_deebase%' ORDER BY 1, 2")
        return [*stored, *await db.q("PRAGMA user_version"), *await db.q("PRAGMA application_id")]
    mine = "::regnamespace::text IN ('public', 'sales')"
    own = "NOT EXISTS (SELECT FROM pg_depend WHERE objid = o.oid AND deptype = 'e')"
    return [
        await db.q(query)
        for query in (
            "SELECT * FROM pg_policies ORDER BY tablename, policyname",
            f"SELECT relname, relrowsecurity, relforcerowsecurity, relpersistence, reloptions FROM pg_class o"
            f" WHERE relnamespace{mine} AND relname NOT LIKE '%deebase%' ORDER BY 1",
            f"SELECT conname, pg_get_constraintdef(oid) FROM pg_constraint o WHERE connamespace{mine}"
            " AND conrelid::regclass::text NOT LIKE '%deebase%' ORDER BY 1, 2",
            f"SELECT proname, prosrc, pg_get_functiondef(oid) FROM pg_proc o WHERE pronamespace{mine} AND {own}"
            " ORDER BY 1",
            "SELECT rulename, definition FROM pg_rules ORDER BY 1",
            "SELECT extname, extnamespace::regnamespace::text FROM pg_extension ORDER BY 1",
        )
    ]


async def test_a_schema_of_another_program_is_kept_whole(db: Database, tmp_path: Path) -> None:
    await rich(db)
    migrator = Migrator(db, tmp_path / "migrations")
    await migrator.baseline()
    assert await migrator.drift() == []
    assert await migrator.check() == []
    before = await catalog(db)
    async with scratch(db) as empty:
        again = Migrator(empty, tmp_path / "migrations")
        await again.up()
        assert await catalog(empty) == before
        await again.down()
        assert await differences(empty, nothing) == []


@ON_POSTGRES
async def test_lost_row_security_is_reported(db: Database, tmp_path: Path) -> None:
    await rich(db)
    migrator = Migrator(db, tmp_path / "migrations")
    await migrator.baseline()
    await db.q("DROP POLICY visible ON author")
    await db.q("ALTER TABLE author NO FORCE ROW LEVEL SECURITY")
    await db.q("ALTER TABLE sales.orders DISABLE ROW LEVEL SECURITY")
    await db.q("ALTER POLICY written ON author WITH CHECK (true)")
    assert sorted(str(found) for found in await migrator.drift()) == [
        "author: is another row security",
        "sales.orders: is a row security that is missing",
        "visible on author: is a policy that is missing",
        "written on author: is another policy",
    ]


@ON_POSTGRES
async def test_what_is_not_carried_is_named(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE TABLE t (id integer PRIMARY KEY); GRANT SELECT ON t TO PUBLIC")
    migrator = Migrator(db, tmp_path / "migrations")
    name = await migrator.baseline()
    (text,) = await migrator.not_compared()
    assert text.startswith("privileges of table public.t")
    written = (tmp_path / "migrations" / f"{name}.py").read_text(encoding="utf-8")
    assert "not compared: privileges of table public.t" in " ".join(written.replace("#", "").split())


# -- a later migration -------------------------------------------------------------------------------


#: A schema, and the same one after a change: of a function's body and result, a policy, a sequence, a domain.
OLD = """
    CREATE DOMAIN positive AS integer CHECK (VALUE > 0);
    CREATE SEQUENCE counter INCREMENT 5 CACHE 3;
    CREATE TABLE t (id integer PRIMARY KEY, n positive, s text);
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.s := 'old'; RETURN new; END$$;
    CREATE FUNCTION size_of(x integer) RETURNS integer LANGUAGE sql AS $$ SELECT x $$;
    CREATE VIEW sizes AS SELECT size_of(id) AS size FROM t;
    CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touched();
    ALTER TABLE t ENABLE ROW LEVEL SECURITY;
    CREATE POLICY visible ON t USING (s <> 'a');
"""
NEW = """
    CREATE DOMAIN positive AS integer CHECK (VALUE > 1);
    CREATE SEQUENCE counter INCREMENT 7;
    CREATE TABLE t (id integer PRIMARY KEY, n positive, s varchar(9));
    CREATE FUNCTION touched() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN new.s := 'new'; RETURN new; END$$;
    CREATE FUNCTION size_of(x integer) RETURNS bigint LANGUAGE sql AS $$ SELECT x::bigint $$;
    CREATE VIEW sizes AS SELECT size_of(id) AS size FROM t;
    CREATE TRIGGER touch BEFORE UPDATE ON t FOR EACH ROW EXECUTE FUNCTION touched();
    ALTER TABLE t ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY;
    CREATE POLICY visible ON t USING (s <> 'b');
"""


async def new(db: Database) -> None:
    await db.script(NEW)


async def old(db: Database) -> None:
    await db.script(OLD)


@ON_POSTGRES
async def test_objects_are_changed_around_the_tables_that_use_them(db: Database, tmp_path: Path) -> None:
    await old(db)
    await Migrator(db, tmp_path / "migrations").baseline()
    await db.q("INSERT INTO t VALUES (1, 5, 'x')")
    await db.q("SELECT nextval('counter'), nextval('counter')")
    migrator = Migrator(db, tmp_path / "migrations", models=new)
    text = (await migrator.new("objects")).read_text(encoding="utf-8")
    assert [line for line in text.splitlines() if "not done here" in line or "in a scratch" in line] == []
    await migrator.seal()
    await migrator.up()
    assert await differences(db, new) == []
    # Three values were cached: 1, 6 and 11.
    assert await db.item("SELECT nextval('counter')") == 18
    await migrator.down()
    assert await differences(db, old) == []
    assert await db.q("SELECT * FROM t") == [{"id": 1, "n": 5, "s": "x"}]


@ON_POSTGRES
async def test_tables_of_other_schemas_keep_their_rows(db: Database, tmp_path: Path) -> None:
    before = "CREATE SCHEMA sales; CREATE TABLE sales.orders (id integer PRIMARY KEY)"

    async def models(wanted: Database) -> None:
        await wanted.script(before)
        await wanted.script("ALTER TABLE sales.orders ADD COLUMN n integer; CREATE VIEW sales.v AS SELECT 1 AS one")

    await db.script(before)
    await Migrator(db, tmp_path / "migrations").baseline()
    migrator = Migrator(db, tmp_path / "migrations", models=models)
    text = (await migrator.new("orders")).read_text(encoding="utf-8")
    assert "# not done here: the table sales.orders has another definition" in text
    assert "DROP TABLE" not in text
    assert "CREATE VIEW sales.v" in text
    await db.q("ALTER TABLE sales.orders ADD COLUMN n integer")
    assert [str(found) for found in await migrator.drift()] == ["sales.orders: is another table"]


@ON_POSTGRES
async def test_a_schema_that_is_not_public_is_the_current_one(db: Database, tmp_path: Path) -> None:
    await db.script("CREATE SCHEMA app; CREATE TABLE public.outside (id integer PRIMARY KEY)")
    url = core_of(db).executor.settings.sa_url.update_query_dict({"options": "-csearch_path=app"})
    async with Database(url.render_as_string(hide_password=False).replace("+asyncpg", "")) as app:
        await app.script("CREATE TABLE t (id integer PRIMARY KEY); ALTER TABLE t ENABLE ROW LEVEL SECURITY")
        migrator = Migrator(app, tmp_path / "migrations")
        await migrator.baseline()
        assert await migrator.drift() == []
        assert await migrator.check() == []
        assert await app.item("SELECT to_regclass('app._deebase_migrations') IS NOT NULL")


class Author:
    id: int
    name: str


@ON_POSTGRES
async def test_classes_say_nothing_of_what_they_cannot_express(db: Database, tmp_path: Path) -> None:
    async def models(wanted: Database) -> None:
        await wanted.create(Author)

    migrator = Migrator(db, tmp_path / "migrations", models=models)
    await migrator.new("authors")
    await migrator.seal()
    path = await Migrator(db, tmp_path / "migrations").new("by hand", sql=True)
    path.write_text(
        "-- upgrade\nALTER TABLE author ENABLE ROW LEVEL SECURITY;\nCREATE POLICY p ON author USING (true);\n"
        "-- downgrade\nDROP POLICY p ON author;\nALTER TABLE author DISABLE ROW LEVEL SECURITY;\n",
        encoding="utf-8",
    )
    await migrator.seal()
    assert await migrator.check() == []
    with pytest.raises(Exception, match="nothing to do"):
        await migrator.new("again")


@ON_POSTGRES
async def test_definitions_that_differ_are_never_called_equal(db: Database) -> None:
    await db.create(Author)
    known = await read(db)
    script = SchemaScript(
        tuple(
            dataclasses.replace(item, create=tuple([sql + " USING unheard_of" for sql in item.create]))
            if item.kind == "table"
            else item
            for item in known.script.objects
        )
    )
    wanted = dataclasses.replace(known, parts=SchemaParts(known.parts.tables, known.views, script))
    found = [str(difference) for difference in (await compare(db, wanted)).differences()]
    assert found == ["author: lacks: using unheard_of"]
