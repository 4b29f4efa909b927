"""Cursors come from the web: any cursor returns a page of the scope or raises ValidationError."""

from __future__ import annotations

import base64
import json
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deebase import Database, Table, UTCDateTime, ValidationError
from deebase._tables.paging import _check

pytestmark = pytest.mark.parametrize("backend_name", ["sqlite-memory", "postgres"], indirect=True)


class Sample:
    id: int
    n: int
    text: str
    real: float
    flag: bool
    raw: bytes
    amount: Decimal
    key: UUID
    at: datetime
    seen: UTCDateTime
    day: date
    clock: time
    took: timedelta
    choice: Literal["a", "b"]
    maybe: int | None


ROW = {
    "n": 1,
    "text": "t",
    "real": 1.5,
    "flag": True,
    "raw": b"x",
    "amount": Decimal("1.5"),
    "key": UUID(int=1),
    "at": datetime(2024, 1, 1),
    "seen": datetime(2024, 1, 1, tzinfo=UTC),
    "day": date(2024, 1, 1),
    "clock": time(1),
    "took": timedelta(1),
    "choice": "a",
    "maybe": None,
}


def forged(order: list[tuple[str, bool]], body: Any) -> str:
    """Return a cursor with a right checksum, which anybody can compute, and any content."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    title = json.dumps(["sample", order])
    return base64.urlsafe_b64encode(_check(title, raw) + raw).decode().rstrip("=")


async def attempt(table: Table[Any], name: str, cursor: Any) -> bool:
    """Ask for a page; return whether the cursor was refused."""
    refused: ValidationError | None = None
    try:
        page = await table.page(size=2, order_by=name, after=cursor)
        assert len(page.rows) <= 2
    except ValidationError as error:
        refused = error
    assert refused is None or refused.field == "after"
    return refused is not None


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**63, -(2**63) - 1, 10**400, 1.5, 1e308, "", "x", "\x00", "\ud800", "2024-01-01", [],
    [1], {}, {"x": "zz"}, {"x": "00"}, {"x": 1}, {"x": None}, {"n": "1"}, {"n": "NaN"}, {"n": "1e999999999"},
    {"n": "sNaN"},
    {"n": [1, [1], 0]}, {"n": {}}, {"n": None}, {"u": "x"}, {"u": 1}, {"u": []}, {"u": str(UUID(int=2))}, {"s": "x"},
    {"s": "2024-01-01T00:00:00"}, {"s": "2024-01-01T00:00:00+00:00"}, {"s": 5}, {"s": None}, {"d": "2024-01-01"},
    {"d": "0000-00-00"}, {"d": {}}, {"t": "25:00"}, {"t": "01:00"}, {"t": []}, {"i": [1, 2, 3]}, {"i": [10**30, 0, 0]},
    {"i": ["x"]}, {"i": "abc"}, {"i": {"a": 1}}, {"i": [1, 2, 3, 4, 5, 6, 7, 8]}, {"i": [None]}, {"q": 1},
]  # fmt: skip


async def test_every_kind_of_value_in_every_kind_of_column(db: Database) -> None:
    table = await db.create(Sample)
    await table.insert_all([ROW, {**ROW, "n": 2, "maybe": 5}])
    mine = table.xtra(n=1)
    for name in (*ROW, "id"):
        order = [(name, False)] if name == "id" else [(name, False), ("id", False)]
        for value in VALUES:
            for flags in ("", "bi"):
                for values in ([value, 1], [1, value], value):
                    await attempt(mine, name, forged(order, [flags, values]))
        # Of the right type it is a place like any other.
        assert not await attempt(mine, name, (await table.page(size=1, order_by=name)).next)
    for name in ("n", "id", "text", "at"):
        order = [(name, False)] if name == "id" else [(name, False), ("id", False)]
        for body in (["", [None] * len(order)], [[], [1, 1]], [{}, [1, 1]], ["x", [1, 1]], [None, [1, 1]], ["", "11"]):
            assert await attempt(mine, name, forged(order, body))
        for body in (b"", b"[]", b"null", b"1", b'"x"', b"{}", b"[1,2,3]", b"[" * 5000, b"\xff", b"9" * 5000):
            assert await attempt(mine, name, forged(order, body))
    for thing in (0, 1.5, b"x", [], {}, True, object(), "x" * 200_000, "", "=", "\x00", "\ud800"):
        assert await attempt(mine, "n", thing)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from("xnusdti"), inner, max_size=2),
    max_leaves=6,
)


@given(body=json_values | st.tuples(st.sampled_from(["", "b", "i", "bi"]), st.lists(json_values, max_size=3)))
@settings(max_examples=40, deadline=None)
async def test_any_content_is_a_page_or_refused(db: Database, body: Any) -> None:
    if "sample" not in db.t:
        table = await db.create(Sample)
        await table.insert(ROW)
    for name in ("n", "at", "took", "maybe"):
        await attempt(db.t["sample"], name, forged([(name, False), ("id", False)], body))
