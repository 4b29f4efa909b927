"""Classes as tables: their fields, column types, nullability and defaults."""

from __future__ import annotations

import sqlite3
from dataclasses import KW_ONLY, InitVar, dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any, ClassVar, Final, Literal, NewType, Optional, TypedDict
from uuid import UUID

import attrs
import hypothesis.strategies as st
import msgspec
import pydantic
import pytest
import sqlalchemy as sa
from hypothesis import given
from sqlalchemy.dialects.postgresql import asyncpg
from sqlalchemy.dialects.sqlite import aiosqlite
from sqlalchemy.schema import CreateTable

from deebase._model.columns import ColumnSpec, describe, sql_default
from deebase._types.binary import Binary
from deebase._types.decimals import ExactNumber
from deebase._types.documents import JSON
from deebase._types.moments import AwareDateTime, Date, DateTime, Interval
from deebase._types.number import Boolean, Float, integer
from deebase._types.uuid import Uuid
from deebase.errors import UnsupportedTypeError, ValidationError
from deebase.types import UNSET, ForeignKey, Text, UTCDateTime, snake_case

SQLITE = aiosqlite.dialect()
POSTGRESQL = asyncpg.dialect()


class Color(Enum):
    RED = "red"
    BLUE = "blue"


class Settings(TypedDict):
    theme: str


@dataclass
class Address:
    city: str
    zip: str = ""


UserId = NewType("UserId", int)


class Everything:
    a: int
    b: float
    c: str
    d: Text
    e: bool
    f: bytes
    g: dict
    h: list[Address]
    i: Address
    j: Settings
    k: datetime
    m: UTCDateTime
    n: date
    o: time
    p: timedelta
    q: Decimal
    r: UUID
    s: Color
    t: Literal["x", 1, None]
    u: ForeignKey[int, "user"]
    v: UserId
    w: Annotated[str, msgspec.Meta(description="a comment")]
    x: Final[int] = 5


def by_name(cls: type, **options: Any) -> dict[str, ColumnSpec]:
    return {spec.name: spec for spec in describe(cls, **options)}


def test_every_accepted_annotation_has_its_type() -> None:
    kinds = [type(spec.sa_type).__name__ for spec in describe(Everything)]
    assert " ".join(kinds) == (
        "BigInteger Float String Text Boolean Binary JSON JSON JSON JSON DateTime AwareDateTime Date Time "
        "Interval ExactNumber Uuid Choice Choice BigInteger BigInteger String BigInteger"
    )
    specs = by_name(Everything)
    assert specs["u"].foreign_key == ForeignKey("user")
    assert specs["u"].python_type is int
    assert [spec.name for spec in specs.values() if spec.nullable] == ["t"]


def test_none_beside_a_type_is_nullable() -> None:
    class Post:
        a: int | None
        b: Optional[str]  # noqa: UP045 - the older spelling is what is checked
        c: ForeignKey[int, "user"] | None
        d: Optional[ForeignKey[int, "user.id"]]  # noqa: UP045
        e: Text | None
        f: Annotated[UTCDateTime | None, msgspec.Meta(description="a comment")]
        g: dict[str, int] | None

    specs = by_name(Post)
    assert all(spec.nullable for spec in specs.values())
    assert [specs[name].foreign_key for name in "cd"] == [ForeignKey("user"), ForeignKey("user.id")]
    assert isinstance(specs["e"].sa_type, sa.Text)
    assert isinstance(specs["f"].sa_type, AwareDateTime)


def test_inherited_fields_come_first_and_keep_their_place() -> None:
    class Base:
        id: int
        name: str = "base"

    class Middle(Base):
        age: int

    class Child(Middle):
        name: str = "child"
        extra: str

    assert [(spec.name, spec.default) for spec in describe(Child)] == [
        ("id", UNSET),
        ("name", "child"),
        ("age", UNSET),
        ("extra", UNSET),
    ]


def test_attributes_that_are_not_fields_are_left_out() -> None:
    @dataclass
    class Thing:
        id: int
        _: KW_ONLY
        _hidden: int = 0
        count: ClassVar[int] = 0
        seed: InitVar[int] = 0
        name: str = ""
        constant = 5

        def method(self) -> None: ...

        @property
        def size(self) -> int:
            return 1

    assert [spec.name for spec in describe(Thing)] == ["id", "name"]


def test_classes_inside_functions_and_forward_references_are_resolved() -> None:
    class Shade(Enum):
        DARK = "dark"

    @dataclass
    class Leaf:
        size: int
        next: Leaf | None = None

    class Tree:
        shade: Shade
        leaf: Leaf
        leaves: list[Leaf]
        quoted: "Optional[Shade]"  # noqa: UP045 - what is checked

    specs = by_name(Tree, localns=locals())
    assert specs["shade"].python_type is Shade
    assert specs["quoted"].nullable


