"""Annotations that users write, and what the column types send to the drivers and make of what comes back."""

from __future__ import annotations

import copy
import json
import math
import pickle
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from enum import Enum, Flag, IntEnum
from functools import cmp_to_key
from typing import Annotated, Any, Literal, NotRequired, Optional, TypedDict, get_args, get_type_hints
from uuid import UUID

import hypothesis.strategies as st
import msgspec
import pydantic
import pytest
import sqlalchemy as sa
from hypothesis import example, given
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeEngine

from deebase._types.binary import Binary
from deebase._types.choices import Choice, enum_pairs, literal_pairs
from deebase._types.decimals import ExactNumber, compare_decimals
from deebase._types.documents import JSON
from deebase._types.json_codecs import codec
from deebase._types.moments import AwareDateTime, Date, DateTime, Interval, Time
from deebase._types.number import Boolean, Float, integer
from deebase._types.registry import checker
from deebase._types.uuid import Uuid
from deebase.errors import DataError, UnsupportedTypeError, ValidationError
from deebase.types import UNSET, ForeignKey, Index, Text, TypeMark, Unset, UTCDateTime

SQLITE = aiosqlite.dialect()
POSTGRESQL = asyncpg.dialect()
DIALECTS = pytest.mark.parametrize("dialect", [SQLITE, POSTGRESQL], ids=["sqlite", "postgresql"])

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
floats = st.floats(allow_nan=False, allow_infinity=False)
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | floats | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=10,
)


class Color(Enum):
    RED = "it's red"
    BLUE = "blue"
    AZURE = "blue"


class Level(IntEnum):
    LOW = 1
    HIGH = 10


@dataclass
class Node:
    value: int
    weights: list[float] = field(default_factory=list)
    next: Node | None = None


class Options(TypedDict):
    size: int
    nodes: NotRequired[list[Node]]


class Model(pydantic.BaseModel):
    when: datetime
    amount: Decimal


class Struct(msgspec.Struct):
    when: date
    tags: dict[int, str]


