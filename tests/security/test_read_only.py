"""A text that may only read changes neither rows nor settings nor files, however it is written."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, DeeBaseError, InvalidOperationError


async def guarded(db: Database, sql: str, params: Any = None) -> list[dict[str, Any]]:
    async with db.read_only() as ro:
        return await ro.q(sql, params)


def files_in(directory: Path) -> dict[str, bytes]:
    """The files of a directory, without those that a database in use has beside itself."""
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file() and path.suffix not in (".db-wal", ".db-shm") and not path.name.endswith(("-wal", "-shm"))
    }


SQLITE = [
    "DELETE FROM t",
    "  /* SELECT */ DELETE FROM t",
    "-- SELECT\nDELETE FROM t",
    "\ufeffDELETE FROM t",
    ";DELETE FROM t",
    "SELECT 1; DELETE FROM t",
    "SELECT 1;\n--\nDELETE FROM t;",
    "SELECT ';'; DELETE FROM t",
    "WITH a AS (SELECT 1) DELETE FROM t",
    "WITH a AS (SELECT 1) INSERT INTO t SELECT * FROM a",
    "WITH a AS (SELECT 1) UPDATE t SET a = 9",
    "WITH a AS (SELECT 1) REPLACE INTO t SELECT * FROM a",
    "INSERT INTO t VALUES (9) RETURNING a",
    "REPLACE INTO t VALUES (9)",
    "UPDATE sqlite_master SET sql = ''",
    "DELETE FROM r_node",
    "INSERT INTO r_rowid VALUES (1, 1)",
    "UPDATE temp.sqlite_temp_master SET sql = ''",
    "UPDATE t SET a = 9 RETURNING a",
    "INSERT INTO v VALUES (9)",
    "ATTACH 'new.db' AS other",
    "ATTACH DATABASE 'file:new.db?mode=rwc' AS other",
    "ATTACH ':memory:' AS other",
    "ATTACH 'new' || '.db' AS other",
    "attach/**/'new.db'/**/as/**/other",
    "DETACH main",
    "VACUUM",
    "VACUUM INTO 'new.db'",
    "VACUUM main INTO 'new.db'",
    "vacuum/**/into 'new' || '.db'",
    "PRAGMA writable_schema = ON",
    "PRAGMA writable_schema(1)",
    "PRAGMA main.writable_schema = 1",
    'PRAGMA "writable_schema" = 1',
    "PRAGMA/**/writable_schema=1",
    "PRAGMA query_only = OFF",
    "PRAGMA query_only(0)",
    "PRAGMA journal_mode = DELETE",
    "PRAGMA main.journal_mode(delete)",
    "PRAGMA user_version = 7",
    "PRAGMA application_id(7)",
    "PRAGMA schema_version = 99",
    "PRAGMA foreign_keys = OFF",
    "PRAGMA synchronous = OFF",
    "PRAGMA temp_store_directory = 'x'",
    "PRAGMA wal_checkpoint(TRUNCATE)",
    "PRAGMA incremental_vacuum",
    "PRAGMA optimize",
    "PRAGMA shrink_memory",
    "PRAGMA case_sensitive_like = 1",
    "PRAGMA trusted_schema = ON",
    "PRAGMA encoding = 'UTF-16'",
    "PRAGMA page_size = 512",
    "PRAGMA unknown_pragma = 1",
    "EXPLAIN ATTACH 'new.db' AS other",
    "EXPLAIN PRAGMA writable_schema = ON",
    "EXPLAIN QUERY PLAN PRAGMA journal_mode = DELETE",
    "CREATE TABLE x (a)",
    "CREATE TEMP TABLE x (a)",
    "CREATE TABLE x AS SELECT * FROM t",
    "CREATE VIEW x AS SELECT 1",
    "CREATE TEMP TRIGGER x AFTER INSERT ON t BEGIN DELETE FROM t; END",
    "CREATE VIRTUAL TABLE x USING fts5(a)",
    "CREATE INDEX x ON t (a)",
    "DROP TABLE t",
    "DROP VIEW v",
    "ALTER TABLE t RENAME TO u",
    "ALTER TABLE t ADD COLUMN b",
    "REINDEX",
    "ANALYZE",
    "BEGIN",
    "BEGIN IMMEDIATE",
    "COMMIT",
    "END",
    "ROLLBACK",
    "SAVEPOINT x",
    "RELEASE x",
    "COMMIT; DELETE FROM t",
    "SELECT load_extension('x')",
    "SELECT load_extension('x', 'y')",
    "SELECT \"load_extension\"('x')",
    "SELECT (SELECT load_extension('x') FROM t LIMIT 1)",
    "WITH RECURSIVE a(n) AS (SELECT load_extension('x') UNION ALL SELECT 1 FROM a) SELECT * FROM a",
    "SELECT fts3_tokenizer('simple', x'00')",
    "SELECT writefile('new.db', 'x')",
    "SELECT readfile('t.db')",
    "SELECT edit('x')",
    "SELECT optimize(s) FROM s",
    "SELECT a FROM t WHERE load_extension('x') = 1",
    "SELECT a FROM t ORDER BY load_extension('x')",
    "SELECT a FROM t GROUP BY a HAVING load_extension('x')",
    "SELECT '" + "x" * 1_000_000 + "'; DELETE FROM t",
    "SELECT 'x",
    "/* SELECT 1",
    "SELECT 1\0; DELETE FROM t",
    "SELECT 1 /*\0*/; DELETE FROM t",
    "\0DELETE FROM t",
    "SELECT 1 -- \n; DELETE FROM t",
    "/**/ /* */ -- x\n REPLACE INTO t VALUES (9)",
    "(DELETE FROM t)",
    "SELECT * FROM (DELETE FROM t RETURNING a)",
    "WITH a AS (DELETE FROM t RETURNING a) SELECT * FROM a",
    "WITH RECURSIVE a(n) AS (SELECT 1) DELETE FROM t WHERE a IN a",
    "INSERT INTO s(s) VALUES ('rebuild')",
    "INSERT INTO s(s) VALUES ('optimize')",
    "INSERT INTO s(s, rank) VALUES ('pgsz', 64)",
    "INSERT INTO s(s) VALUES ('delete-all')",
    "DELETE FROM s_data",
    "UPDATE s_config SET v = 1",
    "DELETE FROM sqlite_schema",
    "INSERT INTO sqlite_sequence VALUES ('t', 9)",
    "UPDATE t SET a = 9 FROM t AS u",
    "INSERT INTO t DEFAULT VALUES",
    "INSERT OR REPLACE INTO t VALUES (9)",
    "UPDATE OR IGNORE t SET a = 9",
    "DELETE FROM t WHERE a IN (SELECT 1) RETURNING *",
    "CREATE TEMPORARY VIEW x AS SELECT 1",
    "CREATE TABLE IF NOT EXISTS t (a)",
    "DROP TABLE IF EXISTS t",
    "DROP TRIGGER i",
    "ALTER TABLE t RENAME COLUMN a TO b",
    "ALTER TABLE t DROP COLUMN a",
    "ATTACH 'file:new.db?vfs=unix' AS other KEY ''",
    "ATTACH ? AS other",
    "EXPLAIN QUERY PLAN ATTACH 'new.db' AS other",
    "PRAGMA journal_mode(TRUNCATE)",
    "PRAGMA main.journal_mode = OFF",
    "PRAGMA temp_store = 2",
    "PRAGMA locking_mode = EXCLUSIVE",
    "PRAGMA secure_delete = ON",
    "PRAGMA auto_vacuum = FULL",
    "PRAGMA mmap_size = 1000000000",
    "PRAGMA cache_size = -1000000000",
    "PRAGMA hard_heap_limit = 1000",
    "PRAGMA soft_heap_limit(1000)",
    "PRAGMA busy_timeout = 100000",
    "PRAGMA max_page_count = 1",
    "PRAGMA wal_autocheckpoint = 1",
    "PRAGMA wal_checkpoint",
    "PRAGMA data_store_directory = '/'",
    "PRAGMA read_uncommitted = 1",
    "PRAGMA recursive_triggers = 1",
    "PRAGMA reverse_unordered_selects = 1",
    "PRAGMA ignore_check_constraints = 1",
    "PRAGMA legacy_alter_table = ON",
    "PRAGMA defer_foreign_keys = ON",
    "PRAGMA cell_size_check = ON",
    "PRAGMA threads = 8",
    "PRAGMA query_only = 0; DELETE FROM t",
    "PRAGMA vdbe_trace = 1",
    "PRAGMA key = 'x'",
    "PRAGMA rekey('x')",
    "PRAGMA activate_extensions = 'x'",
    "SELECT * FROM pragma_journal_mode('delete')",
    "SELECT * FROM pragma_wal_checkpoint",
    "SELECT * FROM pragma_wal_checkpoint('TRUNCATE')",
    "SELECT * FROM pragma_optimize",
    "SELECT * FROM pragma_user_version(7)",
    "SELECT * FROM pragma_writable_schema(1)",
    "SELECT * FROM pragma_query_only(0)",
    "SELECT * FROM pragma_incremental_vacuum(1)",
    "SELECT fsdir('/')",
    "SELECT * FROM fsdir('/')",
    "SELECT lsmode('x')",
    "SELECT sqlar_compress('x')",
    "SELECT fts5(1)",
    "SELECT fts5_decode(1, 2)",
    "SELECT icu_load_collation('x', 'y')",
    "SELECT spellfix1_editdist('a', 'b')",
    "SELECT eval('DELETE FROM t')",
    "SELECT shell_exec('touch new.db')",
    "SELECT zipfile('x', 'y')",
    "SELECT sum(load_extension('x')) OVER () FROM t",
    "VALUES (load_extension('x'))",
    "SELECT CASE WHEN 1 THEN load_extension('x') END",
    "SELECT 1 LIMIT load_extension('x')",
    "SELECT 1 EXCEPT SELECT load_extension('x')",
    "SELECT json_each(load_extension('x'))",
    "SELECT * FROM json_each(load_extension('x'))",
    "",
    ";;",
]

SQLITE_READS = {
    "SELECT a FROM t": [{"a": 1}, {"a": 2}],
    "select a from v where a > 1;": [{"a": 2}],
    "VALUES (1)": [{"column1": 1}],
    "WITH RECURSIVE a(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM a WHERE n < 2) SELECT n FROM a": [
        {"n": 1},
        {"n": 2},
    ],
    "SELECT replace('aXc', 'X', 'b') AS r, max(1, 2) AS m, date('2024-01-31', '+1 day') AS d": [
        {"r": "abc", "m": 2, "d": "2024-02-01"}
    ],
    "SELECT value FROM json_each('[1]')": [{"value": 1}],
    "SELECT json_extract('{\"a\": 5}', '$.a') AS x, '{\"a\": 5}' ->> 'a' AS y": [{"x": 5, "y": 5}],
    "SELECT a, sum(a) OVER (ORDER BY a) AS s FROM t LIMIT 1": [{"a": 1, "s": 1}],
    "SELECT name FROM pragma_table_info('t')": [{"name": "a"}],
    "PRAGMA user_version": [{"user_version": 0}],
    "PRAGMA integrity_check": [{"integrity_check": "ok"}],
    "SELECT words FROM s WHERE s MATCH 'hello'": [{"words": "hello world"}],
    "SELECT id FROM r WHERE low > 0": [{"id": 1}],
}


@pytest.fixture(params=["sqlite-memory", "sqlite-file"])
def backend_name(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def sqlite_state(db: Database) -> Any:
    settings = ["query_only", "foreign_keys", "journal_mode", "user_version", "application_id", "writable_schema"]
    return (
        await db.q("SELECT * FROM t"),
        await db.q("SELECT * FROM r_node, r_rowid"),
        await db.q("SELECT type, name, sql FROM sqlite_master"),
        await db.q("SELECT * FROM sqlite_temp_master"),
        [await db.q(f"PRAGMA {name}") for name in settings],
        [row["name"] for row in await db.q("PRAGMA database_list")],
    )


async def sqlite_tables(db: Database) -> None:
    await db.script(
        "CREATE TABLE t (a INTEGER); INSERT INTO t VALUES (1), (2); CREATE VIEW v AS SELECT a FROM t;"
        "CREATE TRIGGER i INSTEAD OF INSERT ON v BEGIN DELETE FROM t; END;"
        "CREATE VIRTUAL TABLE s USING fts5(words); INSERT INTO s VALUES ('hello world');"
        "CREATE VIRTUAL TABLE r USING rtree(id, low, high); INSERT INTO r VALUES (1, 1.0, 2.0);"
    )


async def test_no_text_does_more_than_read_from_sqlite(db: Database, working_directory: Path) -> None:
    assert len(SQLITE) >= 175
    await sqlite_tables(db)
    # What the connections have compiled before is not run unseen.
    await db.q("SELECT 1 AS one")
    state, files = await sqlite_state(db), set(files_in(working_directory))
    for sql in SQLITE:
        with pytest.raises(DeeBaseError) as caught:
            await guarded(db, sql)
        assert caught.value.hint or not isinstance(caught.value, InvalidOperationError)
        assert "x" * 100 not in str(caught.value)
    assert await sqlite_state(db) == state
    assert set(files_in(working_directory)) == files


async def test_what_reads_from_sqlite_is_run(db: Database) -> None:
    await sqlite_tables(db)
    for sql, rows in SQLITE_READS.items():
        assert await guarded(db, sql) == rows, sql
    assert await guarded(db, "SELECT a FROM t WHERE a = :a", {"a": 2}) == [{"a": 2}]
    assert await guarded(db, "EXPLAIN QUERY PLAN DELETE FROM t WHERE a = 1")
    assert await db.q("SELECT count(*) AS n FROM t") == [{"n": 2}]


async def test_a_connection_is_as_before_after_a_guarded_statement(db: Database) -> None:
    await sqlite_tables(db)
    for sql in ("SELECT a FROM t", "ATTACH 'x' AS x", "SELECT load_extension('x')"):
        try:
            await guarded(db, sql)
        except InvalidOperationError:
            continue
    async with db.transaction():
        await db.q("INSERT INTO t VALUES (3)")
    assert await db.q("SELECT count(*) AS n FROM t") == [{"n": 3}]
    # Left early, with rows to come.
    async with db.read_only() as ro:
        async for _ in ro.stream("SELECT a FROM t"):
            break
    await db.q("CREATE TABLE later (a)")


async def test_a_statement_compiled_before_is_decided_about_again(db: Database) -> None:
    sql = "SELECT load_extension('nowhere')"
    for _ in range(3):
        with pytest.raises(DeeBaseError):
            await db.q(sql)
        with pytest.raises(InvalidOperationError, match="load_extension"):
            await guarded(db, sql)


# -- PostgreSQL --------------------------------------------------------------------------------

#: {file} is a path that the server could write.
POSTGRES = [
    "COPY (SELECT 1) TO PROGRAM 'touch {file}'",
    "COPY t TO '{file}'",
    "COPY t FROM PROGRAM 'echo 9'",
    "copy/**/t/**/to/**/'{file}'",
    "/* SELECT */ COPY t TO '{file}'",
    "-- SELECT\nCOPY t TO '{file}'",
    "/* /* */ SELECT 1 */ COPY t TO '{file}'",
    "SELECT 1; COPY t TO '{file}'",
    "COMMIT; COPY t TO '{file}'",
    "COMMIT",
    "ROLLBACK; DELETE FROM t",
    "BEGIN READ WRITE",
    "SET TRANSACTION READ WRITE",
    "SET default_transaction_read_only = off",
    "SET SESSION AUTHORIZATION DEFAULT",
    "SET ROLE pg_monitor",
    "RESET ALL",
    "DISCARD ALL",
    "SELECT set_config('transaction_read_only', 'off', true)",
    "SELECT set_config('app.owner', 'x', false)",
    "SELECT \"set_config\"('app.owner', 'x', false)",
    "SELECT pg_catalog.set_config('app.owner', 'x', false)",
    "SELECT \"pg_catalog\" . \"set_config\" ('app.owner', 'x', false)",
    "SELECT set_config/* */('app.owner', 'x', false)",
    "SELECT U&\"\\0073et_config\"('app.owner', 'x', false)",
    "SELECT SET_CONFIG('app.owner', 'x', false)",
    "SELECT * FROM set_config('app.owner', 'x', false)",
    "SELECT 1 FROM t ORDER BY set_config('app.owner', 'x', false)",
    "SELECT '\\' || set_config('app.owner', 'x', false) || '\\'",
    "SELECT E'\\'' || set_config('app.owner', 'x', false)",
    "SELECT $$ $$ || set_config('app.owner', 'x', false) || $a$ $a$",
    "SELECT lo_import('/etc/hostname')",
    "SELECT lo_from_bytea(0, 'x')",
    "SELECT lo_create(0)",
    "SELECT lo_export(1, '{file}')",
    "SELECT lo_unlink(1)",
    "SELECT pg_read_file('/etc/hostname')",
    "SELECT pg_read_binary_file('/etc/hostname')",
    "SELECT * FROM pg_ls_dir('/')",
    "SELECT pg_stat_file('/')",
    "SELECT query_to_xml('SELECT set_config(''app.owner'', ''x'', false)', true, true, '')",
    "SELECT query_to_xml('COPY t TO ''{file}''', true, true, '')",
    "SELECT cursor_to_xml('c', 1, true, true, '')",
    "SELECT * FROM ts_stat('SELECT 1')",
    "SELECT nextval('s')",
    "SELECT setval('s', 99)",
    "SELECT pg_notify('c', 'x')",
    "SELECT pg_advisory_lock(1)",
    "SELECT pg_try_advisory_lock(1)",
    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity",
    "SELECT pg_cancel_backend(1)",
    "SELECT pg_reload_conf()",
    "SELECT pg_rotate_logfile()",
    "SELECT pg_switch_wal()",
    "SELECT pg_create_restore_point('x')",
    "SELECT pg_logical_emit_message(false, 'x', 'x')",
    "SELECT pg_create_physical_replication_slot('x')",
    "SELECT pg_export_snapshot()",
    "SELECT pg_stat_reset()",
    "SELECT dblink('dbname=x', 'DELETE FROM t')",
    "SELECT writes()",
    "SELECT public.writes()",
    "SELECT (SELECT writes())",
    "WITH x AS (SELECT writes()) SELECT * FROM x",
    "VALUES (writes())",
    "SELECT r.of_row FROM t r",
    "SELECT (r).of_row FROM t r",
    'SELECT r."of_row" FROM t r',
    "SELECT 1 ~~~> 2",
    "SELECT 1 OPERATOR(public.~~~>) 2",
    "SELECT total(a) FROM t",
    "SELECT of_others()",
    "SELECT * FROM of_others() AS f",
    "WITH x AS (INSERT INTO t VALUES (9) RETURNING a) SELECT * FROM x",
    "WITH x AS (DELETE FROM t RETURNING a) TABLE x",
    "SELECT * INTO x FROM t",
    "SELECT * FROM t FOR UPDATE",
    "TABLE t FOR SHARE",
    "INSERT INTO t VALUES (9) RETURNING a",
    "UPDATE t SET a = 9",
    "MERGE INTO t USING t u ON true WHEN MATCHED THEN DELETE",
    "DO $$ BEGIN DELETE FROM t; END $$",
    "CALL p()",
    "EXECUTE x",
    "PREPARE x AS DELETE FROM t",
    "DECLARE c CURSOR WITH HOLD FOR SELECT 1",
    "FETCH ALL FROM c",
    "EXPLAIN ANALYZE DELETE FROM t",
    "EXPLAIN (ANALYZE) DELETE FROM t",
    'EXPLAIN ("analyze") DELETE FROM t',
    "EXPLAIN (ANALYZE, COSTS off) SELECT writes()",
    "EXPLAIN ANALYZE SELECT writes()",
    "EXPLAIN ANALYZE CREATE TABLE x AS SELECT 1",
    "EXPLAIN ANALYZE EXECUTE x",
    "EXPLAIN ANALYZE WITH x AS (DELETE FROM t RETURNING a) SELECT * FROM x",
    "CREATE TABLE x (a int)",
    "CREATE TEMP TABLE x (a int)",
    "DROP TABLE t",
    "TRUNCATE t",
    "LOCK TABLE t",
    "VACUUM",
    "ANALYZE",
    "NOTIFY c",
    "LISTEN c",
    "LOAD 'x'",
    "ALTER SYSTEM SET work_mem = '1GB'",
    "GRANT ALL ON t TO PUBLIC",
    "CHECKPOINT",
    "SELECT '" + "x" * 1_000_000 + "'; DELETE FROM t",
    "SELECT 'x",
    "",
    "SELECT 1\0; DELETE FROM t",
    "SELECT 1; --\n COMMIT; DELETE FROM t",
    "SELECT 1); DELETE FROM t; --",
    "SELECT 1; CLOSE deebase_read; DELETE FROM t",
    "CLOSE ALL",
    "MOVE FORWARD ALL IN deebase_read",
    "DEALLOCATE ALL",
    "START TRANSACTION READ WRITE",
    "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE, READ WRITE",
    "SET LOCAL transaction_read_only = off",
    "SET SESSION CHARACTERISTICS AS TRANSACTION READ WRITE",
    "ABORT",
    "END",
    "PREPARE TRANSACTION 'x'",
    "COMMIT AND CHAIN",
    "ROLLBACK TO SAVEPOINT x",
    "SELECT $x$ $x$; DELETE FROM t; SELECT $x$ $x$",
    "SELECT $$';$$; DELETE FROM t",
    "SELECT E'\\\\'; DELETE FROM t",
    "SELECT U&'\\0027'; DELETE FROM t",
    "SELECT U&\"w!0072ites\" UESCAPE '!' ()",
    "select\u00a01; DELETE FROM t",
    "COPY (DELETE FROM t RETURNING a) TO STDOUT",
    "COPY t FROM '/etc/passwd'",
    "COPY (SELECT pg_read_file('/etc/passwd')) TO STDOUT",
    "EXPLAIN (ANALYZE true, FORMAT text) INSERT INTO t VALUES (9)",
    'EXPLAIN (VERBOSE, "analyze" on) DELETE FROM t',
    "EXPLAIN ANALYZE VERBOSE UPDATE t SET a = 9",
    "EXPLAIN ANALYZE DECLARE x CURSOR WITH HOLD FOR SELECT 1",
    "EXPLAIN (ANALYZE) MERGE INTO t USING t u ON true WHEN MATCHED THEN DELETE",
    "WITH x AS MATERIALIZED (UPDATE t SET a = 9 RETURNING a) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT 1), y AS (DELETE FROM t) SELECT * FROM x",
    "SELECT * FROM (WITH x AS (DELETE FROM t RETURNING 1) SELECT * FROM x) AS q",
    "SELECT a INTO TEMP x FROM t",
    "SELECT a INTO UNLOGGED TABLE x FROM t",
    "SELECT * FROM t FOR NO KEY UPDATE SKIP LOCKED",
    "CREATE TABLE x AS TABLE t",
    "CREATE MATERIALIZED VIEW x AS SELECT 1",
    "REFRESH MATERIALIZED VIEW x",
    "CREATE EXTENSION dblink",
    "CREATE FUNCTION x() RETURNS int LANGUAGE sql AS 'SELECT 1'",
    "CREATE EVENT TRIGGER x ON ddl_command_end EXECUTE FUNCTION writes()",
    "COMMENT ON TABLE t IS 'x'",
    "SECURITY LABEL ON TABLE t IS 'x'",
    "REINDEX TABLE t",
    "CLUSTER t",
    "IMPORT FOREIGN SCHEMA x FROM SERVER x INTO x",
    "REASSIGN OWNED BY postgres TO postgres",
    "UNLISTEN *",
    "SET app.owner = 'x'",
    "ALTER ROLE CURRENT_USER SET work_mem = '1GB'",
    "SELECT setseed(0.5)",
    "SELECT txid_current()",
    "SELECT pg_current_xact_id()",
    "SELECT lo_put(1, 0, 'x')",
    "SELECT lo_open(1, 131072)",
    "SELECT lowrite(0, 'x')",
    "SELECT lo_truncate(0, 0)",
    "SELECT loread(lo_open(1, 262144), 10)",
    "SELECT pg_file_write('{file}', 'x', false)",
    "SELECT pg_ls_logdir()",
    "SELECT * FROM pg_ls_waldir()",
    "SELECT pg_backup_start('x')",
    "SELECT pg_promote()",
    "SELECT pg_wal_replay_pause()",
    "SELECT pg_drop_replication_slot('x')",
    "SELECT pg_replication_origin_create('x')",
    "SELECT pg_create_logical_replication_slot('x', 'test_decoding')",
    "SELECT pg_stat_reset_shared('bgwriter')",
    "SELECT pg_stat_clear_snapshot()",
    "SELECT pg_log_backend_memory_contexts(1)",
    "SELECT pg_import_system_collations('public')",
    "SELECT pg_extension_config_dump('t', '')",
    "SELECT pg_advisory_xact_lock(1)",
    "SELECT pg_try_advisory_lock_shared(1)",
    "SELECT pg_advisory_unlock_all()",
    "SELECT pg_sleep_for('1 ms')",
    "SELECT brin_summarize_new_values('t')",
    "SELECT gin_clean_pending_list('t')",
    "SELECT table_to_xml('harmless', true, true, '')",
    "SELECT database_to_xml(true, true, '')",
    "SELECT query_to_xmlschema('SELECT 1', true, true, '')",
    "SELECT ts_rewrite('a'::tsquery, 'SELECT writes(), 1')",
    "SELECT dblink_exec('dbname=postgres', 'CREATE TABLE x (a int)')",
    "SELECT dblink_connect('dbname=postgres')",
    "SELECT * FROM dblink('dbname=postgres', 'SELECT 1') AS f (a int)",
    "SELECT * FROM crosstab('SELECT set_config(''app.owner'', ''x'', false), 1, 1') AS f (a text, b int)",
    "SELECT * FROM connectby('t', 'a', 'a', '1', 0) AS f (a int, b int, c int)",
    "SELECT * FROM trap",
    "SELECT 1 FROM outer_trap",
    "TABLE outer_trap",
    "SELECT count(*) FROM t WHERE EXISTS (TABLE trap)",
    "SELECT 1::checked_number",
    "SELECT CAST(a AS checked_number) FROM t",
    "SELECT ROW(1)::wrapped::text",
    "SELECT rows_of FROM wrappers",
    "SELECT * FROM elsewhere",
    "SELECT of_owner()",
    "SELECT nested()",
    "SELECT a FROM t WHERE 1 ~~~> 2",
    "SELECT total(a) OVER () FROM t",
    "SELECT max(a) FILTER (WHERE writes() = 1) FROM t",
    "SELECT a FROM t GROUP BY a HAVING writes() = 1",
    "SELECT * FROM t, LATERAL writes()",
    "SELECT * FROM ROWS FROM (writes(), of_others()) AS f",
    "SELECT * FROM t TABLESAMPLE BERNOULLI (writes())",
    "SELECT a FROM t LIMIT writes()",
    "SELECT a FROM t OFFSET writes()",
    "SELECT ARRAY[writes()]",
    "SELECT CASE WHEN writes() = 1 THEN 1 END",
    "SELECT COALESCE(writes(), 1)",
    "SELECT (SELECT writes() FROM t LIMIT 1)",
    "SELECT 1 UNION SELECT writes()",
    "SELECT 1 WHERE 1 = ANY (SELECT writes())",
    "SELECT rank() OVER (ORDER BY writes())",
    "SELECT f.* FROM json_to_recordset(writes()::text::json) AS f (a int)",
    "SELECT writes ( ) -- x",
    "SELECT writes/**/(/**/)",
    "SELECT WRITES()",
    'SELECT "public"."writes"()',
]

POSTGRES_READS = [
    "SELECT a FROM t",
    "select a from t;",
    "(SELECT a FROM t) UNION ALL (SELECT 1)",
    "TABLE t",
    "VALUES (1), (2)",
    "WITH x AS (SELECT a FROM t) SELECT * FROM x",
    "SELECT random(), gen_random_uuid(), clock_timestamp(), now(), version()",
    "SELECT pg_size_pretty(pg_total_relation_size('t'))",
    "SELECT count(*), json_agg(t), string_agg(a::text, ',') FROM t",
    "SELECT * FROM pg_locks",
    "SELECT * FROM generate_series(1, 3) g",
    "SELECT E'\\'', $$ $$, U&'\\0061'",
    "SELECT coalesce(a, 1), CAST(a AS numeric(10, 2)), extract(year FROM now()) FROM t WHERE a IN (1, 2)",
    "SHOW server_version",
    "EXPLAIN SELECT 1",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT a FROM t",
    "EXPLAIN ANALYZE VERBOSE SELECT a FROM t",
    "EXPLAIN (SELECT 1)",
    "EXPLAIN DELETE FROM t",
]

POSTGRES_SETUP = """
CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2); CREATE SEQUENCE s;
CREATE FUNCTION writes() RETURNS int LANGUAGE plpgsql AS $$ BEGIN COPY t TO '{file}'; RETURN 1; END $$;
CREATE FUNCTION of_row(t) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION compared(int, int) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE OPERATOR ~~~> (LEFTARG = int, RIGHTARG = int, FUNCTION = compared);
CREATE AGGREGATE total (int) (SFUNC = compared, STYPE = int, INITCOND = 0);
CREATE FUNCTION of_others() RETURNS text STABLE LANGUAGE sql AS 'SELECT pg_read_file(''/etc/hostname'')';
CREATE PROCEDURE p() LANGUAGE sql AS 'DELETE FROM t';
CREATE VIEW trap AS SELECT writes() AS a; CREATE VIEW outer_trap AS SELECT a FROM trap;
CREATE VIEW harmless AS SELECT a, random() AS r FROM t;
CREATE DOMAIN checked_number AS int CHECK (writes() = VALUE);
CREATE TYPE wrapped AS (a int);
CREATE FUNCTION unwrapped(wrapped) RETURNS text LANGUAGE sql AS 'SELECT writes()::text';
CREATE CAST (wrapped AS text) WITH FUNCTION unwrapped(wrapped);
CREATE TABLE wrappers (one wrapped); INSERT INTO wrappers VALUES (ROW(1));
CREATE FUNCTION rows_of(wrappers) RETURNS int LANGUAGE sql AS 'SELECT writes()';
CREATE FUNCTION of_owner() RETURNS int STABLE SECURITY DEFINER LANGUAGE sql AS 'SELECT 1';
CREATE FUNCTION nested() RETURNS int STABLE LANGUAGE sql AS 'SELECT set_config(''app.owner'', ''x'', false)::int';
CREATE EXTENSION dblink; CREATE EXTENSION tablefunc; CREATE EXTENSION file_fdw;
CREATE SERVER files FOREIGN DATA WRAPPER file_fdw;
CREATE FOREIGN TABLE elsewhere (a text) SERVER files OPTIONS (program 'touch {file}; echo 1');
"""


async def postgres_state(db: Database) -> Any:
    return (
        await db.q("SELECT * FROM t"),
        await db.q("SELECT last_value, is_called FROM s"),
        await db.q("SELECT relname FROM pg_class WHERE oid >= 16384 ORDER BY 1"),
        await db.q("SELECT count(*) FROM pg_largeobject_metadata"),
        await db.q("SELECT current_setting('app.owner', true) AS owner, current_user, session_user"),
        await db.q("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"),
        await db.q("SELECT count(*) FROM pg_replication_slots"),
        await db.q("SELECT name FROM pg_prepared_statements WHERE name = 'x'"),
        await db.q("SELECT name FROM pg_cursors WHERE name = 'c'"),
        await db.q("SELECT pg_snapshot_xmax(pg_current_snapshot())::text"),
    )


async def postgres_tables(db: Database, file: str) -> None:
    await db.script(POSTGRES_SETUP.format(file=file))


async def test_no_text_does_more_than_read_from_postgresql(postgres_url: str, tmp_path: Path) -> None:
    assert len(POSTGRES) >= 200
    place = tmp_path / "written"
    place.mkdir()
    # The server may run as another user.
    place.chmod(0o777)
    file = str(place / "file")
    async with Database(postgres_url, pool_size=1) as db:
        await postgres_tables(db, file)
        assert (await db.q("SELECT rolsuper FROM pg_roles WHERE rolname = current_user"))[0]["rolsuper"]
        state = await postgres_state(db)
        for sql in POSTGRES:
            with pytest.raises(DeeBaseError) as caught:
                await guarded(db, sql.replace("{file}", file))
            assert caught.value.hint or not isinstance(caught.value, InvalidOperationError)
            assert "x" * 100 not in str(caught.value)
        assert await postgres_state(db) == state
        assert os.listdir(place) == []


async def test_what_reads_from_postgresql_is_run(postgres_url: str) -> None:
    async with Database(postgres_url) as db:
        await db.script("CREATE TABLE t (a int); INSERT INTO t VALUES (1), (2)")
        for sql in POSTGRES_READS:
            assert await guarded(db, sql), sql
        assert await guarded(db, "SELECT a FROM t WHERE a = :a AND 'x' = :b", {"a": 2, "b": "x"}) == [{"a": 2}]
        assert await db.q("SELECT count(*) AS n FROM t") == [{"n": 2}]


async def test_a_role_without_special_rights_calls_functions_that_are_declared_stable(postgres_url: str) -> None:
    role = f"deebase_reader_{os.getpid()}"
    async with Database(postgres_url) as db:
        await db.script(
            "CREATE FUNCTION two() RETURNS int STABLE LANGUAGE sql AS 'SELECT 2';"
            "CREATE FUNCTION three() RETURNS int LANGUAGE sql AS 'SELECT 3';"
            f"CREATE ROLE {role} LOGIN; GRANT USAGE ON SCHEMA public TO {role}"
        )
    try:
        async with Database(postgres_url.replace("postgres@", f"{role}@", 1)) as db:
            assert await guarded(db, "SELECT two() AS n") == [{"n": 2}]
            with pytest.raises(InvalidOperationError, match="three is volatile"):
                await guarded(db, "SELECT three()")
    finally:
        async with Database(postgres_url) as db:
            await db.script(f"DROP OWNED BY {role}; DROP ROLE {role}")


async def test_a_server_that_takes_backslashes_for_escapes_hides_no_call(postgres_url: str) -> None:
    async with Database(postgres_url) as db:
        name = (await db.item("SELECT current_database()")).replace('"', '""')
        await db.q(f'ALTER DATABASE "{name}" SET standard_conforming_strings = off')
    # To such a server a string, a call and a comment; to the scanner one string, and so it has to be.
    hidden = " , set_config($$app.owner$$, $$x$$, false) --"
    async with Database(postgres_url, pool_size=1) as db:
        assert await guarded(db, f"SELECT '\\''{hidden}' AS text") == [{"text": f"\\'{hidden}"}]
        assert await db.item("SELECT current_setting('app.owner', true)") in (None, "")
