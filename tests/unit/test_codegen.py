"""Source of classes: what it says, and that nothing in a schema gets out of its place in it."""

from __future__ import annotations

import ast
import builtins
import dataclasses
import enum
import math
import sys
import typing
import warnings
from collections.abc import Callable
from datetime import date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, NewType, TypedDict
from uuid import UUID

import attrs
import msgspec
import pydantic
import pytest
import sqlalchemy as sa

from deebase import (
    ColumnName,
    ForeignKey,
    Index,
    Text,
    UnsupportedTypeError,
    ValidationError,
    create_mod,
    dataclass_src,
)
from deebase._backends.schema_script import SchemaObject
from deebase._model.design import design
from deebase._types.binary import Binary
from deebase._types.decimals import ExactNumber
from deebase._types.default_values import NoLiteral, value_of
from deebase._types.documents import JSON
from deebase._types.moments import DateTime, Interval
from deebase._types.number import Boolean, Float
from deebase._types.uuid import Uuid
from deebase.tools.codegen.creation import Contents
from deebase.tools.codegen.line_layout import comment, docstring
from deebase.tools.codegen.module import Outline
from deebase.tools.codegen.module_steps import Step
from deebase.tools.codegen.name_use import Names, class_name
from deebase.tools.codegen.source import assert_safe_source, module_source
from tests.support.modules import imported, ruff_complaints


def written(cls: type) -> str:
    """Return the last class of the source, without what comes before."""
    return dataclass_src(cls).rpartition("\n\n\n")[2].strip()


def table(name: str = "T", /, **columns: Any) -> type:
    """Return a plain class; a column is an annotation, or a pair of it and a default."""
    annotations = {key: kind[0] if isinstance(kind, tuple) else kind for key, kind in columns.items()}
    defaults = {key: kind[1] for key, kind in columns.items() if isinstance(kind, tuple)}
    return type(name, (), {"__annotations__": annotations, **defaults, "__module__": __name__})


# -- classes -----------------------------------------------------------------------------------


def test_a_plain_class_stays_one() -> None:
    cls = table("Post", id=int, title=(str, "x"), bio=Text | None, author=ForeignKey[int, "user"])
    assert dataclass_src(cls) == (
        "from typing import Annotated\n\nfrom deebase import Text\nfrom deebase.types import ForeignKeyMark\n\n\n"
        "class Post:\n"
        "    id: int\n"
        '    title: str = "x"\n'
        "    bio: Text | None\n"
        '    author: Annotated[int, ForeignKeyMark("user")]\n'
    )


def test_a_dataclass_keeps_its_options_and_docstring() -> None:
    @dataclasses.dataclass(frozen=True, order=True, slots=True, kw_only=True)
    class Point:
        """A point."""

        id: int
        x: float = 0.5

    assert written(Point) == (
        "@dataclass(frozen=True, order=True, slots=True, kw_only=True)\n"
        'class Point:\n    """A point."""\n\n    id: int\n    x: float = 0.5'
    )


def test_the_generated_text_of_a_dataclass_is_not_a_docstring() -> None:
    @dataclasses.dataclass
    class Point:
        id: int

    assert '"""' not in dataclass_src(Point)


class Base:
    id: int
    name: str = "x"


class Derived(Base):
    extra: int | None = None


def test_inherited_fields_are_written_out() -> None:
    assert written(Derived) == 'class Derived:\n    id: int\n    name: str = "x"\n    extra: int | None = None'


class Model(pydantic.BaseModel):
    id: int
    name: str = "x"


class Struct(msgspec.Struct):
    id: int
    name: str = "x"


@attrs.define
class Attrs:
    id: int
    name: str = "x"


@pytest.mark.parametrize("cls", [Model, Struct, Attrs])
def test_classes_of_other_libraries_become_plain_ones(cls: type) -> None:
    assert 'id: int\n    name: str = "x"' in written(cls)


def test_documents_of_other_libraries_are_imported(tmp_path: Path) -> None:
    cls = table(id=int, one=Model | None, two=list[Struct])
    assert f"from {__name__} import Model, Struct" in dataclass_src(cls)


def test_a_class_that_cannot_be_imported_is_refused() -> None:
    class Local(pydantic.BaseModel):
        n: int

    with pytest.raises(UnsupportedTypeError, match="Local"):
        dataclass_src(table(id=int, local=Local))