def stored(sa_type: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    """Return what the driver is given for a value."""
    bind = sa_type.dialect_impl(dialect).bind_processor(dialect)
    checked = checker("field", sa_type)(value)
    return checked if bind is None or checked is None else bind(checked)


def from_driver(value: Any, sa_type: TypeEngine[Any], dialect: Dialect) -> Any:
    """Return what the driver gives for what it was given: SQLAlchemy's codec for asyncpg parses JSON."""
    parses = isinstance(sa_type, JSON) and dialect is POSTGRESQL
    return json.loads(value) if parses and value is not None else value


def read(sa_type: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    process = sa_type.dialect_impl(dialect).result_processor(dialect, None)
    return value if process is None else process(value)


def round_trip(sa_type: TypeEngine[Any], value: Any, dialect: Dialect) -> Any:
    return read(sa_type, from_driver(stored(sa_type, value, dialect), sa_type, dialect), dialect)


def same(left: Any, right: Any) -> bool:
    """Compare with types: 1, 1.0 and True are different; so are 1.1 and 1.10."""
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list) and isinstance(right, list):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and bool(left == right)


# Annotations


def test_unset_is_one_false_object_that_survives_copies_and_pickles() -> None:
    assert not UNSET
    assert repr(UNSET) == str(UNSET) == "UNSET"
    assert copy.copy(UNSET) is copy.deepcopy([UNSET])[0] is pickle.loads(pickle.dumps(UNSET)) is UNSET
    assert isinstance(UNSET, Unset)


def test_foreign_key_is_an_annotated_type_with_the_mark() -> None:
    kind, mark = get_args(ForeignKey[int, "user"])
    assert kind is int
    assert mark == ForeignKey("user")
    assert repr(ForeignKey("user.id", on_delete="CASCADE")) == "ForeignKey('user.id', on_delete='cascade')"
    assert get_args(ForeignKey[int, "user", {"on_update": "set null"}])[1].on_update == "set null"
    assert pickle.loads(pickle.dumps(mark)) == mark


def test_annotations_work_beside_none_and_as_text() -> None:
    class Local:
        a: ForeignKey[int, "user"] | None
        b: Optional[ForeignKey[int, "user.id"]]  # noqa: UP045 - the older spelling is what is checked
        c: Text | None
        d: UTCDateTime

    hints = get_type_hints(Local, include_extras=True)
    assert hints["c"] == Annotated[str, TypeMark.TEXT] | None
    assert hints["d"] == Annotated[datetime, TypeMark.UTC]
    assert get_args(get_args(hints["a"])[0])[1].target == "user"
    assert type(None) in get_args(hints["b"])


@pytest.mark.parametrize("target", ["", ".", "user.", ".id", "a.b.c", 1, None])
def test_a_foreign_key_target_is_a_table_or_a_column(target: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ForeignKey(target)
    assert caught.value.field == "target"


@pytest.mark.parametrize("option", ["on_delete", "on_update"])
@pytest.mark.parametrize("action", ["CASCADE; DROP TABLE user", "", 1, ["cascade"]])
def test_a_foreign_key_action_is_one_of_the_known(option: str, action: Any) -> None:
    with pytest.raises(ValidationError) as caught:
        ForeignKey("user", **{option: action})
    assert caught.value.field == option


@pytest.mark.parametrize("arguments", [int, (int,), (int, "a", "b"), (int, "a", {"ondelete": "cascade"})])
def test_a_foreign_key_annotation_has_a_type_a_target_and_actions(arguments: Any) -> None:
    with pytest.raises(ValidationError):
        ForeignKey[arguments]


def test_an_index_is_frozen_and_compares_by_value() -> None:
    index = Index("ix", "a", "b", unique=True, where="a > 0")
    assert index == Index("ix", "a", "b", unique=True, where="a > 0")
    assert repr(index) == "Index('ix', 'a', 'b', unique=True, where='a > 0')"
    assert pickle.loads(pickle.dumps(index)) == index
    with pytest.raises(AttributeError):
        index.name = "other"  # type: ignore[misc]


@pytest.mark.parametrize(
    "make",
    [lambda: Index(""), lambda: Index("ix"), lambda: Index("ix", "a", "a"), lambda: Index("ix", "a", where=" ")],
)
def test_an_index_has_a_name_columns_and_perhaps_a_condition(make: Callable[[], Any]) -> None:
    with pytest.raises(ValidationError):
        make()


# Names of types


@pytest.mark.parametrize(
    ("sa_type", "sqlite", "postgresql"),
    [
        (integer(), "INTEGER", "BIGINT"),
        (Float(), "REAL", "DOUBLE PRECISION"),
        (Boolean(), "BOOLEAN", "BOOLEAN"),
        (Binary(), "BLOB", "BYTEA"),
        (JSON(), "JSON", "JSONB"),
        (DateTime(), "DATETIME", "TIMESTAMP WITHOUT TIME ZONE"),
        (AwareDateTime(), "DATETIME UTC TEXT", "TIMESTAMP WITH TIME ZONE"),
        (Date(), "DATE", "DATE"),
        (Time(), "TIME", "TIME WITHOUT TIME ZONE"),
        (Interval(), "DURATION REAL", "INTERVAL"),
        (ExactNumber(), "DECIMAL TEXT", "NUMERIC"),
        (Uuid(), "UUID CHAR(32)", "UUID"),
        (Choice((("a", "a"),)), "VARCHAR", "VARCHAR"),
    ],
)
def test_types_have_their_names(sa_type: TypeEngine[Any], sqlite: str, postgresql: str) -> None:
    type_ddl = sa_type.dialect_impl(SQLITE).compile(SQLITE), sa_type.dialect_impl(POSTGRESQL).compile(POSTGRESQL)
    assert type_ddl == (sqlite, postgresql)


@DIALECTS
@pytest.mark.parametrize("sa_type", [integer(), sa.String(), sa.Text(), Binary()])
def test_values_that_drivers_take_and_give_are_passed_through(sa_type: TypeEngine[Any], dialect: Dialect) -> None:
    implementation = sa_type.dialect_impl(dialect)
    assert implementation.bind_processor(dialect) is None
    assert implementation.result_processor(dialect, None) is None


@pytest.mark.parametrize("sa_type", [Float(), Boolean(), DateTime(), Date(), Time(), Interval()])
def test_asyncpg_values_are_passed_through(sa_type: TypeEngine[Any]) -> None:
    implementation = sa_type.dialect_impl(POSTGRESQL)
    assert implementation.bind_processor(POSTGRESQL) is None
    assert implementation.result_processor(POSTGRESQL, None) is None


def test_a_decimal_that_asyncpg_gives_with_an_exponent_is_written_out() -> None:
    assert same(read(ExactNumber(), Decimal("1E+4"), POSTGRESQL), Decimal("10000"))
    assert str(read(ExactNumber(), Decimal("1E+4"), POSTGRESQL)) == "10000"
    assert str(read(ExactNumber(), Decimal("1.10"), POSTGRESQL)) == "1.10"


@DIALECTS
@pytest.mark.parametrize(
    "sa_type",
    [Float(), Boolean(), DateTime(), AwareDateTime(), Interval(), ExactNumber(), Uuid(), JSON(), Choice((("a", "a"),))],
)
def test_none_is_null_both_ways(sa_type: TypeEngine[Any], dialect: Dialect) -> None:
    assert round_trip(sa_type, None, dialect) is None


# Round trips through bind and result processor

VALUES: dict[str, tuple[TypeEngine[Any], st.SearchStrategy[Any]]] = {
    "bool": (Boolean(), st.booleans()),
    "float": (Float(), st.floats(allow_nan=False)),
    "datetime": (DateTime(), st.datetimes() | st.sampled_from([datetime.min, datetime.max])),
    "date": (Date(), st.dates() | st.sampled_from([date.min, date.max])),
    "time": (Time(), st.times() | st.sampled_from([time.min, time.max])),
    "timedelta": (Interval(), st.timedeltas(timedelta(days=-90_000), timedelta(days=90_000))),
    "uuid": (Uuid(), st.uuids()),
    "decimal": (ExactNumber(), st.decimals(-(10**30), 10**30, allow_nan=False)),
    "money": (ExactNumber(), st.decimals(places=4, allow_nan=False, allow_infinity=False)),
    "enum": (Choice(enum_pairs(Color)), st.sampled_from(Color)),
    "int enum": (Choice(enum_pairs(Level)), st.sampled_from(Level)),
    "literal": (Choice(literal_pairs(["a", 1, True, "1x"])), st.sampled_from(["a", 1, True, "1x"])),
    "dict": (JSON(dict), st.dictionaries(texts, documents, max_size=4)),
    "list": (JSON(list), st.lists(documents, max_size=4)),
    "dict of int": (JSON("d", codec(dict[int, float])), st.dictionaries(st.integers(), floats)),
    "dataclass": (JSON(Node, codec(Node)), st.builds(Node, st.integers(), st.lists(floats), st.none())),
}  # fmt: skip


@DIALECTS
@pytest.mark.parametrize("name", VALUES)
@given(data=st.data())
def test_a_value_comes_back_equal_and_of_its_type(name: str, dialect: Dialect, data: st.DataObject) -> None:
    sa_type, values = VALUES[name]
    value = data.draw(values)
    assert same(round_trip(sa_type, value, dialect), value)


@DIALECTS
@given(value=st.datetimes(timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone.max])))
@example(value=datetime.max.replace(tzinfo=UTC))
def test_an_aware_datetime_comes_back_in_utc(dialect: Dialect, value: datetime) -> None:
    try:
        utc = value.astimezone(UTC)
    except OverflowError:
        with pytest.raises(ValidationError):
            stored(AwareDateTime(), value, dialect)
        return
    found = round_trip(AwareDateTime(), value, dialect)
    assert found == utc
    assert found.tzinfo is UTC


