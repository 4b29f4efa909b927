"""Bulk calls check whole columns at once: they store and refuse exactly what checks of each row do."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import make_dataclass
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import IntEnum
from types import MappingProxyType, SimpleNamespace
from typing import Annotated, Any
from uuid import UUID

import msgspec
import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql.asyncpg import PGDialect_asyncpg
from sqlalchemy.dialects.sqlite.aiosqlite import SQLiteDialect_aiosqlite

from deebase import UNSET, Database, DeeBaseError, Index, Table, UTCDateTime, ValidationError
from deebase._model.table_models import table_model
from deebase._rows.model import ColumnModel
from deebase._tables.bulk import bulk_changes, bulk_insert
from deebase._types.base import KINDS
from deebase._types.decimals import ExactNumber
from deebase._types.number import Float
from deebase.types import MaxLength, Native, SqlExpression
from tests.conftest import BACKENDS

DIALECTS = {"sqlite": SQLiteDialect_aiosqlite(), "postgresql": PGDialect_asyncpg()}


class Number(int):
    pass


class Word(str):
    __slots__ = ()


class Moment(datetime):
    pass


class Level(IntEnum):
    LOW = 1


EAST = timezone(timedelta(hours=2))
#: Values that columns of several types meet; each column gets mostly those of one class.
VALUES: dict[str, list[Any]] = {
    "int": [0, 1, -5, 2**15, -(2**31) - 1, 2**63 - 1, -(2**63), 2**63, 10**40],
    "float": [0.0, -0.0, 1.5, math.inf, -math.inf, math.nan, 1e308, 0.1],
    "str": ["", "a", "abcdef", "é", "日本", "a\0b", "\ud800", "\udc00", "x" * 40],
    "bool": [True, False],
    "Decimal": [Decimal(0), Decimal("-0"), Decimal("1.50"), Decimal("1.234"), Decimal("99999"), Decimal("NaN")],
    "datetime": [
        datetime(2024, 2, 29, 12),
        datetime(2024, 2, 29, 12, tzinfo=UTC),
        datetime(2024, 2, 29, 12, tzinfo=EAST),
        datetime.max.replace(tzinfo=timezone(-timedelta(hours=2))),
        Moment(2024, 2, 29),
    ],
    "date": [date(2024, 2, 29), date.min, date.max],
    "time": [time(12), time(12, tzinfo=UTC), time.max],
    "timedelta": [timedelta(1), timedelta(days=10**6, microseconds=1), timedelta.max],
    "bytes": [b"", b"\0", bytearray(b"x"), memoryview(b"y")],
    "UUID": [UUID(int=5)],
    "dict": [{}, {"a": [1, None]}, {"a": math.nan}, [1], ()],
    "other": [Number(3), Word("w"), Level.LOW, object(), sa.literal(1), SqlExpression(sa.literal(1)), UNSET],
}


@st.composite
def columns(draw: st.DrawFn) -> list[Any]:
    """Return values of one class, among which may be None and a few others."""
    usual = st.sampled_from(VALUES[draw(st.sampled_from(sorted(VALUES)))])
    odd = st.sampled_from([None, None, *[value for values in VALUES.values() for value in values]])
    made = draw(st.lists(usual, min_size=1, max_size=6))
    for value in draw(st.lists(odd, max_size=2)):
        made.insert(draw(st.integers(0, len(made))), value)
    return made


def _all_columns(database: str) -> list[ColumnModel]:
    """Return columns of all types that come with DeeBase, and of some sizes."""
    plain = [kind() for kind in KINDS if kind.is_builtin() and type(kind.python) is type]
    sized = [
        sa.String(3),
        sa.SmallInteger(),
        sa.Integer(),
        ExactNumber(4, 2),
        Float(signed=True, nan=True),
        sa.DateTime(timezone=True),
    ]
    made = [sa.Column(f"c{number}", kind) for number, kind in enumerate([*plain, *sized])]
    table = sa.Table("t", sa.MetaData(), sa.Column("id", sa.Integer, primary_key=True), *made)
    return list(table_model(table, DIALECTS[database], generated=None).columns.values())


COLUMNS = {database: _all_columns(database) for database in DIALECTS}


@pytest.mark.parametrize("database", DIALECTS)
@given(values=columns())
def test_a_column_binds_what_each_of_its_values_binds(database: str, values: list[Any]) -> None:
    for column in COLUMNS[database]:
        bind, bind_all = column.bind, column.bind_all
        assert bind is not None
        assert _outcome(map(bind, values)) == _outcome(bind_all, values, set(map(type, values))), column.sa_type


def _outcome(made: Any, *arguments: Any) -> Any:
    try:
        return [(type(value), repr(value)) for value in (made(*arguments) if arguments else made)]
    except ValidationError as error:
        # Which of several values is refused first may differ: the rows are then checked one by one.
        return type(error)


# -- records ------------------------------------------------------------------------------------


class Sample:
    id: int
    name: Annotated[str, MaxLength(5)]
    n: int | None
    size: Annotated[int, Native("smallint")] = 3
    x: float | None
    price: Annotated[Decimal, Native("numeric(6,2)")] | None
    flag: bool | None
    at: datetime | None
    seen: UTCDateTime | None
    day: date | None
    data: bytes | None
    doc: dict | None


FIELDS = ("name", "n", "size", "x", "price", "flag", "at", "seen", "day", "data", "doc")
GOOD: dict[str, list[Any]] = {
    "name": ["a", "bc", "é", "12345"],
    "n": [1, 2, -7, None],
    "size": [1, 2],
    "x": [0.5, 0.0, 1, None],
    "price": [Decimal("1.5"), 3, None],
    "flag": [True, False, None],
    "at": VALUES["datetime"][:1],
    "seen": VALUES["datetime"][1:3],
    "day": VALUES["date"][:1],
    "data": [b"x", None],
    "doc": [{"a": 1}, None],
    "id": [None, 5, 6, 7, 8, 9, 10, 11, 12],
}
BAD = [None, *[value for values in VALUES.values() for value in values]]
FORMS: list[Any] = [
    lambda values: values,
    lambda values: values,
    lambda values: dict(reversed(values.items())),
    MappingProxyType,
    lambda values: SimpleNamespace(**values),
    lambda values: make_dataclass("Given", list(values))(**values),
    lambda values: msgspec.defstruct("Struct", list(values))(**values),
]


@st.composite
def records(draw: st.DrawFn, *keys: str) -> list[Any]:
    """Return records that are mostly alike, and mostly good."""
    names = [*keys, *draw(st.lists(st.sampled_from((*FIELDS, "id")), min_size=1, max_size=4, unique=True))]
    form = draw(st.sampled_from(FORMS))
    made: list[dict[str, Any]] = [
        {name: draw(st.sampled_from(GOOD[name])) for name in dict.fromkeys(names)}
        for _ in range(draw(st.integers(2, 20)))
    ]
    for _ in range(draw(st.integers(0, 2))):
        row = draw(st.sampled_from(made))
        match draw(st.integers(0, 3)):
            case 0:
                row.pop(draw(st.sampled_from(names)), None)
            case 1:
                row[draw(st.sampled_from((*FIELDS, "extra")))] = 1
            case _:
                row[draw(st.sampled_from(names))] = draw(st.sampled_from(BAD))
    rows = [form(row) for row in made]
    if draw(st.integers(0, 4)) == 0:
        rows[draw(st.integers(0, len(rows) - 1))] = dict(made[0])
    return rows


@pytest.fixture(scope="module", params=BACKENDS)
def samples(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[asyncio.Runner, Table[Any]]]:
    if request.param == "postgres":
        with request.getfixturevalue("postgres_server").fresh_database() as url:
            yield from _opened(url)
    else:
        path = ":memory:" if request.param == "sqlite-memory" else tmp_path_factory.mktemp("bulk") / "test.db"
        yield from _opened(str(path))


def _opened(target: str) -> Iterator[tuple[asyncio.Runner, Table[Any]]]:
    with asyncio.Runner() as runner:
        # Short reads in the event loop would open one more connection, at a time that depends on the load.
        db = Database(target, durability="normal", in_loop=None)
        table = runner.run(db.create(Sample, indexes=[Index("ix_sample_n", "n")]))
        # A sequence then generates none of the keys that records have.
        runner.run(table.insert_all([{"id": 1000, "name": "a"}]))
        # Opens the connection for reads here, not in a test.
        runner.run(table.get(1000))
        yield runner, table
        runner.run(db.close())


async def _stored(table: Table[Any], operation: str, rows: list[Any]) -> Any:
    """Return the rows that a bulk call leaves, or its error; afterwards the table is as before."""
    existing = [{"id": number, "name": f"r{number}", "n": 1} for number in (5, 6, 7)]
    await table.delete_where(all=True)
    if operation != "insert_all":
        await table.insert_all(existing)
    scoped = table.xtra(n=1)
    calls: dict[str, Any] = {
        "insert_all": lambda: table.insert_all(rows, returning=True),
        "insert in a scope": lambda: scoped.insert_all(rows),
        "ignore": lambda: table.insert_all(rows, on_conflict="ignore"),
        "upsert_all": lambda: table.upsert_all(rows),
        "upsert in a scope": lambda: scoped.upsert_all(rows),
        "update_all": lambda: table.update_all(rows),
        "update in a scope": lambda: scoped.update_all(rows),
    }
    try:
        await calls[operation]()
    except DeeBaseError as error:
        return type(error), error.message, error.hint, getattr(error, "field", None)
    stored = await table(order_by="id")
    # Sequences advance also for rows that are not stored.
    return sorted([repr({**row, "id": row["id"] if row["id"] < 100 else None}) for row in stored])


OPERATIONS = ["insert_all", "insert in a scope", "ignore", "upsert_all", "upsert in a scope", "update_all"]


@pytest.mark.parametrize("operation", [*OPERATIONS, "update in a scope"])
@given(data=st.data())
def test_rows_are_stored_and_refused_as_row_by_row(
    samples: tuple[asyncio.Runner, Table[Any]], operation: str, data: st.DataObject
) -> None:
    runner, table = samples
    rows = data.draw(records(*(() if operation.startswith(("insert", "ignore")) else ("id", "name"))))
    whole = runner.run(_stored(table, operation, rows))
    with pytest.MonkeyPatch.context() as patch:
        for module in (bulk_insert, bulk_changes):
            patch.setattr(module, "by_column", lambda *_: None)
        alone = runner.run(_stored(table, operation, rows))
    assert whole == alone
