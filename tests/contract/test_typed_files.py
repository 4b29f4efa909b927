"""Files whose values have types, Parquet and Excel: the types of the file in, those of the table out."""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any
from uuid import UUID

import openpyxl
import pyarrow
import pyarrow.parquet
import pytest

from deebase import Database, ImportReport, InvalidOperationError, UTCDateTime, ValidationError

ARROW: Any = pyarrow
WRITE: Any = pyarrow.parquet.write_table
READ: Any = pyarrow.parquet.read_table


@dataclass
class Measured:
    id: int
    n: int | None
    x: float | None
    flag: bool | None
    name: str | None
    raw: bytes | None
    doc: dict[str, Any] | None
    day: date | None
    at: datetime | None
    clock: time | None
    utc: UTCDateTime | None
    span: timedelta | None
    price: Decimal | None
    uid: UUID | None


FULL: dict[str, Any] = {
    "n": -(2**63),
    "x": 0.1,
    "flag": False,
    "name": "=1+1",
    "raw": b"\x00\xff,",
    "doc": {"a": [1, None, "x"], "ü": {"b": 1.5}},
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, 12, 30, 1, 5),
    "clock": time(23, 59, 59, 1),
    "utc": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "span": timedelta(days=-3, microseconds=1),
    "price": Decimal("12345678901234567890.10"),
    "uid": UUID("12345678-1234-5678-1234-567812345678"),
}


@pytest.mark.parametrize("form", ["parquet", "xlsx"])
async def test_every_type_comes_back(db: Database, tmp_path: Path, form: str) -> None:
    table = await db.create(Measured)
    await table.insert_all([FULL, dict.fromkeys(FULL), {**FULL, "name": "é", "doc": {}, "at": datetime(2024, 1, 1)}])
    before = await table(order_by="id")
    path = tmp_path / f"measured.{form}"
    assert await table.export_file(path) == 3
    await table.truncate()
    await db.import_file(path)
    assert await table(order_by="id") == before


async def test_a_workbook_keeps_all_digits_of_a_float(db: Database, tmp_path: Path) -> None:
    values = [274.65999999999997, 0.1, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, 1e22]
    table = await db.import_file(json.dumps(values).encode(), "t")
    path = tmp_path / "t.xlsx"
    await table.export_file(path)
    again = await db.import_file(path, "u")
    assert [repr(row["value"]) for row in await again(order_by="id")] == list(map(repr, values))


def parquet(columns: dict[str, Any], **options: Any) -> bytes:
    file = io.BytesIO()
    WRITE(ARROW.table(columns), file, **options)
    return file.getvalue()


MANY: dict[str, tuple[Any, Any, list[Any]]] = {
    # An Arrow array, the type of the column, and the values.
    "whole numbers": (ARROW.array([1, None], ARROW.int16()), "int | None", [1, None]),
    "beyond 64 bits": (ARROW.array([2**64 - 1], ARROW.uint64()), "Decimal", [Decimal(2**64 - 1)]),
    "decimals": (ARROW.array([Decimal("1.50")], ARROW.decimal128(10, 2)), "Decimal", [Decimal("1.50")]),
    "texts of a dictionary": (ARROW.array(["a", "b", "a"]).dictionary_encode(), "str", ["a", "b", "a"]),
    "instants": (
        ARROW.array([datetime(2024, 2, 29, 12, tzinfo=UTC)], ARROW.timestamp("ms", "Europe/Berlin")),
        "UTCDateTime",
        [datetime(2024, 2, 29, 12, tzinfo=UTC)],
    ),
    "times in nanoseconds": (
        ARROW.array([1_000], ARROW.timestamp("ns")),
        "datetime",
        [datetime(1970, 1, 1, 0, 0, 0, 1)],
    ),
    "nanoseconds": (ARROW.array([1], ARROW.timestamp("ns")), "str", ["1970-01-01 00:00:00.000000001"]),
    "lists": (ARROW.array([[1, 2], None]), "JSON | None", [[1, 2], None]),
    "objects": (ARROW.array([{"a": 1, "b": [date(2024, 1, 1)]}]), "JSON", [{"a": 1, "b": ["2024-01-01"]}]),
    "maps": (ARROW.array([[("k", 1)]], ARROW.map_(ARROW.string(), ARROW.int32())), "JSON", [{"k": 1}]),
    "NaN": (ARROW.array([1.5, float("nan")]), "float | None", [1.5, None]),
    "nothing": (ARROW.nulls(2), "str | None", [None, None]),
    "bytes": (ARROW.array([b"a\0"]), "bytes", [b"a\0"]),
    "days": (ARROW.array([date(2024, 2, 29)]), "date", [date(2024, 2, 29)]),
    "durations": (ARROW.array([timedelta(1)], ARROW.duration("ns")), "timedelta", [timedelta(1)]),
}


@pytest.mark.parametrize("name", MANY)
async def test_a_parquet_column_has_its_type(db: Database, name: str) -> None:
    array, kind, values = MANY[name]
    reports: list[ImportReport] = []
    table = await db.import_file(parquet({"a": array}), "t", report=reports.append)
    assert [row["a"] for row in await table(order_by="id")] == values
    assert reports[0].columns[0].type == kind
    assert reports[0].form == "parquet"


