"""Tables as source: what is written makes the same tables again."""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum, IntEnum
from pathlib import Path
from typing import Annotated, Any, Literal, TypedDict
from uuid import UUID, uuid4

import pytest
import sqlalchemy as sa

from deebase import (
    Check,
    Computed,
    Database,
    Default,
    Digits,
    ForeignKey,
    Index,
    InvalidOperationError,
    PrimaryKey,
    Table,
    Text,
    Unique,
    UpdatedAt,
    UTCDateTime,
    ValidationError,
    create_mod,
    create_mod_from_tables,
    dataclass_src,
    uuid7,
)
from tests.support.capabilities import can
from tests.support.modules import imported, mypy_complaints, ruff_complaints


class Color(Enum):
    RED = "red"
    ODD = "it's; \\ :odd ?"


class Level(IntEnum):
    LOW = -1
    HIGH = 7


class Point(TypedDict):
    x: int
    y: float | None


@dataclass
class Inner:
    name: str
    color: Color = Color.RED
    points: list[Point] = field(default_factory=list)
    next: Inner | None = None


@dataclass
class Everything:
    """Each type, with and without a default."""

    id: int
    text: Text | None
    name: str
    number: int
    ratio: float
    flag: bool
    raw: bytes
    document: dict[str, Any]
    numbers: list[int]
    naive: datetime
    aware: UTCDateTime
    day: date
    clock: time
    span: timedelta
    price: Decimal
    token: UUID
    color: Color
    level: Level
    word: Literal["a", "it's", 3, True]
    point: Point | None
    inner: Inner | None
    tags: list[str] = field(default_factory=list)
    made: datetime = field(default_factory=datetime.now)
    key: UUID = field(default_factory=uuid4)


DEFAULTS: dict[str, Any] = {
    "text": 'a \'quoted\'\ntext \\ :x ? """',
    "name": "O'Neill",
    "number": -5,
    "ratio": 0.1 + 0.2,
    "flag": True,
    "raw": b"\x00'\"\xff",
    "document": {"a": [1, None, True, "x"], "b": {}},
    "numbers": [1, 2],
    "naive": datetime(2024, 2, 29, 12, 30, 1, 5),
    "aware": datetime(2024, 2, 29, 12, 30, tzinfo=UTC),
    "day": date(2024, 2, 29),
    "clock": time(23, 59, 59, 999999),
    "span": timedelta(days=-3, seconds=5, microseconds=7),
    "price": Decimal("-12.340"),
    "token": UUID(int=7),
    "color": Color.ODD,
    "level": Level.LOW,
    "word": "it's",
    "point": {"x": 1, "y": 2.5},
    "inner": Inner("x", Color.ODD, [{"x": 1, "y": None}], Inner("y")),
}


@dataclass
class Line:
    order: ForeignKey[int, "orders.id"]
    number: int
    article: ForeignKey[str, "article.code", {"on_delete": "set null", "on_update": "cascade"}] | None  # noqa: F722
    word: str


class Orders:
    id: int
    previous: ForeignKey[int, "orders"] | None


class Article:
    code: str
    name: str


class Left:
    id: int
    right_id: ForeignKey[int, "right"] | None


class Right:
    id: int
    left_id: ForeignKey[int, "left"]
    word: str


async def shape(db: Database) -> dict[str, Any]:
    """Return what the database says of its tables, as text."""
    if can(db).is_one_file:
        return {row["name"]: row["sql"] for row in await db.q("SELECT name, sql FROM sqlite_master ORDER BY name")}
    columns = await db.q(
        """SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity
           FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3"""
    )
    constraints = await db.q(
        """SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS sql FROM pg_constraint
           WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace ORDER BY 1, 2"""
    )
    indexes = await db.q("SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")
    return {"columns": columns, "constraints": constraints, "indexes": indexes}


async def remade(db: Database, second: Database, path: Path, *tables: Table[Any]) -> None:
    """Write tables as a module, and create them from it in another database."""
    create_mod_from_tables(path, *(tables or db.t), overwrite=True)
    with imported(path) as module:
        await module.create_tables(second)
        await module.create_tables(second, if_not_exists=True)
    assert await shape(second) == await shape(db)


@pytest.mark.parametrize("reflected", [False, True])
@pytest.mark.parametrize("given", [False, True])
async def test_a_table_of_every_type_is_made_again(
    db: Database, second: Database, tmp_path: Path, reflected: bool, given: bool
) -> None:
    await db.create(Everything, defaults=DEFAULTS if given else None)
    if reflected:
        db._core.catalog.forget("everything")
        await db.reflect()
    await remade(db, second, tmp_path / "tables.py")
    assert ruff_complaints(tmp_path / "tables.py") == ""


