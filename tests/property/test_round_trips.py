"""What is written is read back, of every type and on every backend, or refused before anything is sent."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any, Literal, TypedDict
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from deebase import Database, Table, Text, UTCDateTime, ValidationError
from tests.conftest import BACKENDS

Rows = Table[dict[str, Any]]


class Color(Enum):
    RED = "red"
    ODD = "it's; \\ :odd ?"
    NONE = ""


class Level(IntEnum):
    LOW = -1
    HIGH = 2**40


class Point(TypedDict):
    x: int
    y: float | None


@dataclass
class Inner:
    name: str
    color: Color
    points: list[Point] = field(default_factory=list)
    next: Inner | None = None


class Model(pydantic.BaseModel):
    n: int
    names: list[str]


class Struct(msgspec.Struct):
    n: int
    by_name: dict[str, float]


class Everything:
    """One column of each type; a property writes one of them and leaves the others NULL."""

    id: int
    int_: int | None
    float_: float | None
    str_: str | None
    text: Text | None
    bool_: bool | None
    bytes_: bytes | None
    dict_: dict | None
    list_: list | None
    ints: list[int] | None
    by_number: dict[int, str] | None
    typed: Point | None
    inner: Inner | None
    model: Model | None
    struct: Struct | None
    naive: datetime | None
    utc: UTCDateTime | None
    day: date | None
    clock: time | None
    span: timedelta | None
    price: Decimal | None
    key: UUID | None
    color: Color | None
    level: Level | None
    literal: Literal["a", "it's", 1, True] | None


@pytest.fixture(scope="module", params=BACKENDS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Written]:
    """A table with a column of each type, one for all properties of this module and backend."""
    if request.param == "postgres":
        with request.getfixturevalue("postgres_server").fresh_database() as url:
            yield from opened(url)
    else:
        path = ":memory:" if request.param == "sqlite-memory" else tmp_path_factory.mktemp("types") / "test.db"
        yield from opened(str(path))


def opened(target: str) -> Iterator[Written]:
    with asyncio.Runner() as runner:
        db = Database(target, durability="normal", in_loop=1)
        yield Written(runner, db, runner.run(_created(db)))
        runner.run(db.close())


async def _created(db: Database) -> Rows:
    table = await db.create(Everything)
    await table.insert(int_=0)
    for _ in range(3):
        await table.get(1)
    return table


class Written:
    """Writes values in every way there is and compares what comes back."""

    def __init__(self, runner: asyncio.Runner, db: Database, table: Rows) -> None:
        self.runner = runner
        self.db = db
        self.table = table

    def same(self, column: str, value: Any, expected: Any = ...) -> None:
        self.runner.run(self._same(column, value, value if expected is ... else expected))

    async def _same(self, column: str, value: Any, expected: Any) -> None:
        table = self.table
        row = await table.insert({column: value})
        key = row["id"]
        by_many = (await table.insert_all([{column: value}, {column: value}], returning=True))[1]
        await table.insert_all([{column: value}])
        by_update = await table.update({"id": 1, column: value})
        by_upsert = await table.upsert({"id": 1, column: value})
        read = [
            await table[key],
            *await table(table.c.id > key),
            *await table(id=1),
            row,
            by_many,
            by_update,
            by_upsert,
        ]
        streamed = [other async for other in table(id=key)]
        for found in (item[column] for item in (*read, *streamed)):
            assert found == expected
            assert type(found) is type(expected)
            assert not isinstance(expected, Decimal) or found.as_tuple() == expected.as_tuple()
        if isinstance(expected, float):
            assert math.copysign(1, row[column]) == math.copysign(1, expected)
        # Equality finds it again, written or read; a document is one value.
        assert await table.exists(**{column: value}, id=key)
        assert await table.exists(table.c[column] == value, id=key)
        await table.delete_where(table.c.id > 1)

    def refused(self, column: str, value: Any) -> None:
        self.runner.run(self._refused(column, value))

    async def _refused(self, column: str, value: Any) -> None:
        table = self.table
        # The transaction goes on after each error, so nothing has reached the database.
        async with self.db.transaction():
            for call in (
                lambda: table.insert({column: value}),
                lambda: table.update({"id": 1, column: value}),
                lambda: table.upsert({"id": 1, column: value}),
                lambda: table.update_where({column: value}, id=1),
                lambda: table.insert_all([{column: value}]),
                lambda: table.insert_all([{column: value}], returning=True),
            ):
                with pytest.raises(ValidationError) as caught:
                    await call()
                assert caught.value.field == column
                assert f"everything.{column}" in str(caught.value)
            assert await table.count() == 1


# -- values that come back ---------------------------------------------------------------------

whole = st.integers(-(2**63), 2**63 - 1)
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
naive = st.datetimes()
json_scalars = st.none() | st.booleans() | whole | st.floats(allow_nan=False, allow_infinity=False) | texts
documents = st.recursive(
    json_scalars, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3), max_leaves=8
)
inners = st.deferred(
    lambda: st.builds(Inner, texts, st.sampled_from(Color), st.lists(points, max_size=2), st.none() | inners)
)
points: st.SearchStrategy[Point] = st.fixed_dictionaries(
    {"x": whole, "y": st.none() | st.floats(allow_nan=False, allow_infinity=False)}
)  # type: ignore[assignment]


def unsigned_zero(value: Any) -> Any:
    """Return a value as it is stored: no database keeps the sign of zero."""
    if isinstance(value, float):
        return value + 0.0
    if isinstance(value, list):
        return [unsigned_zero(item) for item in value]
    return {name: unsigned_zero(item) for name, item in value.items()} if isinstance(value, dict) else value


@given(whole)
@example(2**31)
@example(-(2**31) - 1)
@example(2**63 - 1)
@example(-(2**63))
def test_int(written: Written, value: int) -> None:
    written.same("int_", value)


@given(st.floats(allow_nan=False))
@example(math.inf)
@example(-math.inf)
@example(-0.0)
@example(5e-324)
@example(1.7976931348623157e308)
@example(3.0)
@example(1e22)
def test_float(written: Written, value: float) -> None:
    written.same("float_", value, value + 0.0)


@given(st.integers(-(2**53), 2**53))
def test_an_int_in_a_float_column_is_that_float(written: Written, value: int) -> None:
    written.same("float_", value, float(value))


@given(texts, st.sampled_from(["str_", "text"]))
@example("", "str_")
@example("é" * 500_000, "text")
@example("x" * 1_000_000, "str_")
@example("\r\n\t\x01\x7f\ufeff\uffff\U0010ffff", "text")
@example("'); DROP TABLE everything; --", "str_")
@example("e\u0301", "str_")
def test_text(written: Written, value: str, column: str) -> None:
    written.same(column, value)


@given(st.booleans())
def test_bool(written: Written, value: bool) -> None:
    written.same("bool_", value)


@given(st.binary())
@example(b"\x00")
@example(bytes(range(256)) * 100)
def test_bytes(written: Written, value: bytes) -> None:
    written.same("bytes_", value)
    written.same("bytes_", bytearray(value), value)


@given(st.dictionaries(texts, documents, max_size=4))
@example({})
@example({"": None, "a": {"null": None, "list": [None, True, 1, 1.5, "x"]}})
@example({"int": 1, "float": 1.0, "big": 2**70, "small": 1e-300, "huge": 1e300})
@example({"\\u0000": "\\u0000"})
def test_dict(written: Written, value: dict[str, Any]) -> None:
    written.same("dict_", value, unsigned_zero(value))


@given(st.lists(documents, max_size=4))
@example([])
@example([None])
@example(["null", "true", "1"])
def test_list(written: Written, value: list[Any]) -> None:
    written.same("list_", value, unsigned_zero(value))


@given(st.lists(whole))
def test_typed_list(written: Written, value: list[int]) -> None:
    written.same("ints", value)


@given(st.dictionaries(whole, texts))
def test_dict_with_int_keys(written: Written, value: dict[int, str]) -> None:
    written.same("by_number", value)


@given(points)
def test_typed_dict(written: Written, value: Point) -> None:
    written.same("typed", value, unsigned_zero(value))


@given(inners)
def test_nested_dataclass(written: Written, value: Inner) -> None:
    written.same("inner", value)


@given(st.builds(Model, n=whole, names=st.lists(texts)))
def test_pydantic_model(written: Written, value: Model) -> None:
    written.same("model", value)


@given(st.builds(Struct, whole, st.dictionaries(texts, st.floats(allow_nan=False, allow_infinity=False))))
def test_msgspec_struct(written: Written, value: Struct) -> None:
    written.same("struct", value)


@given(naive)
@example(datetime.min)
@example(datetime.max)
@example(datetime(2024, 2, 29, 23, 59, 59, 1))
@example(datetime(1900, 1, 1))
def test_datetime(written: Written, value: datetime) -> None:
    written.same("naive", value)


def test_fold_is_not_kept(written: Written) -> None:
    written.same("naive", datetime(2024, 10, 27, 2, 30, fold=1), datetime(2024, 10, 27, 2, 30))


zones = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))


@given(st.datetimes(datetime(1, 1, 3), datetime(9999, 12, 29), timezones=zones))
@example(datetime.min.replace(tzinfo=UTC))
@example(datetime.max.replace(tzinfo=UTC))
@example(datetime(1, 1, 1, 5, tzinfo=timezone(timedelta(hours=5))))
def test_aware_datetime(written: Written, value: datetime) -> None:
    written.same("utc", value, value.astimezone(UTC))
    assert value.astimezone(UTC).tzinfo is UTC


@given(st.dates())
@example(date.min)
@example(date.max)
def test_date(written: Written, value: date) -> None:
    written.same("day", value)


@given(st.times())
@example(time.min)
@example(time.max)
def test_time(written: Written, value: time) -> None:
    written.same("clock", value)


@given(st.timedeltas(timedelta(days=-36_000), timedelta(days=36_000)))
@example(timedelta(0))
@example(timedelta(microseconds=-1))
@example(timedelta(days=-1, microseconds=1))
@example(timedelta(days=10_000_000))
@example(timedelta.min)
def test_timedelta(written: Written, value: timedelta) -> None:
    written.same("span", value)


@given(st.decimals(allow_nan=False, allow_infinity=False, places=6) | st.decimals(-(10**20), 10**20, allow_nan=False))
@example(Decimal("0"))
@example(Decimal("0.00"))
@example(Decimal("1.10"))
@example(Decimal("1E-100"))
@example(Decimal("1E+4"))
@example(Decimal("-0.00"))
@example(Decimal("9" * 1000 + "." + "9" * 1000))
def test_decimal(written: Written, value: Decimal) -> None:
    # The scale is kept: 1.10 stays 1.10, and 1E+3 is 1000; a negative zero is zero.
    written.same("price", value, Decimal(format(value if value else abs(value), "f")))


@given(st.uuids())
@example(UUID(int=0))
@example(UUID(int=2**128 - 1))
def test_uuid(written: Written, value: UUID) -> None:
    written.same("key", value)


@given(st.sampled_from(Color))
def test_enum(written: Written, value: Color) -> None:
    written.same("color", value)
    written.same("color", value.value, value)


@given(st.sampled_from(Level))
def test_int_enum(written: Written, value: Level) -> None:
    written.same("level", value)


@given(st.sampled_from(["a", "it's", 1, True]))
def test_literal(written: Written, value: Any) -> None:
    written.same("literal", value)


def test_none_is_null_in_a_column_of_any_type(written: Written) -> None:
    async def work() -> None:
        table = written.table
        columns = [name for name in table.c.keys() if name != "id"]  # noqa: SIM118
        assert await table.update({"id": 1, **dict.fromkeys(columns)}) == {"id": 1, **dict.fromkeys(columns)}
        for name in columns:
            assert await table.exists(table.c[name].is_(None)), name
            assert await table.exists(**{name: None}), name

    written.runner.run(work())


# -- values that are refused -------------------------------------------------------------------

REFUSED: dict[str, list[Any]] = {
    "int_": [2**63, -(2**63) - 1, 10**40, 1.0, 1.5, "1", Decimal(1), b"1", None.__class__, [1]],
    "float_": [math.nan, 2**53 + 1, 10**400, "1", Decimal("1.5"), True],
    "str_": ["a\0b", "\ud800", "x\udfff", 5, b"text", True, ["x"]],
    "text": ["\0", "\udc80", 1.5],
    "bool_": [1, 0, "true", 1.0, "yes"],
    "bytes_": ["text", 5, [1, 2]],
    "dict_": [
        {"a": math.nan},
        {"a": [math.inf]},
        {1: "x"},
        {None: 1},
        {"a": "\0"},
        {"a\0": 1},
        {"a": "\ud800"},
        {"a": {1, 2}},
        {"a": (1, 2)},
        {"a": datetime.min},
        {"a": Decimal(1)},
        {"a": b"x"},
        {"a": object()},
        [1],
        "{}",
        5,
    ],
    "list_": [[math.nan], [{1: 2}], ["\0"], (1, 2), {"a": 1}, "[]", [object()]],
    "ints": [["1"], [1.5], [None], [True], (1,)],
    "by_number": [{"1": "x"}, {1: 2}, {True: "x"}],
    "typed": [{"x": 1}, {"x": "1", "y": None}, {"x": 1, "y": 2.0, "z": 3}, {"x": 1, "y": math.nan}],
    "inner": [Inner(name=5, color=Color.RED), {"name": "x"}, Inner("x", "red")],  # type: ignore[arg-type]
    "model": [{"n": 1, "names": []}, Inner("x", Color.RED)],
    "struct": [{"n": 1}, Struct(1, {"a": math.nan})],
    "naive": [datetime(2024, 1, 1, tzinfo=UTC), date(2024, 1, 1), "2024-01-01", 5, time(1)],
    "utc": [
        datetime(2024, 1, 1),
        date(2024, 1, 1),
        "2024-01-01T00:00Z",
        datetime.min.replace(tzinfo=timezone(timedelta(hours=1))),
    ],
    "day": [datetime(2024, 1, 1), "2024-01-01", 5],
    "clock": [time(1, tzinfo=UTC), "01:00", datetime(2024, 1, 1), timedelta(1)],
    "span": [5, 1.5, "1 day", time(1), timedelta.max, timedelta(days=100_000_000, microseconds=1)],
    "price": [
        Decimal("NaN"),
        Decimal("sNaN"),
        Decimal("Infinity"),
        1.5,
        "1.5",
        True,
        Decimal("1E-20000"),
        Decimal("1E+140000"),
    ],
    "key": ["12345678123456781234567812345678", 5, b"x" * 16],
    "color": ["green", 5, Level.LOW, "RED", ["red"], {}],
    "level": [1, "1", Color.RED, True, -1.0],
    "literal": ["b", 2, False, 1.0, ["a"]],
}


@pytest.mark.parametrize("column", REFUSED)
def test_what_does_not_fit_is_refused_by_name_before_anything_is_sent(written: Written, column: str) -> None:
    for value in REFUSED[column]:
        written.refused(column, value)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.text(), st.sampled_from(["\0", "\ud800", "\udfff"]))
def test_text_with_what_no_database_stores_is_refused(written: Written, before: str, after: str, bad: str) -> None:
    for column, value in (("str_", before + bad + after), ("dict_", {"k": [before + bad + after]})):
        written.refused(column, value)


@given(st.integers().filter(lambda n: not -(2**63) <= n < 2**63) | st.integers(2**63))
def test_ints_beyond_64_bits_are_refused(written: Written, value: int) -> None:
    written.refused("int_", value)
