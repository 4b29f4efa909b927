"""SQL of the user's own: q, item, stream and script, their parameters and their rows."""

from __future__ import annotations

import asyncio
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import (
    UNSET,
    Database,
    DatabaseError,
    DeeBaseError,
    InvalidOperationError,
    MultipleRowsError,
    NotFoundError,
    QueryError,
    TransactionAbortedError,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
)
from tests.support.capabilities import can


@dataclass
class Pair:
    id: int
    name: str


@pytest.fixture
async def t(db: Database) -> Database:
    await db.q("CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, n INTEGER)")
    await db.q("INSERT INTO t (id, name, n) VALUES (1, 'a', 10), (2, 'b', 20), (3, NULL, 30)")
    return db


async def settled() -> None:
    """Let the loop close the generators that were left, as it does by itself."""
    await asyncio.sleep(0)
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


# -- parameters --------------------------------------------------------------------------------


async def test_parameters_are_listed_or_named_on_every_database(t: Database) -> None:
    assert await t.q("SELECT id FROM t WHERE n > ? AND name = ?", [10, "b"]) == [{"id": 2}]
    assert await t.q("SELECT id FROM t WHERE n > ?", (20,)) == [{"id": 3}]
    assert await t.q("SELECT id FROM t WHERE n > :low AND n < :high", {"low": 10, "high": 30}) == [{"id": 2}]
    assert await t.q("SELECT id FROM t WHERE id = :id OR n = :n OR id = :id", {"id": 1, "n": 20}) == [
        {"id": 1},
        {"id": 2},
    ]
    assert await t.q("SELECT id FROM t WHERE id = 1", []) == [{"id": 1}]
    assert await t.q("SELECT id FROM t WHERE id = 1", {}) == [{"id": 1}]


async def test_what_looks_like_a_placeholder_inside_of_strings_names_and_comments_is_none(t: Database) -> None:
    row = (
        await t.q("SELECT '12:30' AS a, 'why?' AS b, ':x' AS \"c:d?\" /* ? :y */ -- ? :z\n, n FROM t WHERE id = ?", [1])
    )[0]
    assert row == {"a": "12:30", "b": "why?", "c:d?": ":x", "n": 10}
    assert await t.item("SELECT 'it''s ? :x'") == "it's ? :x"
    assert await t.item("SELECT '100%' || :x", {"x": "%s"}) == "100%%s"
    assert await t.item("SELECT CAST(:n AS TEXT) || '::int'", {"n": "5"}) == "5::int"


async def test_postgresql_casts_operators_and_arrays_survive(postgres_url: str) -> None:
    async with Database(postgres_url) as t:
        assert await t.item("SELECT '5'::int") == 5
        assert await t.item("SELECT ?::int + 1", [4]) == 5
        assert await t.item("SELECT :n::int + 1", {"n": 4}) == 5
        assert await t.item("SELECT '{\"k\": 1}'::jsonb ? 'k'") is True
        assert await t.item("SELECT '{\"k\": 1}'::jsonb ?? 'k'") is True
        assert await t.item("SELECT '{\"k\": 1}'::jsonb ?? ?", ["k"]) is True
        assert await t.item("SELECT '{\"k\": 1}'::jsonb ?| array['x', :k]", {"k": "k"}) is True
        assert await t.item("SELECT (ARRAY[1, 2, 3])[2:3]") == [2, 3]
        assert await t.item("SELECT $$a ? :b$$") == "a ? :b"
        assert await t.item("SELECT E'it\\'s ?'") == "it's ?"
        assert await t.item("SELECT max(x) FROM generate_series(1, 5) AS g(x) WHERE x = ANY(?)", [[1, 2, 9]]) == 2
        assert await t.q("SELECT '{\"a\": [1]}'::jsonb AS j, '[\"x\"]'::json AS k, '\"s\"'::jsonb AS s") == [
            {"j": {"a": [1]}, "k": ["x"], "s": "s"}
        ]


