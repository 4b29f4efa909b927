"""Driver rows into dicts and instances."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from deebase._rows.makers import converted, one_maker, row_maker, unpacking_source
from deebase.errors import ValidationError
from deebase.types import UNSET

NAMES = ("id", "name")
ROWS = [(1, "a"), (2, None)]


@dataclass
class Data:
    id: int
    name: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keywords:
    name: Any
    id: Any = 0


@attrs.define
class Attrs:
    id: int
    name: str | None


@attrs.define(kw_only=True)
class AttrsKeywords:
    name: str | None
    id: int


class Struct(msgspec.Struct):
    id: int
    name: str | None


class Model(pydantic.BaseModel):
    id: int
    name: str | None = "default"


def test_dicts_keep_the_order_of_columns() -> None:
    rows = row_maker(NAMES, [None, None], dict)(ROWS)
    assert rows == [{"id": 1, "name": "a"}, {"id": 2, "name": None}]
    assert list(rows[0]) == list(NAMES)


@pytest.mark.parametrize("kind", [Data, Keywords, Attrs, AttrsKeywords, Struct, Model])
def test_instances_are_made_by_name(kind: Any) -> None:
    expected = [kind(id=1, name="a"), kind(id=2, name=None)]
    assert row_maker(NAMES, [None, None], kind)(ROWS) == expected
    assert row_maker(("name", "id"), [None, None], kind)([("a", 1), (None, 2)]) == expected
    assert row_maker(("name", "more", "id"), [None] * 3, kind)([("a", 0, 1), (None, 0, 2)]) == expected


@pytest.mark.parametrize("kind", [dict, Data, Keywords, Attrs, Struct, Model])
def test_values_are_converted_but_null_is_not(kind: Any) -> None:
    rows = row_maker(NAMES, [lambda n: n + 1, str.upper], kind)([(1, "a"), (2, None)])
    assert rows == [kind(id=2, name="A"), kind(id=3, name=None)]


def test_surplus_columns_at_the_end_are_dropped() -> None:
    for kind in (dict, Data, Keywords, Struct):
        assert row_maker(NAMES, [None, None], kind)([(1, "a", "hidden")]) == [kind(id=1, name="a")]
        assert row_maker(NAMES, [None, str.upper], kind)([(1, "a", "hidden")]) == [kind(id=1, name="A")]


def test_fields_that_were_not_selected_are_unset() -> None:
    assert row_maker(("name",), [None], Data)([("a",)]) == [Data(UNSET, "a")]  # type: ignore[arg-type]
    assert row_maker(("name",), [None], Keywords)([("a",)]) == [Keywords(id=UNSET, name="a")]
    assert row_maker(("id",), [None], Model)([(1,)]) == [Model(id=1, name="default")]


def test_fields_that_init_does_not_take_are_left_to_the_class() -> None:
    @dataclass
    class Computed:
        id: int
        name: str
        both: str = field(init=False)

        def __post_init__(self) -> None:
            self.both = f"{self.id}{self.name}"

    assert row_maker(NAMES, [None, None], Computed)([(1, "a")])[0].both == "1a"


@pytest.mark.parametrize("kind", [int, str, list, object, tuple])
def test_a_class_without_fields_is_refused(kind: type) -> None:
    with pytest.raises(ValidationError, match=kind.__name__):
        row_maker(NAMES, [None, None], kind)


def test_a_row_is_converted_without_being_changed() -> None:
    row = [1, None, "a"]
    assert converted(row, ((0, str), (1, str))) == ["1", None, "a"]
    assert row == [1, None, "a"]


@pytest.mark.parametrize("width", [0, 1, 2, 30])
@pytest.mark.parametrize("dicts", [True, False])
@pytest.mark.parametrize("one", [True, False])
def test_code_that_unpacks_rows_holds_positions_alone(width: int, dicts: bool, one: bool) -> None:
    source = unpacking_source(width, tuple(range(0, width, 2)), dicts=dicts, one=one)
    words = set(re.findall(r"[^\W\d]\w*", source))
    known = {"lambda", "None", "if", "is", "else", "for", "in", "rows", "kind", "_"}
    assert {word for word in words if not re.fullmatch(r"[ncv]\d+", word)} <= known
    assert re.sub(r"\w|[ ,:(){}\[\]]", "", source) == ""


@pytest.mark.parametrize("name", ["a'b", '"', "}}", "kind", "n0", "\n", "__import__('os')", "\\"])
def test_names_of_columns_are_never_code(name: str) -> None:
    names = (name, "id")
    assert row_maker(names, (None, str), dict)([(1, 2), (3, None)]) == [{name: 1, "id": "2"}, {name: 3, "id": None}]
    assert one_maker(names, (str, None), dict)(None, 2) == {name: None, "id": 2}


def test_rows_wider_than_asked_for_are_cut() -> None:
    assert row_maker(("a",), (None,), dict)([(1, 2), (3, 4)]) == [{"a": 1}, {"a": 3}]
    assert row_maker(("id", "name"), (None, None), Data)([(1, "x", 9)]) == [Data(1, "x")]


def test_one_row_is_made_of_every_kind() -> None:
    for kind in (dict, Data, Keywords, Attrs, Struct):
        assert one_maker(NAMES, (None, None), kind)(*ROWS[0]) == row_maker(NAMES, (None, None), kind)(ROWS[:1])[0]
