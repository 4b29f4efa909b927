"""Arrow tables and data frames of queries, and records from them: the types of the table, on every backend."""

from __future__ import annotations

import importlib
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from deebase import (
    ColumnNotFoundError,
    Database,
    DataError,
    InvalidOperationError,
    Table,
    UTCDateTime,
    ValidationError,
)
from deebase.types import ColumnType, Native

PA: Any = importlib.import_module("pyarrow")
POLARS: Any = importlib.import_module("polars")


class Mood(Enum):
    HAPPY = "happy"
    SAD = "sad"


@dataclass(frozen=True)
class Cents:
    cents: int


class CentsType(ColumnType[Cents], python=Cents):
    def parse(self, text: str) -> Cents:
        return Cents(int(text))

    def format(self, value: Cents) -> str:
        return str(value.cents)


class Sample:
    id: int
    n: int | None
    x: float | None
    flag: bool | None
    name: str | None
    raw: bytes | None
    price: Annotated[Decimal, Native("numeric(12,2)")] | None
    exact: Decimal | None
    day: date | None
    at: datetime | None
    utc: UTCDateTime | None
    clock: time | None
    span: timedelta | None
    uid: UUID | None
    mood: Mood | None
    doc: dict[str, Any] | None
    tags: Annotated[list[str], Native("text[]")] | None
    money: Cents | None


TYPES = {
    "id": "int64",
    "n": "int64",
    "x": "double",
    "flag": "bool",
    "name": "string",
    "raw": "binary",
    "price": "decimal128(12, 2)",
    "exact": "decimal128(38, 18)",
    "day": "date32[day]",
    "at": "timestamp[us]",
    "utc": "timestamp[us, tz=UTC]",
    "clock": "time64[us]",
    "span": "duration[us]",
    "uid": "extension<arrow.uuid>",
    "mood": "dictionary<values=string, indices=int32, ordered=0>",
    "doc": "string",
    "tags": "list<item: string>",
    "money": "string",
}
FULL: dict[str, Any] = {
    "n": -(2**63),
    "x": 0.1,
    "flag": False,
    "name": "it's é",
    "raw": b"\x00\xff",
    "price": Decimal("-1000.25"),
    "exact": Decimal("12345678901234567890.000000000000000001"),
    "day": date(2024, 2, 29),
    "at": datetime(1, 1, 1, 0, 0, 0, 5),
    "utc": datetime(9999, 12, 31, 23, 59, 59, 999999, tzinfo=UTC),
    "clock": time(23, 59, 59, 999999),
    "span": timedelta(days=-3, microseconds=1),
    "uid": UUID("12345678-1234-5678-1234-567812345678"),
    "mood": Mood.SAD,
    "doc": {"a": [1, None, {"b": "ü"}]},
    "tags": ["x", None, ""],
    "money": Cents(5),
}
ARROW_VALUES = {**FULL, "mood": "sad", "doc": '{"a": [1, null, {"b": "ü"}]}', "money": "5"}


@pytest.fixture
async def samples(db: Database) -> Table[Any]:
    table = await db.create(Sample)
    await table.insert_all([FULL, {}, {**FULL, "flag": True, "mood": Mood.HAPPY}])
    return table


def types(table: Any) -> dict[str, str]:
    return {field.name: " ".join(str(field.type).split()) for field in table.schema}


async def test_the_types_are_those_of_the_table(db: Database, samples: Table[Any]) -> None:
    made = await samples(order_by="id").arrow()
    async with db.transaction(read_only=True):
        inside = await samples(order_by="id").arrow()
    assert types(made) == types(inside) == TYPES
    assert made.to_pylist()[:2] == [{"id": 1, **ARROW_VALUES}, {"id": 2, **dict.fromkeys(FULL)}]
    assert inside.to_pylist() == made.to_pylist()
    # Neither a result without rows nor one of NULLs has other types.
    assert (await samples(id=99).arrow()).schema == made.schema
    assert (await samples(id=2).arrow()).schema == made.schema


async def test_conditions_order_limit_and_columns_hold(db: Database, samples: Table[Any]) -> None:
    made = await samples(samples.c.id > 1, order_by="-id", limit=1, offset=1, select=["mood", "id"]).arrow()
    assert made.to_pylist() == [{"mood": None, "id": 2}]
    view = await db.create_view("happy", "SELECT id, mood, price FROM sample WHERE mood = 'happy'")
    assert types(await view().arrow()).keys() == {"id", "mood", "price"}
    assert (await view(flag := view.c.id > 0).arrow()).num_rows == (await view(flag).count()) == 1
    with pytest.raises(ValidationError, match="with_pk"):
        await samples(with_pk=True).arrow()
    with pytest.raises(ValidationError, match="json is"):
        await samples().arrow(json="objects")  # type: ignore[arg-type]


async def test_a_transaction_reads_its_own_changes(db: Database, samples: Table[Any]) -> None:
    await samples().arrow()
    async with db.transaction():
        await samples.insert(n=7)
        assert (await samples(n=7).arrow()).num_rows == 1
        assert (await samples().arrow()).num_rows == 4


async def test_frames_have_the_types_of_arrow(samples: Table[Any]) -> None:
    made = await samples(order_by="id").arrow()
    frame = await samples(order_by="id").polars()
    assert frame.schema["price"] == POLARS.Decimal(12, 2)
    assert frame.schema["utc"] == POLARS.Datetime("us", "UTC")
    assert frame["n"].to_list() == [-(2**63), None, -(2**63)]
    again = PA.Table.from_pandas(await samples(order_by="id").pandas(), preserve_index=False)
    assert again.replace_schema_metadata(None).equals(made)


