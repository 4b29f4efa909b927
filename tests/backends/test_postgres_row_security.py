"""Row security of PostgreSQL: what the server shows to SQL text, and for whom a connection acts."""

from __future__ import annotations

import asyncio
import itertools
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import Database, DataError, DeeBaseError, InvalidOperationError
from deebase.tools.doctor import examine
from tests.support.tenants import THEIRS, Tenants, tenants


@pytest.fixture
async def db(postgres_url: str) -> AsyncIterator[Database]:
    async with Database(postgres_url) as owner:
        yield owner


@pytest.fixture(params=[1, 3])
async def world(db: Database, request: pytest.FixtureRequest) -> AsyncIterator[Tenants]:
    async with tenants(db, pool_size=request.param) as made:
        yield made


#: Texts that would show or change rows of another tenant; {v} is a value that the attacker knows of.
TEXTS = (
    "SELECT * FROM doc",
    "SELECT * FROM doc WHERE tenant = {v} OR true",
    "SELECT title FROM doc WHERE tenant::text = '{v}'",
    "SELECT * FROM doc TABLESAMPLE SYSTEM (100)",
    "SELECT d.* FROM note JOIN doc d ON d.id = note.doc_id",
    "SELECT d.* FROM note LEFT JOIN doc d ON d.id = note.doc_id OR true",
    "SELECT (SELECT string_agg(title, ',') FROM doc)",
    "SELECT max(title) FROM doc",
    "SELECT tenant, count(*), min(title) FROM doc GROUP BY ROLLUP (tenant)",
    "SELECT title FROM doc UNION ALL SELECT name FROM folder",
    "SELECT title FROM doc EXCEPT SELECT 'x'",
    "WITH x AS MATERIALIZED (SELECT * FROM doc) SELECT * FROM x",
    "WITH RECURSIVE x AS (SELECT * FROM doc UNION SELECT * FROM doc) SELECT * FROM x",
    "SELECT * FROM doc FOR UPDATE",
    "SELECT * FROM doc ORDER BY title LIMIT 100 OFFSET 0",
    "SELECT row_number() OVER (), title FROM doc",
    "SELECT to_json(doc) FROM doc",
    "SELECT array_agg(doc) FROM doc",
    "SELECT * FROM ONLY doc",
    "TABLE doc",
    "SELECT * FROM (VALUES (1)) v, LATERAL (SELECT * FROM doc) d",
    "SELECT * FROM open_docs",
    "UPDATE doc SET n = n RETURNING *",
    "UPDATE doc SET n = 0 WHERE tenant = {v} RETURNING title",
    "UPDATE doc SET n = 0 FROM folder WHERE true RETURNING doc.title, folder.name",
    "UPDATE note SET text = doc.title FROM doc WHERE doc.id = 2 RETURNING text",
    "DELETE FROM doc WHERE tenant = {v} RETURNING *",
    "INSERT INTO note (text) SELECT title FROM doc RETURNING text",
    "INSERT INTO doc (id, tenant, title, n) VALUES (2, 7, 'taken', 0) ON CONFLICT (id) DO UPDATE SET n = 0 RETURNING *",
    "MERGE INTO doc USING folder ON doc.id = 2 WHEN MATCHED THEN UPDATE SET n = 0",
    "EXPLAIN (ANALYZE, FORMAT JSON) SELECT title FROM doc WHERE title > 'n'",
    "SELECT query_to_xml('SELECT * FROM doc', true, false, '')::text",
    "SELECT table_to_xml('doc', true, false, '')::text",
    "SELECT most_common_vals::text, histogram_bounds::text FROM pg_stats WHERE tablename = 'doc'",
    "SELECT * FROM doc WHERE leaks(title)",
    "SELECT * FROM doc WHERE tenant = {v} AND 1 / (n - n + 1) > 0",
    "SELECT set_config('deebase.tenant', '{v}', false), title FROM doc",
    "SET deebase.tenant = '{v}'",
    "RESET ALL",
    "INSERT INTO doc (tenant, title, n) VALUES ({v}, 'planted', 0) RETURNING title",
)
VALUES = ("8", "8.0", "'8'", "-8", "0", "NULL", "8 + 0", "7", "9223372036854775807", "(SELECT 8)", "'8'::int", "08")


async def attempt(work: Callable[[], Awaitable[Any]]) -> str:
    """Return what some work returns, or its error, as text."""
    try:
        return repr(await work())
    except DeeBaseError as error:
        return f"{error} {vars(error)}"


async def interleaved(w: Tenants, text: str, how: str) -> str:
    """Run a text for tenant 7 right after, beside or within work of tenant 8."""

    async def theirs() -> None:
        async with w.db.acting(tenant=8):
            assert len(await w.db.q("SELECT * FROM doc")) >= 2

    async def mine() -> str:
        async with w.db.acting(tenant=7):
            return await attempt(lambda: w.db.q(text))

    if how == "after":
        await theirs()
        return await mine()
    if how == "beside":
        found = await asyncio.gather(theirs(), mine(), theirs())
        return str(found[1])
    async with w.db.transaction() as tx:
        await theirs()
        found_within = await mine()
        if tx.open and "aborted" not in found_within:
            await tx.rollback()
    return found_within


