"""Sums, groups and distinct values: typed as their columns, the same on both databases."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import ColumnNotFoundError, Database, DeeBaseError, SchemaError, Table, UTCDateTime, ValidationError
from deebase.queries import avg, count, day, hour, max_, min_, month, sum_, year
from tests.support.capabilities import can


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Order:
    id: int
    customer: str | None
    n: int | None
    share: float | None
    paid: bool | None
    took: timedelta | None
    code: UUID | None
    color: Color | None
    amount: Decimal | None
    day: date | None
    at: datetime | None
    utc: UTCDateTime | None
    clock: time | None
    raw: bytes | None
    doc: dict | None


EVENING = datetime(2024, 2, 29, 23, 30, 15, 5, tzinfo=timezone(timedelta(hours=-3)))
ROWS: list[dict[str, Any]] = [
    {
        "customer": "ann",
        "n": 1,
        "share": 0.25,
        "paid": True,
        "took": timedelta(seconds=1.5),
        "code": UUID(int=5),
        "color": Color.RED,
        "amount": Decimal("1.10"),
        "day": date(2024, 2, 29),
        "at": datetime(2023, 12, 31, 23, 59, 59, 999999),
        "utc": EVENING,
        "clock": time(1, 2),
        "raw": b"a",
        "doc": {"a": 1},
    },
    {
        "customer": "bob",
        "n": 4,
        "share": 0.5,
        "paid": False,
        "took": timedelta(seconds=2),
        "code": UUID(int=2**127 + 1),
        "color": Color.BLUE,
        "amount": Decimal("12345678901234567.89"),
        "day": date(2024, 2, 2),
        "at": datetime(2024, 1, 1),
        "utc": datetime(2024, 2, 28, tzinfo=UTC),
        "clock": time(2, 2),
        "raw": b"b",
        "doc": {"a": 1},
    },
    {"customer": "ann", "n": 2, "amount": Decimal("1.1"), "at": datetime(2024, 1, 31, 12)},
    {"n": None},
]


@pytest.fixture
async def orders(db: Database) -> Table[dict[str, Any]]:
    orders = await db.create(Order)
    await orders.insert_all(ROWS)
    return orders


async def test_one_value_is_typed_as_its_column(orders: Table[Any]) -> None:
    sums = [await orders.sum(name) for name in ("n", "share", "paid", "took", "amount")]
    assert repr(sums) == repr([7, 0.75, 1, timedelta(seconds=3.5), Decimal("12345678901234570.09")])
    means = [await orders.avg(name) for name in ("n", "share", "paid", "took", "amount")]
    expected = [7 / 3, 0.375, 0.5, timedelta(seconds=1.75), Decimal("4115226300411523.363333333333")]
    assert repr(means) == repr(expected)
    extremes = {
        name: [await orders.min(name), await orders.max(name)]
        for name in ("n", "share", "paid", "took", "code", "color", "amount", "day", "at", "utc", "clock", "raw")
    }
    for name, (least, greatest) in extremes.items():
        values = [row[name] for row in ROWS if row.get(name) is not None]
        values = sorted([value.value for value in values]) if name == "color" else sorted(values)
        found = [least.value, greatest.value] if name == "color" else [least, greatest]
        assert found == [values[0], values[-1]]
        assert type(least) is type(greatest)


async def test_no_rows_and_null(orders: Table[Any]) -> None:
    for method in (orders.sum, orders.avg, orders.min, orders.max):
        assert [await method(name, id=0) for name in ("n", "amount", "took", "share")] == [None] * 4
        assert await method("n", orders.c.n.is_(None)) is None
    assert await orders.group("customer", n=count(), where={"id": 0}) == []
    assert await orders.group(n=count(), total=sum_("amount"), where={"id": 0}) == [{"n": 0, "total": None}]
    assert await orders.values("customer", id=0) == []
    assert await orders.values("customer", id=0, counts=True) == {}
    assert await orders.count(id=0, distinct="customer") == 0
    rows = await orders.group("customer", n=count(), named=count("amount"), order_by="-n")
    assert {row["customer"]: (row["n"], row["named"]) for row in rows} == {"ann": (2, 2), "bob": (1, 1), None: (1, 0)}


async def test_conditions_expressions_and_distinct(orders: Table[Any]) -> None:
    c = orders.c
    assert await orders.sum("n", c.n > 1, customer="ann") == 2
    assert await orders.sum("n", "n > ? OR n = ?", [1, 1]) == 7
    assert await orders.sum(c.n * 2 + 1, c.n.is_not(None)) == 17
    assert str(await orders.sum(c.amount * 2, customer="ann")) == "4.40"
    assert await orders.max(c.n + 5) == 9
    assert await orders.min(sa.func.length(c.customer)) == 3
    # 1.10 and 1.1 are one number.
    assert await orders.count(distinct="amount") == await orders(paid=[True, False, None]).count(distinct=c.amount) == 2
    assert await orders.values("customer") == ["ann", "bob", None]
    assert await orders.values("amount", counts=True) == {Decimal("1.1"): 2, ROWS[1]["amount"]: 1, None: 1}
    assert [*await orders.values(c.n % 2, c.n.is_not(None), counts=True)] == [0, 1]
    query = orders(customer="ann")
    assert [await query.count(distinct="n") for _ in range(2)] == [2, 2]
    assert await query.count() == 2


async def test_groups_by_every_type(orders: Table[Any]) -> None:
    for name in (*ROWS[0],):
        if name in ("doc", "customer", "n", "amount", "at"):
            continue
        rows = await orders.group(name, n=count(), least=min_(name), most=max_(name), different=count(distinct=name))
        by_key = {row.pop(name): row for row in rows}
        known = {each[name].astimezone(UTC) if name == "utc" else each[name] for each in ROWS[:2]}
        assert by_key == {
            None: {"n": 2, "least": None, "most": None, "different": 0},
            **{key: {"n": 1, "least": key, "most": key, "different": 1} for key in known},
        }
    (row,) = await orders.group(
        least=min_("code"), most=max_("amount"), any=max_("paid"), all=min_("paid"), mean=avg("n"), part=avg("amount")
    )
    expected = [UUID(int=5), ROWS[1]["amount"], True, False, 7 / 3, Decimal("4115226300411523.363333333333")]
    assert repr([*row.values()]) == repr(expected)


async def test_periods_are_in_utc(orders: Table[Any]) -> None:
    midnight = datetime(2024, 3, 1, 2, tzinfo=UTC)
    for unit, name, expected in (
        (year, "utc", [2024, 2024]),
        (month, "utc", [date(2024, 2, 1), date(2024, 3, 1)]),
        (day, "utc", [date(2024, 2, 28), date(2024, 3, 1)]),
        (hour, "utc", [datetime(2024, 2, 28, tzinfo=UTC), midnight]),
        (year, "at", [2023, 2024]),
        (month, "at", [date(2023, 12, 1), date(2024, 1, 1)]),
        (day, "at", [date(2023, 12, 31), date(2024, 1, 1), date(2024, 1, 31)]),
        (hour, "at", [datetime(2023, 12, 31, 23), datetime(2024, 1, 1), datetime(2024, 1, 31, 12)]),
        (month, "day", [date(2024, 2, 1)]),
        (year, "day", [2024]),
    ):
        rows = await orders.group(unit(name), n=count(), where=orders.c[name].is_not(None), order_by=unit.__name__)
        found = [row[unit.__name__] for row in rows]
        assert found == list(dict.fromkeys(expected))
        assert repr(found) == repr(list(dict.fromkeys(expected)))
        assert sum(row["n"] for row in rows) == len([row for row in ROWS if row.get(name) is not None])
        assert await orders.values(unit(name), orders.c[name].is_not(None)) == found
    assert await orders.count(month(orders.c.utc) == date(2024, 3, 1)) == 1
    rows = await orders(select={"y": year("at"), "m": month(orders.c.at)}, order_by=["y", "id"], where={"n": [1, 2]})
    assert rows == [{"y": 2023, "m": date(2023, 12, 1)}, {"y": 2024, "m": date(2024, 1, 1)}]
    for call in (lambda: hour(orders.c.day), lambda: month(orders.c.clock), lambda: year(orders.c.customer)):
        with pytest.raises(ValidationError, match="takes a date"):
            call()


async def test_having_order_and_limit(orders: Table[Any]) -> None:
    c = orders.c
    rows = await orders.group(
        "customer", total=sum_("amount"), having=sum_("amount") > Decimal("2.1"), order_by="-total"
    )
    assert [(row["customer"], str(row["total"])) for row in rows] == [("bob", "12345678901234567.89"), ("ann", "2.20")]
    for having, wanted in (
        (count() > 1, {"ann"}),
        (count() >= 1.5, {"ann"}),
        (~(count() > 1), {"bob", None}),
        ((count() == 1) & (avg("n") != 4), set()),
        ((count() < 2) | (sum_("amount") <= 2), {"bob", None}),
        ([count() > 1, min_("at") > datetime(2023, 1, 1)], {"ann"}),
        (sa.func.count(c.n) > 0, {"ann", "bob"}),
        (max_("amount") > Decimal(9), {"bob"}),
        (avg("amount") == Decimal("1.1"), {"ann"}),
    ):
        rows = await orders.group("customer", having=having)
        assert {row["customer"] for row in rows} == wanted
    rows = await orders.group("customer", n=count(), order_by=["-n", "customer desc"], limit=1, offset=1, where=c.n > 0)
    assert rows == [{"customer": "bob", "n": 1}]


async def test_expressions_and_names_of_columns(orders: Table[Any]) -> None:
    c = orders.c
    first = sa.func.substr(c.customer, 1, 1)
    assert await orders.group(first, n=count(), order_by="-n", limit=1) == [{"substr": "a", "n": 2}]
    rows = await orders.group(
        first.label("letter"), c.paid, most=sa.func.max(c.n), where=["n < ?", [3]], order_by="most"
    )
    assert rows == [{"letter": "a", "paid": True, "most": 1}, {"letter": "a", "paid": None, "most": 2}]
    rows = await orders.group({"twice": c.amount * 2, "m": month("at")}, n=count(), order_by=["-twice", "m"])
    twice = [row["twice"] for row in rows if row["twice"] is not None]
    assert twice == [Decimal("24691357802469135.78"), Decimal("2.2"), Decimal("2.2")]
    assert await orders.group("n", where={"customer": "ann"}, order_by="n") == [{"n": 1}, {"n": 2}]


async def test_groups_are_one_statement_that_is_compiled_once(orders: Table[Any], db: Database) -> None:
    statements = orders._model.statements

    async def run(n: int) -> None:
        c = orders.c
        await orders.group("customer", month("at"), n=count(), total=sum_("amount"), where=c.n > n, having=count() > n)
        await orders.group({"x": c.n + n}, where="n > ?", params=[n], limit=n, order_by="x")
        await orders.sum("n", customer=str(n))
        await orders.max("at", c.n < n)
        await orders.values("customer", counts=True)
        await orders(select=["customer"], distinct=True, limit=n)

    await run(1)
    known = len(statements)
    for n in range(2, 10):
        with db._core.recording() as recorded:
            await run(n)
        assert len(recorded) == 6
    assert len(statements) == known


async def test_what_cannot_be_grouped_is_refused_before_anything_is_sent(orders: Table[Any]) -> None:
    c = orders.c
    refusals: list[tuple[Callable[[], Awaitable[Any]], type[DeeBaseError], str]] = [
        (lambda: orders.sum("customer"), ValidationError, "customer: there is no sum of values of the type str"),
        (lambda: orders.avg("at"), ValidationError, "at: there is no avg of values of the type datetime"),
        (lambda: orders.group(x=sum_("doc")), ValidationError, "doc: there is no sum"),
        (lambda: orders.group(x=min_("doc")), ValidationError, "doc: there is no min"),
        (lambda: orders.min("doc"), ValidationError, "documents have no order"),
        (lambda: orders.group("doc"), ValidationError, "documents of doc cannot be compared"),
        (lambda: orders.values("doc"), ValidationError, "documents of doc cannot be compared"),
        (lambda: orders.count(distinct="doc"), ValidationError, "doc: there is no count"),
        (lambda: orders(select=["doc"], distinct=True), ValidationError, "documents of doc cannot be compared"),
        (lambda: orders.sum("nope"), ColumnNotFoundError, "no column 'nope'"),
        (lambda: orders.group("custmer"), ColumnNotFoundError, "no column 'custmer'"),
        (lambda: orders.group("customer", n=count("nope")), ColumnNotFoundError, "no column 'nope'"),
        (lambda: orders.group("customer", order_by="n"), SchemaError, "not by 'n'"),
        (lambda: orders.group("customer", order_by=c.n), SchemaError, "not by Column"),
        (lambda: orders.group("customer", customer=count()), ValidationError, "customer is a column of the groups"),
        (lambda: orders.group(month("at"), month("utc")), ValidationError, "two columns are called 'month'"),
        (lambda: orders.group(c.n + 1), ValidationError, "has no name"),
        (lambda: orders.group(), ValidationError, "group of nothing"),
        (lambda: orders.group("customer", n=3), ValidationError, "not int"),
        (lambda: orders.group("customer", having="n > 1"), ValidationError, "having is a condition on aggregates"),
        (lambda: orders.group("customer", where=3), ValidationError, "where is a dict"),
        (lambda: orders.group("customer", limit=-1), ValidationError, "limit"),
        (lambda: orders.group("customer", by="n", m=count()), ValidationError, "by position and as by"),
        (lambda: orders.group("customer", x="n"), ValidationError, "x takes one value for each group"),
        (lambda: orders.group("customer", x=month("at")), ValidationError, "x takes one value for each group"),
        (lambda: orders.group("customer", x=c.n + sa.func.sum(c.n)), ValidationError, "x takes one value"),
        (lambda: orders.group("customer", having=c.n > 1), ValidationError, "having takes one value"),
        (lambda: orders(limit=1).scalars(), ValidationError, "scalars of rows with 15 columns"),
        (lambda: orders.group(hour("day")), ValidationError, "hour of day: takes a datetime, not date"),
    ]
    for call, kind, message in refusals:
        with pytest.raises(kind) as caught:
            await call()
        assert message in str(caught.value)
        assert caught.value.hint
    with pytest.raises(TypeError, match="no truth value"):
        bool(count() > 1)


async def test_outputs_are_aggregates_or_columns_of_the_groups(orders: Table[Any]) -> None:
    c = orders.c
    for by in ("customer", ["customer"], {"customer": c.customer}):
        rows = await orders.group(by=by, same="customer", most=sa.func.max(c.n) + 1, order_by="customer")
        assert rows == await orders.group("customer", same=c.customer, most=max_(c.n + 1), order_by="customer")
    lower = sa.func.lower(c.customer)
    rows = await orders.group(lower.label("low"), again=lower, n=count(), having=[lower == "ann", count() > 0])
    assert [(row["low"], row["again"]) for row in rows] == [("ann", "ann")]


@pytest.mark.parametrize("backend_name", ["sqlite-file"], indirect=True)
async def test_functions_of_one_row_are_no_aggregates(orders: Table[Any]) -> None:
    """SQLite would take them of any row of the group."""
    c = orders.c
    for output in (sa.func.lower(c.customer), sa.func.max(c.n, 1), sa.func.min(c.n, 1) + sa.func.count()):
        with pytest.raises(ValidationError, match="x takes one value for each group"):
            await orders.group("paid", x=output)


async def test_a_sum_beyond_64_bits(orders: Table[Any], db: Database) -> None:
    await orders.update_where({"n": 2**62}, all=True)
    assert await orders.avg("n") == 2.0**62
    if can(db).has_exact_decimals:
        assert await orders.sum("n") == 2**64
    else:
        with pytest.raises(DeeBaseError, match="integer overflow"):
            await orders.sum("n")
