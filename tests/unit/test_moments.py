"""Which datetimes, dates and times are read from the forms that SQLite files hold."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase._types.forms.moment_forms import DATE, DATETIME, TIME, read_aware, read_date, read_naive, read_time
from tests.support.moments import forms_of

NEW_YEAR = datetime(2024, 1, 1)


@pytest.mark.parametrize(
    ("stored", "moment"),
    [
        ("2024-01-01 00:00:00.000000", NEW_YEAR),
        ("2024-01-01", NEW_YEAR),
        ("2024-01-01 00:00", NEW_YEAR),
        ("2024-01-01T00:00:00Z", NEW_YEAR),
        ("2024-01-01 00:00:00 UTC", NEW_YEAR),
        (" 2024-01-01 00:00:00 ", NEW_YEAR),
        ("2024-01-01 02:00:00+02:00", NEW_YEAR),
        ("2024-01-01 02:00:00 +0200", NEW_YEAR),
        ("2024-01-01 02:00:00+02", NEW_YEAR),
        ("2023-12-31T18:30:00.000-05:30", NEW_YEAR),
        ("2024-01-01 00:00:00,5", NEW_YEAR.replace(microsecond=500_000)),
        ("2024-01-01 00:00:00.1", NEW_YEAR.replace(microsecond=100_000)),
        ("2024-01-01 00:00:00.123456789", NEW_YEAR.replace(microsecond=123_457)),
        ("2024-01-01 00:00:00.0000005", NEW_YEAR),
        ("2023-12-31 23:59:59.9999999", NEW_YEAR),
        ("0001-01-01 00:00:00", datetime.min),
        ("9999-12-31T23:59:59.999999Z", datetime.max),
        (1704067200, NEW_YEAR),
        (1704067200.25, NEW_YEAR.replace(microsecond=250_000)),
        (1704067200000, NEW_YEAR),
        (1704067200000000, NEW_YEAR),
        ("1704067200", NEW_YEAR),
        ("1704067200000", NEW_YEAR),
        (0, datetime(1970, 1, 1)),
        (-1, datetime(1969, 12, 31, 23, 59, 59)),
        (-864000000000, datetime(1942, 8, 16)),
    ],
    ids=repr,
)
def test_a_datetime_in_any_form(stored: Any, moment: datetime) -> None:
    assert read_naive(stored) == moment
    assert read_naive(stored).tzinfo is None
    assert read_aware(stored) == moment.replace(tzinfo=UTC)
    assert DATETIME.normal(stored) == moment.isoformat(" ", "microseconds")


@pytest.mark.parametrize(
    ("stored", "moment"),
    [
        ("2024-02-29", date(2024, 2, 29)),
        ("2024-02-29 00:00:00", date(2024, 2, 29)),
        ("2024-02-29T23:00:00", date(2024, 2, 29)),
        ("2024-03-01T01:00:00+02:00", date(2024, 2, 29)),
        (20240229, date(2024, 2, 29)),
        (1709164800, date(2024, 2, 29)),
        ("0001-01-01", date.min),
        ("9999-12-31", date.max),
    ],
    ids=repr,
)
def test_a_date_in_any_form(stored: Any, moment: date) -> None:
    assert read_date(stored) == moment
    assert DATE.normal(stored) == moment.isoformat()


@pytest.mark.parametrize(
    ("stored", "moment"),
    [
        ("10:30", time(10, 30)),
        ("10:30:00", time(10, 30)),
        ("10:30:00.5", time(10, 30, 0, 500_000)),
        ("10:30:00.500000", time(10, 30, 0, 500_000)),
        ("T10:30:00", time(10, 30)),
        ("10:30:00Z", time(10, 30)),
        ("01:30:00+02:00", time(23, 30)),
        ("2000-01-01 10:30:00", time(10, 30)),
    ],
    ids=repr,
)
def test_a_time_in_any_form(stored: Any, moment: time) -> None:
    assert read_time(stored) == moment
    assert TIME.normal(stored) == moment.isoformat("microseconds")


NO_MOMENTS = ("", " ", "n/a", "2024", "2024-13-01", "2024-02-30", "0000-00-00 00:00:00", "2024-01-01 25:00:00")
NO_MOMENTS += ("10000-01-01", "0001-01-01 00:00:00+01:00", "-1", "12345", "Jan 1 2024")


@pytest.mark.parametrize("stored", [*NO_MOMENTS, 1e300, -1e300, 2**63 - 1, b"2024-01-01", None], ids=repr)
@pytest.mark.parametrize(("read", "kind"), [(read_naive, DATETIME), (read_date, DATE), (read_time, TIME)])
def test_text_that_is_not_a_moment_stays_as_it_is(stored: Any, read: Callable[[Any], Any], kind: Any) -> None:
    with pytest.raises((ValueError, TypeError, OverflowError)):
        read(stored)
    assert kind.normal(stored) == stored


@given(st.datetimes())
def test_our_own_form_is_its_own(value: datetime) -> None:
    own = value.isoformat(" ", "microseconds")
    assert read_naive(own) == value
    assert DATETIME.normal(own) == own


@given(st.datetimes(datetime(1600, 1, 1), datetime(2200, 1, 1)))
def test_all_forms_are_one_datetime(value: datetime) -> None:
    assert {DATETIME.normal(form) for form in forms_of(value)} == {value.isoformat(" ", "microseconds")}


@given(st.text(alphabet="0123456789-: TZ.+", max_size=30))
def test_reading_and_comparing_know_the_same_forms(text: str) -> None:
    try:
        value = read_naive(text)
    except (ValueError, OverflowError):
        assert DATETIME.normal(text) == text
    else:
        assert DATETIME.normal(text) == value.isoformat(" ", "microseconds")
