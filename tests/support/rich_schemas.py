"""A schema of another program with objects of many kinds, and what the catalogs say of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from deebase import Database
from tests.support.capabilities import can

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


async def rich(db: Database) -> None:
    await db.script(SQLITE if can(db).is_one_file else POSTGRES)


async def catalog(db: Database) -> Sequence[Any]:
    """What the catalogs say of the objects, without the reader of the script."""
    if can(db).is_one_file:
        stored = await db.q(
            "SELECT type, name, sql FROM sqlite_master WHERE tbl_name NOT LIKE '_deebase%' ORDER BY 1, 2"
        )
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
