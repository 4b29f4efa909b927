"""Migrations that lose rows or values, and migrations that lose none, for the tests of what is stopped.

Each is SQL, or the body of ``upgrade(db)``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from deebase._sqltext.capabilities import Capabilities


class Case(NamedTuple):
    """A case that differs between a database in one file and one on a server, or that one of them alone has."""

    file: str = ""
    server: str = ""

    def of(self, database: Capabilities) -> str:
        """Return the SQL for a database; empty if it has no such case."""
        return self.file if database.is_one_file else self.server


SETUP = Case(
    file="""
        CREATE TABLE country (id integer PRIMARY KEY, code varchar(2));
        CREATE TABLE city (
            id integer PRIMARY KEY, name varchar(50) NOT NULL UNIQUE, size decimal(10, 2), founded timestamp, note text,
            country_id integer REFERENCES country (id) ON DELETE CASCADE
        );
        CREATE TABLE vacant (id integer PRIMARY KEY, name text, size integer);
        CREATE TABLE log (id integer PRIMARY KEY, city_id integer);
    """,
    server="""
        CREATE SCHEMA other;
        CREATE TABLE country (id integer PRIMARY KEY, code varchar(2));
        CREATE TABLE city (
            id integer PRIMARY KEY, name varchar(50) NOT NULL UNIQUE, size numeric(10, 2), founded timestamp, note text,
            country_id integer REFERENCES country (id) ON DELETE CASCADE
        );
        CREATE TABLE vacant (id integer PRIMARY KEY, name text, size integer);
        CREATE TABLE log (id integer PRIMARY KEY, city_id integer);
        CREATE TABLE other.visit (id integer PRIMARY KEY);
        INSERT INTO other.visit VALUES (1), (2);
        CREATE TABLE event (id integer, at date) PARTITION BY RANGE (at);
        CREATE TABLE event_2023 PARTITION OF event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
        CREATE TABLE event_2024 PARTITION OF event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01');
        INSERT INTO event VALUES (1, '2023-05-05'), (2, '2024-05-05');
    """,
)
ROWS = """
    INSERT INTO country VALUES (1, 'de'), (2, 'at');
    INSERT INTO city VALUES
        (1, 'Ulm', 12.25, '2020-01-02 03:04:05', 'old', 1), (2, 'Bonn', 33.5, '2021-02-03 04:05:06', 'new', 1),
        (3, 'Wien', 190.75, '2022-03-04 05:06:07', NULL, 2);
    INSERT INTO log VALUES (1, 1);
