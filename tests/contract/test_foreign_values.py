"""Values of other libraries (numpy, pandas, fractions) are stored as what they are exactly, or are refused."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import IntEnum, StrEnum
from fractions import Fraction
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.sql import quoted_name

from deebase import Database, DeeBaseError, Text, UTCDateTime, ValidationError


class Index:
    """An integer by ``__index__`` alone; like numpy's, it also is a buffer of 8 bytes where Python lets it be."""

    def __init__(self, value: int) -> None:
        self.value = value

    def __index__(self) -> int:
        return self.value


class Dtype:
    def __init__(self, kind: str) -> None:
        self.kind = kind


class Scalar:
    """A scalar as numpy has them."""

    ndim = 0

    def __init__(self, value: Any, kind: str = "f") -> None:
        self.value = value
        self.dtype = Dtype(kind)

    def item(self) -> Any:
        return self.value


class Real:
    def __init__(self, value: float) -> None:
        self.value = value

    def __float__(self) -> float:
        return self.value

    def __eq__(self, other: object) -> bool:
        return self.value == other

    __hash__ = None  # type: ignore[assignment]


class Timestamp(datetime):
    """As pandas has it: a datetime whose nanoseconds come on top."""

    nanosecond = 0


class Late(Timestamp):
    nanosecond = 1


class Never(datetime):
    """No time at all, as NaT is."""

    def __eq__(self, other: object) -> bool:
        return False

    __hash__ = datetime.__hash__


class Number(Decimal):
    pass


class Level(IntEnum):
    FIVE = 5


class Word(StrEnum):
    X = "x"


class Thing:
    id: int
    n: int = Index(3)  # type: ignore[assignment]
    f: float | None
    s: str | None
    t: Text | None
    b: bool | None
    d: Decimal | None
    at: datetime | None
    utc: UTCDateTime | None
    day: date | None
    clock: time | None
    span: timedelta | None
    raw: bytes | None
    doc: dict[str, Any] | None


NOON = datetime(2024, 1, 1, 12)
#: A column, what is given, and what is stored.
EXACT: list[tuple[str, Any, Any]] = [
    *(("n", value, 5) for value in (Index(5), Level.FIVE, Scalar(5, "i"), Scalar(Index(5), "i"))),
    *(("f", value, 0.5) for value in (Scalar(0.5), Fraction(1, 2), Real(0.5), Scalar(Real(0.5)))),
    ("f", Index(5), 5.0),
    *(("s", value, "x") for value in (quoted_name("x", True), Word.X, Scalar("x", "U"))),
    ("b", Scalar(True, "b"), True),
    *(("d", value, Decimal(5)) for value in (Index(5), Number(5))),
    *(("at", value, NOON) for value in (Timestamp(2024, 1, 1, 12), Scalar(NOON, "M"))),
    ("utc", Timestamp(2024, 1, 1, 12, tzinfo=UTC), NOON.replace(tzinfo=UTC)),
    ("day", Scalar(NOON.date(), "M"), NOON.date()),
    ("span", Scalar(timedelta(5), "m"), timedelta(5)),
    *(("raw", value, b"\x01\x02") for value in (array("B", [1, 2]), memoryview(b"\x01\x02"), bytearray(b"\x01\x02"))),
    ("doc", {"a": [Index(5), Scalar(0.5)]}, {"a": [5, 0.5]}),
]
INEXACT: list[tuple[str, Any]] = [
    ("n", Real(5.0)),
    ("n", Scalar(5.0)),
    ("f", Fraction(1, 3)),
    ("at", Late(2024, 1, 1)),
    ("at", Never(2024, 1, 1)),
    ("at", Scalar(5, "M")),
    ("at", Scalar(None, "M")),
    ("span", Scalar(5, "m")),
    ("raw", array("i", [1])),
    ("raw", Index(5)),
    ("b", Index(1)),
]
exact = pytest.mark.parametrize(("column", "given", "stored"), EXACT)


@pytest.fixture
async def things(db: Database) -> Any:
    return await db.create(Thing)


@exact
async def test_a_record_holds_the_exact_value(things: Any, column: str, given: Any, stored: Any) -> None:
    async def has(row: dict[str, Any]) -> None:
        found = (await things[row["id"]])[column]
        assert (found, type(found), row[column]) == (stored, type(stored), stored)

    row = await things.insert({column: given})
    await has(row)
    await has((await things.insert_all([{column: given}], returning=True))[0])
    await has(await things.upsert({"id": 7, column: given}))
    assert await things.insert_all([{"id": 8, column: given}, {"id": 9, column: None if column != "n" else 1}]) == 2
    await has(await things[8])
    await has(await things.update({"id": 9, column: given}))
    assert await things.update_all([{"id": 9, column: given}]) == 1
    assert await things.update_where({column: given}, id=9) == 1
    await has(await things[9])