def test_factories_have_the_name_they_can_be_imported_by() -> None:
    @dataclasses.dataclass
    class T:
        id: int
        day: date = dataclasses.field(default_factory=date.today)
        made: datetime = dataclasses.field(default_factory=datetime.now)
        tags: list[str] = dataclasses.field(default_factory=list)

    text = dataclass_src(T)
    for part in ("default_factory=date.today", "default_factory=datetime.now", "default_factory=list"):
        assert part in text


@pytest.mark.parametrize("factory", [lambda: 5, "x".upper, int("5").__add__], ids=["lambda", "method", "wrapper"])
def test_factories_without_a_name_are_mentioned(factory: Callable[[], Any]) -> None:
    cls = dataclasses.make_dataclass("T", [("id", int), ("n", int, dataclasses.field(default_factory=factory))])
    with pytest.warns(UserWarning, match="T: .*default_factory of n"):
        text = dataclass_src(cls)
    assert "# not kept: the default_factory of n" in text
    assert text.endswith("    n: int\n")


def test_enums_keep_their_kind_and_odd_members_get_a_name(tmp_path: Path) -> None:
    odd: Any = enum.Enum("Odd", {"a b": "x", "class": "it's", "GOOD": 1.5, "mro_": "m"})
    text = enum.StrEnum("Word", {"A": "a"})
    level = enum.IntEnum("Level", {"LOW": -1})
    mixed: Any = enum.Enum("Mixed", {"A": "a"}, type=str)
    cls = table(id=int, odd=(odd, odd("x")), word=(text, text("a")), level=level, mixed=mixed, one=Literal[odd("x")])
    (tmp_path / "m.py").write_text(dataclass_src(cls))
    assert ruff_complaints(tmp_path / "m.py", select="E4,E7,E9,F,I") == ""
    with imported(tmp_path / "m.py") as module:
        assert [member.value for member in module.Odd] == ["x", "it's", 1.5, "m"]
        assert module.T.odd is module.Odd.MEMBER_0
        assert issubclass(module.Word, enum.StrEnum)
        assert issubclass(module.Level, enum.IntEnum)
        assert issubclass(module.Mixed, str)
        assert typing.get_args(module.T.__annotations__["one"]) == (module.Odd.MEMBER_0,)


class Node(TypedDict):
    name: str
    children: list[Node]


class Rest(TypedDict, total=False):
    x: int


Odd = TypedDict("Odd", {"a b": int, "class": typing.NotRequired[str]})


@dataclasses.dataclass
class Tree:
    left: Tree | None
    word: Literal["a", 1]
    n: NewType("N", int) = 5  # type: ignore[valid-type]
    odd: list[Odd] | None = None


def test_documents_are_written_with_the_module(tmp_path: Path) -> None:
    cls = table(id=int, node=Node, rest=Rest | None, tree=(Tree, Tree(None, "a")), trees=dict[str, list[Tree]])
    path = tmp_path / "m.py"
    path.write_text(dataclass_src(cls))
    assert ruff_complaints(path) == ""
    with imported(path) as module:
        assert module.Rest.__required_keys__ == frozenset()
        assert module.Odd.__required_keys__ == {"a b"}
        assert module.T.tree == module.Tree(left=None, word="a")
        assert [column.name for column in design(module.T, name=None, pk="id").columns] == list(cls.__annotations__)


Long: typing.TypeAlias = Literal["the first of the long words", "the second of the long words", "the third one"]
Half: typing.TypeAlias = Literal["a word of thirty letters or so", "another one"]


@dataclasses.dataclass
class LongAnnotations:
    id: int
    plain: Long
    none: Long | None
    listed: list[Long]
    maybe_listed: list[Long] | None
    named: Annotated[list[Long] | None, ColumnName("a name")]
    half_of_the_line: Half | None = "a word of thirty letters or so"
    one: list[Literal["a text that fills one line of a module on its own, as some of the labels do"]] | None = None
    set: Long = "the third one"
    unset: Long | None = None
    made: list[Long] | None = dataclasses.field(default_factory=lambda: ["the third one"])  # type: ignore[arg-type]


