"""Imports of what real files hold: keys that are none, names that no database takes, several files, and other forms."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import warnings
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from deebase import Database, ImportReport, Table, UniqueViolationError, ValidationError
from tests.support.capabilities import can

LONG = "id,n\n" + "".join(f"{n},{n}\n" for n in range(2, 6502))
NO_KEYS: dict[str, tuple[bytes, str]] = {
    "not unique": (b"id,n\n1,a\n2,b\n1,c\n", "id is not unique"),
    "not unique far away": (f"{LONG}2,7\n".encode(), "id is not unique"),
    "NULL in a row": (b"id,n\n1,a\n,b\n", "id is NULL in a row"),
    "NULL far away": (f"{LONG},7\n".encode(), "id is NULL in a row"),
    "an empty text in a row": (b'id,n\n"1",a\n"",b\n', "id is NULL in a row"),
    "missing in a row": (b'[{"id": 1}, {"n": 2}]', "id is NULL in a row"),
    "null in a row": (b'[{"id": 1, "n": 1}, {"id": null}]', "id is NULL in a row"),
    "a fraction": (b"id,n\n1.5,a\n2,b\n", "id is neither int nor str"),
    "several kinds": (b'[{"id": 1}, {"id": "a"}]', "id is neither int nor str"),
}


@pytest.mark.parametrize("name", NO_KEYS)
async def test_a_column_id_that_is_no_key_is_a_column(db: Database, name: str) -> None:
    data, reason = NO_KEYS[name]
    reports: list[ImportReport] = []
    table = await db.import_file(data, "t", report=reports.append)
    assert table.pks == ("row_id",)
    assert await table.count() == reports[0].rows > 1
    assert reports[0].key == ("row_id",)
    assert reason in reports[0].key_reason
    assert reports[0].columns[0].name == "id"


async def test_a_key_that_the_caller_names_is_not_replaced(db: Database) -> None:
    with pytest.raises(UniqueViolationError, match=r"line 3: t\.id"):
        await db.import_file(b"id,n\n1,a\n1,b\n", "t", pk="id")
    with pytest.raises(ValidationError, match="line 3, column 'id': is NULL"):
        await db.import_file(b"id,n\n1,a\n,b\n", "t", pk="id")
    merged = await db.import_file(b"id,n\n1,a\n1,b\n", "t", on_conflict="update")
    assert await merged() == [{"id": 1, "n": "b"}]


async def imported(db: Database, data: bytes, **options: Any) -> tuple[list[dict[str, Any]], ImportReport]:
    """Import into a new table and return its rows, without the key that was added, and the report."""
    reports: list[ImportReport] = []
    table: Table[dict[str, Any]] = await db.import_file(data, "t", report=reports.append, **options)
    rows = await table.rows_as(dict)(order_by=list(table.pks))
    names = [column.name for column in reports[0].columns]
    await table.drop()
    return [{name: row[name] for name in names} for row in rows], reports[0]


async def test_names_that_the_database_cannot_have_are_changed_and_reported(db: Database) -> None:
    rows, report = await imported(db, b"x,x,,ctid\n1,2,3,4\n")
    assert list(rows[0].values()) == [1, 2, 3, 4]
    assert list(rows[0])[:3] == ["x", "x_2", "column_3"]
    assert "the column 'x' of the file is called 'x_2'" in report.notes
    long = "é" * 40
    rows, report = await imported(db, f"{long}1,{long}2\n1,2\n".encode())
    assert list(rows[0].values()) == [1, 2]
    assert [column.in_file for column in report.columns] == [f"{long}1", f"{long}2"]
    rows, _ = await imported(db, b'[{"a": 1, "": 3}, {"A": 2}]')
    assert [list(row.values()) for row in rows] == [[1, 3, None], [None, None, 2]]
    assert list(rows[0])[2] == ("A_2" if can(db).ignores_case_of_names else "A")


READINGS: dict[str, tuple[bytes, dict[str, Any], list[list[Any]]]] = {
    "lines before the header": (b"Report\nof 2024, final\na,b\n1,2\n", {"skip": 2}, [[1, 2]]),
    "comments": (b'# one\na,b\n# "two\n1,"x\n# y"\n', {"comment": "#"}, [[1, "x\n# y"]]),
    "no quotes": (b'a\tb\n5" pipe\t2\n', {"quote": None}, [['5" pipe', 2]]),
    "other quotes": (b"a,b\n'x,''y',2\n", {"quote": "'"}, [["x,'y", 2]]),
    "delimiters at the end": (b"a,b\n1,2,\n3,4,,\n", {}, [[1, 2], [3, 4]]),
    "short rows": (b"a,b\n1\n3,4\n", {"ragged": "fill"}, [[1, None], [3, 4]]),
    "rows of another length": (b"a,b\n1\n3,4\n5,6,7\n", {"ragged": "skip"}, [[3, 4]]),
    "empty quotes are NULL in numbers": (b'a,b\n"1",""\n"2","5"\n', {}, [[1, None], [2, 5]]),
    "a number of Germany": (b"a;b\n1.234,5;7\n", {"decimal": ",", "thousands": "."}, [[1234.5, 7]]),
    "a day of both forms": (
        b"a;b\n31.12.2024;2024-02-29\n",
        {"date_format": "%d.%m.%Y"},
        [[date(2024, 12, 31), date(2024, 2, 29)]],
    ),
    "a day of one form alone": (
        b"a;b\n2024-31-12;x\n2024-12-31;y\n",
        {"date_format": "%Y-%d-%m"},
        [["2024-31-12", "x"], ["2024-12-31", "y"]],
    ),
    "days of Germany": (b"a;b\n31.12.2024;x\n", {"date_format": "%d.%m.%Y"}, [[date(2024, 12, 31), "x"]]),
    "more digits than a float": (b"a,b\n0.12345678901234567890,1\n", {}, [[Decimal("0.1234567890123456789"), 1]]),
    "cp1252": ("a,b\né,“\n".encode("cp1252"), {"encoding": "cp1252"}, [["é", "“"]]),
    "bzip2": (bz2.compress(b"a,b\n1,2\n"), {}, [[1, 2]]),
    "xz": (lzma.compress(b"a,b\n1,2\n"), {}, [[1, 2]]),
    "values": (b"[1, 2.5]", {}, [[1.0], [2.5]]),
    "arrays": (b'[["a", 1], ["b", 2]]', {}, [[["a", 1]], [["b", 2]]]),
    "a JSON object around the rows": (
        b'{"n": {"x": [1]}, "data": {"items": [{"a": 1}, {"a": 2}], "z": 1}, "m": 2}',
        {"rows": "data.items"},
        [[1], [2]],
    ),
    "NaN by option": (b'[{"a": NaN}, {"a": 1.5}]', {"null": "NaN"}, [[None], [1.5]]),
    "flattened": (b'[{"a": {"b": 1, "c": {"d": [1]}}, "e": {}}]', {"flatten": True}, [[1, [1], {}]]),
    "several kinds": (b'[{"a": 1}, {"a": {"b": [2]}}, {"a": "x"}]', {}, [[1], [{"b": [2]}], ["x"]]),
    "only a header": (b"a,b\n", {}, []),
}


@pytest.mark.parametrize("name", READINGS)
async def test_what_a_file_holds_is_read_as_it_is_meant(db: Database, name: str) -> None:
    data, options, values = READINGS[name]
    rows, _ = await imported(db, data, **options)
    assert [list(row.values()) for row in rows] == values


REFUSALS: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "an encoding of other bytes": (b"a\n\x81\n", {"encoding": "cp1252"}, "encoding='latin-1'"),
    "too few lines": (b"a\n", {"skip": 3}, "has no 3 lines to skip"),
    "no such key": (b'{"a": []}', {"rows": "data"}, "the object has no key 'data'"),
    "no array": (b'{"data": 1}', {"rows": "data"}, "what rows= names is not an array"),
    "cut off behind the rows": (b'{"data": [{"a": 1}], "n": ', {"rows": "data"}, "not JSON"),
    "rows of lines": (b'{"a": 1}\n', {"rows": "data", "format": "ndjson"}, "each line is a row"),
    "a line after a comment": (b"# x\na,b\n# y\n1,2\n3\n", {"comment": "#"}, "line 5: 1 fields"),
    "a line after a preamble": (b"x\ny\na,b\n1,2\n3\n", {"skip": 2}, "line 5: 1 fields"),
    "one name for two": (b'[{"a": {"b": 1}},\n {"a_b": 2}]', {"flatten": True}, "line 2, column 'a_b'"),
    "long rows": (b"a,b\n1,2,3\n", {"ragged": "fill"}, "line 2: 3 fields"),
    "a type of another notation": (
        b"a;b\n1,5;1\nx;2\n",
        {"decimal": ",", "types": {"a": float}},
        "line 3, column 'a': is not a number in the given notation",
    ),
    "ragged": (b"a\n", {"ragged": "maybe"}, "ragged has no such value"),
    "quote": (b"a\n", {"quote": "''"}, "quote is one character or None"),
    "sheet": (b"a\n", {"sheet": ""}, "sheet has no such value"),
    "flatten": (b"a\n", {"flatten": 3}, "flatten is True, False or a separator"),
    "quotes between fields": (b"a\n", {"delimiter": ";", "quote": ";"}, "quote and delimiter are the same"),
    "a quote without an end": (b'a\tb\n"x\t2\n', {}, "quote=None"),
}


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
@pytest.mark.parametrize("name", REFUSALS)
async def test_what_has_no_meaning_is_refused(db: Database, name: str) -> None:
    data, options, message = REFUSALS[name]
    with pytest.raises(ValidationError) as caught:
        await db.import_file(data, "t", **options)
    assert message in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.hint


async def test_the_report_says_what_was_left_out(db: Database) -> None:
    _, report = await imported(db, b"a,b\n1,2,\n3\n5,6\n", ragged="skip")
    assert report.rows == 2
    assert report.notes == (
        "<bytes>: 1 rows with empty fields after the last column",
        "<bytes>: 1 rows left out, with another number of fields than columns",
    )
    _, report = await imported(db, b'{"type": "x", "features": [{"a": 1}], "crs": null}', rows="features")
    assert report.notes == ("<bytes>: keys beside the rows, which are not imported: type, crs",)


WESTERN = "name,n\nJosé,1\nGröße “x”,2\n".encode("cp1252")
READ_SO = "not UTF-8, so read as Windows-1252; pass encoding='cp1252' if that is right, or another one"
JAPANESE = "name,n\n東京,1\n".encode("shift-jis")


@pytest.mark.parametrize("form", ["csv", "gzip", "json", "far away"])
async def test_a_western_text_that_is_not_utf_8_is_read_with_a_warning(db: Database, form: str) -> None:
    json_rows = '[{"name": "José", "n": 1}, {"name": "Größe “x”", "n": 2}]'.encode("cp1252")
    many = b"name,n\n" + b"a,0\n" * 60_000 + WESTERN.removeprefix(b"name,n\n")
    data = {"csv": WESTERN, "gzip": gzip.compress(WESTERN), "json": json_rows, "far away": many}[form]
    for expected in (1, 2):  # a new table, then one that exists
        reports: list[ImportReport] = []
        with pytest.warns(UserWarning, match="<bytes>: not UTF-8, so read as Windows-1252"):
            table = await db.import_file(data, "t", report=reports.append)
        assert reports[0].notes == (f"<bytes>: {READ_SO}",)
        assert "cp1252" in reports[0].form
        for name in ("José", "Größe “x”"):
            assert await table.count(table.c.name == name) == expected


@pytest.mark.on_a_file
async def test_a_text_in_an_encoding_that_its_bytes_do_not_show_is_refused(db: Database) -> None:
    many = b"name,n\n" + b"a,0\n" * 60_000
    await db.import_file(b"name,n\na,0\n", "t")
    for data, line in ((JAPANESE, 2), (many + JAPANESE, 60_003), (many + b"b,\xff\n", 60_002)):
        for name in ("t", "u"):
            with pytest.raises(ValidationError, match=f"line {line}, character .*: is not text in utf-8") as caught:
                await db.import_file(data, name)
            assert "encoding='shift-jis'" in str(caught.value.hint)
    assert await db.t.t.count() == 1
    await db.reflect()
    assert "u" not in db.t


async def test_an_encoding_that_is_given_is_the_encoding(db: Database) -> None:
    with pytest.raises(ValidationError, match="line 2, character 4: is not text in utf-8"):
        await db.import_file(WESTERN, "t", encoding="utf-8")
    table = await db.import_file(JAPANESE, "t", encoding="shift-jis")
    assert await table.count(table.c.name == "東京") == 1


async def test_a_report_is_a_page(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "people.csv"
    path.write_text("id;zip;n;m\n1;00501;1;5\n2;10115;NA;\n")
    pages: list[str] = []
    await db.import_file(path, types={"m": Decimal | None}, report=lambda report: pages.append(str(report)))
    assert pages == [
        f"people (created): 2 rows from {path}\n"
        "  csv in utf-8, fields separated by ';'\n"
        "  key id: id is unique and not NULL\n"
        "  id   int             each value is a whole number of 64 bits\n"
        "  zip  str             '00501' is not a number\n"
        "  n    str             NA is text; null=['', 'NA'] makes the column int\n"
        "  m    Decimal | None  types names it"
    ]
    reports: list[ImportReport] = []
    await db.import_file(b"zip,id,n\n1,3,x\n", "people", report=reports.append)
    assert (reports[0].created, reports[0].key_reason) == (False, "the table existed")
    assert [(column.name, column.reason) for column in reports[0].columns] == [
        ("zip", "the type of the column"),
        ("id", "the type of the column"),
        ("n", "the type of the column"),
    ]


async def test_an_exception_of_the_report_undoes_the_import(db: Database) -> None:
    def refuse(report: ImportReport) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await db.import_file(b"a\n1\n", "t", report=refuse)
    await db.reflect()
    assert "t" not in db.t


async def test_several_files_are_one_table(db: Database, tmp_path: Path) -> None:
    (tmp_path / "1.csv").write_text("id,n\n1,5\n")
    (tmp_path / "2.csv").write_text("n;id;more\n1,5;2;x\n".replace("1,5", "1.5"))
    reports: list[ImportReport] = []
    files = sorted(tmp_path.glob("*.csv"))
    table = await db.import_file(files, "t", report=reports.append)
    assert await table(order_by="id") == [{"id": 1, "n": 5.0, "more": None}, {"id": 2, "n": 1.5, "more": "x"}]
    assert (reports[0].rows, reports[0].files) == (2, tuple(map(str, files)))
    lines = await db.import_file([b'{"a": 1}', b'[{"b": 2}, {"a": "x"}]'], "u")
    assert [(row["a"], row["b"]) for row in await lines(order_by="id")] == [(1, None), (None, 2), ("x", None)]
    again = await db.import_file([b"id,n\n1,1\n", b"id,n\n1,2\n"], "v")
    assert (again.pks, await again.count()) == (("row_id",), 2)


async def test_several_files_are_imported_all_or_none(db: Database, tmp_path: Path) -> None:
    (tmp_path / "2.csv").write_text("n\n1\n2,3\n")
    with pytest.raises(ValidationError, match=r"2\.csv, line 3: 2 fields"):
        await db.import_file([b"n\n1\n", tmp_path / "2.csv"], "t")
    for source, message in (
        ([b"n\n1\n", b'[{"n": 1}]'], "do not go together"),
        ([], "no file to import"),
    ):
        with pytest.raises(ValidationError, match=message):
            await db.import_file(source, "t")
    with pytest.raises(ValidationError, match="no common name"):
        await db.import_file([b"n\n1\n", b"n\n1\n"])
    await db.reflect()
    assert "t" not in db.t


async def test_a_warning_of_an_existing_table_names_the_line_of_the_caller(db: Database) -> None:
    await db.q(
        "CREATE TABLE t (n integer, p point)" if can(db).has_own_types else "CREATE TABLE t (n integer, p shape)"
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        await db.import_file(b"n\n1\n", "t")
    assert {warning.filename for warning in caught} <= {__file__}
    if can(db).has_own_types:
        assert caught


async def test_numbers_of_a_file_in_another_notation_fill_a_table_that_exists(db: Database) -> None:
    class Sale:
        id: int
        price: Decimal
        day: date

    sales = await db.create(Sale)
    await db.import_file(
        b"price;day\n1.234,50;31.12.2024\n", "sale", decimal=",", thousands=".", date_format="%d.%m.%Y"
    )
    assert await sales.rows_as(dict)() == [{"id": 1, "price": Decimal("1234.50"), "day": date(2024, 12, 31)}]


async def test_what_real_exports_hold_comes_out_equal(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "out.json"
    given: list[dict[str, Any]] = [{"id": None, "n": [1, {"a": 2.5}]}, {"id": 3, "n": "x"}, {"id": 3, "n": None}]
    table = await db.import_file(json.dumps(given).encode(), "t")
    await table.export_file(path, select=["id", "n"], order_by="row_id")
    assert json.loads(path.read_text()) == given


@pytest.mark.parametrize("name", ["null", "rows", "types", "report"])
async def test_an_option_of_another_type_is_refused(db: Database, tmp_path: Path, name: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,b\n1,2\n", encoding="utf-8")
    options: dict[str, Any] = {name: 5}
    with pytest.raises(ValidationError) as refused:
        await db.import_file(path, "t", **options)
    assert refused.value.field == name
    assert refused.value.hint
