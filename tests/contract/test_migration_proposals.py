"""Migrations written by comparison: nothing for what agrees, the right steps for what differs, rows kept."""

from __future__ import annotations

import logging
import sys
from collections.abc import Awaitable, Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest

from deebase import (
    ConfigurationError,
    Database,
    ForeignKey,
    Index,
    IntegrityError,
    MigrationError,
    Text,
    UTCDateTime,
    ValidationError,
)
from deebase._backends.migration_protocols import SCRATCH_PREFIX
from deebase.migrations import Migrator
from tests.support.capabilities import can
from tests.support.migrations import compare, scratch
from tests.support.worlds import only_on

Make = Callable[[Database], Awaitable[Any]]


class Color(Enum):
    RED = "it's red"
    BLUE = 'b"l:u?e'


class Author:
    id: int
    name: str
    born: date | None


@dataclass
class Everything:
    key: str
    author_id: ForeignKey[int, "author", {"on_delete": "cascade"}]
    other: ForeignKey[int, "author"] | None
    text: Text = "it's; \n a \\ default -- x"
    color: Color = Color.RED
    literal: Literal["a", "b"] | None = None
    whole: int = -3
    real: float = 0.1
    yes: bool = True
    data: bytes = b"\x00\xff"
    document: dict = field(default_factory=dict)
    numbers: list[int] | None = None
    at: datetime = datetime(2020, 1, 2, 3, 4, 5)
    utc: UTCDateTime | None = None
    day: date = date(2020, 1, 2)
    clock: time = time(1, 2, 3)
    length: timedelta = timedelta(days=1, seconds=2)
    exact: Decimal = Decimal("1.50")
    ident: UUID = field(default=UUID(int=7))


class Pair:
    a: int
    b: str
    parent: ForeignKey[int, "pair_key"] | None


class PairKey:
    id: int
    back: ForeignKey[int, "pair_key"] | None


async def everything(db: Database) -> None:
    await db.create(Author, indexes=["name", Index("ux author", "name", "born", unique=True)])
    await db.create(Everything, pk="key", indexes=[("color", "whole"), Index("ix part", "whole", where="whole > 3")])
    await db.create_all(Pair, PairKey, options={Pair: {"pk": ["a", "b"]}})
    await db.create_view("view of", "SELECT id, name FROM author WHERE name <> 'x:y'")
    await db.create_view("above", 'SELECT id FROM "view of"')
    if can(db).is_one_file:
        await db.create(type("Strict", (), {"__annotations__": {"id": int, "n": float}}), strict=True)
        await db.q("CREATE TRIGGER tr AFTER INSERT ON author BEGIN UPDATE pair_key SET back = NULL; END")
        counted = "INTEGER PRIMARY KEY AUTOINCREMENT"
    else:
        await db.create_view("kept", "SELECT count(*) AS n FROM author", materialized=True)
        await db.q("CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS $$BEGIN RETURN new; END$$")
        await db.q("CREATE TRIGGER tr BEFORE INSERT ON author FOR EACH ROW EXECUTE FUNCTION f()")
        counted = "bigserial PRIMARY KEY"
    await db.q(
        f'CREATE TABLE "by hand" (id {counted}, "a b" integer CHECK ("a b" > 0), total integer UNIQUE, '
        'twice integer GENERATED ALWAYS AS (total * 2) STORED, CONSTRAINT "named :x" CHECK (total > 1 OR total < -1))'
    )
    await db.q('CREATE INDEX "ix lower" ON author (lower(name), born DESC)')


async def nothing(db: Database) -> None:
    pass


#: Each database; scratch databases are files, whatever they are for.
backend_name = only_on("sqlite-file", "postgres")


@pytest.fixture
def migrator(db: Database, tmp_path: Path) -> Migrator:
    return Migrator(db, tmp_path / "migrations")


def wanting(migrator: Migrator, make: Make) -> Migrator:
    return Migrator(migrator._workspace.target.db, migrator.directory, models=make)


async def step(migrator: Migrator, make: Make, **options: Any) -> str:
    """Write, seal and apply the migration to models; return its text."""
    path = await wanting(migrator, make).new("a step", **options)
    text = path.read_text(encoding="utf-8")
    await migrator.seal()
    await migrator.up(allow_destructive=True)
    return text