def test_annotations_that_are_longer_than_a_line(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the lambda has no name
        path.write_text(dataclass_src(LongAnnotations))
    assert ruff_complaints(path) == ""
    with imported(path) as module:
        made = typing.get_type_hints(module.LongAnnotations, include_extras=True)
    assert made == typing.get_type_hints(LongAnnotations, include_extras=True)


def test_decimals_keep_their_digits(tmp_path: Path) -> None:
    values = ["0", "-5", "5.0", "-0", "1E+30", "0.00", "12345678901234567890123"]
    columns = {f"n{number}": (Decimal, Decimal(value)) for number, value in enumerate(values)}
    path = tmp_path / "m.py"
    path.write_text(dataclass_src(table(id=int, **columns)))
    assert ruff_complaints(path) == ""
    assert "= Decimal(-5)" in path.read_text()
    with imported(path) as module:
        texts = [format(getattr(module.T, name), "f") for name in columns]
    assert texts == [format(Decimal(value), "f") for value in values]


def test_a_literal_of_floats_is_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match="Literal of float"):
        dataclass_src(table(id=int, x=Literal[1.5]))


def test_some_members_of_an_enum_are_not_all_of_them() -> None:
    color = enum.Enum("Color", {"RED": "red", "BLUE": "blue"})
    some: Any = Literal[color("red"), "x"]
    assert 'x: Literal[Color.RED, "x"]' in dataclass_src(table(id=int, x=some))


def test_names_of_fields_do_not_hide_types(tmp_path: Path) -> None:
    cls = table(id=int, date=(date, date(2024, 1, 1)), int=int, other=date, field=(list, [1]), Annotated=int, Any=dict)
    path = tmp_path / "m.py"
    path.write_text(dataclass_src(cls))
    assert ruff_complaints(path) == ""
    with imported(path) as module:
        hints = typing.get_type_hints(module.T)
        assert (hints["other"], hints["id"]) == (date, int)


def test_classes_of_one_name_are_distinguished(tmp_path: Path) -> None:
    path = tmp_path / "m.py"
    create_mod(
        path, table("T", id=int), table("T", id=int), table("Text", id=int), table("_x", id=int), table("a b", id=int)
    )
    with imported(path) as module:
        assert {name for name, value in vars(module).items() if isinstance(value, type)} == {
            "T",
            "T2",
            "Text2",
            "X",
            "AB",
        }


@pytest.mark.parametrize("given", [5, "User", None])
def test_an_object_that_is_not_a_class_is_refused(given: Any) -> None:
    with pytest.raises(ValidationError, match="class or a table"):
        dataclass_src(given)


def test_annotations_without_a_column_are_refused() -> None:
    with pytest.raises(UnsupportedTypeError, match=r"T\.x"):
        dataclass_src(table(id=int, x=complex))


# -- values ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "default",
    [
        "",
        "'",
        '"',
        '"\'"',
        "\\'",
        "\n\t\r\x7f\u202e\u2028",
        '"""',
        "{x} %s",
        "名前",
        0,
        -(2**63),
        1e300,
        -0.1,
        math.inf,
        -math.inf,
        b"",
        b"'\"\\\xff",
        b"''\"",
        True,
        datetime(1, 1, 1),
        datetime(2024, 1, 1, tzinfo=timezone(timedelta(hours=2))),
        date(9999, 12, 31),
        time(),
        time(0, 0, 0, 1),
        timedelta(),
        timedelta(-1, 1, 1),
        Decimal("1E-7"),
        Decimal("-0"),
        UUID(int=0),
        [],
        {},
        [1, None, True, "x", [], {"a": 1.5}],
    ],
    ids=repr,
)
def test_values_are_written_as_they_are(tmp_path: Path, default: Any) -> None:
    from deebase import UTCDateTime

    kind: Any = type(default)
    if isinstance(default, datetime) and default.tzinfo:
        kind = UTCDateTime
    path = tmp_path / "m.py"
    path.write_text(dataclass_src(table(id=int, x=(kind, default))))
    assert ruff_complaints(path, select="E4,E7,E9,F,I,B,UP,SIM,C4,RUF012") == ""
    with imported(path) as module:
        assert module.T.x == default
        assert type(module.T.x) is type(default)


LITERALS: list[tuple[str, Any, Any]] = [
    ("'it''s'", sa.String(), "it's"),
    ("'a'::character varying", sa.String(), "a"),
    ("E'a\\\\b''c'", sa.Text(), "a\\b'c"),
    ("5", sa.Integer(), 5),
    ("(-5)", sa.BigInteger(), -5),
    ("'-5'::integer", sa.BigInteger(), None),
    ("- 5", sa.Integer(), -5),
    ("1.5", Float(), 1.5),
    ("'Infinity'::double precision", Float(), math.inf),
    ("9e999", Float(), math.inf),
    ("(5404319552844596 * 1.0 / 262144.0)", Float(), 5404319552844596 / 262144),
    ("1", Boolean(), True),
    ("false", Boolean(), False),
    ("X'00ff'", Binary(), b"\x00\xff"),
    ("'\\x00ff'::bytea", Binary(), b"\x00\xff"),
    ("'2024-01-01 00:00:00'::timestamp without time zone", DateTime(), datetime(2024, 1, 1)),
    ("'-1 days +02:03:04.5'::interval", Interval(), timedelta(-1, hours=2, minutes=3, seconds=4.5)),
    ("'-00:00:01'::interval", Interval(), timedelta(seconds=-1)),
    ("'2 days'::interval", Interval(), timedelta(2)),
    ("1.50", ExactNumber(), Decimal("1.5")),
    ("NULL", sa.String(), None),
    ("NULL::character varying", sa.String(), None),
]