def test_sqlite_stores_text_that_sorts_and_that_sqlalchemy_reads() -> None:
    assert stored(DateTime(), datetime(2024, 1, 2, 3), SQLITE) == "2024-01-02 03:00:00.000000"
    assert stored(AwareDateTime(), datetime(2024, 1, 2, 3, tzinfo=timezone(timedelta(hours=1))), SQLITE) == (
        "2024-01-02 02:00:00.000000"
    )
    assert stored(Time(), time(3, 4), SQLITE) == "03:04:00.000000"
    assert stored(Uuid(), UUID(int=255), SQLITE) == "0" * 30 + "ff"
    assert stored(Boolean(), True, SQLITE) == 1


def test_a_float_that_sqlite_returns_as_an_int_is_a_float() -> None:
    assert same(read(Float(), 3, SQLITE), 3.0)


def test_zero_has_no_sign() -> None:
    assert math.copysign(1, stored(Float(), -0.0, POSTGRESQL)) == 1
    assert stored(ExactNumber(), Decimal("-0.00"), SQLITE) == "0.00"
    assert stored(JSON(), [-0.0, 1.5, "-0.0"], SQLITE) == '[0.0, 1.5, "-0.0"]'


@pytest.mark.parametrize("text", ["1.10", "1E+3", "0.000001", "0E+5", "12345678901234567890.123456789"])
def test_sqlite_stores_a_decimal_in_fixed_point_with_its_scale(text: str) -> None:
    written = stored(ExactNumber(), Decimal(text), SQLITE)
    assert "E" not in written
    assert Decimal(written) == Decimal(text)
    assert Decimal(written).as_tuple().exponent == min(0, int(Decimal(text).as_tuple().exponent))