async def test_parameters_that_do_not_match_are_refused_before_anything_is_sent(t: Database) -> None:
    text, named = "SELECT id FROM t WHERE n = ?", "SELECT id FROM t WHERE n = :n"
    cases: list[tuple[str, Any]] = [
        (text, 5),
        (text, "5"),
        (text, b"5"),
        (text, {5}),
        (text, object()),
        (text, []),
        (text, [1, 2]),
        (text, [UNSET]),
        (text, [sa.func.now()]),
        (text, [t.sql("1")]),
        (named, {}),
        (named, None),
        (named, {"n": 1, "m": 2}),
        (named, [1]),
        ("SELECT 1", [1]),
    ]
    async with t.transaction():
        for sql, params in cases:
            with pytest.raises(ValidationError) as caught:
                await t.q(sql, params)
            assert caught.value.hint
        for other in (None, 5, object(), ["SELECT 1"], b"SELECT 1"):
            with pytest.raises(ValidationError):
                await t.q(other)
        assert await t.item("SELECT count(*) FROM t") == 3


async def test_transaction_control_by_hand_is_refused(t: Database) -> None:
    for text in ("BEGIN", "COMMIT;", "rollback", "SAVEPOINT x"):
        with pytest.raises(InvalidOperationError, match="SAVEPOINT are not sent as SQL"):
            await t.q(text)


async def test_a_bound_value_is_stored_as_a_column_of_its_type_stores_it(db: Database) -> None:
    class Color(Enum):
        RED = "red"

    class All:
        id: int
        flag: bool
        at: datetime
        utc: UTCDateTime
        day: date
        clock: time
        span: timedelta
        price: Decimal
        key: UUID
        data: bytes
        color: Color
        meta: dict

    values = {
        "flag": True,
        "at": datetime(2024, 2, 29, 1, 2, 3, 4),
        "utc": datetime(2024, 2, 29, 1, 2, tzinfo=UTC),
        "day": date(1, 1, 1),
        "clock": time(23, 59, 59, 999999),
        "span": timedelta(days=1, microseconds=5),
        "price": Decimal("10.50"),
        "key": UUID(int=7),
        "data": b"\x00\xff",
        "color": Color.RED,
        "meta": {"a": [1, None, "x"]},
    }
    table = await db.create(All)
    columns = ", ".join(values)
    await db.q(f'INSERT INTO "all" ({columns}) VALUES ({", ".join("?" * len(values))})', list(values.values()))
    stored = await table[1]
    assert stored == {"id": 1, **values}
    for name, value in values.items():
        if name != "meta":
            assert await table.exists(f"{name} = ?", [value]), name
            assert await db.item(f'SELECT count(*) FROM "all" WHERE {name} = :v', {"v": value}) == 1, name


# -- rows --------------------------------------------------------------------------------------


async def test_rows_are_dicts_in_column_order_and_statements_without_rows_give_none(t: Database) -> None:
    rows = await t.q("SELECT n, id, name FROM t ORDER BY id")
    assert rows[0] == {"n": 10, "id": 1, "name": "a"}
    assert list(rows[0]) == ["n", "id", "name"]
    assert await t.q("SELECT id FROM t WHERE id = 99") == []
    assert await t.q("UPDATE t SET n = n + 1") == []
    assert await t.q("CREATE TABLE other (id INTEGER)") == []
    assert await t.q("INSERT INTO t (id, n) VALUES (4, 40) RETURNING id, n") == [{"id": 4, "n": 40}]
    assert await t.q("DELETE FROM t WHERE id = 4 RETURNING n") == [{"n": 40}]
    assert await t.q("WITH w AS (SELECT 1 AS x) SELECT x FROM w") == [{"x": 1}]
    assert await t.q("VALUES (1), (2)") != []
    assert await t.q("EXPLAIN SELECT * FROM t") != []
    assert await t.q("SELECT 1 AS one;") == [{"one": 1}]


