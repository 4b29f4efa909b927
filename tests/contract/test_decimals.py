"""Decimals in expressions: as exact on SQLite as on PostgreSQL, which has them itself."""

from __future__ import annotations

from decimal import Context, Decimal
from functools import reduce
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from deebase import CheckViolationError, Database, DataError, QueryError, Table, ValidationError
from deebase._types.forms.arithmetic import Sum, computed

LONG = Decimal("12345678901234567.89")
EXACT = Context(prec=500)

Accounts = Table[dict[str, Any]]


class Account:
    id: int
    balance: Decimal
    pieces: int = 3
    limit: Decimal | None = None


@pytest.fixture
async def accounts(db: Database) -> Accounts:
    return await db.create(Account)


async def test_what_is_stored_by_an_expression_is_exact(db: Database, accounts: Accounts) -> None:
    row = await accounts.insert(balance=LONG)
    c = accounts.c
    for expression, expected in (
        (c.balance - Decimal("0.01"), LONG - Decimal("0.01")),
        (c.balance + 1, LONG + 1),
        (1 - c.balance, 1 - LONG),
        (c.balance * c.pieces, EXACT.multiply(LONG, Decimal(3))),
        (-c.balance, -LONG),
        (c.balance - (c.balance - Decimal("0.001")) * 2, Decimal("0.002") - LONG),
        (sa.func.coalesce(c.limit, c.balance) + c.balance, LONG + LONG),
        (sa.case((c.pieces > 2, c.balance - 1), else_=c.balance), LONG - 1),
        (c.pieces + 4, Decimal(7)),
    ):
        await accounts.update(pk=row["id"], balance=LONG)
        assert (await accounts.update(pk=row["id"], balance=db.sql(expression)))["balance"] == expected, str(expression)
    assert (await accounts.update(pk=row["id"], limit=db.sql(c.limit + 1)))["limit"] is None
    for _ in range(10):
        await accounts.update_where({"balance": db.sql(c.balance + Decimal("0.10"))}, all=True)
    assert await accounts().scalars("balance") == [Decimal("8.00")]


async def test_sums_and_computed_columns_are_exact(db: Database, accounts: Accounts) -> None:
    c = accounts.c
    empty = await db.q(sa.select(sa.func.sum(c.balance).label("total")))
    assert empty == [{"total": None}]
    values = [Decimal("0.1"), Decimal("0.2"), LONG, Decimal("-0.3")]
    await accounts.insert_all({"balance": value} for value in values)
    assert await db.item(sa.select(sa.func.sum(c.balance))) == LONG
    assert await db.item(sa.select(sa.func.sum(c.balance.distinct()))) == LONG
    assert await db.item(sa.select(sa.func.sum(c.pieces))) == 12
    window = sa.func.sum(c.balance).over(order_by=c.id, rows=(-1, 0)).label("two")
    assert [row["two"] for row in await db.q(sa.select(window).order_by(c.id))] == [
        Decimal("0.1"),
        Decimal("0.3"),
        LONG + Decimal("0.2"),
        LONG - Decimal("0.3"),
    ]
    assert await accounts.count(c.balance * 3 == Decimal("0.3")) == 1
    assert [row["id"] for row in await accounts(order_by=c.balance * -1)] == [3, 2, 1, 4]
    halves = await db.q(sa.select((c.balance / 8).label("part")).where(c.id == 1))
    assert halves == [{"part": Decimal("0.0125")}]


@pytest.mark.parametrize("backend_name", ["sqlite-memory", "sqlite-file"], indirect=True)
async def test_what_would_lose_digits_is_refused(db: Database, accounts: Accounts) -> None:
    await accounts.insert(balance=LONG)
    c = accounts.c
    for expression in ("balance - 0.01", sa.func.round(c.balance, 1), c.pieces * c.balance, c.balance % 7):
        with pytest.raises(ValidationError, match=r"account\.balance is a Decimal") as caught:
            await accounts.update(pk=1, balance=db.sql(expression))
        assert "the Decimal on the left" in str(caught.value.hint)
        with pytest.raises(ValidationError, match=r"account\.balance is a Decimal"):
            await accounts.update_where({"balance": db.sql(expression)}, all=True)
    assert (await accounts[1])["balance"] == LONG
    assert await db.item("SELECT deebase_sum(balance) FROM account") == str(LONG)