async def test_documents_are_structs_by_option(db: Database, samples: Table[Any]) -> None:
    await samples.delete_where(samples.c.id > 0)
    await samples.insert_all([{"doc": {"a": 1}}, {"doc": None}])
    made = await samples(order_by="id", select=["doc"]).arrow(json="struct")
    assert types(made) == {"doc": "struct<a: int64>"}
    await samples.insert({"doc": {"a": "text"}})
    with pytest.raises(DataError, match=r"sample\.doc: the documents have no common Arrow type"):
        await samples(select=["doc"]).arrow(json="struct")


async def test_what_the_arrow_type_does_not_hold_is_named(samples: Table[Any]) -> None:
    await samples.insert({"exact": Decimal("1E-19")})
    with pytest.raises(DataError, match=r"sample\.exact: a value does not fit the Arrow type decimal128") as caught:
        await samples().arrow()
    assert "numeric" in str(caught.value.hint)
    assert (await samples(select=["id"]).arrow()).num_rows == 4


FORMS = {
    "table": lambda table: table,
    "record batch": lambda table: table.combine_chunks().to_batches()[0],
    "reader": lambda table: table.to_reader(max_chunksize=2),
    "polars": lambda table: POLARS.from_arrow(table),
    "pandas": lambda table: table.to_pandas(types_mapper=importlib.import_module("pandas").ArrowDtype),
    "pandas of numpy": lambda table: table.to_pandas().set_index("n", drop=False),
}


@pytest.mark.parametrize("form", FORMS)
async def test_columns_of_arrow_are_records(samples: Table[Any], form: str) -> None:
    before, made = await samples(order_by="id"), await samples(order_by="id").arrow()
    if form == "pandas of numpy":
        # It has floats for ints with a NULL, and no digits for 2**63.
        await samples.update_where({"n": 5}, n=FULL["n"])
        before, made = await samples(order_by="id"), await samples(order_by="id").arrow()
    await samples.delete_where(samples.c.id > 0)
    given = FORMS[form](made)
    assert await samples.insert_all(given) == 3
    assert await samples(order_by="id") == before
    assert await samples.upsert_all(made) == 3
    assert await samples(order_by="id") == before


WRONG: dict[str, tuple[Any, type[Exception], str]] = {
    "a column that the table lacks": (PA.table({"nope": [1]}), ColumnNotFoundError, "no column 'nope'"),
    "text for a number": (PA.table({"n": ["1", "x"]}), ValidationError, r"row 1: sample\.n: .* is not a whole number"),
    "a fraction": (PA.table({"n": [None, 1.5]}), ValidationError, r"row 1: sample\.n"),
    "NaN": (PA.table({"x": [1.0, float("nan")]}), ValidationError, r"row 1: sample\.x: NaN"),
    "no member": (PA.table({"mood": ["zz"]}), ValidationError, r"row 0: sample\.mood"),
    "a datetime without a zone": (PA.table({"utc": [datetime(2024, 1, 1)]}), ValidationError, "time zone"),
    "nanoseconds": (PA.table({"at": PA.array([1], PA.timestamp("ns"))}), ValidationError, "no exact value"),
    "one name twice": (PA.table([[1], [2]], names=["n", "n"]), ValidationError, "two columns are called 'n'"),
    "one array": (PA.array([1]), ValidationError, "cannot read this Int64Array as columns"),
    "a series": (POLARS.Series([1]), ValidationError, "cannot read this Series as columns"),
}


@pytest.mark.parametrize("case", WRONG)
@pytest.mark.parametrize("backend_name", ["sqlite-memory", "postgres"], indirect=True)
async def test_what_is_wrong_with_a_column_is_named_and_nothing_is_stored(samples: Table[Any], case: str) -> None:
    given, error, message = WRONG[case]
    with pytest.raises(error, match=message):
        await samples.insert_all(given)
    assert await samples.count() == 3


async def test_raw_sql_gives_tables_and_frames(db: Database, samples: Table[Any]) -> None:
    made = await db.q("SELECT id, n, x, name, raw FROM sample WHERE id < ? ORDER BY id", [3], as_="arrow")
    assert types(made) == {name: TYPES[name] for name in ("id", "n", "x", "name", "raw")}
    assert made.column("name").to_pylist() == [FULL["name"], None]
    core = await db.q(sa.select(samples.c.mood, samples.c.price.label("cost")).where(samples.c.id == 99), as_="arrow")
    assert types(core) == {"mood": TYPES["mood"], "cost": TYPES["price"]}
    assert (await db.q("SELECT count(*) AS n FROM sample", as_="polars")).to_dicts() == [{"n": 3}]
    assert (await db.q("SELECT 1 AS a, 2 AS a", as_="pandas")).columns.tolist() == ["a", "a_2"]
    with pytest.raises(ValidationError, match="as_ is"):
        await db.q("SELECT 1", as_="csv")  # type: ignore[call-overload]


async def test_a_parquet_file_has_the_types_of_the_table(samples: Table[Any], tmp_path: Path) -> None:
    await samples.update_where({"exact": Decimal("1.5")}, samples.c.id > 0)
    path = tmp_path / "sample.parquet"
    await samples.export_file(path)
    made = importlib.import_module("pyarrow.parquet").read_table(path)
    assert types(made) == {**TYPES, "exact": "decimal128(2, 1)", "tags": "list<element: string>"}
    assert made.column("tags").to_pylist() == [FULL["tags"], None, FULL["tags"]]


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_without_pyarrow_the_command_that_installs_it_is_named(
    samples: Table[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    for library, hint in (("polars", "pip install polars"), ("pyarrow", "pip install 'deebase[arrow]'")):
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(InvalidOperationError, match=f"need the library {library}") as caught:
            await samples().polars()
        assert caught.value.hint == hint