async def test_columns_of_one_name_are_all_kept(t: Database) -> None:
    assert await t.q("SELECT 1 AS a, 2 AS a, 3 AS a, 4 AS b") == [{"a": 1, "a_2": 2, "a_3": 3, "b": 4}]
    assert await t.q("SELECT 1 AS a, 2 AS a_2, 3 AS a") == [{"a": 1, "a_2": 2, "a_3": 3}]
    assert [row async for row in t.stream("SELECT 1 AS a, 2 AS a")] == [{"a": 1, "a_2": 2}]
    one, two = sa.literal_column("1"), sa.literal_column("2")
    assert await t.q(sa.select(one.label("a"), two.label("a"))) == [{"a": 1, "a_2": 2}]


async def test_rows_of_another_type(t: Database) -> None:
    assert await t.q("SELECT id, name FROM t WHERE id = 1", row_type=Pair) == [Pair(1, "a")]
    assert await t.q("SELECT name, id, n FROM t WHERE id = 1", row_type=Pair) == [Pair(1, "a")]
    assert await t.q("SELECT id FROM t WHERE id = 1", row_type=Pair) == [Pair(1, UNSET)]  # type: ignore[arg-type]
    assert [row async for row in t.stream("SELECT id, name FROM t WHERE id < 2", row_type=Pair)] == [Pair(1, "a")]
    for kind in (int, str, list, object):
        with pytest.raises(ValidationError):
            await t.q("SELECT id FROM t", row_type=kind)


async def test_item_is_exactly_one_value(t: Database) -> None:
    assert await t.item("SELECT count(*) FROM t") == 3
    assert await t.item("SELECT name FROM t WHERE id = ?", [3]) is None
    assert await t.item(sa.select(sa.literal(5))) == 5
    with pytest.raises(NotFoundError):
        await t.item("SELECT id FROM t WHERE id = 99")
    with pytest.raises(NotFoundError):
        await t.item("UPDATE t SET n = 0")
    with pytest.raises(MultipleRowsError):
        await t.item("SELECT id FROM t")
    with pytest.raises(ValidationError):
        await t.item("SELECT id, n FROM t WHERE id = 1")


# -- Core --------------------------------------------------------------------------------------


async def test_core_statements_of_every_kind(db: Database) -> None:
    class Doc:
        id: int
        name: str
        price: Decimal
        meta: dict
        at: UTCDateTime | None

    docs = await db.create(Doc)
    table, at = docs.sa_table, datetime(2024, 1, 1, tzinfo=UTC)
    new = {"name": "a", "price": Decimal("1.10"), "meta": {"k": "v", "n": [1]}, "at": at}
    assert await db.q(sa.insert(table).values(new).returning(docs.c.id)) == [{"id": 1}]
    assert await db.q(sa.insert(table), [{**new, "name": "b"}, {**new, "name": "c"}]) == []
    rows = await db.q(sa.select(table).where(docs.c.name == "a"))
    assert rows == [{"id": 1, **new}] == await docs(name="a")
    assert await db.q(sa.select(docs.c.id).where(docs.c.name == sa.bindparam("x")), {"x": "b"}) == [{"id": 2}]
    assert await db.q(sa.update(table).values(price=docs.c.price + 1).where(docs.c.id == 1)) == []
    assert await db.item(sa.select(sa.func.count()).select_from(table)) == 3
    assert await db.item(sa.select(docs.c.meta["k"]).where(docs.c.id == 1)) == "v"
    assert await db.item(sa.select(docs.c.meta["n"]).where(docs.c.id == 1)) == [1]
    assert await db.q(sa.union_all(sa.select(docs.c.id), sa.select(docs.c.id)).order_by("id").limit(1)) == [{"id": 1}]
    assert await db.q(sa.text("SELECT name FROM doc WHERE id = :id"), {"id": 3}) == [{"name": "c"}]
    assert await db.q(sa.delete(table).where(docs.c.id > 1).returning(docs.c.name)) != []
    streamed = [row async for row in db.stream(sa.select(table).where(docs.c.price > 1))]
    assert streamed == await docs()
    assert [row async for row in db.stream(sa.select(docs.c.at).where(docs.c.id == sa.bindparam("i")), {"i": 1})] == [
        {"at": at}
    ]