def test_classes_inside_the_class_are_resolved() -> None:
    class Ticket:
        class State(Enum):
            OPEN = "open"

        state: State

    assert by_name(Ticket)["state"].python_type is Ticket.State


def test_variables_of_the_caller_do_not_hide_names_of_the_module() -> None:
    assert isinstance(by_name(Everything, localns={"date": "2024-01-01"})["n"].sa_type, Date)


class Unknown:
    id: int
    other: list[Missing]  # type: ignore[name-defined]


def test_a_name_that_is_not_known_is_named() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"Unknown\.other.*'Missing'") as caught:
        describe(Unknown)
    assert caught.value.column_name == "other"


@pytest.mark.parametrize(
    "annotation",
    [int | str, complex, object, Any, set, tuple[int, int], type, list[datetime], dict[float, int], "5", 5, Color.RED],
)
def test_an_annotation_without_a_column_type_names_class_field_and_what_is_accepted(annotation: Any) -> None:
    cls = type("Thing", (), {"__annotations__": {"field": annotation}, "__module__": __name__})
    with pytest.raises(UnsupportedTypeError, match=r"^Thing\.field: ") as caught:
        describe(cls)
    assert caught.value.hint
    assert caught.value.column_name == "field"


def test_a_class_without_fields_is_not_a_table() -> None:
    with pytest.raises(UnsupportedTypeError, match="no annotated fields"):
        describe(type("Nothing", (), {}))


class Plain:
    id: int
    name: str = "x"
    color: Color = Color.RED
    tags: list[str] = ["a"]  # noqa: RUF012 - what is checked
    made: list = field(default_factory=list)
    none: str | None = None


@dataclass
class Data:
    id: int
    name: str = "x"
    color: Color = field(default=Color.RED)
    tags: list[str] = field(default_factory=lambda: ["a"])
    made: list = field(default_factory=list)
    none: str | None = None


class Pydantic(pydantic.BaseModel):
    id: int
    name: str = "x"
    color: Color = Color.RED
    tags: list[str] = pydantic.Field(default_factory=lambda: ["a"])
    made: list = pydantic.Field(default_factory=list)
    none: str | None = None


@attrs.define
class Attrs:
    id: int
    name: str = "x"
    color: Color = Color.RED
    tags: list[str] = attrs.Factory(lambda: ["a"])
    made: list = attrs.field(factory=list)
    none: str | None = None


class Struct(msgspec.Struct):
    id: int
    name: str = "x"
    color: Color = Color.RED
    tags: list[str] = msgspec.field(default_factory=lambda: ["a"])
    made: list = msgspec.field(default_factory=list)
    none: str | None = None


@pytest.mark.parametrize("cls", [Plain, Data, Pydantic, Attrs, Struct])
def test_defaults_of_every_kind_of_class_are_found(cls: type) -> None:
    specs = by_name(cls)
    assert list(specs) == ["id", "name", "color", "tags", "made", "none"]
    assert (specs["id"].default, specs["id"].default_factory) == (UNSET, None)
    assert specs["name"].default == "x"
    assert specs["color"].default is Color.RED
    tags = specs["tags"]
    assert (tags.default if tags.default_factory is None else tags.default_factory()) == ["a"]
    assert specs["made"].default_factory is not None
    assert specs["none"].nullable
    assert specs["none"].default is UNSET


def test_slots_are_no_defaults() -> None:
    class Slotted:
        __slots__ = ("id",)
        id: int

    assert describe(Slotted)[0].default is UNSET


def test_defaults_can_be_given_instead_of_those_of_the_class() -> None:
    specs = by_name(Data, defaults={"name": "y", "made": [1]})
    assert specs["name"].default == "y"
    assert (specs["made"].default, specs["made"].default_factory) == ([1], None)


@pytest.mark.parametrize(
    ("annotation", "default"),
    [(int, "x"), (str, "\0"), (datetime, datetime(2024, 1, 1, tzinfo=UTC)), (Color, "green"), (dict, {1: 1})],
)
def test_a_default_that_does_not_fit_names_its_field(annotation: Any, default: Any) -> None:
    cls = type("Thing", (), {"__annotations__": {"field": annotation}, "field": default})
    with pytest.raises(ValidationError, match=r"^the default of Thing\.field: ") as caught:
        describe(cls)
    assert caught.value.field == "field"


def test_a_key_that_a_class_lacks_is_an_int() -> None:
    key = ColumnSpec.key("id")
    assert (key.python_type, key.nullable, key.default) == (int, False, UNSET)