async def test_a_dataclass_of_a_module_writes_and_reads_rows(db: Database, second: Database, tmp_path: Path) -> None:
    await db.create(Everything, defaults=DEFAULTS)
    create_mod_from_tables(tmp_path / "tables.py", *db.t)
    with imported(tmp_path / "tables.py") as module:
        await module.create_tables(second)
        table = second.t[module.Everything]
        one = await table.insert(module.Everything())
        other = await db.t.everything.insert({"id": 1})
        assert is_dataclass(one)
        for name, value in DEFAULTS.items():
            stored = getattr(one, name)
            assert getattr(other, name) == value
            assert name in ("color", "level", "inner") or stored == value
        assert (one.color.value, one.level.value, one.inner.next.name) == (Color.ODD.value, -1, "y")
        assert type(one.inner) is module.Inner
        assert [row.id for row in await table()] == [1]


@pytest.mark.parametrize("reflected", [False, True])
async def test_keys_foreign_keys_and_indexes_are_made_again(
    db: Database, second: Database, tmp_path: Path, reflected: bool
) -> None:
    await db.create(Orders)
    await db.create(Article, pk="code", indexes=["name"])
    await db.create(
        Line,
        pk=["order", "number"],
        indexes=[
            ("order", "word"),
            Index("ux_word", "word", unique=True),
            Index("part", "article", "word", where="word <> 'a :b; c' AND number > 3"),
        ],
    )
    if reflected:
        for name in ("line", "orders", "article"):
            db._core.catalog.forget(name)
        await db.reflect()
    await remade(db, second, tmp_path / "tables.py")
    assert ruff_complaints(tmp_path / "tables.py") == ""
    assert "a :b; c" in str(await shape(second))
    assert second.t.line.pks == ("order", "number")
    assert [key["references"] for key in second.t.line.foreign_keys] == ["orders.id", "article.code"]


async def test_tables_in_a_cycle_are_made_together(db: Database, second: Database, tmp_path: Path) -> None:
    await db.create_all(Left, Right, options={Right: {"indexes": ["word"]}})
    await remade(db, second, tmp_path / "tables.py")
    assert ruff_complaints(tmp_path / "tables.py") == ""


class Lefts:
    id: int


async def test_options_of_single_classes_are_checked(db: Database) -> None:
    for options in ({Left: {"if_not_exists": True}}, {Orders: {"pk": "id"}}):
        with pytest.raises(ValidationError, match="options") as caught:
            await db.create_all(Left, Right, options=options)
        assert caught.value.field == "options"
    one, other = await db.create_all(Lefts, Orders, options={Lefts: {"name": "a", "indexes": ["id"]}, Orders: {}})
    assert (one.name, other.name) == ("a", "orders")


OTHERS = """
    CREATE TABLE parent (a INTEGER NOT NULL, b INTEGER NOT NULL, email VARCHAR(20) UNIQUE, PRIMARY KEY (a, b));
    CREATE TABLE child (
        code VARCHAR NOT NULL PRIMARY KEY,
        a INTEGER, b INTEGER,
        made TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP,
        amount INTEGER DEFAULT 5 CHECK (amount > 0),
        price DECIMAL(10, 2) DEFAULT 1.25,
        twice INTEGER GENERATED ALWAYS AS (amount * 2) STORED,
        FOREIGN KEY (a, b) REFERENCES parent (a, b)
    );
    CREATE INDEX lowered ON child (lower(code));
    CREATE INDEX descending ON child (amount DESC);
    CREATE TABLE keyless (word TEXT);
"""


async def test_tables_of_a_file_that_others_made_are_created_by_their_sql(tmp_path: Path) -> None:
    async with Database(":memory:") as db, Database(":memory:") as other:
        await db.script(OTHERS)
        await db.reflect()
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            create_mod_from_tables(tmp_path / "tables.py", *db.t["parent", "child", "keyless"])
        assert ruff_complaints(tmp_path / "tables.py") == ""
        with imported(tmp_path / "tables.py") as module:
            await module.create_tables(other)
            assert await shape(other) == await shape(db)
            await other.t.parent.insert(module.Parent(a=1, b=2, email="x"))
            row = await other.t.child.insert(code="x", made=datetime(2024, 1, 1), a=1, b=2)
            wanted = {"code": "x", "a": 1, "b": 2, "made": datetime(2024, 1, 1), "price": Decimal("1.25"), "twice": 10}
            assert row == module.Child(**wanted, amount=5)
            assert await other.t.keyless.insert(module.Keyless(word="y")) == module.Keyless(word="y")