async def test_a_core_statement_takes_part_in_the_transaction(t: Database) -> None:
    rows = sa.table("t", sa.column("id"), sa.column("n"))
    with pytest.raises(ZeroDivisionError):
        async with t.transaction():
            await t.q(sa.update(rows).values(n=0))
            assert await t.item("SELECT sum(n) FROM t") == 0
            raise ZeroDivisionError
    assert await t.item(sa.select(sa.func.sum(rows.c.n))) == 60


async def test_errors_of_core_statements_are_ours(t: Database) -> None:
    rows = sa.table("t", sa.column("id"), sa.column("n"))
    with pytest.raises(UniqueViolationError) as caught:
        await t.q(sa.insert(rows).values(id=1, n=1))
    assert caught.value.__cause__ is not None
    with pytest.raises(QueryError):
        await t.q(sa.select(sa.column("x")).select_from(sa.table("nothing")))
    unbound = sa.select(rows).where(rows.c.id == sa.bindparam("missing"))
    with pytest.raises(DeeBaseError):
        await t.q(unbound)
    with pytest.raises(DeeBaseError):
        _ = [row async for row in t.stream(unbound)]


# -- errors ------------------------------------------------------------------------------------


async def test_a_wrong_statement_is_a_query_error_that_holds_no_values(t: Database) -> None:
    for text in (
        "SELEC 1",
        "SELECT nothing FROM t",
        "SELECT * FROM nothing",
        "INSERT INTO t (x) VALUES (1)",
        "SELECT (",
    ):
        with pytest.raises(QueryError) as caught:
            await t.q(text)
        assert caught.value.statement == text
        assert caught.value.sqlstate
    with pytest.raises(DeeBaseError) as violated:
        await t.q("INSERT INTO t (id, name) VALUES (?, ?)", [1, "secret-value"])
    assert "secret-value" not in str(violated.value)
    with pytest.raises(QueryError):
        [row async for row in t.stream("SELECT * FROM nothing")]


async def test_several_statements_or_none_are_refused(t: Database) -> None:
    for text in ("SELECT 1; SELECT 2", "INSERT INTO t (id) VALUES (8); DELETE FROM t"):
        with pytest.raises(DatabaseError):
            await t.q(text)
    assert await t.item("SELECT count(*) FROM t") == 3
    for text in ("", "   ", "-- nothing"):
        assert await t.q(text) == []


# -- stream ------------------------------------------------------------------------------------


async def test_a_stream_gives_all_rows_and_may_be_left(t: Database) -> None:
    numbers = (
        "SELECT x FROM generate_series(1, 5000) AS g(x)"
        if not can(t).is_one_file
        else "WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x + 1 FROM c WHERE x < 5000) SELECT x FROM c"
    )
    assert [row["x"] async for row in t.stream(numbers)] == list(range(1, 5001))
    assert [row async for row in t.stream("SELECT id FROM t WHERE id = :x", {"x": 99})] == []
    async with aclosing(t.stream(numbers)) as rows:  # type: ignore[type-var]
        async for row in rows:
            if row["x"] == 1500:
                break
    assert t._core.executor.lanes_in_use == 0
    with pytest.raises(ZeroDivisionError):
        async with aclosing(t.stream(numbers)) as rows:  # type: ignore[type-var]
            async for _ in rows:
                raise ZeroDivisionError
    assert t._core.executor.lanes_in_use == 0
    with pytest.raises(ValidationError):
        _ = [row async for row in t.stream(5)]


