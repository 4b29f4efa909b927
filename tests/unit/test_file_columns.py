"""What the columns of a file are: types that lose nothing, names that a database takes, and the reasons for both."""

from __future__ import annotations

import dataclasses
from datetime import date, datetime
from decimal import Decimal
from typing import Any

import pytest
from sqlalchemy.dialects import sqlite

from deebase import ValidationError
from deebase._files.column_names import ColumnNames
from deebase._files.formats import delimiter_of
from deebase._files.guess import ColumnGuess
from deebase._files.notations import Notation
from deebase._sqltext.capabilities import Capabilities, capabilities_of
from deebase.types import UTCDateTime

SQLITE: Capabilities = capabilities_of(sqlite.dialect())

GUESSES: dict[str, tuple[set[str], Any, str]] = {
    "numbers": ({"1", "-20"}, int, "each value is a whole number of 64 bits"),
    "a code": ({"1", "007"}, str, "'007' is not a number"),
    "a phone number": ({"+4930"}, str, "'+4930' is a code"),
    "a code with an exponent": ({"1e5", "2"}, str, "'1e5' is not a number"),
    "an exponent with a sign": ({"1e+05", "2"}, float, "digits a float keeps"),
    "an exponent behind a point": ({"1.5e5"}, float, "digits a float keeps"),
    "more digits than a float": ({"0.10000000000000001", "1"}, Decimal, "the digits of '0.10000000000000001'"),
    "long codes": ({"9" * 20, "1"}, str, "is not"),
    "a word for a missing value": ({"1", "NA"}, str, "NA is text; null=['', 'NA'] makes the column int"),
    "only such words": ({"NA", "-"}, str, "only words for missing values"),
    "a word beside texts": ({"x", "NA"}, str, "'x' is text"),
    "truth": ({"true", "False"}, bool, "each value is true or false"),
    "yes and no": ({"yes", "no"}, str, "is text"),
    "one letter": ({"t", "f"}, str, "is text"),
    "truth and numbers": ({"true", "1"}, str, "is not"),
    "days": ({"2024-02-29"}, date, "a date"),
    "no day": ({"2024-02-30"}, str, "is text"),
    "times": ({"2024-02-29 12:30"}, datetime, "a date and time"),
    "offsets": ({"2024-02-29 12:30+02:00"}, UTCDateTime, "with its offset"),
    "days and times": ({"2024-02-29", "2024-02-29 12:30"}, str, "is not"),
    "a date of Germany": ({"31.12.2024"}, str, "'31.12.2024' is text"),
    "a number of Germany": ({"1.234,56"}, str, "'1.234,56' is text"),
    "nothing": (set(), str, "there is no value"),
}


@pytest.mark.parametrize("name", GUESSES)
def test_a_type_keeps_every_value_and_its_reason_is_given(name: str) -> None:
    texts, kind, reason = GUESSES[name]
    guess = ColumnGuess()
    guess.narrow(texts)
    assert guess.type == kind
    assert reason in guess.reason


def test_a_decimal_of_json_is_a_float_where_json_reads_it_as_one() -> None:
    guess = ColumnGuess(())
    guess.narrow_values([Decimal("0.10000000000000001")])
    assert guess.type is float


NOTATIONS: dict[str, tuple[Notation, set[str], Any]] = {
    "a comma": (Notation(","), {"1,5", "-2"}, float),
    "a comma alone": (Notation(","), {"1.5"}, str),
    "groups": (Notation(",", "."), {"1.234,56", "12.345.678", "0,5"}, float),
    "whole numbers in groups": (Notation(",", "."), {"1.234", "7"}, int),
    "wrong groups": (Notation(",", "."), {"1.23"}, str),
    "a group too long": (Notation(",", "."), {"1234.567"}, str),
    "a space between groups": (Notation(",", "\u00a0"), {"1\u00a0234,5"}, float),
    "days": (Notation(date_format="%d.%m.%Y"), {"31.12.2024"}, date),
    "days of the United States": (Notation(date_format="%m/%d/%Y"), {"12/31/2024"}, date),
    "a day that does not exist": (Notation(date_format="%m/%d/%Y"), {"31/12/2024"}, str),
    "times": (Notation(date_format="%d.%m.%Y %H:%M"), {"31.12.2024 23:59"}, datetime),
    "offsets": (Notation(date_format="%d.%m.%Y %H:%M %z"), {"31.12.2024 23:59 +0100"}, UTCDateTime),
}


@pytest.mark.parametrize("name", NOTATIONS)
def test_another_notation_is_read_by_option(name: str) -> None:
    notation, texts, kind = NOTATIONS[name]
    guess = ColumnGuess(notation.kinds)
    guess.narrow(texts)
    assert guess.type == kind


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"decimal": "x"}, "decimal"),
        ({"decimal": ""}, "decimal"),
        ({"thousands": "1"}, "thousands"),
        ({"decimal": ",", "thousands": ","}, "thousands"),
        ({"date_format": "%d.%m."}, "date_format"),
        ({"date_format": "day"}, "date_format"),
        ({"date_format": 7}, "date_format"),
    ],
)
def test_a_notation_without_meaning_is_refused(options: dict[str, Any], field: str) -> None:
    with pytest.raises(ValidationError) as caught:
        Notation(**options)
    assert caught.value.field == field
    assert caught.value.hint


def test_each_column_gets_a_name_that_the_database_keeps() -> None:
    can = dataclasses.replace(SQLITE, ignores_case_of_names=True, max_name_bytes=8, system_columns=frozenset(("ctid",)))
    names = ColumnNames(can)
    given = ["a", "A", "a", "", "ctid", "a long name", "a long n", "ééééé", "a_2"]
    made = ["a", "A_2", "a_3", "column_4", "ctid_2", "a long n", "a long_2", "éééé", "a_2_2"]
    assert names.all(given) == made
    # Another reading of the same file gives the same names.
    assert names.all(given) == made
    assert names.changed["A_2"] == "A"
    assert "a" not in names.changed
    assert names.added("id", "row_id") == "id"
    assert ColumnNames(None).all(["a", "a", ""]) == ["a", "a", ""]


def test_a_column_that_is_added_has_a_name_of_its_own() -> None:
    names = ColumnNames(SQLITE)
    names.all(["ID", "n"])
    assert names.added("id", "row_id") == "row_id"


DELIMITERS = {
    "a,b\n1,2\n": ",",
    "a;b\n1,5;2\n": ";",
    "a, b and c;d\n1;2\n3;4\n": ";",
    "a|b|c\n1|2|3\n": "|",
    "a\tb\n1\t2\n": "\t",
    'a;b\n"1,2,3";4\n': ";",
    "name\nfoo\n": ",",
    "": ",",
    "a;b;c\n1;2\n": ";",
}


@pytest.mark.parametrize("text", DELIMITERS)
def test_the_delimiter_is_that_of_even_rows(text: str) -> None:
    assert delimiter_of(text) == DELIMITERS[text]


def test_lines_without_fields_do_not_hide_the_delimiter() -> None:
    assert delimiter_of("# a, b, c\nx;y\n1;2\n", comment="#") == ";"
    assert delimiter_of('a;5"\n1,0;2\n3;4\n', quote=None) == ";"