async def test_a_float_is_no_operand(db: Database, accounts: Accounts) -> None:
    await accounts.insert(balance=LONG)
    with pytest.raises(ValidationError, match="takes a Decimal, not float"):
        await accounts.update(pk=1, balance=db.sql(accounts.c.balance * 1.1))


numbers = st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30, places=8)


@given(left=numbers, right=numbers, symbol=st.sampled_from("+-*"))
def test_the_function_computes_as_python_does(left: Decimal, right: Decimal, symbol: str) -> None:
    expected = {"+": EXACT.add, "-": EXACT.subtract, "*": EXACT.multiply}[symbol](left, right)
    found = computed(symbol, format(left, "f"), format(right, "f"))
    assert found is not None
    assert Decimal(found) == expected
    assert "E" not in found


@given(values=st.lists(st.none() | numbers, max_size=20), gone=st.integers(0, 20))
def test_a_sum_over_a_window_forgets_what_has_left_it(values: list[Decimal | None], gone: int) -> None:
    total = Sum()
    stored = [None if value is None else format(value, "f") for value in values]
    for value in stored:
        total.step(value)
    for value in stored[:gone]:
        total.inverse(value)
    left = [value for value in values[gone:] if value is not None]
    found = total.value()
    assert (None if found is None else Decimal(found)) == (reduce(EXACT.add, left) if left else None)


async def test_checks_compare_numbers(db: Database) -> None:
    class Item:
        id: int
        price: Decimal
        low: Decimal | None = None

    checks = ["price < 100 AND price >= 0", "low IS NULL OR low BETWEEN 5 AND 20", "0 < price"]
    items = await db.create(Item, checks=checks)
    for price in ("20", "5", "99.5", "0.01"):
        await items.insert(price=Decimal(price), low=Decimal("7.5"))
    for price in ("100", "1000", "-1", "0", "0.00"):
        with pytest.raises(CheckViolationError):
            await items.insert(price=Decimal(price))
    for low in ("4.99", "20.01", "100"):
        with pytest.raises(CheckViolationError):
            await items.insert(price=Decimal(1), low=Decimal(low))
    # They are known again.
    await db.create(Item, checks=checks, if_not_exists=True)
    await db.create(Item, checks=[*checks, "price <> 13"], transform=True)
    await db.create(Item, checks=[*checks, "price <> 13"], transform=True)
    with pytest.raises(CheckViolationError):
        await items.insert(price=Decimal("13.0"))


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
@pytest.mark.parametrize("stored", ["abc", "", "NaN", "-Infinity", "1E+999999999", "1E-999999999", "1E+150000"])
async def test_what_others_stored_is_no_number_to_compute_with(db: Database, accounts: Accounts, stored: str) -> None:
    await db.q("INSERT INTO account (id, balance) VALUES (1, ?)", [stored])
    c = accounts.c
    too_much = c.balance * c.balance * c.balance
    for expression in (too_much,) if stored == "1E+150000" else (c.balance + 1, 1 - c.balance, too_much, c.balance / 3):
        with pytest.raises((DataError, QueryError)):
            await db.q(sa.select(expression.label("x")))
        with pytest.raises((DataError, QueryError)):
            await accounts.update_where({"balance": db.sql(expression)}, all=True)
    if stored != "1E+150000":
        with pytest.raises((DataError, QueryError)):
            await db.q(sa.select(sa.func.sum(c.balance)))
    assert await db.item("SELECT balance FROM account") == stored