async def differences(db: Database, make: Make) -> list[str]:
    async with scratch(db) as wanted:
        await make(wanted)
        return [str(difference) for difference in (await compare(db, wanted)).differences()]


# -- no noise ----------------------------------------------------------------------------------------


async def test_every_feature_compared_with_itself_gives_nothing(db: Database) -> None:
    await everything(db)
    assert await differences(db, everything) == []


@pytest.mark.on_a_file
async def test_every_feature_is_written_applied_and_undone(migrator: Migrator, db: Database) -> None:
    text = await step(migrator, everything)
    assert "not done here" not in text
    assert "in a scratch" not in text
    assert await differences(db, everything) == []
    with pytest.raises(MigrationError, match="nothing to do"):
        await wanting(migrator, everything).new("again")
    await migrator.down()
    assert await differences(db, nothing) == []


# -- changes -----------------------------------------------------------------------------------------


class Before:
    id: int
    name: str
    size: int
    gone: float = 1.5
    kind: Literal["a", "b"] = "a"
    author_id: ForeignKey[int, "author"] | None


class After:
    id: int
    name: Text | None
    size: Decimal
    kind: Literal["a", "b", "c"] = "c"
    author_id: Annotated[int | None, ForeignKey("author", on_delete="set null")]
    added: int
    more: str = "x"
    boss: ForeignKey[int, "thing"] | None
    tag_id: ForeignKey[int, "tag"] | None


class Tag:
    id: int
    label: str


async def before(db: Database) -> None:
    await db.create(Author)
    await db.create(Before, name="thing", indexes=["name", Index("ux_size", "size", unique=True)])
    await db.create_view("big", "SELECT id, size FROM thing WHERE size > 3")


async def after(db: Database) -> None:
    await db.create(Author)
    await db.create(Tag)
    await db.create(After, name="thing", indexes=[Index("ux_size", "size", "kind", unique=True), "tag_id"])
    await db.create_view("big", "SELECT id, size FROM thing WHERE size > 3")


async def test_tables_are_changed_with_their_rows_and_back(migrator: Migrator, db: Database) -> None:
    await step(migrator, before)
    await db.reflect()
    author = await db.t["author"].insert(name="Ada")
    await db.t["thing"].insert_all([{"name": "a", "size": 7, "author_id": author["id"]}, {"name": "b", "size": 8}])
    text = await step(migrator, after)
    assert "# drops the column thing.gone with its values" in text
    assert "existing rows get 0" in text
    assert await differences(db, after) == []
    await db.reflect()
    rows = await db.t["thing"](order_by="id")
    assert [(row["name"], row["size"], row["kind"], row["more"], row["added"]) for row in rows] == [
        ("a", Decimal(7), "a", "x", 0),
        ("b", Decimal(8), "a", "x", 0),
    ]
    assert [row["author_id"] for row in rows] == [author["id"], None]
    with pytest.raises(MigrationError, match=r"column thing\.added with 2 values"):
        await migrator.down()
    await migrator.down(allow_destructive=True)
    assert await differences(db, before) == []
    rows = await db.q("SELECT name, size, gone FROM thing ORDER BY id")
    assert [tuple(row.values()) for row in rows] == [("a", 7, 1.5), ("b", 8, 1.5)]


async def test_columns_are_dropped_in_the_order_of_the_table(db: Database) -> None:
    names = ["zeta", "mu", "alpha", "omega", "beta", "rho", "eta"]
    wide = type("Wide", (), {"__annotations__": {"id": int, **dict.fromkeys(names, int)}})
    async with scratch(db) as other:
        await db.create(wide)
        await other.create(type("Wide", (), {"__annotations__": {"id": int}}))
        (change,) = (await compare(db, other)).alter
    assert change.drop == names


class Renamed:
    id: int
    full_name: str
    born: date | None