@DIALECTS
@pytest.mark.parametrize("sa_type", [DateTime(), Date(), Uuid(), ExactNumber(), JSON(), Choice((("a", "a"),))])
def test_what_cannot_be_read_is_a_data_error_without_the_value(sa_type: TypeEngine[Any], dialect: Dialect) -> None:
    if (
        sa_type.dialect_impl(dialect).result_processor(dialect, None) is None
        or from_driver('""', sa_type, dialect) == ""
    ):
        return  # what the driver gives is the value
    with pytest.raises(DataError) as caught:
        read(sa_type, "{secret", dialect)
    assert "secret" not in str(caught.value)
    assert caught.value.__cause__ is None


# Decimals in expressions

table = sa.Table("t", sa.MetaData(), sa.Column("price", ExactNumber()), sa.Column("doc", JSON(dict)))


def sql(element: Any, dialect: Dialect) -> str:
    return str(element.compile(dialect=dialect))


@pytest.mark.parametrize(
    "condition",
    [
        table.c.price > 1,
        table.c.price == Decimal(1),
        Decimal(1) <= table.c.price,
        table.c.price.between(1, 2),
        table.c.price.in_([1, 2]),
        ~(table.c.price != 1),
        table.c.price.desc(),
        sa.func.max(table.c.price) > 1,
    ],
)
def test_decimals_are_compared_by_value_on_sqlite_only(condition: Any) -> None:
    assert "COLLATE deebase_decimal" in sql(condition, SQLITE)
    assert "COLLATE" not in sql(condition, POSTGRESQL)


def test_the_collation_is_in_order_by_and_never_in_the_schema() -> None:
    ordered = sa.select(table).order_by(ExactNumber().order_expression(table.c.price))
    assert sql(ordered, SQLITE).endswith("ORDER BY (t.price COLLATE deebase_decimal)")
    assert sql(ordered, POSTGRESQL).endswith("ORDER BY t.price")
    assert "COLLATE" not in sql(sa.schema.CreateTable(table), SQLITE)


def test_statements_with_decimals_and_documents_can_be_cached() -> None:
    statement = sa.select(table).where(table.c.price > 1, table.c.doc == {"a": 1})
    assert statement._generate_cache_key() is not None


@given(
    numbers=st.lists(st.decimals(allow_nan=False, allow_infinity=False, min_value=-1000, max_value=1000), max_size=6)
)
def test_stored_decimals_sort_as_numbers(numbers: list[Decimal]) -> None:
    in_order = sorted((format(number, "f") for number in numbers), key=cmp_to_key(compare_decimals))
    assert [Decimal(text) for text in in_order] == sorted(numbers)


def test_decimals_of_different_scale_are_equal_and_other_text_comes_last() -> None:
    assert compare_decimals("1.10", "1.1") == 0
    assert sorted(["x", "10", "NaN", "9"], key=cmp_to_key(compare_decimals)) == ["9", "10", "NaN", "x"]


# JSON


@DIALECTS
@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (Node, Node(1, [1e16, 0.1], Node(2))),
        (list[Node], [Node(1), Node(2, [1.0])]),
        (dict[str, Node], {"a": Node(1)}),
        (list[Node | None], [None, Node(1)]),
        (Options, {"size": 1}),
        (Options, {"size": 1, "nodes": [Node(3)]}),
        (Model, Model(when=datetime(2024, 1, 1), amount=Decimal("1.10"))),
        (Struct, Struct(when=date(2024, 1, 1), tags={1: "a"})),
        (list[Color], [Color.RED]),
        (list[Literal["a", 1]], ["a", 1]),
        (dict[int, list[float]], {1: [1.0]}),
    ],
)
def test_annotated_documents_come_back_as_their_classes(hint: Any, value: Any, dialect: Dialect) -> None:
    assert same(round_trip(JSON(hint, codec(hint)), value, dialect), value)


