"""Any class: created, reflected, written as a module, imported, created elsewhere: the same schema."""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any, Literal, NamedTuple
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from deebase import Database, ForeignKey, Index, Text, UTCDateTime, create_mod_from_tables
from tests.conftest import BACKENDS
from tests.support.capabilities import can
from tests.support.modules import imported, ruff_complaints


class Color(Enum):
    RED = "red"
    ODD = "it's; \\ :odd ?"


def names_of(alphabet: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return names that a column or table may have, those that are something else to Python among them."""
    odd = [
        "class",
        "date",
        "str",
        "int",
        "field",
        "list",
        "select",
        "mro",
        "a.b",
        'a"b',
        "Text",
        "ﬁ",
        "Any",
        "first name",
    ]
    texts = st.text(alphabet, min_size=1, max_size=12).filter(lambda name: name.strip() != "" and name[0] != "_")
    return st.sampled_from(odd) | texts


any_character = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.text(any_character, max_size=12)
any_names = names_of(any_character)
#: An escape makes a name many times as long, and where ruff breaks such lines is not followed.
printable_names = names_of(
    st.characters(exclude_categories=["C", "Z"], max_codepoint=0x2FF) | st.sampled_from("名前〱")
)
documents = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=5,
)
naive = st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30))

KINDS: dict[Any, st.SearchStrategy[Any]] = {
    int: st.integers(-(2**63), 2**63 - 1),
    float: st.floats(allow_nan=False),
    str: texts,
    Text: texts,
    bool: st.booleans(),
    bytes: st.binary(max_size=8),
    dict: st.dictionaries(texts, documents, max_size=3),
    list: st.lists(documents, max_size=3),
    list[int]: st.lists(st.integers(-5, 5), max_size=3),
    datetime: naive,
    UTCDateTime: naive.map(lambda value: value.replace(tzinfo=UTC)),
    date: st.dates(),
    time: st.times(),
    timedelta: st.timedeltas(timedelta(days=-9999), timedelta(days=9999)),
    Decimal: st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**9), max_value=10**9),
    UUID: st.uuids(),
    Color: st.sampled_from(Color),
    Literal["a", "it's"]: st.sampled_from(["a", "it's"]),
    Literal["a", 2, True]: st.sampled_from(["a", 2, True]),
}


class Made(NamedTuple):
    """A class and what ``create`` is given with it."""

    cls: type[Any]
    name: str
    options: dict[str, Any]


@st.composite
def tables(draw: st.DrawFn, names: st.SearchStrategy[str] = any_names) -> list[Made]:
    """Draw two tables, of which the second refers to the first."""
    parent_name, child_name = draw(st.lists(names, min_size=2, max_size=2, unique_by=str.casefold))
    parent, child = draw(columns(names)), draw(columns(names))
    key = draw(names)
    assume(key.casefold() not in {name.casefold() for name in (*child[0], "id")})
    if "." not in parent_name:
        # NO ACTION is the default, and equal to no action at all.
        actions = ["cascade", "restrict", "set null", None]
        action = draw(st.sampled_from(actions))
        target: Any = ForeignKey[int, parent_name, {"on_delete": action, "on_update": draw(st.sampled_from(actions))}]
        child[0][key] = target | None if action == "set null" else target
    return [
        draw(made(parent_name, parent, may_compose=False)),
        draw(made(child_name, child, may_compose=True)),
    ]


@st.composite
def columns(draw: st.DrawFn, names: st.SearchStrategy[str]) -> tuple[dict[str, Any], dict[str, Any]]:
    annotations: dict[str, Any] = {}
    defaults: dict[str, Any] = {}
    for name in draw(st.lists(names, max_size=5, unique_by=str.casefold)):
        if name.casefold() == "id":
            continue
        kind = draw(st.sampled_from(list(KINDS)))
        annotations[name] = kind | None if draw(st.booleans()) else kind
        if draw(st.booleans()):
            defaults[name] = draw(KINDS[kind])
    return annotations, defaults


@st.composite
def made(draw: st.DrawFn, name: str, parts: tuple[dict[str, Any], dict[str, Any]], *, may_compose: bool) -> Made:
    annotations, defaults = parts
    annotations = {"id": int, **annotations}
    options: dict[str, Any] = {"defaults": defaults, "indexes": []}
    plain = [name for name, kind in annotations.items() if kind in (int, str, date, int | None)]
    for number in range(draw(st.integers(0, 2))):
        chosen = draw(st.lists(st.sampled_from(plain), min_size=1, max_size=3, unique=True))
        index_name = f"ix {draw(texts)[:10]}{number} {name[:10]}"
        condition = draw(st.sampled_from([None, "id > 3", "id <> 5 AND id < 9"]))
        options["indexes"].append(Index(index_name, *chosen, unique=draw(st.booleans()), where=condition))
    composed = [column for column, kind in annotations.items() if kind in (int, str)]
    if may_compose and len(composed) > 1 and draw(st.booleans()):
        options["pk"] = draw(st.permutations(composed))[:2]
    return Made(type("T", (), {"__annotations__": annotations, "__module__": __name__}), name, options)


class Pair:
    """Two databases of one kind."""

    def __init__(self, runner: asyncio.Runner, first: str, second: str, path: Path) -> None:
        self.runner = runner
        self.first, self.second = (Database(url, durability="normal") for url in (first, second))
        self.path = path

    def round_trip(self, drawn: list[Made], *, reflects: bool) -> None:
        self.runner.run(self._round_trip(drawn, reflects=reflects))

    async def _round_trip(self, drawn: list[Made], *, reflects: bool) -> None:
        try:
            for table in drawn:
                await self.first.create(table.cls, name=table.name, **table.options)
            if reflects:
                for table in drawn:
                    self.first._core.catalog.forget(table.name)
                await self.first.reflect()
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                create_mod_from_tables(self.path, *self.first.t, overwrite=True)
            with imported(self.path) as module:
                await module.create_tables(self.second)
            assert await shape(self.second) == await shape(self.first)
            if reflects:
                for table in drawn:
                    self.second._core.catalog.forget(table.name)
                await self.second.reflect()
                for table in drawn:
                    assert self.second._core.catalog.facts(table.name) == self.first._core.catalog.facts(table.name)
        finally:
            for db in (self.first, self.second):
                await empty(db, [table.name for table in reversed(drawn)])

    async def open(self) -> None:
        """Open all lanes, so that their threads belong to no example."""
        for db in (self.first, self.second):
            await db.q("CREATE TABLE warm (id INTEGER)")
            await db.q("SELECT 1")
            await db.q("DROP TABLE warm")

    async def close(self) -> None:
        await self.first.close()
        await self.second.close()


async def shape(db: Database) -> list[Any]:
    """Return what the database says of its tables."""
    if can(db).is_one_file:
        return await db.q("SELECT type, name, sql FROM sqlite_master ORDER BY name")
    columns = await db.q(
        """SELECT table_name, column_name, ordinal_position, data_type, is_nullable, column_default, is_identity
           FROM information_schema.columns WHERE table_schema = 'public' ORDER BY 1, 3"""
    )
    constraints = await db.q(
        """SELECT conrelid::regclass::text AS name, pg_get_constraintdef(oid) AS sql FROM pg_constraint
           WHERE conrelid <> 0 AND connamespace = 'public'::regnamespace ORDER BY 1, 2"""
    )
    return [columns, constraints, await db.q("SELECT indexdef FROM pg_indexes WHERE schemaname = 'public' ORDER BY 1")]


async def empty(db: Database, tables: list[str]) -> None:
    quote = db.engine.dialect.identifier_preparer.quote_identifier
    for name in tables:
        await db.q(f"DROP TABLE IF EXISTS {quote(name)}")
        db._core.catalog.forget(name)


@pytest.fixture(scope="module", params=BACKENDS)
def pair(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pair]:
    """Two empty databases, for all examples of this module and backend."""
    directory = tmp_path_factory.mktemp("codegen")
    if request.param == "postgres":
        server = request.getfixturevalue("postgres_server")
        with server.fresh_database() as first, server.fresh_database() as second:
            yield from opened(first, second, directory)
    elif request.param == "sqlite-memory":
        yield from opened(":memory:", ":memory:", directory)
    else:
        yield from opened(str(directory / "first.db"), str(directory / "second.db"), directory)


def opened(first: str, second: str, directory: Path) -> Iterator[Pair]:
    with asyncio.Runner() as runner:
        both = Pair(runner, first, second, directory / "tables.py")
        runner.run(both.open())
        yield both
        runner.run(both.close())


def plain(**defaults: Any) -> list[Made]:
    """Return one table whose columns have these defaults."""
    kinds = {name: type(value) for name, value in defaults.items()}
    cls = type("T", (), {"__annotations__": {"id": int, **kinds}, "__module__": __name__})
    return [Made(cls, "plain", {"defaults": defaults})]


@pytest.mark.timeout(180)
@given(tables(), st.booleans())
@example(plain(price=Decimal("0.0000"), other=Decimal("-1.50"), big=Decimal("1E+20"), ratio=0.1, huge=1e300), True)
@example(
    plain(span=timedelta(days=-1, microseconds=1), other=timedelta(hours=-1), text="E'\\\\' ::int", raw=b"\\"), True
)
def test_a_module_makes_the_same_schema(pair: Pair, drawn: list[Made], reflects: bool) -> None:
    pair.round_trip(drawn, reflects=reflects)


@pytest.mark.timeout(180)
@given(tables(printable_names))
def test_a_module_is_as_ruff_wants_it(tmp_path_factory: pytest.TempPathFactory, drawn: list[Made]) -> None:
    path = tmp_path_factory.mktemp("ruff") / "tables.py"

    async def work() -> None:
        async with Database(":memory:") as db:
            for table in drawn:
                await db.create(table.cls, name=table.name, **table.options)
            create_mod_from_tables(path, *db.t)

    asyncio.run(work())
    assert ruff_complaints(path, select="E4,E7,E9,F,I") == ""