@pytest.mark.on_a_file
async def test_a_rename_is_said_and_never_guessed(
    migrator: Migrator, db: Database, caplog: pytest.LogCaptureFixture
) -> None:
    async def renamed(db: Database) -> None:
        await db.create(Renamed, name="the writer's")

    async def old(db: Database) -> None:
        await db.create(Author)

    await step(migrator, old)
    await db.reflect()
    await db.t["author"].insert(name="Ada")
    with pytest.raises(ValidationError, match=r"author\.nothing is not a table or column"):
        await wanting(migrator, renamed).new("x", renames={"author.nothing": "x"})
    # What is renamed to a name that nobody wants would be dropped, with its values.
    for mistyped in ({"author.name": "ful_name", "author": "the writer's"}, {"author": "the writers"}):
        with pytest.raises(ValidationError, match="which the models do not have") as caught:
            await wanting(migrator, renamed).new("x", renames=mistyped)
        assert "did you mean" in str(caught.value)
    text = await step(migrator, renamed, renames={"author.name": "full_name", "author": "the writer's"})
    assert ".drop" not in text
    assert await differences(db, renamed) == []
    assert await db.q('SELECT full_name FROM "the writer\'s"') == [{"full_name": "Ada"}]
    await migrator.down()
    assert await db.q("SELECT name FROM author") == [{"name": "Ada"}]
    with caplog.at_level(logging.WARNING, "deebase.migrations"):

        async def other(db: Database) -> None:
            await db.create(Renamed, name="author")

        (migrator.directory / "0002-a-step.py").unlink()
        text = (await wanting(migrator, other).new("guess")).read_text(encoding="utf-8")
    assert "renames={'author.name': 'full_name'}" in caplog.text
    assert 'drop=["name"]' in text


@pytest.mark.on_a_file
async def test_tables_in_a_cycle_come_and_go(migrator: Migrator, db: Database) -> None:
    class Left:
        id: int
        right_id: ForeignKey[int, "right"] | None

    class Right:
        id: int
        left_id: ForeignKey[int, "left"] | None

    async def cycle(db: Database) -> None:
        await db.create_all(Left, Right)

    await step(migrator, cycle)
    assert await differences(db, cycle) == []
    await step(migrator, nothing)
    assert await differences(db, nothing) == []
    await migrator.down(0)


HOSTILE = ['a"b', "a b; DROP TABLE x --", "sele'ct", "a\nb", "ünï%:x?", '"""', "{brace}"]


@pytest.mark.on_a_file
async def test_hostile_names_are_only_names(migrator: Migrator, db: Database) -> None:
    async def make(db: Database, more: bool = False) -> None:
        for name in HOSTILE:
            hints: dict[str, Any] = {"id": int, name: int}
            if more:
                hints |= {name + "2": str | None, "ref": Annotated[int | None, ForeignKey(f"{name}.id")]}
            table = type("Hostile", (), {"__annotations__": hints, name: 3})
            await db.create(table, name=name, indexes=[Index(f"ix {name}", name)])

    async def more(db: Database) -> None:
        await make(db, True)

    await step(migrator, make)
    await step(migrator, more)
    assert await differences(db, more) == []
    await migrator.down(0)
    assert await differences(db, nothing) == []


@pytest.mark.on_a_file
async def test_what_cannot_be_written_is_said(migrator: Migrator, db: Database) -> None:
    def checked(condition: str) -> Make:
        async def make(db: Database) -> None:
            await db.q(f"CREATE TABLE t (id integer PRIMARY KEY, n integer, CHECK ({condition}))")

        return make

    await step(migrator, checked("n > 3"))
    path = await wanting(migrator, checked("n > 4")).new("b")
    text = path.read_text(encoding="utf-8")
    if not can(db).alters_in_place:
        assert "# not done here: t should not have: check ( n > 3 )" in text
        assert "# not done here: t lacks: check ( n > 4 )" in text
        return
    assert "not done here" not in text
    await migrator.seal()
    await migrator.up()
    assert await differences(db, checked("n > 4")) == []
    with pytest.raises(IntegrityError):
        await db.q("INSERT INTO t VALUES (1, 4)")


# -- around it ---------------------------------------------------------------------------------------


async def test_scratch_databases_are_gone_afterwards(db: Database) -> None:
    with pytest.raises(RuntimeError, match="mine"):
        async with scratch(db) as made:
            await made.q("CREATE TABLE t (id integer)")
            path = made._core.settings.path
            raise RuntimeError("mine")
    if path is not None:
        assert not Path(path).parent.exists()
    else:
        found = await db.q("SELECT datname FROM pg_database WHERE starts_with(datname, ?)", [SCRATCH_PREFIX])
        assert found == []