async def test_what_reflection_does_not_know_of_postgresql_is_noted(postgres_url: str, tmp_path: Path) -> None:
    async with Database(postgres_url) as db, Database(":memory:") as other:
        await db.script(OTHERS)
        await db.reflect()
        with pytest.warns(UserWarning, match="source does not say") as warned:
            create_mod_from_tables(tmp_path / "tables.py", *db.t["parent", "child", "keyless"])
        said = "\n".join(str(item.message) for item in warned)
        for part in (
            "the default of made, CURRENT_TIMESTAMP",
            "twice is computed by the database",
            "the index lowered",
            "order or collation of the index descending",
            "Keyless: its source does not say a table without a primary key",
        ):
            assert part in said
        text = (tmp_path / "tables.py").read_text()
        assert text.count("# not kept: ") >= 5
        assert 'checks=["amount > 0"]' in text
        assert ruff_complaints(tmp_path / "tables.py") == ""
        with imported(tmp_path / "tables.py") as module:
            await module.create_tables(other)
        assert "keyless" not in other.t
        assert await other.t.parent.get_or_create(email="x", a=1, b=2)


async def test_names_that_are_no_identifiers_are_kept(db: Database, second: Database, tmp_path: Path) -> None:
    names = {"id": int, "first name": str, "class": str | None, 'a"b\n': dict, "ﬁ": ForeignKey[int, "order items"]}
    items = type("Items", (), {"__annotations__": {"id": int, "date": date}})
    await db.create(items, name="order items")
    await db.create(type("Odd", (), {"__annotations__": names, "first name": "it's"}), name="123 odd;--")
    await remade(db, second, tmp_path / "tables.py")
    assert ruff_complaints(tmp_path / "tables.py") == ""
    await second.t["order items"].insert(date=date(2024, 1, 1))
    await second.t["123 odd;--"].insert({'a"b\n': {}, "ﬁ": 1})
    row = await second.t["123 odd;--"].rows_as(dict)[1]
    assert row == {"id": 1, "first name": "it's", "class": None, 'a"b\n': {}, "ﬁ": 1}


async def test_a_column_that_begins_with_an_underscore_has_a_field(db: Database, tmp_path: Path) -> None:
    await db.q("CREATE TABLE t (_id BIGINT NOT NULL, id VARCHAR, __ VARCHAR, PRIMARY KEY (_id))")
    await db.reflect()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_mod_from_tables(tmp_path / "tables.py", db.t.t)
    await db.t.t.drop()
    with imported(tmp_path / "tables.py") as module:
        await module.create_tables(db)
        row = await db.t.t.insert(module.T(id_2=1, id="a", column="b"))
        assert row == module.T(id_2=1, id="a", column="b")
        assert await db.t.t.rows_as(dict)[1] == {"_id": 1, "id": "a", "__": "b"}


async def test_a_one_to_one_table_keeps_its_foreign_key(db: Database, second: Database, tmp_path: Path) -> None:
    class Person:
        id: int

    @dataclass
    class Passport:
        id: ForeignKey[int, "person", {"on_delete": "cascade", "on_update": "cascade"}]
        number: str

    await db.create_all(Person, Passport)
    for name in ("person", "passport"):
        db._core.catalog.forget(name)
    await db.reflect()
    await remade(db, second, tmp_path / "tables.py")
    assert second.t.passport.foreign_keys == db.t.passport.foreign_keys != []
    assert "on_delete" in (tmp_path / "tables.py").read_text()


async def test_the_dataclass_of_a_reflected_table_has_a_source(db: Database) -> None:
    await db.create(Orders)
    db._core.catalog.forget("orders")
    await db.reflect()
    made = db.t.orders.dataclass()
    expected = dataclass_src(db.t.orders)
    assert dataclass_src(made) == expected
    assert "class Orders:" in expected
    assert "id: int | None = None" in expected
    assert 'previous: Annotated[int | None, ForeignKeyMark("orders.id")] = None' in expected


async def test_create_mod_writes_classes_that_make_the_same_tables(
    db: Database, second: Database, tmp_path: Path
) -> None:
    path = tmp_path / "classes.py"
    create_mod(path, Everything, Orders, Article, Line)
    assert ruff_complaints(path) == ""
    with imported(path) as module:
        for where, classes in (
            (db, (Everything, Orders, Article, Line)),
            (second, (module.Everything, module.Orders, module.Article, module.Line)),
        ):
            for cls, pk in zip(classes, ("id", "id", "code", ["order", "number"]), strict=True):
                await where.create(cls, pk=pk)
        assert module.Everything.__doc__ == Everything.__doc__
        assert [item.name for item in fields(module.Everything)] == [item.name for item in fields(Everything)]
        assert module.Everything(*range(21)).tags == []
    assert await shape(second) == await shape(db)