def literal_of(sa_type: sa.types.TypeEngine[Any], value: Any, dialect: sa.engine.Dialect) -> str:
    return str(sql_default(ColumnSpec("field", sa_type, nullable=False, default=value), dialect))


@pytest.mark.parametrize(
    ("sa_type", "value", "literal"),
    [
        (sa.String(), "it's", "'it''s'"),
        (sa.String(), "a\\'b", "E'a\\\\''b'"),
        (integer(), -5, "-5"),
        (Boolean(), True, "true"),
        (Binary(), b"\x00'", r"E'\\x0027'"),
        (Float(), float("-inf"), "'-inf'"),
        (ExactNumber(), Decimal("1.10"), "'1.10'"),
        (Interval(), timedelta(-1, 2, 3), "'-1 days 2.000003 seconds'"),
        (DateTime(), datetime(2024, 1, 1), "'2024-01-01 00:00:00.000000'"),
        (AwareDateTime(), datetime(2024, 1, 1, tzinfo=UTC), "'2024-01-01 00:00:00.000000+00:00'"),
        (JSON(), {"a": "it's"}, """'{"a": "it''s"}'"""),
    ],
)
def test_postgresql_defaults_are_quoted_values(sa_type: Any, value: Any, literal: str) -> None:
    assert literal_of(sa_type, value, POSTGRESQL) == literal


HOSTILE = ["'); DROP TABLE t; --", "%s %% %(a)s", ":a ::b \\:c", "?", "\\'", '"', "/*", "\n\r"]

DEFAULTS: list[tuple[Any, st.SearchStrategy[Any]]] = [
    (sa.String(), st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))),
    (sa.String(), st.sampled_from(HOSTILE)),
    (integer(), st.integers(-(2**63), 2**63 - 1)),
    (Float(), st.floats(allow_nan=False)),
    (Boolean(), st.booleans()),
    (Binary(), st.binary()),
    (DateTime(), st.datetimes()),
    (Interval(), st.timedeltas(timedelta(-9999), timedelta(9999))),
    (ExactNumber(), st.decimals(-(10**9), 10**9, allow_nan=False)),
    (Uuid(), st.uuids()),
    (JSON(), st.dictionaries(st.sampled_from(["'", ":a", "%"]), st.floats(allow_nan=False, allow_infinity=False))),
]  # fmt: skip


@given(choice=st.sampled_from(DEFAULTS), data=st.data())
def test_a_default_in_ddl_is_the_value_that_a_row_gets(choice: Any, data: st.DataObject) -> None:
    sa_type, values = choice
    value = data.draw(values)
    spec = ColumnSpec("field", sa_type, nullable=False, default=value)
    table = sa.Table("t", sa.MetaData(), sa.Column("field", sa_type, server_default=sql_default(spec, SQLITE)))
    with sqlite3.connect(":memory:") as connection:
        connection.execute(str(CreateTable(table).compile(dialect=SQLITE)))
        connection.execute("INSERT INTO t DEFAULT VALUES")
        (found,) = connection.execute("SELECT field FROM t").fetchone()
    connection.close()
    process = sa_type.dialect_impl(SQLITE).result_processor(SQLITE, None)
    found = found if process is None else process(found)
    assert found == value
    assert type(found) is type(value)


@given(text=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_a_default_reaches_the_ddl_of_postgresql_as_it_is_quoted(text: str) -> None:
    spec = ColumnSpec("field", sa.String(), nullable=False, default=text)
    table = sa.Table("t", sa.MetaData(), sa.Column("field", sa.String(), server_default=sql_default(spec, POSTGRESQL)))
    ddl = str(CreateTable(table).compile(dialect=POSTGRESQL))
    quoted = text.replace("'", "''")
    escaped = "E'" + quoted.replace("\\", "\\\\") + "'"
    assert f"DEFAULT {escaped if chr(92) in text else chr(39) + quoted + chr(39)}\n" in ddl


def test_a_missing_default_is_not_a_literal() -> None:
    assert sql_default(ColumnSpec.key("id"), SQLITE) is None


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("User", "user"),
        ("BlogPost", "blog_post"),
        ("HTTPServer", "http_server"),
        ("already_snake", "already_snake"),
        ("Model2View", "model2_view"),
        ("URL", "url"),
    ],
)
def test_table_names_are_in_snake_case(name: str, expected: str) -> None:
    assert snake_case(name) == expected


def test_a_column_may_be_called_as_what_every_class_has() -> None:
    class Odd:
        id: int
        mro: str

    assert [(spec.name, spec.default) for spec in describe(Odd)] == [("id", UNSET), ("mro", UNSET)]