@exact
async def test_a_condition_compares_with_the_exact_value(
    db: Database, things: Any, column: str, given: Any, stored: Any
) -> None:
    await things.insert_all([{column: stored}, {"id": 5}] if column != "n" else [{"n": 5}, {"id": 5}])
    field = things.c[column]
    assert await things.count(**{column: given}) == 1
    assert await things.xtra(**{column: given}).count() == 1
    assert await things(field == given).count() == 1
    if column == "doc":
        return
    assert await things.count(**{column: [given, given]}) == 1
    assert await things(field.in_([given, given])).count() == 1
    assert await things(field.between(given, given)).count() == 1
    assert await things(sa.or_(field == given, field > given), things.c.id > 0).count() >= 1
    assert await db.q(sa.select(things.c.id).where(field == given)) == [{"id": 1}]
    assert [row async for row in db.stream(sa.select(things.c.id).where(field == given))] == [{"id": 1}]
    if column != "b":
        assert await things(f"{column} = ?", [given]).count() == 1
        assert await db.item(f"SELECT count(*) FROM thing WHERE {column} = ?", [given]) == 1
        assert await db.item(f"SELECT count(*) FROM thing WHERE {column} = :v", {"v": given}) == 1


@pytest.mark.parametrize(("column", "given"), INEXACT)
async def test_what_is_not_exact_is_refused(db: Database, things: Any, column: str, given: Any) -> None:
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: things.insert({column: given}),
        lambda: things.insert_all([{column: given}]),
        lambda: things.update_where({column: given}, all=True),
        lambda: things.count(**{column: given}),
    ]
    for call in calls:
        with pytest.raises(ValidationError) as caught:
            await call()
        assert caught.value.field == column
        assert f"thing.{column}" in str(caught.value)
    assert await things() == []


@pytest.mark.parametrize("given", [Fraction(1, 3), Late(2024, 1, 1), Never(2024, 1, 1), array("i", [1])])
async def test_a_parameter_is_never_rounded_or_taken_for_bytes(db: Database, things: Any, given: Any) -> None:
    column = "f" if isinstance(given, Fraction) else "raw" if isinstance(given, array) else "at"
    calls: list[Callable[[], Awaitable[Any]]] = [
        lambda: db.q(f"INSERT INTO thing ({column}) VALUES (?)", [given]),
        lambda: things(f"{column} = :v", {"v": given}),
        lambda: things(things.c[column] == given),
        lambda: db.q(sa.insert(things.sa_table).values({column: given})),
    ]
    for call in calls:
        with pytest.raises(DeeBaseError):
            await call()
    assert await things() == []


async def test_every_place_of_an_integer(db: Database, things: Any) -> None:
    five, one = Index(5), Scalar(1, "i")
    assert (await things.insert(id=five, n=five))["id"] == 5
    row = await things[five]
    assert await asyncio.gather(*map(things.get, [five, 5, Level.FIVE])) == [row, row, row]
    assert await things.exists(five)
    assert await things.lookup(n=five) == row
    assert (await things.update(pk=five, n=db.sql(things.c.n + one)))["n"] == 6
    assert await things.update_where({"n": db.sql(things.c.n - one)}, things.c.n == Index(6)) == 1
    assert await things(things.c.n + one == Index(6), things.c.n * one > Index(4)).count() == 1
    assert await things(things.c.d + five > Index(1)).count() == 0
    assert (await things.xtra(n=five).insert(id=Index(6)))["n"] == 5
    assert list(await things.get_or_create(id=five)) == [row, False]
    assert len(await things(limit=one, offset=one)) == 1
    page = await things.page(size=one, order_by="n")
    assert (await things.page(size=one, order_by="n", after=page.next)).rows[0]["id"] == 6
    assert await db.q("SELECT id FROM thing WHERE n = ? ORDER BY id LIMIT ?", [five, one]) == [{"id": 5}]
    assert [found async for found in db.stream("SELECT id FROM thing WHERE id = ?", [five])] == [{"id": 5}]
    assert await db.q("INSERT INTO thing (id, n) VALUES (:id, :n) RETURNING n", {"id": Index(100), "n": five}) == [
        {"n": 5}
    ]
    assert (await things.insert({}))["n"] == 3
    assert await things.insert_all([{"id": Index(200)}, {"id": 201, "s": "x"}]) == 2
    assert (await things.insert(s="the key goes on"))["id"] == 202
    await things.delete(five)
    assert await things.delete_all([Index(6)]) == await things.delete_where(things.c.id == Index(100)) == 1


async def test_connections_of_sqlalchemy_send_the_same(db: Database, things: Any) -> None:
    async with db.engine.begin() as connection:
        await connection.execute(sa.insert(things.sa_table), [{"n": Index(5)}, {"n": Scalar(5, "i")}])
        found = await connection.execute(sa.text("SELECT count(*) FROM thing WHERE n = :n"), {"n": Index(5)})
        assert found.scalar_one() == 2
    async with db.transaction() as tx:
        assert (await tx.connection.execute(sa.select(things.c.n).where(things.c.n > Index(4)))).all() == [(5,), (5,)]