@dataclass
class Said:
    """What its fields and attributes say of the table."""

    __tablename__ = "said it"
    __checks__ = "n > 0"
    __indexes__ = ("n", Index("folded", "word", unique=True, ignore_case=True), ["n", "word"])
    __foreign_keys__ = {("a", "b"): ForeignKey("pair", "cascade")}  # noqa: RUF012

    key: Annotated[UUID, PrimaryKey, Default(uuid7())]
    n: Annotated[int, Unique, Check("n < 9")]
    word: Annotated[str, Default(sa.func.lower("ABC"))]
    price: Annotated[Decimal, Digits(6, 2)]
    total: Annotated[Decimal | None, Digits(8, 2), Computed("price * n")] = None
    made: Annotated[datetime | None, Default(sa.func.now())] = None
    changed: Annotated[UTCDateTime | None, UpdatedAt(trigger=True)] = None
    a: int | None = None
    b: int | None = None


class Pair:
    __pk__ = ("a", "b")
    a: int
    b: int


async def test_create_mod_writes_what_classes_say_of_their_tables(
    db: Database, second: Database, tmp_path: Path
) -> None:
    path = tmp_path / "classes.py"
    named = type("Default", (), {"__annotations__": {"id": int}})
    create_mod(path, Pair, Said, named)
    assert ruff_complaints(path) == ""
    await db.create_all(Pair, Said, named)
    with imported(path) as module:
        written = [kind for kind in vars(module).values() if getattr(kind, "__module__", "") == module.__name__]
        await second.create_all(*written)
        made = module.Said(UUID(int=1), 3, "x", Decimal(2))
        assert (made.made, made.changed, made.total) == (None, None, None)
    assert await shape(second) == await shape(db)


@pytest.fixture(scope="session")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What mypy has found out about the standard library and DeeBase, kept for the next check."""
    return tmp_path_factory.mktemp("mypy")


@pytest.mark.long
@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_modules_pass_mypy_strict(db: Database, tmp_path: Path, mypy_cache: Path) -> None:
    await db.create(Everything, defaults=DEFAULTS)
    await db.create_all(Left, Right)
    await db.create(Orders)
    await db.create(type("Odd", (), {"__annotations__": {"id": int, "first name": dict, "date": date, "int": int}}))
    shadows = {"id": int, "date": date, "str": str | None, "dict": dict, "field": list, "uuid": UUID}
    values = {"dict": {}, "str": "x", "date": date(2024, 1, 1), "field": [1], "uuid": UUID(int=1)}
    await db.create(type("Text", (), {"__annotations__": shadows, **values}))
    create_mod_from_tables(tmp_path / "tables.py", *db.t)
    create_mod(
        tmp_path / "classes.py", Everything, Orders, Article, type("T", (), {"__annotations__": shadows, **values})
    )
    both = (tmp_path / "tables.py", tmp_path / "classes.py")
    assert ruff_complaints(*both) == ""
    assert mypy_complaints(*both, cache=mypy_cache) == ""


test_modules_pass_mypy_strict = pytest.mark.timeout(300)(test_modules_pass_mypy_strict)


def test_a_file_that_exists_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "kept.py"
    path.write_text("mine = 1\n")
    path.chmod(0o640)
    with pytest.raises(InvalidOperationError, match=r"kept\.py already exists") as caught:
        create_mod(path, Orders)
    assert "overwrite=True" in str(caught.value)
    assert path.read_text() == "mine = 1\n"
    create_mod(path, Orders, overwrite=True)
    assert "class Orders:" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o640
    assert os.listdir(tmp_path) == ["kept.py"]


def test_places_that_cannot_be_written_are_named(tmp_path: Path) -> None:
    for path, why in ((tmp_path, "is a directory"), (tmp_path / "no" / "x.py", "not a directory")):
        with pytest.raises(InvalidOperationError, match=why):
            create_mod(path, Orders, overwrite=True)
    for path in (Orders, "a\0b", 5):
        with pytest.raises(ValidationError, match="path"):
            create_mod(path, Orders)  # type: ignore[arg-type]
    with pytest.raises(ValidationError, match="nothing"):
        create_mod(tmp_path / "x.py")
    with pytest.raises(InvalidOperationError, match="cannot be written"):
        create_mod(tmp_path / ("x" * 300), Orders, overwrite=True)
    assert os.listdir(tmp_path) == []


def test_a_link_stays_one(tmp_path: Path) -> None:
    target, link, dangling = tmp_path / "target.py", tmp_path / "link.py", tmp_path / "dangling.py"
    target.write_text("x = 1\n")
    link.symlink_to(target)
    dangling.symlink_to(tmp_path / "nowhere.py")
    for path in (link, dangling):
        with pytest.raises(InvalidOperationError, match="exists"):
            create_mod(path, Orders)
    create_mod(link, Orders, overwrite=True)
    assert link.is_symlink()
    assert "class Orders:" in target.read_text()
    assert not (tmp_path / "nowhere.py").exists()


async def test_a_module_without_anything_left_out_does_not_warn(db: Database, tmp_path: Path) -> None:
    await db.create(Everything)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        create_mod_from_tables(str(tmp_path / "tables.py"), db.t.everything)