@pytest.mark.parametrize("backend_name", ["postgres"], indirect=True)
async def test_what_a_killed_program_has_left_behind_is_dropped(db: Database) -> None:
    old, young = f"{SCRATCH_PREFIX}12_ab", f"{SCRATCH_PREFIX}999999_ab"
    await db.q(f'CREATE DATABASE "{old}"')
    await db.q(f'CREATE DATABASE "{young}"')
    try:
        async with scratch(db):
            pass
        found = await db.q("SELECT datname FROM pg_database WHERE starts_with(datname, ?)", [SCRATCH_PREFIX])
        assert found == [{"datname": young}]
    finally:
        await db.q(f'DROP DATABASE "{young}"')


async def test_nothing_of_the_real_database_is_touched(migrator: Migrator, db: Database) -> None:
    await wanting(migrator, everything_but_functions).new("first")
    assert await differences(db, nothing) == []
    assert "_deebase_migrations" not in [table.name for table in db.t]


async def everything_but_functions(db: Database) -> None:
    await db.create(Author)


MODULES = {
    "function": "async def create_tables(db):\n    await db.create(User)\n    await db.create(Note, pk='slug')\n",
    "mapping": "TABLES = {User: {}, Note: {'pk': 'slug'}}\n",
    "list": "TABLES = [User]\n",
    "classes": "",
}


@pytest.mark.parametrize("kind", MODULES)
async def test_models_are_a_module(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"models_of_{kind}"
    source = (
        "from dataclasses import dataclass\n\n@dataclass\nclass Part:\n    id: int\n\n"
        "class User:\n    id: int\n    part: Part\n\nclass Note:\n    slug: str\n\n"
    )
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / f"{name}.py").write_text(source + MODULES[kind], encoding="utf-8")
    (tmp_path / "deebase.toml").write_text(f'models = "{name}"', encoding="utf-8")
    path = list(sys.path)
    # Note is meant for a table in vain.
    complaint = pytest.warns(UserWarning, match=rf"{name}\.Note has no id, so it is not a table")
    with complaint if kind == "classes" else nullcontext():
        async with Database(":memory:") as db:
            text = (await Migrator.configured(db, tmp_path).new("first")).read_text(encoding="utf-8")
    assert "class User:" in text
    assert ("class Note:" in text) is (kind in ("function", "mapping"))
    assert "class Part:" not in text
    assert sys.path == path
    monkeypatch.delitem(sys.modules, name)


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        (None, ConfigurationError, "there is no module broken_models"),
        ("x = 1", ConfigurationError, "has no models"),
        ("import no_such_thing_at_all", MigrationError, "need a module no_such_thing_at_all"),
        ("raise RuntimeError('secret')", MigrationError, "cannot be imported: RuntimeError"),
    ],
)
async def test_models_that_cannot_be_had_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str | None, error: type[Exception], message: str
) -> None:
    monkeypatch.delitem(sys.modules, "broken_models", raising=False)
    if text is not None:
        (tmp_path / "broken_models.py").write_text(text, encoding="utf-8")
    async with Database(":memory:") as db:
        migrator = Migrator(db, tmp_path / "migrations", models="broken_models", root=tmp_path)
        with pytest.raises(error, match=message) as caught:
            await migrator.new("x")
    assert "secret" not in str(caught.value)
    sys.modules.pop("broken_models", None)


def thing(hint: Any) -> Any:
    async def made(db: Database) -> None:
        await db.create(type("Thing", (), {"__annotations__": {"id": int, "x": hint}}))

    return made


@pytest.mark.parametrize(
    ("old", "new"), [(date, dict), (int, UUID), (int, date), (date, int), (dict, date), (date, float), (UUID, date)]
)
async def test_a_draft_between_types_that_never_convert_is_refused(
    migrator: Migrator, db: Database, old: type, new: type
) -> None:
    await step(migrator, thing(old))
    with pytest.raises(MigrationError, match=r"thing\.x cannot change from .* to .*: no value converts") as caught:
        await wanting(migrator, thing(new)).new("other type")
    assert "add a column of the new type under another name" in (caught.value.hint or "")
    assert [status.state for status in await migrator.status()] == ["applied"]


@pytest.mark.parametrize(
    ("old", "new"), [(int, str), (str, int), (bool, int), (int, bool), (date, datetime), (str, date), (int, Decimal)]
)
async def test_a_draft_between_types_that_convert_is_written(
    migrator: Migrator, db: Database, old: type, new: type
) -> None:
    await step(migrator, thing(old))
    await step(migrator, thing(new))
    assert await differences(db, thing(new)) == []
