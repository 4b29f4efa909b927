"""Reading through a table: by key, by conditions, in order, in parts, as a stream."""

from __future__ import annotations

import asyncio
import inspect
import io
import itertools
import json
import logging
from dataclasses import FrozenInstanceError, dataclass
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import Any

import pytest
import sqlalchemy as sa

from deebase import (
    UNSET,
    ColumnNotFoundError,
    Database,
    MultipleRowsError,
    NotFoundError,
    Query,
    QueryError,
    SchemaError,
    Table,
    TransactionError,
    ValidationError,
)
from tests.support.capabilities import can

Rows = Table[dict[str, Any]]


class Grade(Enum):
    LOW = "low"
    HIGH = "high"


class Person:
    id: int
    name: str
    age: int | None
    grade: Grade = Grade.LOW
    tags: list
    born: date
    wage: Decimal


PEOPLE = [
    ("Ada", 36, Grade.HIGH, ["x"], date(1815, 12, 10), Decimal("10.50")),
    ("Bob", 25, Grade.LOW, [], date(1990, 1, 1), Decimal("9.5")),
    ("Cid", None, Grade.LOW, ["x", "y"], date(1980, 6, 5), Decimal("100")),
    ("Dan", 25, Grade.HIGH, ["y"], date(1991, 1, 1), Decimal("-1")),
    ("O'Neil", 60, Grade.LOW, [], date(1960, 2, 29), Decimal("0")),
]


@pytest.fixture
async def people(db: Database) -> Rows:
    table = await db.create(Person)
    fields = ("name", "age", "grade", "tags", "born", "wage")
    await table.insert_all(dict(zip(fields, person, strict=True)) for person in PEOPLE)
    return table


async def settled() -> None:
    """Let the loop close the generators that were left, as it does by itself."""
    await asyncio.sleep(0)
    await asyncio.gather(*(asyncio.all_tasks() - {asyncio.current_task()}))


