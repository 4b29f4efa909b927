"""Bound values and column names of SQL that is the user's own."""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, IntEnum
from types import SimpleNamespace
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Dialect

from deebase._sql.raw import adapt, described, unique_names
from deebase.errors import ValidationError
from deebase.types import UNSET, SqlExpression

SQLITE: Dialect = sqlite.dialect()  # type: ignore[no-untyped-call]
POSTGRES: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call]


class Color(Enum):
    RED = "red"


class Level(IntEnum):
    HIGH = 2


@pytest.mark.parametrize(
    ("value", "stored"),
    [
        (None, None),
        (5, 5),
        ("x", "x"),
        (b"x", b"x"),
        (1.5, 1.5),
        (True, 1),
        (False, 0),
        (Color.RED, "red"),
        (Level.HIGH, 2),
        (datetime(2024, 1, 2, 3, 4, 5), "2024-01-02 03:04:05.000000"),
        (datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=2))), "2024-01-02 01:00:00.000000"),
        (date(2024, 1, 2), "2024-01-02"),
        (time(3, 4), "03:04:00.000000"),
        (timedelta(days=1, microseconds=1), 86400.000001),
        (Decimal("1.50"), "1.50"),
        (Decimal("1E+3"), "1000"),
        (UUID(int=10), f"{10:032x}"),
        ({"é": [1]}, '{"é": [1]}'),
        ([1, "x"], '[1, "x"]'),
    ],
)
def test_sqlite_gets_values_as_columns_store_them(value: Any, stored: Any) -> None:
    made = adapt(value, SQLITE)
    assert made == stored
    assert type(made) is type(stored)


def test_postgresql_gets_values_as_they_are_but_documents_and_members() -> None:
    for value in (True, datetime(2024, 1, 1, tzinfo=UTC), Decimal("1.5"), UUID(int=1), [1, 2], timedelta(1), time(1)):
        assert adapt(value, POSTGRES) is value
    assert adapt({"a": None}, POSTGRES) == '{"a": null}'
    assert adapt(Color.RED, POSTGRES) == "red"


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
@pytest.mark.parametrize("value", [UNSET, sa.func.now(), SqlExpression(sa.literal(1)), sa.column("x")])
def test_objects_that_are_not_values_are_refused(dialect: Dialect, value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        adapt(value, dialect)
    assert caught.value.hint


@pytest.mark.parametrize("dialect", [SQLITE, POSTGRES], ids=["sqlite", "postgres"])
@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": {1, 2}}, {"a": b"x"}, {(1, 2): 3}])
def test_a_document_that_is_not_json_is_refused(dialect: Dialect, value: Any) -> None:
    with pytest.raises(ValidationError):
        adapt(value, dialect)


def test_names_given_twice_are_numbered_without_meeting_others() -> None:
    assert unique_names(["a", "b"]) == ["a", "b"]
    assert unique_names(["a", "a", "a"]) == ["a", "a_2", "a_3"]
    assert unique_names(["a_2", "a", "a"]) == ["a_2", "a", "a_3"]
    assert unique_names(["a", "a", "a_2"]) == ["a", "a_2", "a_2_2"]
    assert unique_names(["", ""]) == ["", "_2"]
    assert unique_names([]) == []


def test_columns_are_described_by_name_and_by_what_converts_their_values() -> None:
    assert described(["a", "a"]) == (["a", "a_2"], [None, None])
    columns = [SimpleNamespace(name=name, type=SimpleNamespace(name=name)) for name in ("int8", "uuid")]
    names, (number, key) = described(columns)
    assert names == ["int8", "uuid"]
    assert number is None
    assert key is not None

    class Subclass(UUID):
        pass

    assert type(key(Subclass(int=5))) is UUID