@pytest.mark.parametrize(("sql", "kind", "value"), LITERALS, ids=[item[0] for item in LITERALS])
def test_literals_are_read(sql: str, kind: Any, value: Any) -> None:
    if value is None and not sql.startswith("NULL"):
        value = int(sql.split("'")[1])
    assert value_of(sql, kind) == value


@pytest.mark.parametrize(
    ("sql", "kind"),
    [
        ("CURRENT_TIMESTAMP", DateTime()),
        ("now()", DateTime()),
        ("'a' || 'b'", sa.String()),
        ("('a' || 'b')", sa.String()),
        ("nextval('x'::regclass)", sa.Integer()),
        ("1 + 1", sa.Integer()),
        ("'x'", sa.Integer()),
        ("1.5", sa.Integer()),
        ("5", sa.String()),
        ("'{'", JSON()),
        ("'1 year'::interval", Interval()),
        ("''", Interval()),
        ("2", Boolean()),
        ("'zz'", Uuid()),
        ("gen_random_uuid()", Uuid()),
        ("'a'; DROP TABLE x", sa.String()),
        ('"name"', sa.String()),
    ],
)
def test_a_text_that_is_not_a_literal_of_the_type_is_reported(sql: str, kind: Any) -> None:
    with pytest.raises(NoLiteral):
        value_of(sql, kind)


# -- hostile schemas ---------------------------------------------------------------------------

BREAK = "builtins.CANARY = True"
HOSTILE = [
    f'"""\nimport builtins; {BREAK}\n"""',
    f"'''\nimport builtins; {BREAK}\n'''",
    f'"\nimport builtins; {BREAK}\n#',
    f"'\nimport builtins; {BREAK}\n#",
    f'\\"""\nimport builtins; {BREAK}\n"""',
    f'\\\\"""\nimport builtins; {BREAK}\n"""',
    f'x"""; import builtins; {BREAK}; """',
    f"\nimport builtins\n{BREAK}\n",
    f"\r\nimport builtins\r\n{BREAK}\r\n",
    f"\rimport builtins\r{BREAK}\r",
    f"\x0cimport builtins\x0c{BREAK}",
    f"\x0bimport builtins\x0b{BREAK}",
    f"\x1cimport builtins\x1c{BREAK}",
    f"\x85import builtins\x85{BREAK}",
    f"\u2028import builtins\u2028{BREAK}",
    f"\u2029import builtins\u2029{BREAK}",
    "): pass\n__import__('builtins').CANARY = True\nclass X(",
    "__import__('builtins').__setattr__('CANARY', True)",
    "x: __import__('builtins').__setattr__('CANARY', True)",
    "x = setattr(__import__('builtins'), 'CANARY', True)",
    "int = exec('import builtins; builtins.CANARY = True')",
    "{__import__('builtins').__setattr__('CANARY', True)}",
    "{0.__class__}",
    "%(x)s",
    "${x}",
    "`x`",
    "#",
    "# comment",
    "\\",
    "\\\\",
    "\\\n",
    "\\N{BULLET}",
    "\\x27\\x22",
    "\\u0022",
    '"',
    '""',
    '"""',
    '""""',
    "'",
    "''",
    "'''",
    '\\"',
    "\\'",
    "a\tb",
    "\u202e\u2066import os",
    "\ufeffimport os",
    "\u200bx",
    "ﬁ",
    "ａ",
    "__class__",
    "mro",
    "class",
    "None",
    "True",
    "import",
    "print",
    "lambda",
    "self",
    "cls",
    "exec",
    "type",
    "create_tables",
    "db",
    "Database",
    "dataclass",
    "x.y",
    "1",
    " ",
    "a; b",
    "名前",
    "\U0001f600",
    "'); DROP TABLE x; --",
]