async def test_a_parquet_file_is_read_in_batches_and_joined_with_others(db: Database) -> None:
    numbers = parquet({"id": list(range(3000)), "n": [1] * 3000}, row_group_size=700)
    seen: list[int] = []
    table = await db.import_file(numbers, "t", progress=lambda rows, done, size: seen.append(rows))
    assert await table.count() == seen[-1] == 3000
    assert len(seen) > 2
    assert table.pks == ("id",)
    both = await db.import_file([parquet({"n": [1]}), parquet({"n": [1.5], "m": ["x"]})], "u")
    assert await both(order_by="id") == [{"id": 1, "n": 1.0, "m": None}, {"id": 2, "n": 1.5, "m": "x"}]


async def test_decimals_are_exported_with_the_digits_that_they_need(db: Database, tmp_path: Path) -> None:
    table = await db.create(Measured)
    await table.insert_all([{"price": Decimal("1.5")}, {"price": Decimal("-1000.25")}, {}])
    await table.export_file(tmp_path / "m.parquet", select=["price", "utc", "n"])
    made = READ(tmp_path / "m.parquet")
    assert [str(field.type) for field in made.schema] == ["decimal128(6, 2)", "timestamp[us, tz=UTC]", "int64"]
    assert made.column("price").to_pylist() == [Decimal("1.50"), Decimal("-1000.25"), None]


def workbook(**sheets: list[list[Any]]) -> bytes:
    book: Any = openpyxl.Workbook()
    book.remove(book.active)
    for name, rows in sheets.items():
        sheet = book.create_sheet(name)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


async def test_a_sheet_has_the_types_of_its_cells(db: Database) -> None:
    rows = [
        ["id", "n", "x", "code", "day", "at", "on", None],
        [1, 5, 1.5, "007", date(2024, 2, 29), datetime(2024, 2, 29, 12, 30), True],
        [],
        [2, None, 2, 8, date(2024, 3, 1), datetime(2024, 3, 1, 1), False],
    ]
    table = await db.import_file(workbook(Data=rows, Empty=[]), "t")
    assert await table(order_by="id") == [
        {
            "id": 1,
            "n": 5,
            "x": 1.5,
            "code": "007",
            "day": date(2024, 2, 29),
            "at": datetime(2024, 2, 29, 12, 30),
            "on": True,
        },
        {
            "id": 2,
            "n": None,
            "x": 2.0,
            "code": "8",
            "day": date(2024, 3, 1),
            "at": datetime(2024, 3, 1, 1),
            "on": False,
        },
    ]


async def test_one_of_several_sheets_is_named(db: Database) -> None:
    book = workbook(One=[["Report"], ["a"], [1]], Two=[["b"], [2]])
    with pytest.raises(ValidationError, match="has 2 sheets with rows: 'One', 'Two'"):
        await db.import_file(book, "t")
    with pytest.raises(ValidationError, match="has no sheet 'Three'") as caught:
        await db.import_file(book, "t", sheet="Three")
    assert "'One', 'Two'" in str(caught.value.hint)
    one = await db.import_file(book, "one", sheet=1, skip=1)
    two = await db.import_file(book, "two", sheet="Two")
    assert (await one(select=["a"]), await two(select=["b"])) == ([{"a": 1}], [{"b": 2}])


FAULTS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "not Parquet": (b"PAR1 and no more", {}, "is not a Parquet file that pyarrow reads"),
    "not Excel": (b"a,b\n", {"format": "xlsx"}, "is not an Excel file that openpyxl reads"),
    "a sheet without rows": (workbook(A=[]), {}, "no sheet has a row"),
    "a cell beside the table": (workbook(A=[["a"], [1, 2]]), {}, "line 2: a cell is beside the last column"),
    "a value of another type": (
        workbook(A=[["a"], [1], ["x"]]),
        {"types": {"a": int}},
        "line 3, column 'a': is not a whole number",
    ),
}


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
@pytest.mark.parametrize("name", FAULTS)
async def test_what_is_wrong_with_a_typed_file_is_named(db: Database, name: str) -> None:
    data, options, message = FAULTS[name]
    with pytest.raises(ValidationError) as caught:
        await db.import_file(data, "t", **options)
    assert message in caught.value.message
    assert caught.value.hint


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_without_the_extra_the_command_that_installs_it_is_named(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = {"pyarrow": parquet({"a": [1]}), "openpyxl": workbook(A=[["a"], [1]])}
    table = await db.import_file(b"a\n1\n", "known")
    for library, content in data.items():
        monkeypatch.setitem(sys.modules, library, None)
        with pytest.raises(InvalidOperationError, match=f"need the library {library}") as caught:
            await db.import_file(content, "t")
        assert caught.value.hint == "pip install 'deebase[arrow]'"
        path = tmp_path / ("a.parquet" if library == "pyarrow" else "a.xlsx")
        with pytest.raises(InvalidOperationError, match=f"need the library {library}"):
            await table.export_file(path)
        assert not path.exists()


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
async def test_what_a_sheet_cannot_hold_is_refused(db: Database, tmp_path: Path) -> None:
    table = await db.create(Measured)
    for text, message in (("x" * 32_768, "32,767 characters"), ("a\x01", "a control character")):
        row = await table.insert({"name": text})
        with pytest.raises(InvalidOperationError, match=message) as caught:
            await table.export_file(tmp_path / "m.xlsx", id=row["id"] if isinstance(row, dict) else row.id)
        assert "'name'" in caught.value.message
    with pytest.raises(ValidationError, match="is not packed"):
        await table.export_file(tmp_path / "m.parquet.gz")
    with pytest.raises(ValidationError, match="needs a binary file"):
        await table.export_file(io.StringIO(), format="parquet")
    assert list(tmp_path.iterdir()) == []