async def test_a_stream_inside_a_transaction_sees_its_rows(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction():
            await t.q("INSERT INTO t (id) VALUES (4)")
            assert [row["id"] async for row in t.stream("SELECT id FROM t ORDER BY id")] == [1, 2, 3, 4]
            raise ZeroDivisionError
    assert len([row async for row in t.stream("SELECT id FROM t")]) == 3


async def test_a_cancelled_stream_gives_its_connection_back(t: Database) -> None:
    started = asyncio.Event()

    async def read() -> None:
        async for _ in t.stream("SELECT id FROM t"):
            started.set()
            await asyncio.Event().wait()

    task = asyncio.create_task(read())
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    await settled()
    assert t._core.executor.lanes_in_use == 0


# -- script ------------------------------------------------------------------------------------


async def test_a_script_is_one_transaction(t: Database) -> None:
    await t.script(
        """
        CREATE TABLE a (x TEXT); -- a comment; with a semicolon
        INSERT INTO a VALUES ('one; two'), ('it''s');
        /* INSERT INTO a VALUES ('no'); */
        INSERT INTO a VALUES ('12:30 ?');
        """
    )
    assert [row["x"] for row in await t.q("SELECT x FROM a ORDER BY x")] == ["12:30 ?", "it's", "one; two"]
    with pytest.raises(QueryError):
        await t.script("CREATE TABLE b (x TEXT); INSERT INTO a VALUES ('four'); INSERT INTO nothing VALUES (1)")
    assert await t.item("SELECT count(*) FROM a") == 3
    with pytest.raises(QueryError):
        await t.q("SELECT * FROM b")
    await t.script("")
    await t.script("  ;; -- nothing\n;")
    with pytest.raises(ValidationError):
        await t.script("INSERT INTO a VALUES ('x")


async def test_a_script_may_hold_bodies_of_triggers_and_functions(t: Database) -> None:
    await t.q("CREATE TABLE log (x INTEGER)")
    if not can(t).is_one_file:
        script = """
            CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN
                INSERT INTO log VALUES (NEW.id); RETURN NEW;
            END $$;
            CREATE TRIGGER note AFTER INSERT ON t FOR EACH ROW EXECUTE FUNCTION note();
            INSERT INTO t (id) VALUES (7);
        """
    else:
        script = """
            CREATE TRIGGER note AFTER INSERT ON t BEGIN
                INSERT INTO log VALUES (CASE WHEN NEW.id > 0 THEN NEW.id ELSE 0 END);
                DELETE FROM log WHERE x < 0;
            END;
            INSERT INTO t (id) VALUES (7);
        """
    await t.script(script)
    assert await t.q("SELECT x FROM log") == [{"x": 7}]


async def test_ddl_through_q_takes_part_in_the_transaction(t: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with t.transaction():
            await t.q("CREATE TABLE gone (x INTEGER)")
            await t.q("ALTER TABLE t ADD COLUMN m INTEGER DEFAULT 5")
            assert await t.item("SELECT m FROM t WHERE id = 1") == 5
            raise ZeroDivisionError
    with pytest.raises(QueryError):
        await t.q("SELECT m FROM t")
    await t.q("CREATE TABLE gone (x INTEGER)")


async def test_statements_prepared_before_a_table_changed_still_run(db: Database) -> None:
    class Thing:
        id: int
        name: str

    things = await db.create(Thing)
    await things.insert(name="a")
    assert await db.q("SELECT * FROM thing") == [{"id": 1, "name": "a"}]
    await db.q("ALTER TABLE thing ADD COLUMN n INTEGER DEFAULT 5")
    assert await db.q("SELECT * FROM thing") == [{"id": 1, "name": "a", "n": 5}]
    assert await things[1] == {"id": 1, "name": "a"}
    assert (await things.insert(name="b"))["id"] == 2


async def test_a_core_statement_whose_values_do_not_fit_is_our_error_and_stores_nothing(db: Database) -> None:
    events = sa.Table("event", sa.MetaData(), sa.Column("id", sa.Integer), sa.Column("at", sa.DateTime))
    await db.q("CREATE TABLE event (id INTEGER, at TIMESTAMP)")
    with pytest.raises(DeeBaseError) as caught:
        await db.q(sa.insert(events).values(id=1, at="no date"))
    assert not isinstance(caught.value, InvalidOperationError)
    with pytest.raises(TransactionAbortedError):
        async with db.transaction():
            await db.q("INSERT INTO event (id) VALUES (2)")
            with pytest.raises(DeeBaseError):
                await db.q(sa.insert(events).values(id=1, at="no date"))
    assert await db.item("SELECT count(*) FROM event") == 0