@pytest.mark.parametrize(
    ("hint", "value"),
    [
        (dict, {1: "a"}),
        (dict, {"a": (1, 2)}),
        (dict, {"a": {1}}),
        (dict, {"a": math.nan}),
        (dict, {"a": math.inf}),
        (dict, {"a": date(2024, 1, 1)}),
        (dict, {"a": Color.RED}),
        (dict, {"a": "\0"}),
        (dict, {"\ud800": 1}),
        (dict, {"a": 10**5000}),
        (dict, []),
        (list, {}),
        (list, (1,)),
        (list[int], ["1"]),
        (list[int], [True]),
        (dict[int, str], {"1": "a"}),
        (Node, {"value": 1}),
        (Node, Node("1")),  # type: ignore[arg-type]
        (Options, {"size": 1, "other": 2}),
        (Options, {}),
        (list[Literal[1]], [True]),
    ],
)
def test_documents_that_would_come_back_different_are_refused(hint: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        stored(JSON(hint, codec(hint)), value, SQLITE)


def test_text_that_only_looks_like_an_escaped_nul_is_kept() -> None:
    value = {"a": "\\u0000", "b": "\\\\u0000"}
    assert round_trip(JSON(dict, codec(dict)), value, SQLITE) == value


def test_a_document_inside_itself_is_refused() -> None:
    value: list[Any] = []
    value.append(value)
    with pytest.raises(ValidationError, match="contains itself"):
        stored(JSON(), value, SQLITE)


def test_numbers_keep_their_type_in_jsonb() -> None:
    assert stored(JSON(), {"e+": [1e16, -1.5e300, 1e-7, 5]}, POSTGRESQL).startswith(
        '{"e+": [10000000000000000.0, -15000'
    )


def test_a_stored_document_that_no_longer_fits_is_a_data_error() -> None:
    for text in ('{"other": 1}', '{"value": 1, "weights": 5}', "[]", "{"):
        with pytest.raises(DataError):
            read(JSON(Node, codec(Node)), text, SQLITE)


@pytest.mark.parametrize(
    "hint", [list[datetime], dict[float, int], list[Node | Struct], tuple[int, int], list[set[int]], list[object()]]  # type: ignore[misc]
)  # fmt: skip
def test_annotations_that_json_cannot_hold_are_refused(hint: Any) -> None:
    with pytest.raises(UnsupportedTypeError):
        codec(hint)


# Enum and Literal


def test_a_choice_takes_members_and_their_plain_values() -> None:
    choice = Choice(enum_pairs(Color))
    assert choice.allowed == ("it's red", "blue")
    assert stored(choice, "blue", SQLITE) == stored(choice, Color.AZURE, SQLITE) == "blue"
    assert read(choice, "blue", SQLITE) is Color.BLUE
    assert stored(Choice(enum_pairs(Level)), 10, POSTGRESQL) == "10"


def test_a_value_that_is_not_a_choice_lists_the_accepted_values() -> None:
    for value in ("green", 1, Level.LOW, ["blue"]):
        with pytest.raises(ValidationError) as caught:
            stored(Choice(enum_pairs(Color)), value, SQLITE)
        assert "it's red, blue" in str(caught.value)
        assert "green" not in str(caught.value)


def test_literals_that_are_equal_and_of_different_types_are_different() -> None:
    choice = Choice(literal_pairs([1, True]))
    assert (stored(choice, 1, SQLITE), stored(choice, True, SQLITE)) == ("1", "true")
    with pytest.raises(ValidationError):
        stored(choice, 1.0, SQLITE)


class Same(Enum):
    NUMBER = 1
    TEXT = "1"


class Planet(Enum):
    EARTH = (5.9, 6.3)


class Rights(Flag):
    READ = 1


class Empty(Enum):
    pass


@pytest.mark.parametrize("kind", [Same, Planet, Rights, Empty])
def test_enums_whose_members_have_the_same_text_are_refused(kind: type[Enum]) -> None:
    with pytest.raises(UnsupportedTypeError):
        enum_pairs(kind)