"""
TABLES = ("country", "city", "log")

_SAME_COLUMNS = "id integer PRIMARY KEY, name text, size numeric, founded timestamp, note text, country_id integer"

DESTRUCTIVE_SQL = {
    "plain drop": "DROP TABLE city",
    "other case": "drop Table CITY",
    "comments between": "DROP /* no */ TABLE -- really\n city",
    "quoted": 'DROP TABLE "city"',
    "if exists": "DROP TABLE IF EXISTS city",
    "with schema": Case(file="DROP TABLE main.city", server="DROP TABLE public.city"),
    "after an empty table": "DROP TABLE vacant; DROP TABLE city",
    "second of a list": Case(server="DROP TABLE vacant, city"),
    "cascade": Case(server="DROP TABLE country CASCADE; DELETE FROM city"),
    "created again": f"DROP TABLE city; CREATE TABLE city ({_SAME_COLUMNS})",
    "created in the same file": f"CREATE TABLE IF NOT EXISTS city ({_SAME_COLUMNS}); DROP TABLE city",
    "filled with others": f"DROP TABLE city; CREATE TABLE city ({_SAME_COLUMNS});"
    " INSERT INTO city (id, name) VALUES (1, 'A'), (2, 'B'), (3, 'C')",
    "renamed, then dropped": "ALTER TABLE city RENAME TO town; DROP TABLE town",
    "renamed twice, then dropped": "ALTER TABLE city RENAME TO a; ALTER TABLE a RENAME TO b; DROP TABLE b",
    "replaced by name": f"ALTER TABLE city RENAME TO town; CREATE TABLE city ({_SAME_COLUMNS}); DROP TABLE town",
    "copied in part": "CREATE TABLE town AS SELECT * FROM city WHERE id < 3; DROP TABLE city",
    "copied with less": "CREATE TABLE town AS SELECT id, substr(name, 1, 2) AS name, size, founded, note, country_id"
    " FROM city; DROP TABLE city; ALTER TABLE town RENAME TO city",
    "copied without a column": "CREATE TABLE town AS SELECT id, name FROM city; DROP TABLE city",
    "all rows": "DELETE FROM city",
    "all rows, with a condition": "DELETE FROM city WHERE 1 = 1",
    "some rows": "DELETE FROM city WHERE size > 100",
    "one row": "DELETE FROM city WHERE id = 3",
    "by a subquery": "DELETE FROM city WHERE id IN (SELECT id FROM city)",
    "by a common table expression": "WITH old AS (SELECT id FROM city) DELETE FROM city"
    " WHERE id IN (SELECT id FROM old)",
    "inside of a common table expression": Case(server="WITH gone AS (DELETE FROM city RETURNING id) SELECT 1"),
    "using": Case(server="DELETE FROM city USING country WHERE country.id = country_id"),
    "explained and done": Case(server="EXPLAIN ANALYZE DELETE FROM city"),
    "by a foreign key": "DELETE FROM country WHERE id = 2",
    "moved to another table": "CREATE TABLE archive AS SELECT * FROM city; DELETE FROM city",
    "deleted and others inserted": "DELETE FROM city; INSERT INTO city (id, name) VALUES (7, 'A'), (8, 'B'), (9, 'C')",
    "same keys, other rows": "DELETE FROM city; INSERT INTO city (id, name, size, founded, note, country_id)"
    " VALUES (1, 'A', 1, '2020-01-02', 'x', 1), (2, 'B', 2, '2020-01-02', 'y', 1), (3, 'C', 3, '2020-01-02', 'z', 1)",
    "more inserted than deleted": "DELETE FROM city WHERE id = 1;"
    " INSERT INTO city (id, name, size, founded, note) VALUES (7, 'Berlin', 100, '2020-01-01', 'long note'),"
    " (8, 'Hamburg', 200, '2020-01-01', 'long note')",
    "truncate": Case(server="TRUNCATE city", file="DELETE FROM main.city"),
    "truncate a list": Case(server="TRUNCATE vacant, city"),
    "truncate with cascade": Case(server="TRUNCATE country CASCADE"),
    "truncated and filled": Case(
        server="TRUNCATE city; INSERT INTO city (id, name) VALUES (1, 'A'), (2, 'B'), (3, 'C')"
    ),
    "merge": Case(server="MERGE INTO city USING country ON country.id = city.country_id WHEN MATCHED THEN DELETE"),
    "do": Case(server="DO $$ BEGIN DELETE FROM city; END $$"),
    "do with a text that is built": Case(server="DO $$ BEGIN EXECUTE 'DR' || 'OP TABLE ci' || 'ty'; END $$"),
    "a function": Case(
        server="CREATE FUNCTION clear() RETURNS void LANGUAGE sql AS 'DELETE FROM city'; SELECT clear()"
    ),
    "a procedure": Case(server="CREATE PROCEDURE clear() LANGUAGE sql AS 'DELETE FROM city'; CALL clear()"),
    "a trigger": Case(
        file="CREATE TRIGGER clear AFTER INSERT ON log BEGIN DELETE FROM city; END; INSERT INTO log VALUES (9, 9)",
        server="CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM city; RETURN NEW; END';"
        "CREATE TRIGGER clear AFTER INSERT ON log FOR EACH ROW EXECUTE FUNCTION clear(); INSERT INTO log VALUES (9, 9)",
    ),
    "a trigger at commit": Case(
        server="CREATE FUNCTION clear() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN DELETE FROM city; RETURN NEW; END'; CREATE CONSTRAINT TRIGGER clear AFTER INSERT ON log"
        " DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION clear(); INSERT INTO log VALUES (9, 9)",
    ),
    "a rule": Case(
        server="CREATE RULE clear AS ON INSERT TO log DO ALSO DELETE FROM city; INSERT INTO log VALUES (9, 9)"
    ),
    "a view": Case(
        file="CREATE VIEW towns AS SELECT * FROM city; CREATE TRIGGER clear INSTEAD OF DELETE ON towns BEGIN"
        " DELETE FROM city WHERE id = OLD.id; END; DELETE FROM towns",
        server="CREATE VIEW towns AS SELECT * FROM city; DELETE FROM towns",
    ),
    "replace into": "INSERT INTO vacant VALUES (1, 'x', 1); "
    "UPDATE city SET note = NULL WHERE id IN (SELECT id FROM vacant)",
    "replace by key": Case(
        file="REPLACE INTO city (id, name) VALUES (1, 'Ulm')",
        server="INSERT INTO city (id, name) VALUES (1, 'Ulm')"
        " ON CONFLICT (id) DO UPDATE SET size = excluded.size, founded = excluded.founded",
    ),
    "replace by another key": Case(file="INSERT OR REPLACE INTO city (id, name) VALUES (2, 'Ulm')"),
    "or replace": Case(file="UPDATE OR REPLACE city SET name = 'Ulm' WHERE id = 2"),
    "writable schema": Case(
        file="PRAGMA writable_schema = ON; DELETE FROM sqlite_master WHERE name = 'city'",
    ),
    "column": "ALTER TABLE city DROP COLUMN note",
    "column without the word": Case(
        file="alter table city drop note",
        server="alter table only city drop note",
    ),
    "second action": Case(server="ALTER TABLE city DROP CONSTRAINT city_name_key, DROP COLUMN name"),
    "after a new column": Case(server="ALTER TABLE city ADD COLUMN x integer, DROP COLUMN size"),
    "column, and another of its name": "ALTER TABLE city DROP COLUMN note; ALTER TABLE city ADD COLUMN note text",
    "last column, and another of its name": "ALTER TABLE log DROP COLUMN city_id;"
    " ALTER TABLE log ADD COLUMN city_id integer",
    "column renamed, then dropped": "ALTER TABLE city RENAME COLUMN note TO x; ALTER TABLE city DROP COLUMN x",
    "column that is split": "ALTER TABLE city ADD COLUMN first text; UPDATE city SET first = substr(note, 1, 1);"
    " ALTER TABLE city DROP COLUMN note",
    "to NULL": "UPDATE city SET note = NULL",
    "one to NULL": "UPDATE city SET size = NULL WHERE id = 1",
    "NULL by an expression": "UPDATE city SET note = nullif(note, 'old')",
    "to an empty text": "UPDATE city SET note = ''",
    "one to an empty text": "UPDATE city SET name = '' WHERE id = 2",
    "all to one text": "UPDATE city SET note = 'x' WHERE note IS NOT NULL",
    "all to one number": "UPDATE city SET size = 0",
    "using NULL": Case(server="ALTER TABLE city ALTER COLUMN note TYPE text USING NULL"),
    "using a constant": Case(server="ALTER TABLE city ALTER COLUMN size TYPE integer USING 1"),
    "cut": Case(server="ALTER TABLE city ALTER COLUMN name TYPE varchar(3) USING left(name, 3)"),
    "cut by a cast": Case(server="ALTER TABLE city ALTER name SET DATA TYPE varchar(3) USING name::varchar(3)"),
    "rounded": Case(server="ALTER TABLE city ALTER COLUMN size TYPE integer"),
    "rounded to one digit": Case(server="ALTER TABLE city ALTER COLUMN size TYPE numeric(10, 1)"),
    "time to date": Case(server="ALTER TABLE city ALTER COLUMN founded TYPE date"),
    "time to time without seconds": Case(server="ALTER TABLE city ALTER COLUMN founded TYPE time USING founded::time"),
    "text to an empty document": Case(server="ALTER TABLE city ALTER COLUMN note TYPE jsonb USING '{}'::jsonb"),
    "rebuilt with rounding": Case(
        file=f"CREATE TABLE town ({_SAME_COLUMNS});"
        " INSERT INTO town SELECT id, name, CAST(size AS INTEGER), founded, note, country_id FROM city;"
        " DROP TABLE city; ALTER TABLE town RENAME TO city"
    ),
    "rebuilt with dates": Case(
        file=f"CREATE TABLE town ({_SAME_COLUMNS});"
        " INSERT INTO town SELECT id, name, size, date(founded), note, country_id FROM city;"
        " DROP TABLE city; ALTER TABLE town RENAME TO city"
    ),
    "another schema": Case(server="DELETE FROM other.visit"),
    "a whole schema": Case(server="DROP SCHEMA other CASCADE"),
    "a partition": Case(server="DROP TABLE event_2023"),
    "a detached partition": Case(server="ALTER TABLE event DETACH PARTITION event_2023; DROP TABLE event_2023"),
    "rows of a partition": Case(server="DELETE FROM event WHERE at < '2024-01-01'"),
    "a truncated partition": Case(server="TRUNCATE event_2023"),
    "rows of partitions exchanged": Case(
        server="DELETE FROM event WHERE id = 1; INSERT INTO event VALUES (9, '2023-06-06')"
    ),
    "more inserted into partitions than deleted": Case(
        server="DELETE FROM event; INSERT INTO event SELECT g, '2023-06-06' FROM generate_series(7, 9) g"
    ),
    "truncated partitions that are filled": Case(
        server="TRUNCATE event; INSERT INTO event VALUES (7, '2023-06-06'), (8, '2024-06-06')"
    ),
    "truncated, and others inserted": Case(server="TRUNCATE log; INSERT INTO log VALUES (5, 5)"),
    "truncated between inserts": Case(
        server="INSERT INTO log VALUES (9, 9); TRUNCATE log; INSERT INTO log VALUES (5, 5)"
    ),
    "renamed, deleted, and renamed back": "ALTER TABLE city RENAME TO x; DELETE FROM x; ALTER TABLE x RENAME TO city",
    "renamed, set to NULL, and renamed back": "ALTER TABLE city RENAME TO x; UPDATE x SET note = NULL;"
    " ALTER TABLE x RENAME TO city",
    "deleted under the name of another": "ALTER TABLE city RENAME TO t; ALTER TABLE log RENAME TO city;"
    " DELETE FROM city; ALTER TABLE city RENAME TO log; ALTER TABLE t RENAME TO city",
    "renamed, dropped, and created as it was": "ALTER TABLE log RENAME TO x; DROP TABLE x;"
    " CREATE TABLE log (id integer PRIMARY KEY, city_id integer)",
    "renamed column to NULL": "ALTER TABLE city RENAME COLUMN note TO x; UPDATE city SET x = NULL WHERE id = 1;"
    " ALTER TABLE city RENAME COLUMN x TO note",
    "writable schema, a column": Case(
        file="PRAGMA writable_schema = ON; UPDATE sqlite_master"
        " SET sql = 'CREATE TABLE log (id integer PRIMARY KEY)' WHERE name = 'log'"
    ),
    "writable schema, another page": Case(
        file="PRAGMA writable_schema = ON; UPDATE sqlite_master SET rootpage ="
        " (SELECT rootpage FROM sqlite_master WHERE name = 'vacant') WHERE name = 'log'"
    ),
    "writable schema that cannot be read": Case(
        file="PRAGMA writable_schema = ON; UPDATE sqlite_master SET type = 'x' WHERE name = 'city'"
    ),
    "counters switched off": Case(server="SET LOCAL track_counts = off; DELETE FROM city"),
}

DESTRUCTIVE_PYTHON = {
    "drop": 'await db.reflect(); await db.t["city"].drop()',
    "a name that is built": 'await db.reflect(); await db.t["ci" + "ty"].drop()',
    "a variable": "await db.reflect(); table = db.t.city; await table.drop()",
    "getattr": 'await db.reflect(); await getattr(db.t.city, "dr" + "op")()',
    "text that is built": 'await db.q("DROP" + " TABLE " + "ci" + "ty")',
    "text that is formatted": 'await db.q(f"DELETE FROM {chr(99)}ity")',
    "text in reverse": 'await db.q("ytic MORF ETELED"[::-1])',
    "text in base 64": 'import base64; await db.q(base64.b64decode("REVMRVRFIEZST00gY2l0eQ==").decode())',
    "script": 'await db.script("SELECT 1; DELETE FROM city; SELECT 2")',
    "nested transaction": 'async with db.transaction(): await db.q("DELETE FROM city")',
    "connection": """async with db.transaction() as tx:
        await tx.connection.exec_driver_sql("DELETE FROM city")""",
    "core": """import sqlalchemy as sa
    async with db.transaction() as tx:
        await tx.connection.execute(sa.delete(sa.table("city")))""",
    "core by q": """import sqlalchemy as sa
    await db.q(sa.delete(sa.table("city")))""",
    "driver": """async with db.transaction() as tx:
        raw = await tx.connection.get_raw_connection()
        await raw.driver_connection.execute("DELETE FROM city")""",
    "delete": "await db.reflect(); await db.t.city.delete(1)",
    "delete_where": "await db.reflect(); await db.t.city.delete_where(all=True)",
    "delete_where with a condition": "await db.reflect(); await db.t.city.delete_where(id=1)",
    "each row": """await db.reflect()
    for row in await db.t.city():
        await db.t.city.delete(row["id"])""",
    "truncate": "await db.reflect(); await db.t.city.truncate()",
    "drop_column": 'await db.reflect(); await db.t.city.drop_column("note")',
    "drop_column of a name that is built": 'await db.reflect(); await db.t.city.drop_column("no" + "te")',
    "transform": 'await db.reflect(); await db.t.city.transform(drop=["note"])',
    "transform twice": """await db.reflect()
    await db.t.city.transform(rename={"note": "remark"})
    await db.t.city.transform(drop="remark")""",
    "rename and drop": """await db.reflect()
    await db.t.city.rename("town")
    await db.t.town.drop()""",
    "create with replace": """class City:
        id: int
    await db.create(City, replace=True)""",
    "update": 'await db.reflect(); await db.t.city.update({"id": 1, "note": None})',
    "update_where": 'await db.reflect(); await db.t.city.update_where({"note": None}, all=True)',
    "update_where to an empty text": 'await db.reflect(); await db.t.city.update_where({"note": ""}, id=1)',
    "upsert": """await db.reflect()
    await db.t.city.upsert({"id": 1, "name": "Ulm", "size": None, "founded": None, "note": None, "country_id": 1})""",
    "an error that is swallowed": """try:
        async with db.transaction():
            await db.q("SELECT * FROM missing")
    except Exception:
        pass
    await db.q("DELETE FROM city")""",
    "gather": """import asyncio
    await asyncio.gather(*[db.q(f"DELETE FROM city WHERE id = {number}") for number in (1, 2)])""",
}

HARMLESS_SQL = {
    "new table": "CREATE TABLE person (id integer PRIMARY KEY)",
    "new column": "ALTER TABLE city ADD COLUMN x integer",
    "new column with a default": "ALTER TABLE city ADD COLUMN x integer NOT NULL DEFAULT 3",
    "index": "CREATE INDEX ix ON city (size)",
    "view": "CREATE VIEW towns AS SELECT id FROM city; DROP VIEW towns",
    "empty table": "DROP TABLE vacant",
    "rows of an empty table": "DELETE FROM vacant; ALTER TABLE vacant DROP COLUMN name",
    "rows that do not exist": "DELETE FROM city WHERE id = 99",
    "own table": "CREATE TABLE temporary_one AS SELECT * FROM city; DROP TABLE temporary_one",
    "temporary table": "CREATE TEMP TABLE t AS SELECT * FROM city; DELETE FROM t; DROP TABLE t",
    "renamed table": "ALTER TABLE city RENAME TO town",
    "renamed column": "ALTER TABLE city RENAME COLUMN note TO remark",
    "renamed, and written to": "ALTER TABLE city RENAME TO town; UPDATE town SET name = upper(name)",
    "filled": "UPDATE city SET note = 'none' WHERE note IS NULL",
    "changed": "UPDATE city SET name = upper(name), size = size + 1",
    "new column that is filled": "ALTER TABLE city ADD COLUMN x text; UPDATE city SET x = lower(name)",
    "copied column": "ALTER TABLE city ADD COLUMN x text; UPDATE city SET x = note; ALTER TABLE city DROP COLUMN note",
    "copied table": "CREATE TABLE town AS SELECT * FROM city; DROP TABLE city",
    "rebuilt table": f"CREATE TABLE town ({_SAME_COLUMNS}, x integer);"
    " INSERT INTO town (id, name, size, founded, note, country_id) SELECT * FROM city;"
    " DROP TABLE city; ALTER TABLE town RENAME TO city",
    "rebuilt and filled": f"CREATE TABLE town ({_SAME_COLUMNS}); INSERT INTO town"
    " SELECT id, name, size, founded, coalesce(note, 'none'), country_id FROM city;"
    " DROP TABLE city; ALTER TABLE town RENAME TO city",
    "exchanged table": f"ALTER TABLE city RENAME TO town; CREATE TABLE city ({_SAME_COLUMNS})",
    "inserted": "INSERT INTO country VALUES (7, 'fr')",
    "upserted": "INSERT INTO country VALUES (1, 'fr') ON CONFLICT (id) DO UPDATE SET code = excluded.code",
    "renamed column that is written to": "ALTER TABLE city RENAME COLUMN note TO remark;"
    " UPDATE city SET remark = upper(remark)",
    "columns that change their names": "ALTER TABLE city RENAME COLUMN note TO t;"
    " ALTER TABLE city RENAME COLUMN name TO note; ALTER TABLE city RENAME COLUMN t TO name",
    "new column from a table of its own": "ALTER TABLE city ADD COLUMN x integer; CREATE TABLE map (id integer);"
    " INSERT INTO map VALUES (1), (2); DELETE FROM map WHERE id = 2; UPDATE city SET x = 1, name = upper(name);"
    " DROP TABLE map",
    "a table that becomes a partition": Case(
        server="ALTER TABLE vacant ADD COLUMN at date; ALTER TABLE vacant DROP COLUMN name, DROP COLUMN size;"
        " ALTER TABLE vacant DROP CONSTRAINT vacant_pkey; INSERT INTO vacant VALUES (3, '2025-01-01');"
        " ALTER TABLE event ATTACH PARTITION vacant FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    ),
    "text of dates to dates and back": Case(
        server="UPDATE city SET note = '2020-01-0' || id;"
        " ALTER TABLE city ALTER note TYPE date USING note::date;"
        " ALTER TABLE city ALTER note TYPE text"
    ),
    "dates later than every timestamp": Case(
        server="UPDATE event SET id = id + 1; ALTER TABLE city ADD COLUMN far date DEFAULT '5874897-12-31';"
        " UPDATE city SET far = far - 1 WHERE id = 1; CREATE TABLE far (day date); INSERT INTO far VALUES ('now');"
        " UPDATE far SET day = day - 1"
    ),
    "rewritten, and rows inserted": Case(
        server="INSERT INTO log VALUES (5, 5); ALTER TABLE log ALTER city_id TYPE bigint; INSERT INTO log VALUES (6, 6)"
    ),
    "wider types": Case(
        server="ALTER TABLE city ALTER id TYPE bigint, ALTER name TYPE text, ALTER size TYPE numeric(20, 4)"
    ),
    "number to text and back": Case(
        server="ALTER TABLE city ALTER id TYPE text; ALTER TABLE city ALTER id TYPE integer USING id::integer"
    ),
    "text to a document": Case(
        server="UPDATE city SET note = '{\"a\":  1}' WHERE id = 1;"
        " UPDATE city SET note = '{\"b\": 2}' WHERE id = 2;"
        " ALTER TABLE city ALTER COLUMN note TYPE jsonb USING note::jsonb"
    ),
    "moved between partitions": Case(server="UPDATE event SET at = '2024-01-01' WHERE id = 1"),
    "a detached partition": Case(server="ALTER TABLE event DETACH PARTITION event_2023"),
    "a new partition": Case(
        server="CREATE TABLE event_2025 PARTITION OF event FOR VALUES FROM ('2025-01-01') TO ('2026-01-01')"
    ),
    "another schema": Case(server="ALTER TABLE city SET SCHEMA other"),
    "rolled back": Case(server="DO $$ BEGIN DELETE FROM city; RAISE 'no'; EXCEPTION WHEN OTHERS THEN NULL; END $$"),
    "written again": Case(server="CLUSTER city USING city_pkey; ALTER TABLE city SET UNLOGGED"),
}

HARMLESS_PYTHON = {
    "new column": 'await db.reflect(); await db.t.city.add_column("x", int, default=3)',
    "wider type": 'await db.reflect(); await db.t.vacant.transform(types={"size": str})',
    "rebuilt table": 'await db.reflect(); await db.t.city.transform(not_null={"country_id": True})',
    "another type": 'await db.reflect(); await db.t.log.transform(types={"city_id": float})',
    "renamed column": 'await db.reflect(); await db.t.city.rename_column("note", "remark")',
    "renamed by transform": 'await db.reflect(); await db.t.city.transform(rename={"note": "remark"}, drop=[])',
    "renamed table": 'await db.reflect(); await db.t.city.rename("town")',
    "changed rows": """await db.reflect()
    for row in await db.t.city():
        await db.t.city.update({"id": row["id"], "name": row["name"].upper()})""",
    "inserted and deleted again": """await db.q("INSERT INTO log VALUES (5, 5)")
    await db.q("SELECT 1")""",
    "rolled back": """try:
        async with db.transaction():
            await db.q("DELETE FROM city")
            raise KeyError
    except KeyError:
        pass""",
}


def of(cases: Mapping[str, str | Case], database: Capabilities) -> dict[str, str]:
    """Return the cases of one database."""
    found = {name: case if isinstance(case, str) else case.of(database) for name, case in cases.items()}
    return {name: case for name, case in found.items() if case}