async def prepare(w: Tenants) -> None:
    await w.owner.script("""
        CREATE VIEW open_docs WITH (security_invoker) AS SELECT * FROM doc;
        CREATE FUNCTION leaks(text) RETURNS boolean LANGUAGE plpgsql COST 0.0001
            AS $$ BEGIN IF $1 LIKE 'theirs%' THEN RAISE EXCEPTION 'seen: %', $1; END IF; RETURN true; END $$;
        GRANT SELECT ON open_docs TO PUBLIC; ANALYZE doc
    """)


async def test_no_sql_text_shows_or_changes_a_row_of_another_tenant(world: Tenants, long_run: bool) -> None:
    await prepare(world)
    before = await world.stored()
    cases = list(itertools.product(TEXTS, VALUES, ("after", "beside", "within")))
    for text, value, how in cases if long_run else cases[::17]:
        sql = text.format(v=value)
        try:
            found = await interleaved(world, sql, how)
        except DeeBaseError as error:
            found = f"{error} {vars(error)}"
        # The text of a statement that fails is part of its error.
        assert THEIRS not in found.replace(repr(sql), "").replace(sql, ""), (sql, how, found)
    assert await world.stored() == before


async def test_a_cancelled_statement_or_switch_leaves_no_connection_with_another_tenant(
    world: Tenants, long_run: bool
) -> None:
    async def act(tenant: int) -> list[Any]:
        async with world.db.acting(tenant=tenant):
            return [*await world.db.q("SELECT tenant FROM doc")]

    for turns in range(400 if long_run else 60):
        task = asyncio.create_task(act(8))
        for _ in range(turns % 20):
            await asyncio.sleep(0)
        task.cancel()
        mine, nobody = await asyncio.gather(act(7), world.db.q("SELECT tenant FROM doc"))
        assert [row["tenant"] for row in mine] == [7, 7]
        assert nobody == []
        await asyncio.wait([task])


async def test_a_connection_is_switched_only_when_another_tenant_comes(db: Database) -> None:
    async with tenants(db, pool_size=1) as w:
        switched: list[str] = []
        async with w.db.acting(tenant=7):
            await w.docs()
            lane: Any = next(iter(w.db._core.executor.lanes()._pool.idle))  # type: ignore[attr-defined]
            lane.driver.add_query_logger(lambda record: switched.append(record.query))
            for _ in range(3):
                await w.docs()
                await w.db.q("SELECT 1")
                async with w.db.transaction():
                    await w.docs.insert(title="x", n=1)
        async with w.db.acting(tenant=8):
            await w.docs()
        await w.docs.xtra(tenant=8)()
        await w.notes()
        assert [sql.count("'8', false") for sql in switched if "set_config" in sql] == [1, 0]


async def test_a_rollback_does_not_leave_the_values_of_its_transaction(db: Database) -> None:
    async with tenants(db, pool_size=1) as w:
        for outer, inner in ((7, 8), (8, 7)):
            async with w.db.transaction() as tx:
                async with w.db.acting(tenant=outer):
                    assert len(await w.db.q("SELECT 1 FROM doc")) == 2
                try:
                    async with w.db.transaction():
                        async with w.db.acting(tenant=inner):
                            assert {row["tenant"] for row in await w.db.q("SELECT tenant FROM doc")} == {inner}
                        raise ZeroDivisionError
                except ZeroDivisionError:
                    pass
                assert await w.db.q("SELECT tenant FROM doc") == []
                async with w.db.acting(tenant=inner):
                    assert {row["tenant"] for row in await w.db.q("SELECT tenant FROM doc")} == {inner}
                await tx.rollback()
            assert await w.db.q("SELECT tenant FROM doc") == []


async def test_settings_are_local_to_transactions_behind_pgbouncer(db: Database) -> None:
    async with tenants(db, pool_size=1, pgbouncer=True) as w:
        async with w.db.acting(tenant=7):
            assert [row["tenant"] for row in await w.docs()] == [7, 7]
            assert await w.db.q("SELECT tenant FROM doc WHERE tenant = 8") == []
            assert (await w.docs.get(1))["title"] == "mine 1"
            assert (await w.docs.insert(title="new", n=1))["tenant"] == 7
            assert await w.docs.update_where({"n": 5}, all=True) == 3
            async with w.db.transaction():
                assert len(await w.docs()) == 3
            assert len([row async for row in w.docs().stream()]) == 3
        # As another client of the pooler would find the session.
        assert await w.db.item("SELECT coalesce(current_setting('deebase.tenant', true), '')") == ""
        assert await w.db.q("SELECT * FROM doc") == []


