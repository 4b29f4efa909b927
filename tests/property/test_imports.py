"""The values of any file are read back unchanged from its new table, or the file is refused."""

from __future__ import annotations

import csv
import io
import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

from hypothesis import assume, example, given
from hypothesis import strategies as st

from deebase import Database, Table, ValidationError

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
LIKE = st.sampled_from(
    [
        *(
            "true",
            "False",
            "0",
            "-1",
            "007",
            "+1",
            "1.50",
            "1e5",
            "1e-400",
            "4.94e-324",
            "0.1234567890123456789",
            "9" * 20,
        ),
        *("2024-02-29", "2023-02-29", "2024-02-29 12:30", "2024-02-29T12:30:00.5", "2024-02-29T12:30:00+02:00"),
        *("0001-01-01T00:00:00+14:00", "NaN", "inf", "null", "None", "1_000", " 1", "\ufeff1", "é"),
    ]
)
NUMBERS = st.one_of(
    st.integers(-(2**70), 2**70),
    st.floats(allow_nan=False, allow_infinity=False),
    st.sampled_from([2**53 + 1, 2**63, -(2**63), 0.1, 1e300, 5e-324]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXT, LIKE)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3), max_leaves=8
)
#: Columns of one kind most of the time, as those of real files are.
COLUMNS = st.sampled_from([st.integers(-9, 9), NUMBERS, LIKE, TEXT, st.booleans(), st.lists(SCALARS), SCALARS, VALUES])
NAMES = st.one_of(
    TEXT.map(str.strip).filter(bool),
    st.sampled_from(
        ["_a", "__b", "_id", "class", "None", "self", "a b", "%(x)s", ":x", "c", "key", "metadata", "rowid"]
    ),
)


@st.composite
def documents(draw: st.DrawFn) -> list[dict[str, Any]]:
    columns = draw(st.dictionaries(NAMES, COLUMNS, min_size=1, max_size=5))
    rows = st.fixed_dictionaries({}, optional=columns)
    return draw(st.lists(rows, min_size=1, max_size=6).filter(any))


def can_be_columns(names: list[str]) -> bool:
    """Whether both databases take the names, beside a key called id."""
    folded = [name.encode().lower() for name in (*names, "id")]
    return len(set(folded)) == len(folded) and all(len(name) <= 63 for name in folded)


def same(found: Any, given: Any) -> bool:
    """Whether a value of a table is the one that stood in the file, where numbers with a point are Decimals."""
    if isinstance(given, dict):
        return isinstance(found, dict) and found.keys() == given.keys() and all(same(found[k], given[k]) for k in given)
    if isinstance(given, list):
        return isinstance(found, list) and len(found) == len(given) and all(map(same, found, given))
    if isinstance(found, datetime):
        return found == datetime.fromisoformat(given).replace(
            tzinfo=found.tzinfo and datetime.fromisoformat(given).tzinfo
        )
    if isinstance(found, date):
        return bool(found.isoformat() == given)
    if isinstance(found, float):
        return type(given) in (int, Decimal) and found == float(given)
    if type(found) is int and isinstance(given, Decimal):
        return float(found) == float(given)
    return bool(found == given) and (isinstance(found, Decimal) or type(found) is type(given))


def is_long(value: Any) -> bool:
    """Whether a value is a number that no column holds beside values of other types."""
    return (isinstance(value, Decimal) and Decimal(repr(float(value))) != value) or (
        type(value) is int and not -(2**63) <= value < 2**63
    )


async def imported(db: Database, data: bytes, **options: Any) -> Table[dict[str, Any]]:
    return await db.import_file(data, "t", **options)


@given(documents(), st.sampled_from(["json", "ndjson"]), st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]))
@example([{"a": [1, 2]}, {"a": []}], "json", "utf-8")
@example([{"a": 2**53 + 1}, {"a": 1.5}], "ndjson", "utf-16")
@example([{"_a": 1, "__b": 2}], "json", "utf-32")
@example([{"a": {}}, {"a": "x"}, {"a": 1}], "json", "utf-8-sig")
async def test_json_comes_out_as_it_went_in(db: Database, rows: list[dict[str, Any]], form: str, encoding: str) -> None:
    assume(can_be_columns(list(dict.fromkeys(name for row in rows for name in row))))
    text = json.dumps(rows) if form == "json" else "\n".join(map(json.dumps, rows))
    exact = json.loads(json.dumps(rows), parse_float=Decimal)
    long = {name for row in exact for name, value in row.items() if is_long(value)}
    try:
        table = await imported(db, text.encode(encoding), format=form)
    except ValidationError as error:
        refused = error.field
    else:
        refused = None
    if refused is not None:
        assert refused in long
        return
    try:
        found = [{n: v for n, v in row.items() if n != "id"} for row in await table.rows_as(dict)(order_by="id")]
        for row, given_row in zip(found, exact, strict=True):
            for name, value in row.items():
                assert same(value, given_row.get(name)), name
        # What is exported and imported again is the same.
        again = io.BytesIO()
        await table.export_file(again, format="json", order_by="id")
        await table.truncate()
        await imported(db, again.getvalue())
        assert [{n: v for n, v in row.items() if n != "id"} for row in await table(order_by="id")] == found
    finally:
        await table.drop()


def value_of(text: str, found: Any) -> bool:
    """Whether a value of a table is the one that a field of a delimited file says."""
    if isinstance(found, bool):
        return text.lower() == str(found).lower()
    if isinstance(found, (int, float, Decimal)):
        return Decimal(text) == Decimal(str(found))
    if isinstance(found, datetime):
        given = datetime.fromisoformat(text)
        return found == (given if found.tzinfo is None else given.astimezone(UTC))
    return text == (found.isoformat() if isinstance(found, date) else found)


def text_is(text: str, found: Any) -> bool:
    """Whether a value is that of a field in quotes; an empty one is NULL in a column that is not text."""
    return found is None if text == "" and found is None else value_of(text, found)


FIELDS = st.one_of(st.none(), TEXT, LIKE, st.integers().map(str), st.floats(allow_nan=False).map(repr))


@given(
    st.integers(1, 4).flatmap(lambda n: st.lists(st.lists(FIELDS, min_size=n, max_size=n), min_size=1, max_size=6)),
    st.sampled_from([",", ";", "\t", "|"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "utf-32"]),
)
async def test_csv_comes_out_as_it_went_in(
    db: Database, rows: list[list[str | None]], delimiter: str, end: str, encoding: str
) -> None:
    names = [f"_{place}" for place in range(len(rows[0]))]
    # An empty field is NULL, and an empty text a field in quotes.
    quoted = [[f'"{name}"' for name in names]]
    quoted += [["" if text is None else '"' + text.replace('"', '""') + '"' for text in row] for row in rows]
    data = "".join(delimiter.join(fields) + end for fields in quoted).encode(encoding)
    before = csv.field_size_limit(1)
    try:
        table = await imported(db, data, delimiter=delimiter)
        assert csv.field_size_limit() == 1
    finally:
        csv.field_size_limit(before)
    try:
        found = await table.rows_as(dict)(order_by="id")
        for row, given_row in zip(found, rows, strict=True):
            for name, text in zip(names, given_row, strict=True):
                assert (row[name] is None) if text is None else text_is(text, row[name])
        again = io.BytesIO()
        await table.export_file(again, format="csv", delimiter=delimiter, order_by="id")
        await table.truncate()
        await imported(db, again.getvalue(), delimiter=delimiter)
        assert await table(order_by="id") == found
    finally:
        await table.drop()
