"""Files in and out: what was exported is imported as it was; what is wrong with a file is named by its place."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import json
import os
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from deebase import (
    ColumnNotFoundError,
    Database,
    ForeignKey,
    ForeignKeyViolationError,
    InvalidOperationError,
    NotNullViolationError,
    Text,
    UniqueViolationError,
    UTCDateTime,
    ValidationError,
)
from deebase._sqltext.capabilities import Capabilities
from tests.support.capabilities import can
from tests.support.worlds import case

FORMS = ["csv", "tsv", "json", "ndjson", "csv.gz", "json.zip", "ndjson.gz", "tsv.zip"]


class Color(Enum):
    RED = "red"
    BLUE = "it's, blue"


@dataclass
class Everything:
    id: int
    n: int | None
    x: float | None
    flag: bool | None
    name: str | None
    note: Text | None
    raw: bytes | None
    doc: dict[str, Any] | None
    day: date | None
    at: datetime | None
    clock: time | None
    utc: UTCDateTime | None
    span: timedelta | None
    price: Decimal | None
    uid: UUID | None
    color: Color | None


FULL: dict[str, Any] = {
    "n": -(2**63),
    "x": 0.1,
    "flag": False,
    "name": 'a "quoted", name;\twith\r\nlines',
    "note": "",
    "raw": b"\x00\xff,",
    "doc": {"a": [1, None, "x"], "ü": {"b": 1.5}},
    "day": date(2024, 2, 29),
    "at": datetime(2024, 2, 29, 12, 30, 1, 5),
    "clock": time(23, 59, 59, 1),
    "utc": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "span": timedelta(days=-3, microseconds=1),
    "price": Decimal("12345678901234567890.10"),
    "uid": UUID("12345678-1234-5678-1234-567812345678"),
    "color": Color.BLUE,
}


@pytest.mark.parametrize("form", FORMS)
async def test_every_type_comes_back(db: Database, tmp_path: Path, form: str) -> None:
    table = await db.create(Everything)
    rows = [FULL, dict.fromkeys(FULL), {**FULL, "name": " spaces ", "note": None, "color": Color.RED, "doc": {}}]
    await table.insert_all(rows)
    before = await table(order_by="id")
    path = tmp_path / f"everything.{form}"
    assert await table.export_file(path) == 3
    await table.truncate()
    back = await db.import_file(path)
    assert back.name == "everything"
    assert await table(order_by="id") == before


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_a_new_table_has_the_types_of_the_file(db: Database, tmp_path: Path, form: str) -> None:
    table = await db.create(Everything)
    await table.insert_all([FULL, dict.fromkeys(FULL)])
    path = tmp_path / f"New People-1.{form}"
    await table.export_file(path, select=["id", "n", "x", "flag", "name", "day", "at", "utc"])
    made = await db.import_file(path)
    assert made.name == "new_people_1"
    assert made.pks == ("id",)
    rows = await made(order_by="id")
    assert rows[0] == {
        "id": 1,
        **{name: FULL[name] for name in ("n", "x", "flag", "name", "day", "at", "utc")},
    }
    assert set(rows[1].values()) == {2, None}


CSV = "id,code,phone,big,n,mixed,when\n7,007,+49123,99999999999999999999,NA,1,2024-01-02\n8,8,5,1,2,x,\n"


async def test_what_only_looks_like_a_number_stays_text(db: Database) -> None:
    table = await db.import_file(CSV.encode(), "people", null=["", "NA"])
    rows = await table(order_by="id")
    assert rows[0] == {
        "id": 7,
        "code": "007",
        "phone": "+49123",
        "big": "99999999999999999999",
        "n": None,
        "mixed": "1",
        "when": date(2024, 1, 2),
    }
    assert rows[1]["when"] is None
    assert rows[1]["code"] == "8"


MANY = 6_000
LATE: dict[str, tuple[str, Any, Any]] = {
    # What the column holds at first, what comes at the end, and what the first value is then.
    "a code": ("1", "007", "1"),
    "a fraction": ("1", "1.5", 1.0),
    "NULL": ("1", "", 1),
    "a word": ("true", "perhaps", "true"),
    "text behind nothing": ("", "x", None),
    "a number behind nothing": ("", "7", None),
    "a time": ("2024-01-02", "2024-01-02 10:00", "2024-01-02"),
    "nothing else": ("1", "2", 1),
}


@pytest.mark.parametrize("name", LATE)
async def test_the_last_row_counts_as_much_as_the_first(db: Database, name: str) -> None:
    usual, last, first_value = LATE[name]
    lines = "".join(f"{n},{usual}\n" for n in range(1, MANY))
    table = await db.import_file(f"id,x\n{lines}{MANY},{last}\n".encode(), "t")
    assert await table.count() == MANY
    assert (await table[1])["x"] == first_value
    value = (await table[MANY])["x"]
    assert (value if isinstance(value, str) else {"1.5": 1.5, "": None, "7": 7, "2": 2}[last]) == value
    await db.reflect()
    nullable = db.t.t.c.x.nullable
    assert nullable == ("" in (usual, last))


async def test_null_and_the_empty_text(db: Database) -> None:
    table = await db.import_file(b'a,b\n,""\n"x",y\n"",\n', "t")
    rows = await table.rows_as(dict)(order_by="id", select=["a", "b"])
    assert rows == [{"a": None, "b": ""}, {"a": "x", "b": "y"}, {"a": "", "b": None}]


async def test_keys_types_headers_and_delimiters(db: Database) -> None:
    people = await db.import_file(b"mail;age\na@x;1\nb@x;2\n", "people", pk="mail", types={"age": float})
    assert people.pks == ("mail",)
    assert await people["a@x"] == {"mail": "a@x", "age": 1.0}
    plain = await db.import_file(b"1|x\n2|y\n", "plain", header=["id", "name"])
    assert await plain[2] == {"id": 2, "name": "y"}
    bare = await db.import_file(b"1\tx\n", "bare", header=False)
    assert await bare() == [{"id": 1, "column_1": 1, "column_2": "x"}]
    with pytest.raises(ValidationError, match="no column 'nope'"):
        await db.import_file(b"a\n1\n", "t", pk="nope")
    with pytest.raises(ValidationError, match="already exists"):
        await db.import_file(b"mail,age\nc@x,3\n", "people", types={"age": int})
    assert "t" not in db.t


async def test_rows_of_a_table_that_is_there(db: Database) -> None:
    people = await db.import_file(b"mail,age\na@x,1\nb@x,2\n", "people", pk="mail")
    again = await db.import_file(b"age,mail\n7,c@x\n9,a@x\n", "people", on_conflict="update")
    assert again.name == people.name
    assert {row["mail"]: row["age"] for row in await people()} == {"a@x": 9, "b@x": 2, "c@x": 7}
    await db.import_file(b"age,mail\n5,a@x\n6,d@x\n", "people", on_conflict="ignore")
    assert (await people["a@x"])["age"] == 9
    assert await people.count() == 4
    with pytest.raises(ColumnNotFoundError, match="'nope'"):
        await db.import_file(b"mail,nope\ne@x,1\n", "people")


def zipped(*names: str) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name in names:
            archive.writestr(name, "id,n\n1,2\n")
    return file.getvalue()


LONG = "id,n\n" + "".join(f"{n},{n}\n" for n in range(2, 3002))
FAULTS: dict[str, tuple[bytes, str]] = {
    "ragged": (b"id,n\n1,2\n3\n", "line 3: 1 fields, and there are 2 columns"),
    "ragged far away": (f"{LONG}1,2,3\n".encode(), "line 3002: 3 fields"),
    "lines in a field": (b'id,n\n1,"a\nb"\n2\n', "line 4: 1 fields"),
    "quote": (b'id,n\n1,2\n2,"x\n3,4\n', "line 3: a quote is opened here and never closed"),
    "bytes": (b"id,n\n1,a\n2,\xff\n", "line 3, character 3: is not text in utf-8"),
    "utf-16 without a mark": ("id,n\n1,2\n".encode("utf-16-le"), "encoding='utf-16'"),
    "nothing but a mark": (b"\xef\xbb\xbf", "is empty"),
    "a number beyond Decimal": (b'[{"a": 1},\n {"a": 1e99999999999999999999}]', "line 2: a number has more digits"),
    "a number beyond the databases": (b'[{"a": 1},\n {"a": 1e999999999}]', "line 2: t.a: holds up to 131072 digits"),
    "a number beyond floats, inside": (b'[{"a": [1e999]}]', "line 1, column 'a': is not JSON"),
    "4,301 digits": (b'[{"a": ' + b"9" * 4301 + b"}]", "line 1: a number has more digits"),
    "nested": (b'[{"a":' + b"[" * 1500 + b"]" * 1500 + b"}]", "the JSON is nested too deeply"),
    "nested lines": (b'{"a":1}\n{"a":' + b"[" * 1500 + b"]" * 1500 + b"}", "the JSON is nested too deeply"),
    "NaN": (b'[{"a": NaN}]', "line 1: NaN is not JSON"),
    "Infinity": (b'[{"a": -Infinity}]', "-Infinity is not JSON"),
    "a key twice": (b'[{"a": 1},\n {"a": 1, "a": 2}]', "line 2: an object has the key 'a' twice"),
    "a key twice, inside": (b'{"a": {"b": 1, "b": 2}}', "line 1: an object has the key 'b' twice"),
    "half a surrogate": (b'[{"a": "\\ud800"}]', "line 1: t.a: the text holds half of a surrogate pair"),
    "NUL in JSON": (b'[{"a": ["\\u0000"]}]', "line 1: t.a: inside JSON the text holds a NUL"),
    "a name with NUL": (b'[{"\\u0000": 1}]', "the name of a column holds a character that cannot be stored"),
    "values and objects": (b'[1,\n {"a": 2}]', "line 2: a row is a JSON object"),
    "no rows": (b"[]", "no rows that show its columns"),
    "no columns": (b"[{}, {}]", "no rows that show its columns"),
    "blank lines": (b"\n\n", "no rows that show its columns"),
    "a trailing comma": (b'[{"a": 1},]', "line 1, character 11: not JSON"),
    "a mark in the middle": (b'{"a": 1}\n\xef\xbb\xbf{"a": 2}', "line 2, character 1: not JSON"),
    "a line of sep=": (b"sep=;\nid;n\n1;2\n3\n", "line 4: 1 fields"),
    "10,000 columns": (",".join(f"c{n}" for n in range(10_000)).encode(), "there are 10,000 columns"),
    "100,000 columns": (",".join(f"c{n}" for n in range(100_000)).encode(), "there are 100,000 columns"),
    "100,000 keys": (json.dumps([{f"c{n}": 1 for n in range(100_000)}]).encode(), "there are 100,000 columns"),
    "nul": (b"id,n\n1,\0\n", "line 2: the text contains a NUL byte"),
    "empty": (b"", "is empty"),
    "json": (b'[{"a": 1},\n {"a" 2}]', "line 2, character 7: not JSON"),
    "no object": (b'[{"a": 1},\n 2]', "line 2: a row is a JSON object"),
    "array that does not end": (b'[{"a": 1}', "the array does not end"),
    "gzip": (gzip.compress(b"id,n\n1,2\n")[:-6], "damaged, or cut off"),
    "several members": (zipped("a.csv", "b.csv"), "contains 2 files, and one is imported at a time: 'a.csv', 'b.csv'"),
    "no members": (zipped(), "the archive contains no file"),
}


@pytest.mark.on_a_file
async def test_a_broken_file_is_refused_by_its_place(db: Database) -> None:
    for name, (data, message) in FAULTS.items():
        with case(name):
            with pytest.raises(ValidationError) as caught:
                await db.import_file(data, "t")
            assert message in f"{caught.value.message} {caught.value.hint}"
            assert caught.value.hint or "holds up to" in caught.value.message
            await db.reflect()
            assert "t" not in db.t


MARKS = {
    "utf-8": codecs.BOM_UTF8,
    "utf-16-le": codecs.BOM_UTF16_LE,
    "utf-16-be": codecs.BOM_UTF16_BE,
    "utf-32-le": codecs.BOM_UTF32_LE,
    "utf-32-be": codecs.BOM_UTF32_BE,
}
MARKED = {
    "json": '[{"id": 1, "n": "é"},\n{"id": 2, "n": "ü"}]',
    "ndjson": '{"id": 1, "n": "é"}\n{"id": 2, "n": "ü"}\n',
    "csv": "id;n\n1;é\n2;ü\n",
    "tsv": "id\tn\r\n1\té\r\n2\tü\r\n",
    "sep": "sep=;\r\nid;n\r\n1;é\r\n2;ü\r\n",
    "one line end of two": "id|n\r1|é\r2|ü\r",
}


class Drip(io.RawIOBase):
    """A stream that gives one byte at a time, and nothing twice."""

    def __init__(self, data: bytes) -> None:
        self._data = io.BytesIO(data)

    def read(self, size: int = -1) -> bytes:
        return self._data.read(1 if size else 0)

    def seekable(self) -> bool:
        return False


@pytest.mark.parametrize("backend_name", ["sqlite-memory"], indirect=True)
@pytest.mark.parametrize("encoding", MARKS)
@pytest.mark.parametrize("name", MARKED)
async def test_a_byte_order_mark_decides_before_anything_is_guessed(
    db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, encoding: str
) -> None:
    data = MARKS[encoding] + MARKED[name].encode(encoding)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("data", data)
    path = tmp_path / "data.txt"
    path.write_bytes(data)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
    # Two members, of which the first ends within the mark.
    pieces = gzip.compress(data[:1]) + gzip.compress(data[1:])
    text = io.StringIO(data.decode(encoding))
    for source in (data, path, io.BytesIO(data), pieces, packed.getvalue(), Drip(data), "-", text):
        table = await db.import_file(source, "t", encoding="utf-8" if source is path else "cp1252")
        assert await table() == [{"id": 1, "n": "é"}, {"id": 2, "n": "ü"}]
        await table.drop()


async def test_a_format_may_begin_far_from_the_start(db: Database) -> None:
    table = await db.import_file(b" \n" * 500 + b'{"a": 1}', "t")
    assert await table(select=["a"]) == [{"a": 1}]
    with pytest.raises(ValidationError, match="encoding is not an encoding"):
        await db.import_file(b"a\n1\n", "u", encoding="hex")
    named = await db.import_file(b"sep=;\n1;2\n", "v", delimiter=";", header=["x", "y"])
    assert await named(select=["x", "y"]) == [{"x": 1, "y": 2}]
    with pytest.raises(ValidationError, match="line 1: 1 fields"):
        await db.import_file(b"sep=;\n1,2\n", "w", delimiter=",", header=["x", "y"])


async def test_a_limit_that_other_code_sets_is_not_that_of_files(db: Database) -> None:
    before = csv.field_size_limit(3)
    try:
        table = await db.import_file(b'a,b\n"' + b"x" * 200_000 + b'",2\n', "t")
        assert csv.field_size_limit() == 3
    finally:
        csv.field_size_limit(before)
    assert await table.count(a="x" * 200_000) == 1


VALUES_OF_JSON: dict[str, tuple[list[Any], type]] = {
    "lists": ([[1, 2], [], None, [{"a": None}]], list),
    "objects": ([{"a": 1}, {}], dict),
    "lists and objects": ([[1], {"a": 1}], object),
    "several kinds": (["1", 1, True, None, [1], 1.5], object),
    "numbers and words": ([1, "1"], object),
    "numbers and truth": ([1, True], object),
    "dates and numbers": (["2024-01-01", 1], object),
    "more than 64 bits": ([10**30, 1, -1], Decimal),
    "long integers and fractions": ([2**53 + 1, 1.5], Decimal),
    "integers and fractions": ([2**53, 1.5], float),
    "the first and last integer": ([-(2**63), 2**63 - 1], int),
}


@pytest.mark.parametrize("name", VALUES_OF_JSON)
async def test_a_type_that_is_found_holds_every_value(db: Database, name: str) -> None:
    values, kind = VALUES_OF_JSON[name]
    table = await db.import_file(json.dumps([{"a": value} for value in values]).encode(), "t")
    found = [row["a"] for row in await table(order_by="id")]
    assert found == values
    if kind is not object:
        assert {type(value) for value in found} <= {kind, type(None)}
    else:
        assert list(map(type, found)) == list(map(type, values))


async def test_numbers_keep_the_digits_that_they_are_written_with(db: Database) -> None:
    text = b'[{"a": 0.1, "b": 0.12345678901234567890, "c": "x"}, {"a": 0.3333333333333333, "b": 1e-400, "c": 1.50}]'
    table = await db.import_file(text.replace(b', "c": "x"', b"").replace(b', "c": 1.50', b""), "t")
    rows = await table(order_by="id")
    assert [row["a"] for row in rows] == [0.1, 0.3333333333333333]
    assert [row["b"] for row in rows] == [Decimal("0.12345678901234567890"), Decimal("1e-400")]
    lines = await db.import_file(b"a,b,c\n0.3333333333333333,1e-400,0.10000000000000001\n1.5,1,1\n", "u")
    assert await lines(select=["a", "b", "c"], limit=1) == [
        {"a": 0.3333333333333333, "b": Decimal("1e-400"), "c": Decimal("0.10000000000000001")}
    ]

    class Known:
        id: int
        text: str
        number: float | None
        whole: int | None

    known = await db.create(Known)
    await db.import_file(b'[{"text": 1.50, "number": 1}, {"text": {"a": 0.5}, "number": 1e3}]', "known")
    assert [(row["text"], row["number"]) for row in await known(order_by="id")] == [
        ("1.50", 1.0),
        ('{"a": 0.5}', 1000.0),
    ]
    for column, value in (("number", "1e999"), ("whole", "1e999999999"), ("whole", "1.5")):
        for data in (f'[{{"text": "x", "{column}": {value}}}]', f"text,{column}\nx,{value}\n"):
            with pytest.raises(ValidationError, match=f"column '{column}'"):
                await db.import_file(data.encode(), "known")


NAMES = ["_a", "__b", "_id", "class", "None", "self", "a b", "%(x)s", ":x", "mro", "metadata", "rowid", "_rowid_"]


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_a_column_may_have_any_name_that_the_database_takes(db: Database, form: str) -> None:
    record = {name: place for place, name in enumerate(NAMES)}
    data = json.dumps([record]) if form == "json" else f"{','.join(record)}\n{','.join(map(str, record.values()))}\n"
    table = await db.import_file(data.encode(), "t", format=form)  # type: ignore[arg-type]
    assert await table() == [{"id": 1, **record}]


@pytest.mark.parametrize("data", [b"ID,n\n7,1\n", b'[{"ID": 7, "n": 1}]'])
async def test_a_key_may_be_written_in_capitals(db: Database, data: bytes) -> None:
    table = await db.import_file(data, "t")
    assert table.pks == ("ID",)
    assert await table() == [{"ID": 7, "n": 1}]


def header(columns: int) -> bytes:
    return ",".join(f"c{n}" for n in range(columns)).encode() + b"\n"


TAKEN: dict[str, tuple[bytes, Callable[[Capabilities], object], str]] = {
    "many": (
        ",".join(f"c{n}" for n in range(1601)).encode() + b"\n",
        lambda can: can.max_columns < 1601,
        "1,601 columns",
    ),
    "many for SQLite": (
        ",".join(f"c{n}" for n in range(2000)).encode() + b"\n",
        lambda can: can.max_columns == 2000,
        "2,001 columns",
    ),
}


@pytest.mark.parametrize("name", TAKEN)
async def test_names_that_one_database_refuses_are_refused_before_anything_is_made(
    db: Database, capabilities: Capabilities, name: str
) -> None:
    data, refuses, message = TAKEN[name]
    if not refuses(capabilities):
        return
    with pytest.raises(ValidationError, match=message) as caught:
        await db.import_file(data, "t")
    assert caught.value.hint
    await db.reflect()
    assert "t" not in db.t


@pytest.mark.on_a_file
async def test_as_many_columns_as_a_table_takes_are_imported(db: Database) -> None:
    # A row of PostgreSQL is within a page: a boolean has one byte.
    most = can(db).max_columns - 1
    data = ",".join(f"c{n}" for n in range(most)) + "\n" + ",".join(["true"] * most) + "\n"
    (row,) = await (await db.import_file(data.encode(), "t"))()
    assert list(row.values()) == [1, *[True] * most]


async def test_a_value_that_does_not_fit_is_named_by_line_and_column(db: Database) -> None:
    people = await db.import_file(b"mail,age\na@x,1\n", "people", pk="mail")
    rows = "".join(f"m{n}@x,{n}\n" for n in range(1500))
    with pytest.raises(ValidationError, match=r"line 1502, column 'age': is not a whole number") as caught:
        await db.import_file(f"mail,age\n{rows}b@x,old\n".encode(), "people")
    assert caught.value.field == "age"
    assert "old" not in str(caught.value)
    several = "mail,age\na@y,1\nb@y,old\n" + "c@y,2\n" * 1500 + "d@y,?\n" + "e@y,young\n" * 7
    with pytest.raises(ValidationError, match=r"line 3, column 'age': is not a whole number") as caught:
        await db.import_file(several.encode(), "people")
    more = "".join(f", line {line} (age)" for line in range(1505, 1509))
    assert str(caught.value.hint).endswith(f"; the same goes for line 1504 (age){more} and 3 others")
    with pytest.raises(UniqueViolationError, match=r"line 4: people\.mail"):
        await db.import_file(b'mail,age\nb@x,2\n"c@x",4\na@x,3\n', "people")
    with pytest.raises(NotNullViolationError, match=r"line 3: people\.age"):
        await db.import_file(b'mail,age\nb@x,2\n"c@x",\n', "people")
    with pytest.raises(ValidationError, match="line 2, column 'age'"):
        await db.import_file(b'[{"mail": "d@x", "age": 1},\n{"mail": "e@x", "age": 1.5}]', "people")
    assert await people.count() == 1


async def test_a_foreign_key_is_named_by_the_line(db: Database) -> None:
    class Team:
        id: int

    class Player:
        id: int
        team_id: ForeignKey[int, "team"]

    await db.create_all(Team, Player)
    await db.t.team.insert({})
    with pytest.raises(ForeignKeyViolationError, match=r"line 3: player\.team_id refers to a row of team"):
        await db.import_file(b"team_id\n1\n9\n", "player")


async def test_an_import_is_part_of_the_transaction(db: Database) -> None:
    with pytest.raises(ZeroDivisionError):
        async with db.transaction():
            await db.import_file(b"id,n\n1,2\n", "t")
            raise ZeroDivisionError
    assert "t" not in db.t
    await db.reflect()
    assert "t" not in db.t


async def test_where_a_file_comes_from(db: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "data.csv"
    path.write_bytes(b"id,n\n1,2\n")
    for number, source in enumerate(
        (str(path), path, path.read_bytes(), io.BytesIO(path.read_bytes()), io.StringIO("id,n\n1,2\n"), path.open("rb"))
    ):
        table = await db.import_file(source, f"t{number}")
        assert await table() == [{"id": 1, "n": 2}]
        if hasattr(source, "close"):
            assert not source.closed
            source.close()
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b'{"id": 1}\n{"id": 2}\n')))
    assert await (await db.import_file("-", "typed")).count() == 2
    with pytest.raises(InvalidOperationError, match="does not exist"):
        await db.import_file(tmp_path / "missing.csv")
    with pytest.raises(InvalidOperationError, match="is a directory"):
        await db.import_file(tmp_path)
    with pytest.raises(ValidationError, match="not int"):
        await db.import_file(7)
    with pytest.raises(ValidationError, match="no name"):
        await db.import_file(b"a\n1\n")
    with pytest.raises(ValidationError, match="format"):
        await db.import_file(path, format="xml")  # type: ignore[arg-type]


async def test_progress_is_told(db: Database, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(LONG)
    seen: list[tuple[int, int, int]] = []
    table = await db.import_file(path, progress=lambda *told: seen.append(told))
    assert seen[-1] == (3000, len(LONG), len(LONG))
    assert 2 < len(seen) < 10
    rows: list[int] = []
    await table.export_file(tmp_path / "out.csv", progress=rows.append)
    assert rows[-1] == 3000
    assert len(rows) == 7


# -- exporting ---------------------------------------------------------------------------------


@pytest.fixture
async def people(db: Database) -> Any:
    return await db.import_file(b"id,name,age\n1,Ada,36\n2,Bob,\n3,Cyd,5\n", "people")


async def test_conditions_columns_and_order(db: Database, people: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.csv"
    assert await people.export_file(path, people.c.age > 4, order_by="-age", select=["name", "age"]) == 2
    assert path.read_text() == "name,age\nAda,36\nCyd,5\n"
    assert await people.xtra(name="Bob").export_file(path, overwrite=True) == 1
    assert path.read_text() == "id,name,age\n2,Bob,\n"
    assert await people.export_file(path, id=99, overwrite=True) == 0
    assert path.read_text() == "id,name,age\n"
    view = await db.create_view("old", "SELECT name FROM people WHERE age > 10")
    assert await view.export_file(path, overwrite=True) == 1


async def test_a_file_is_there_whole_or_not_at_all(people: Any, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    await people.export_file(path)
    assert json.loads(path.read_text())[1] == {"id": 2, "name": "Bob", "age": None}
    with pytest.raises(InvalidOperationError, match="exists"):
        await people.export_file(path)

    def stop(_: int) -> None:
        raise ZeroDivisionError

    before = path.read_text()
    with pytest.raises(ZeroDivisionError):
        await people.export_file(path, overwrite=True, progress=stop)
    assert path.read_text() == before
    assert [name for name in os.listdir(tmp_path) if "test.db" not in name] == ["p.json"]
    with pytest.raises(InvalidOperationError, match="cannot be written"):
        await people.export_file(tmp_path / "no" / "p.json")
    with pytest.raises(ValidationError, match="does not follow from its name"):
        await people.export_file(tmp_path / "p.txt")


async def test_where_rows_go(people: Any, capsys: pytest.CaptureFixture[str]) -> None:
    binary, text = io.BytesIO(), io.StringIO()
    await people.export_file(binary, format="ndjson", limit=1)
    assert binary.getvalue() == b'{"id": 1, "name": "Ada", "age": 36}\n'
    await people.export_file(text, format="tsv", limit=1)
    assert text.getvalue() == "id\tname\tage\n1\tAda\t36\n"
    await people.export_file("-", format="csv", delimiter=";", limit=1)
    assert capsys.readouterr().out == "id;name;age\n1;Ada;36\n"
    assert not binary.closed
    with pytest.raises(ValidationError):
        await people.export_file(7, format="csv")


HOSTILE = ["a b", 'qu"ote', "select", "semi;colon", "ünï", "per%cent", "co:lon", "a,b", "new\nline", " lead"]


@pytest.mark.parametrize("form", ["csv", "json"])
async def test_any_names_of_columns(db: Database, tmp_path: Path, form: str) -> None:
    record: dict[str, Any] = {name: f"{name}!" for name in HOSTILE if form == "json" or name.strip() == name}
    path = tmp_path / f"t.{form}"
    if form == "json":
        path.write_text(json.dumps([record]))
    else:
        quoted: Callable[[str], str] = lambda text: '"' + text.replace('"', '""') + '"'  # noqa: E731
        path.write_text(",".join(map(quoted, record)) + "\n" + ",".join(map(quoted, record.values())) + "\n")
    table = await db.import_file(path)
    assert await table() == [{"id": 1, **record}]
    await table.export_file(tmp_path / f"out.{form}")
    await table.drop()
    assert await (await db.import_file(tmp_path / f"out.{form}"))() == [{"id": 1, **record}]


async def test_texts_that_spreadsheets_would_run_are_written_so_that_they_do_not(db: Database) -> None:
    await db.q('CREATE TABLE "=cell" (id INTEGER PRIMARY KEY, "+name" TEXT, n INTEGER)')
    await db.reflect()
    texts = [
        "=1+1",
        "+cmd|'x'!A",
        "-2+3",
        "@SUM(A1)",
        "\t=1",
        "\r=1",
        "\n=1",
        "\uff1d1",
        "-5",
        "+41.5e3",
        "a=1",
        "",
        "'x",
    ]
    cells = db.t["=cell"]
    await cells.insert_all([{"id": n, "+name": text, "n": -n} for n, text in enumerate(texts)])
    for form, delimiter in (("csv", ","), ("tsv", "\t")):
        file = io.StringIO()
        await cells.export_file(file, format=form, order_by="id", escape_formulas=True)  # type: ignore[arg-type]
        rows = list(csv.reader(io.StringIO(file.getvalue(), newline=""), delimiter=delimiter))
        assert rows[0] == ["id", "'+name", "n"]
        assert [row[1] for row in rows[1:]] == [*[f"'{text}" for text in texts[:8]], *texts[8:]]
        assert [row[2] for row in rows[1:]] == [str(-n) for n in range(len(texts))]
    plain = io.StringIO()
    await cells.export_file(plain, format="csv", order_by="id")
    assert "\n0,=1+1,0\n" in plain.getvalue()
