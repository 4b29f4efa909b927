"""Values are checked with the name of their column, before anything is sent."""

from __future__ import annotations

import math
import os
from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from fractions import Fraction
from typing import Any
from uuid import UUID, uuid4

import hypothesis.strategies as st
import pytest
import sqlalchemy as sa
from hypothesis import given
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from deebase._backends.sqlite.casts import fits, stored
from deebase._files.converting import text_reader
from deebase._files.notations import Notation
from deebase._types.binary import Binary
from deebase._types.choices import Choice
from deebase._types.decimals import ExactNumber
from deebase._types.documents import JSON
from deebase._types.moments import AwareDateTime, Date, DateTime, Interval, Time
from deebase._types.number import Boolean, Float, integer
from deebase._types.registry import checker
from deebase._types.uuid import Uuid
from deebase.cli.field_arguments import parse
from deebase.errors import ValidationError


class Size(IntEnum):
    SMALL = 1


class Word(str, Enum):  # noqa: UP042 - its str() is not its text, which is what is checked
    HELLO = "hello"


class Path(str):
    __slots__ = ()


SECRET = "canary-5f1d"

ACCEPTED: list[tuple[TypeEngine[Any], Any, Any]] = [
    (integer(), 2**63 - 1, 2**63 - 1),
    (integer(), -(2**63), -(2**63)),
    (integer(), True, 1),
    (integer(), Size.SMALL, 1),
    (Float(), 2, 2.0),
    (Float(), 2**60, float(2**60)),
    (Float(), math.inf, math.inf),
    (sa.String(), Path("x"), "x"),
    (sa.String(), Word.HELLO, "hello"),
    (sa.Text(), "é\U0001f600\n", "é\U0001f600\n"),
    (Binary(), bytearray(b"a"), b"a"),
    (Binary(), memoryview(b"a"), b"a"),
    (ExactNumber(), 5, Decimal(5)),
    (AwareDateTime(), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
    (sa.DateTime(timezone=True), datetime(2024, 1, 1, tzinfo=UTC), datetime(2024, 1, 1, tzinfo=UTC)),
    (postgresql.INTERVAL(), timedelta(1), timedelta(1)),
    (sa.types.NullType(), [1], [1]),
    (sa.Enum(Word), Word.HELLO, Word.HELLO),
]


@pytest.mark.parametrize(("sa_type", "value", "stored"), ACCEPTED)
def test_a_value_is_stored_in_one_form(sa_type: TypeEngine[Any], value: Any, stored: Any) -> None:
    checked = checker("field", sa_type)(value)
    assert checked == stored
    assert type(checked) is type(stored)


REFUSED: list[tuple[TypeEngine[Any], Any]] = [
    *((integer(), value) for value in ("1", 1.0, 2**63, -(2**63) - 1, Decimal(1), b"1")),
    *((Float(), value) for value in ("1.5", math.nan, True, 2**53 + 1, 10**400, Decimal("1.5"))),
    *((sa.String(), value) for value in (1, b"a", "a\0b", "\ud800", ["a"])),
    *((Boolean(), value) for value in (1, 0, "true", 0.0)),
    *((Binary(), value) for value in ("a", 1, [1])),
    *((DateTime(), value) for value in (datetime.now(UTC), "2024-01-01", date(2024, 1, 1))),
    *((AwareDateTime(), value) for value in (datetime(2024, 1, 1), "2024-01-01T00:00Z")),
    *((Date(), value) for value in (datetime(2024, 1, 1), "2024-01-01")),
    *((Time(), value) for value in (time(1, tzinfo=UTC), "01:00")),
    *((Interval(), value) for value in (1.5, timedelta.max, timedelta.min + timedelta(microseconds=1))),
    *((ExactNumber(), Decimal(value)) for value in ("NaN", "sNaN", "Infinity", "1E+131072", "1E-16384")),
    *((ExactNumber(), value) for value in (1.5, "1.5", True, Fraction(1, 2))),
    *((Uuid(), value) for value in (str(UUID(int=1)), 1)),
    *((JSON(), value) for value in ({1: 1}, {"a": math.nan})),
    *((sa.types.NullType(), value) for value in ("a\0", "\udfff", 2**64)),
]


@pytest.mark.parametrize(("sa_type", "value"), REFUSED)
def test_a_value_that_does_not_fit_names_table_and_field(sa_type: TypeEngine[Any], value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        checker("field", sa_type, table_name="things")(value)
    assert caught.value.field == "field"
    assert caught.value.value is value
    assert str(caught.value).startswith("things.field: ")


@pytest.mark.parametrize("sa_type", {id(sa_type): sa_type for sa_type, _ in REFUSED}.values())
def test_null_is_not_for_the_check_to_judge(sa_type: TypeEngine[Any]) -> None:
    assert checker("field", sa_type)(None) is None


@pytest.mark.parametrize(
    ("sa_type", "value"),
    [
        (integer(), SECRET),
        (sa.String(), SECRET + "\0"),
        (DateTime(), SECRET),
        (ExactNumber(), SECRET),
        (JSON(), {SECRET: {SECRET}}),
        (JSON(), {"a": SECRET + "\0"}),
        (Choice((("a", "a"),)), SECRET),
    ],
)
def test_messages_never_hold_the_value(sa_type: TypeEngine[Any], value: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        checker("field", sa_type, table_name="things")(value)
    error: BaseException | None = caught.value
    while error is not None:
        assert SECRET not in str(error)
        error = error.__cause__


@given(
    value=st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(), st.decimals(), st.datetimes(),
        st.timedeltas(), st.dates(), st.times(), st.uuids(), st.lists(st.integers()), st.just(object()),
        st.dictionaries(st.integers() | st.text(), st.floats()), st.just(os.environ), st.builds(uuid4),
    ),
    sa_type=st.sampled_from([sa_type for sa_type, *_ in ACCEPTED] + [sa_type for sa_type, _ in REFUSED]),
)  # fmt: skip
def test_any_argument_is_accepted_or_raises_a_validation_error(value: Any, sa_type: TypeEngine[Any]) -> None:
    with suppress(ValidationError):
        checker("field", sa_type)(value)


@pytest.mark.parametrize("text", ["true", "T", " yes", "on", "1", "y"])
def test_every_reader_takes_the_same_words_for_true(text: str) -> None:
    assert Boolean().parse(text) is Boolean().of_json(text) is text_reader(Boolean(), Notation()).read(text) is True
    assert fits("BOOLEAN", text) == stored("BOOLEAN", text) == 1
    assert parse(f"flag:bool:default={text}").default_value is True


@pytest.mark.parametrize("text", ["maybe", "", "2", "tru"])
def test_no_reader_takes_other_words_for_a_boolean(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - it has no message
        Boolean().parse(text)
    assert fits("BOOLEAN", text) == 0