@pytest.mark.parametrize(
    ("made", "why"),
    [("SUPERUSER", "is a superuser"), ("BYPASSRLS", "has BYPASSRLS"), ("NOSUPERUSER", "owns the table doc")],
)
async def test_roles_that_row_security_does_not_restrict_are_refused(db: Database, made: str, why: str) -> None:
    async with tenants(db) as w:
        role = f"deebase_{made.lower()}_{uuid.uuid4().hex[:8]}"
        await db.script(f"CREATE ROLE {role} LOGIN {made}; GRANT ALL ON doc, folder TO {role}")
        owns = "owns" in why
        if owns:
            await db.script(f"GRANT ALL ON SCHEMA public TO {role}; ALTER TABLE doc OWNER TO {role}")
        url: sa.URL = db.engine.url.set(drivername="postgresql", username=role)
        async with Database(url.render_as_string(hide_password=False)) as other:
            await other.reflect()
            async with other.acting(tenant=7):
                for work in (other.t.doc, lambda other=other: other.q("SELECT * FROM doc")):
                    with pytest.raises(InvalidOperationError, match=why) as caught:
                        await work()
                assert "CREATE ROLE" in str(caught.value.hint)
            with pytest.raises(InvalidOperationError, match=why):
                await other.t.doc.xtra(tenant=7).get(1)
            # The connections stay in use.
            assert await other.item("SELECT 1") == 1
        await db.script(f"REASSIGN OWNED BY {role} TO postgres; DROP OWNED BY {role}; DROP ROLE {role}")
        assert w.docs.secure == ("tenant",)


async def test_the_planner_finds_rows_of_a_tenant_by_an_index(db: Database) -> None:
    async with tenants(db) as w:
        await db.q("INSERT INTO doc (tenant, title, n) SELECT i % 500 + 10, 'x', i FROM generate_series(1, 20000) i")
        await db.q("ANALYZE doc")
        async with w.db.acting(tenant=7):
            plan = "\n".join([next(iter(row.values())) for row in await w.db.q("EXPLAIN SELECT * FROM doc")])
        assert "ix_doc_tenant" in plan
        assert "Seq Scan" not in plan


async def test_blocks_that_only_read_act_too(world: Tenants) -> None:
    async with world.db.acting(tenant=7), world.db.read_only() as ro:
        assert [row["title"] for row in await ro.q("SELECT title FROM doc ORDER BY id")] == ["mine 1", "mine 3"]
        assert [row["title"] for row in await ro.t.doc(order_by="id")] == ["mine 1", "mine 3"]
        with pytest.raises(InvalidOperationError):
            await ro.q("SELECT set_config('deebase.tenant', '8', false)")
    async with world.db.read_only() as ro:
        assert await ro.q("SELECT * FROM doc") == []
        assert [row["title"] for row in await ro.t.doc.xtra(tenant=8)(order_by="id")] == ["theirs 2", "theirs 4"]


async def test_new_connections_act_for_nobody_until_they_are_told(world: Tenants) -> None:
    async with world.db.acting(tenant=7):
        for _ in range(2):
            assert len(await world.docs()) == 2
            await world.db._core.executor.reconnect()
    await world.db._core.executor.reconnect()
    assert await world.db.q("SELECT * FROM doc") == []


async def test_sqlalchemys_connection_acts_for_the_tenant_of_its_block(world: Tenants) -> None:
    async with world.db.acting(tenant=7), world.db.transaction() as tx:
        rows = (await tx.connection.execute(sa.text("SELECT tenant FROM doc"))).all()
        assert [row.tenant for row in rows] == [7, 7]
    async with world.db.transaction() as tx:
        connection = tx.connection
        async with world.db.acting(tenant=8):
            with pytest.raises((InvalidOperationError, sa.exc.SQLAlchemyError), match="another tenant"):
                await connection.execute(sa.text("SELECT tenant FROM doc"))
        await tx.rollback()


async def test_values_that_do_not_fit_the_column_show_nothing(world: Tenants) -> None:
    async with world.db.acting(tenant="7 OR 1 = 1"):
        with pytest.raises(DataError):
            await world.db.q("SELECT * FROM doc")
    async with world.db.acting(tenant=9):
        assert await world.db.q("SELECT * FROM doc") == []


async def test_long_results_as_arrow_tables_are_of_the_tenant(world: Tenants) -> None:
    async with world.db.acting(tenant=7):
        for _ in range(2):
            assert (await world.docs().arrow()).column("title").to_pylist() == ["mine 1", "mine 3"]


async def test_the_doctor_says_how_to_make_a_role_that_is_restricted(db: Database) -> None:
    assert not [one for one in await examine(db) if one.rule == "row-security-role"]
    async with tenants(db) as w:
        (found,) = [one for one in await examine(db) if one.rule == "row-security-role"]
        assert "is a superuser" in found.message
        assert "CREATE ROLE" in found.fix
        assert not [one for one in await examine(w.db) if one.rule == "row-security-role"]