def hostile_module(text: str) -> str:
    """Return a module in which a text is everything that a schema can say."""
    column = text if not text.startswith("_") else f"x{text}"
    made: Any = enum.Enum("E", {"A": text})
    annotations = {
        column: str,
        f"{column}2": Literal[text, "x"] | None,  # type: ignore[valid-type]
        f"{column}3": made,
        "meta": dict,
        "plain": Annotated[int, ForeignKey("x")],  # type: ignore[call-arg,misc]
    }
    defaults = {column: text, f"{column}2": text, f"{column}3": made.A, "meta": {text: [text]}}
    name = text.replace(".", "")
    if name:
        annotations["plain"] = ForeignKey[int, f"{name}.{name}"]  # type: ignore[misc]
    plain = dict(annotations)
    outlines: list[Outline] = []
    for kept in (plain, {"meta": dict, "x": str}):
        values = {key: value for key, value in {**defaults, "x": text}.items() if key in kept}
        cls = type("T", (), {"__annotations__": kept, **values})
        some = text if text.strip() else "some"
        index = Index(some, "meta", where=some)
        made_design = design(cls, name=text, pk="id", indexes=[index])
        outlines.append(
            Outline(class_name(text), made_design.columns, (), text, design=made_design, notes=(text, f"x {text}"))
        )
    outlines.append(Outline(text, outlines[0].columns, None, text))
    named = dataclasses.replace(outlines[1].columns[0], name=text or "x", field="renamed")
    outlines[1] = dataclasses.replace(outlines[1], table=text)
    outlines.append(Outline(text, (named,), (), text, table=f"{text} by SQL", by_sql=True))
    by_sql = SchemaObject("table", f"{text} by SQL", (f"CREATE {text}", f"CREATE {text}\n{text}"), ("DROP",), text)
    steps = [Step(tables=(text,)), Step(objects=(by_sql, dataclasses.replace(by_sql, kind=f"view {text}")))]
    contents = Contents(steps, {f"{text} by SQL": [text]}, [text])
    return module_source(outlines, None, title=text, contents=contents)[0]


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_nothing_in_a_schema_becomes_code(tmp_path: Path, text: str) -> None:
    path = tmp_path / "m.py"
    source = hostile_module(text)
    path.write_text(source, encoding="utf-8")
    with imported(path) as module:
        assert not hasattr(builtins, "CANARY")
        assert module.create_tables
        texts = [node.value for node in ast.walk(ast.parse(source)) if isinstance(node, ast.Constant)]
        assert text in texts
    assert ruff_complaints(path, select="E4,E7,E9,F") == ""


def test_there_are_enough_hostile_texts() -> None:
    assert len(set(HOSTILE)) >= 50


@pytest.mark.parametrize("text", HOSTILE, ids=ascii)
def test_comments_and_docstrings_stay_what_they_are(text: str) -> None:
    for source in (comment(text), comment(f"x {text} y " * 5)):
        assert ast.parse(source).body == []
        assert all(line.startswith("#") for line in source.splitlines())
    for said in (text, f"x\n{text}\ny", f"{text}\n{text}"):
        body = ast.parse(f"class T:\n{docstring(said, '    ') or '    pass'}\n    x: int").body
        assert len(body) == 1
        assert len(typing.cast(ast.ClassDef, body[0]).body) == 2


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_class_names_are_identifiers(name: str) -> None:
    made = Names([]).define(class_name(name))
    assert made.isidentifier()
    assert not hasattr(builtins, made)


@pytest.mark.parametrize(
    "source",
    [
        "import os",
        "from os import system",
        "x = os.system('x')",
        "x = eval('x')",
        "x = [y for y in z]",
        "x = lambda: 1",
        "print('x')",
        "db.drop()",
        "async def other(): pass",
        "def f(): return 1",
        "if True: pass",
        "x = f'{y}'",
        "x = y if z else w",
        "del x",
        "x = (yield)",
        "x = T.__class__()",
        "x +",
        "x = 'a\0b'",
        "class T:\n    def f(self): return 1",
        "x = [*y]",
        "x: int = (y := 1)",
        "global x",
        "async def create_tables(db): await db.engine.dispose()",
    ],
)
def test_source_that_holds_more_is_refused(source: str) -> None:
    with pytest.raises(ValidationError, match="so it is not written"):
        assert_safe_source(source, {"T", "date"}, {"datetime"})


def test_the_module_itself_does_not_import_the_classes_it_reads() -> None:
    assert "deebase.tools.codegen" in sys.modules
    assert not hasattr(sys.modules["deebase.tools.codegen"], "T")
