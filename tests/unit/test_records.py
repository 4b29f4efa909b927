"""Records of any kind into values by name."""

from __future__ import annotations

import types
from collections import ChainMap, UserDict
from dataclasses import dataclass, field
from typing import Any

import attrs
import msgspec
import pydantic
import pytest

from deebase._rows.records import field_names, values_of
from deebase.errors import ValidationError
from deebase.types import UNSET


@dataclass
class Data:
    id: int
    name: Any = UNSET


@dataclass(slots=True)
class Slotted:
    id: int
    name: Any = UNSET


@attrs.define
class Attrs:
    id: int
    name: Any = UNSET


class Struct(msgspec.Struct):
    id: int
    name: str | msgspec.UnsetType = msgspec.UNSET


class Model(pydantic.BaseModel):
    model_config = pydantic.ConfigDict(arbitrary_types_allowed=True)

    id: int
    name: Any = UNSET


class Plain:
    kind = "of the class"

    def __init__(self, **values: Any) -> None:
        vars(self).update(values)
        self._private = 1

    @property
    def computed(self) -> int:
        return 5


@pytest.mark.parametrize("kind", [Data, Slotted, Attrs, Struct, Model, Plain, dict, UserDict, types.SimpleNamespace])
def test_fields_are_values_and_unset_is_left_out(kind: Any) -> None:
    assert values_of(kind(id=1), {}) == {"id": 1}
    assert values_of(kind(id=1, name="a"), {}) == {"id": 1, "name": "a"}
    assert values_of(kind(id=1, name=None), {}) == {"id": 1, "name": None}
    assert values_of(kind(id=1, name="a"), {"name": "b", "more": 2}) == {"id": 1, "name": "b", "more": 2}
    assert values_of(kind(id=1, name="a"), {"name": UNSET}) == {"id": 1}


def test_mappings_of_other_kinds() -> None:
    assert values_of(ChainMap({"a": 1}, {"b": 2}), {}) == {"a": 1, "b": 2}
    assert values_of(types.MappingProxyType({"a": 1}), {}) == {"a": 1}


def test_keywords_alone_are_a_record() -> None:
    assert values_of(None, {"a": 1, "b": UNSET}) == {"a": 1}
    assert values_of({}, {}) == {}
    with pytest.raises(ValidationError) as caught:
        values_of(None, {})
    assert caught.value.hint


def test_the_record_itself_is_never_changed_or_returned() -> None:
    record = {"a": 1, "b": UNSET}
    values = values_of(record, {"c": 3})
    values["a"] = 2
    assert record == {"a": 1, "b": UNSET}
    plain = Plain(a=1)
    values_of(plain, {})["a"] = 2
    assert vars(plain)["a"] == 1


@pytest.mark.parametrize("record", ["text", b"x", 5, 1.5, True, [1], (1,), {1}, frozenset(), Data, object(), iter([])])
def test_what_has_no_fields_is_refused(record: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        values_of(record, {})
    assert caught.value.hint


def test_inherited_and_computed_fields() -> None:
    @dataclass
    class Child(Data):
        more: list[int] = field(default_factory=list)
        late: int = field(init=False, default=7)

    assert values_of(Child(1), {}) == {"id": 1, "more": [], "late": 7}
    assert field_names(Child) == ("id", "name", "more", "late")


@pytest.mark.parametrize("kind", [Data, Slotted, Attrs, Struct, Model])
def test_field_names_of_classes_that_declare_them(kind: type) -> None:
    assert field_names(kind) == ("id", "name")


@pytest.mark.parametrize("kind", [dict, int, Plain, object, types.SimpleNamespace])
def test_other_classes_declare_no_default(kind: type) -> None:
    assert field_names(kind) is None