async def names(query: Query[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in await query]


# -- by key ------------------------------------------------------------------------------------


async def test_get_by_key_and_default(people: Rows) -> None:
    row = await people[1]
    assert row["name"] == "Ada"
    assert await people.get(1) == row
    assert await people.get(99, default=None) is None
    assert await people.get(99, default="none") == "none"
    with pytest.raises(NotFoundError) as caught:
        await people[99]
    assert (caught.value.table_name, caught.value.filters) == ("person", {"id": 99})
    assert isinstance(caught.value, LookupError)


async def test_a_lock_needs_a_transaction(db: Database, people: Rows) -> None:
    async with db.transaction():
        row = await people.get(1, for_update=True)
        assert await people(id=1, for_update=True) == await people(id=1, skip_locked=True) == [row]
    for work in (people.get(1, for_update=True), people(for_update=True).first(), people(skip_locked=True).one()):
        with pytest.raises(TransactionError, match=r"(for_update|skip_locked) locks rows until the transaction ends"):
            await work
    with pytest.raises(TransactionError):
        _ = [row async for row in people(for_update=True)]


async def test_lookup_is_the_first_match_in_key_order(people: Rows) -> None:
    assert (await people.lookup(age=25))["name"] == "Bob"
    assert (await people.lookup(people.c.age > 30, grade=Grade.LOW))["name"] == "O'Neil"
    assert (await people.lookup("name like ?", ["%d%"]))["name"] == "Ada"
    with pytest.raises(NotFoundError) as caught:
        await people.lookup(name="Eve")
    assert caught.value.table_name == "person"


# -- conditions --------------------------------------------------------------------------------


async def test_keywords_are_equality_null_and_membership(people: Rows) -> None:
    assert await names(people(name="O'Neil")) == ["O'Neil"]
    assert await names(people(age=25, grade=Grade.HIGH)) == ["Dan"]
    assert await names(people(grade="high", order_by="id")) == ["Ada", "Dan"]
    assert await names(people(age=None)) == ["Cid"]
    for members in ([25, 60], (25, 60), {25, 60}, frozenset([25, 60])):
        assert await names(people(age=members, order_by="id")) == ["Bob", "Dan", "O'Neil"]
    assert await names(people(age=[36, None], order_by="id")) == ["Ada", "Cid"]
    assert await names(people(age=[None])) == ["Cid"]
    assert await names(people(age=[])) == []
    assert await names(people(born=date(1960, 2, 29))) == ["O'Neil"]
    assert await names(people(wage=Decimal("10.5"))) == ["Ada"]
    assert await names(people(wage=[Decimal("9.50"), 100], order_by="id")) == ["Bob", "Cid"]
    assert await names(people(name="Ada' OR '1'='1")) == []


async def test_a_list_for_a_json_column_is_a_value(people: Rows) -> None:
    assert await names(people(tags=["x", "y"])) == ["Cid"]
    assert await names(people(tags=[], order_by="id")) == ["Bob", "O'Neil"]
    assert await people.count(tags=None) == 0


async def test_column_expressions_are_sqlalchemys(people: Rows) -> None:
    c = people.c
    assert await names(people(c.age > 30, order_by="id")) == ["Ada", "O'Neil"]
    assert await names(people(c.age > 20, c.name.ilike("%D%"), order_by="id")) == ["Ada", "Dan"]
    assert await names(people(sa.or_(c.age.is_(None), c.grade == Grade.HIGH), order_by="id")) == ["Ada", "Cid", "Dan"]
    assert await names(people(c.born.between(date(1980, 1, 1), date(1990, 12, 31)), order_by="id")) == ["Bob", "Cid"]
    assert await names(people(c.wage > 9, order_by=c.wage)) == ["Bob", "Ada", "Cid"]
    assert await names(people(c.id.in_(sa.select(c.id).where(c.age == 25)), order_by="id")) == ["Bob", "Dan"]
    assert await names(people(~c.name.contains("a", autoescape=True), c.age == 60)) == ["O'Neil"]


async def test_text_with_parameters_is_put_in_parentheses(people: Rows) -> None:
    assert await names(people("age > ? and name like ?", [30, "A%"])) == ["Ada"]
    assert await names(people("age > :low", {"low": 30}, order_by="id")) == ["Ada", "O'Neil"]
    assert await names(people(where="age > :a", params={"a": 30}, grade=Grade.LOW)) == ["O'Neil"]
    assert await names(people("age = 25 or age = 36", grade=Grade.HIGH, order_by="id")) == ["Ada", "Dan"]
    assert await names(people("age = 25 -- or", people.c.name == "Bob")) == ["Bob"]
    assert await names(people("name = 'O''Neil'")) == ["O'Neil"]
    assert await names(people("name <> 'a:b?c' and age = ?", [36])) == ["Ada"]
    assert await names(people("age < ?", [30], "name > ?", ["C"])) == ["Dan"]
    assert await names(people("name like '%i%'", order_by="id")) == ["Cid", "O'Neil"]


async def test_broken_conditions_are_refused_before_anything_is_sent(db: Database, people: Rows) -> None:
    async with db.transaction():
        for arguments in (
            ["age > ?", [1, 2]],
            ["age > ?", []],
            ["age > :a", {"b": 1}],
            ["age > 1) or (1=1"],
            ["age > 1; drop table person"],
            ["name = 'x"],
            [""],
            [[30]],
            [30, 40],
            [object()],
            [{"age": 30}],
            [UNSET],
        ):
            with pytest.raises(ValidationError) as caught:
                await people(*arguments)
            assert caught.value.hint
        for text in ("age > 1", None):
            with pytest.raises(ValidationError):
                people(where=text, params=5 if text else [1])
        assert await people.count() == 5
    with pytest.raises(QueryError):
        await people("no_such_column = 1")
    with pytest.raises(ValidationError, match="missing"):
        await people(people.c.age > sa.bindparam("missing"))


async def test_an_unknown_column_is_named(people: Rows) -> None:
    for call in (
        lambda: people(nmae="x"),
        lambda: people(order_by="-nmae"),
        lambda: people(select=["id", "nmae"]),
        lambda: people().scalars("nmae"),
    ):
        with pytest.raises(ColumnNotFoundError, match="'name'") as caught:
            await call()
        assert (caught.value.table_name, caught.value.column_name) == ("person", "nmae")


# -- order and parts ---------------------------------------------------------------------------


async def test_order_by_names_and_expressions(people: Rows) -> None:
    assert await names(people(order_by="-name")) == ["O'Neil", "Dan", "Cid", "Bob", "Ada"]
    assert await names(people(order_by="name desc")) == await names(people(order_by="-name"))
    assert await names(people(people.c.age > 0, order_by=["age", "-name"])) == ["Dan", "Bob", "Ada", "O'Neil"]
    assert await names(people(people.c.age > 0, order_by=("age DESC", "name asc"))) == ["O'Neil", "Ada", "Bob", "Dan"]
    assert await names(people(order_by=[people.c.grade, sa.desc(people.c.id)])) == [
        "Dan",
        "Ada",
        "O'Neil",
        "Cid",
        "Bob",
    ]
    assert await names(people(order_by=sa.text("id DESC"))) == ["O'Neil", "Dan", "Cid", "Bob", "Ada"]
    assert await names(people(order_by="wage")) == ["Dan", "O'Neil", "Bob", "Ada", "Cid"]
    for order in ("name; drop table person", "length(name)", "1", "", "-", "name desc desc", "name nulls first"):
        with pytest.raises(SchemaError):
            await people(order_by=order)
    for order in (5, [None], {"name": "desc"}):
        with pytest.raises(SchemaError):
            await people(order_by=order)


async def test_limit_and_offset(people: Rows) -> None:
    assert await names(people(order_by="id", limit=2)) == ["Ada", "Bob"]
    assert await names(people(order_by="id", limit=2, offset=1)) == ["Bob", "Cid"]
    assert await names(people(order_by="id", offset=3)) == ["Dan", "O'Neil"]
    assert await names(people(limit=0)) == []
    assert await names(people(order_by="id", offset=99)) == []
    assert len(await people(limit=10**30)) == 5
    for option in ("limit", "offset"):
        for value in (-1, 1.5, "2", True):
            with pytest.raises(ValidationError) as caught:
                people(**{option: value})
            assert caught.value.field == option


async def test_select_gives_only_these_columns(db: Database, people: Rows) -> None:
    assert await people(select=["id", "name"], order_by="id", limit=1) == [{"id": 1, "name": "Ada"}]
    assert await people(select=("born",), name="Bob") == [{"born": date(1990, 1, 1)}]
    for select in ("id", [], 5):
        with pytest.raises((ValidationError, TypeError)):
            people(select=select)


async def test_with_pk_pairs_key_and_row(people: Rows) -> None:
    pairs = await people(order_by="-id", limit=2, with_pk=True)
    assert [(key, row["name"]) for key, row in pairs] == [(5, "O'Neil"), (4, "Dan")]
    assert await people(select=["name"], order_by="id", limit=1, with_pk=True) == [(1, {"name": "Ada"})]
    assert await people(order_by="id", with_pk=True).first() == (1, await people[1])


# -- ends of a query ---------------------------------------------------------------------------


async def test_first_one_count_exists_and_scalars(people: Rows) -> None:
    assert (await people(order_by="-age", grade=Grade.LOW, limit=1).first()) is not None
    assert (await people(people.c.age > 0, order_by="-age").first())["name"] == "O'Neil"  # type: ignore[index]
    assert await people(name="Eve").first() is None
    assert await people(limit=0).first() is None
    assert (await people(name="Ada").one())["id"] == 1
    with pytest.raises(NotFoundError):
        await people(name="Eve").one()
    with pytest.raises(MultipleRowsError):
        await people(age=25).one()
    assert await people(age=25).count() == await people.count(age=25) == 2
    assert await people.count() == 5
    assert await people.count(people.c.age > 30, grade=Grade.LOW) == 1
    assert await people.count("age > ?", [30]) == 2
    assert await people(age=25).exists()
    assert not await people(age=26).exists()
    assert await people(order_by="id").scalars("name") == ["Ada", "Bob", "Cid", "Dan", "O'Neil"]
    assert await people(order_by="id", limit=1).scalars("grade") == [Grade.HIGH]


async def test_exists_takes_a_key_or_conditions(people: Rows) -> None:
    assert await people.exists(1)
    assert not await people.exists(99)
    assert await people.exists(name="Ada")
    assert not await people.exists(name="Eve")
    assert await people.exists(people.c.age > 50)
    assert await people.exists("age > ?", [50])
    assert await people.exists("age > 50")
    with pytest.raises(ValidationError):
        await people.exists("age", 50)


async def test_exists_without_a_condition_asks_for_any_row(people: Rows) -> None:
    nobody = people.xtra(name="no tenant")
    assert await people.exists()
    assert not await nobody.exists()
    await people.delete_where(all=True)
    assert not await people.exists()
    assert not await people().exists()


async def test_table_exists_asks_for_the_table_itself(db: Database, people: Rows) -> None:
    view = await db.create_view("adult", f'SELECT id FROM "{people.name}" WHERE age > 17')
    await people.delete_where(all=True)
    assert await people.table_exists()
    assert await view.table_exists()
    await view.drop()
    assert not await view.table_exists()
    await db.q(f'DROP TABLE "{people.name}"')
    assert not await people.table_exists()


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_statements_in_use_stay_compiled_among_many_others(people: Rows) -> None:
    used = people(age=25, order_by="id")
    statement = used._prepared(people.columns, None)[0]
    others = itertools.islice(itertools.permutations(people.columns, 5), 600)
    for columns in itertools.chain(others, itertools.permutations(people.columns, 4)):
        people(select=columns)._prepared(columns, None)
        assert used._prepared(people.columns, None)[0] is statement
    cached = people._model.statements
    assert len(cached) + len(cached._older) <= 1000


async def test_a_query_pages_streams_and_exports(people: Rows) -> None:
    query = people(people.c.age < 60, order_by=["-age", "-id"], select=["name"])
    rows = await query
    page = await query.page(size=2)
    rest = await query.page(size=50, after=page.next)
    assert [*page.rows, *rest.rows] == rows
    assert (await query.page(size=2, after=rest.previous)).rows == page.rows
    assert [row async for row in query.stream()] == rows
    assert [row async for row in query] == rows
    file = io.StringIO()
    assert await query.export(file, format="ndjson") == len(rows)
    assert [json.loads(line) for line in file.getvalue().splitlines()] == rows
    assert await people(limit=2, offset=1).export(io.StringIO(), format="csv") == 2


@pytest.mark.parametrize(("shorthand", "name"), [("page", "page"), ("export_file", "export")])
def test_a_shorthand_of_a_table_has_the_options_of_the_query(shorthand: str, name: str) -> None:
    def options(function: Any) -> dict[str, inspect.Parameter]:
        parameters = inspect.signature(function).parameters
        return {name: one for name, one in parameters.items() if one.kind is inspect.Parameter.KEYWORD_ONLY}

    assert options(getattr(Table, shorthand)) == options(getattr(Query, name))


async def test_rows_of_a_page_are_locked_in_a_transaction_alone(db: Database, people: Rows) -> None:
    query = people(order_by="id", for_update=True)
    with pytest.raises(TransactionError, match="for_update"):
        await query.page(size=2)
    async with db.transaction():
        page = await query.page(size=2)
    assert page.rows == await people(order_by="id", limit=2)


async def test_keys_asked_for_together_share_one_statement(people: Rows, caplog: pytest.LogCaptureFixture) -> None:
    await asyncio.gather(*(people.exists(n) for n in range(1, 5)))
    caplog.set_level(logging.DEBUG, logger="deebase.sql")
    caplog.clear()
    known = {row["id"] for row in await people()}
    caplog.clear()
    found = await asyncio.gather(*(people.exists(n) for n in range(50)))
    assert found == [n in known for n in range(50)]
    # The list in between was alone, so that the first of them goes ahead.
    assert len(caplog.records) <= 2


async def test_a_stream_gives_the_rows_of_the_list(people: Rows) -> None:
    await people.insert_all(
        {"name": f"n{n}", "age": n, "tags": [n], "born": date(2000, 1, 1), "wage": n} for n in range(2100)
    )
    query = people(people.c.age >= 50, order_by="-age")
    assert [row async for row in query] == await query
    assert [key async for key, _ in people(order_by="id", offset=5, limit=2, with_pk=True)] == [6, 7]


async def test_a_stream_that_is_left_gives_its_connection_back(db: Database, people: Rows) -> None:
    async for _ in people():
        break
    async for _ in db.stream("SELECT * FROM person"):
        break
    with pytest.raises(ZeroDivisionError):
        async for _ in people():
            raise ZeroDivisionError
    await settled()
    assert db._core.executor.lanes_in_use == 0
    assert await people.count() == 5


async def test_a_query_is_lazy_immutable_and_may_be_awaited_again(people: Rows) -> None:
    query = people(age=25, order_by="id")
    assert await names(query) == ["Bob", "Dan"]
    await people.delete(2)
    assert await names(query) == ["Dan"]
    assert await query.first() == await query.one()
    with pytest.raises(AttributeError):
        query.anything = 1  # type: ignore[attr-defined]
    assert {name for name in dir(query) if not name.startswith("_")} == {
        "arrow",
        "count",
        "exists",
        "explain",
        "export",
        "first",
        "one",
        "page",
        "pandas",
        "polars",
        "scalars",
        "stream",
        # Of a coroutine, for event loops.
        "close",
        "send",
        "throw",
    }


async def test_a_condition_in_text_can_use_an_index(db: Database, people: Rows) -> None:
    if can(db).is_one_file:
        await db.q("CREATE INDEX ix_age ON person (age)")
        assert "ix_age" in await people("age = ?", [25]).explain()
        # What SQLite takes for true is true.
        assert await names(people("age & 4", order_by="id")) == ["Ada", "O'Neil"]
    else:
        await db.script("CREATE INDEX ix_age ON person (age)")
        async with db.transaction():
            await db.q("SET LOCAL enable_seqscan = off")
            assert "ix_age" in await people("age = ?", [25]).explain()


async def test_explain_tells_the_plan_without_running_the_query(people: Rows) -> None:
    plan = await people(name="Ada").explain()
    assert isinstance(plan, str)
    assert "person" in plan


async def test_the_row_type_of_a_dataclass_holds_everywhere(db: Database) -> None:
    @dataclass(frozen=True)
    class Point:
        id: int
        x: float
        y: float = 0.5

    points = await db.create(Point)
    first = await points.insert(Point(id=1, x=1))
    assert first == Point(1, 1.0, 0.5)
    with pytest.raises(FrozenInstanceError):
        first.x = 2  # type: ignore[misc]
    assert await points[1] == await points.lookup(x=1.0) == await points().first() == first
    assert await points() == [row async for row in points()] == [first]
    assert await points(select=["id", "x"]) == [Point(1, 1.0, UNSET)]  # type: ignore[arg-type]
    assert await db.q("SELECT * FROM point", row_type=Point) == [first]
    assert await points.rows_as(dict)[1] == {"id": 1, "x": 1.0, "y": 0.5}
    assert await points[1] == first


async def test_tables_know_their_names_and_columns(db: Database, people: Rows) -> None:
    assert people.name == "person"
    assert people.pks == ("id",)
    assert [column.name for column in people.c] == ["id", "name", "age", "grade", "tags", "born", "wage"]
    assert people.sa_table.metadata is db.metadata
    assert repr(people) == "<Table person (id, name, age, grade, tags, born, wage)>"
    assert db.t["person"] is db.t.person
    assert db.t[Person].name == "person"
    assert "person" in db.t
    assert list(db.t) == [db.t.person]
    assert not hasattr(db.t, "persons")
    with pytest.raises(SchemaError, match="'person'"):
        _ = db.t.persons
