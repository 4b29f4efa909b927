"""Any tables that other programs create with SQL: reflection is complete, and their rows can be written and read."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from deebase import Database
from deebase._model.facts import TableInfo
from tests.conftest import BACKENDS

texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=10)
TYPES: dict[str, st.SearchStrategy[Any]] = {
    "int": st.integers(-(2**31), 2**31 - 1),
    "bigint": st.integers(-(2**63), 2**63 - 1),
    "smallint": st.integers(-(2**15), 2**15 - 1),
    "varchar(20)": texts,
    "text": texts,
    "boolean": st.booleans(),
    "double precision": st.floats(allow_nan=False),
    "date": st.dates(),
    "timestamp": st.datetimes(datetime(1, 1, 2), datetime(9999, 12, 30)),
    "time": st.times(),
}
DEFAULTS = {"int": "7", "text": "'it''s :x ? %s'", "boolean": "true", "date": "'2024-01-02'"}
KEYS = ["int", "varchar(20)", "date"]
ACTIONS = [None, "CASCADE", "SET NULL", "RESTRICT"]
#: With RESTRICT, SQLite reads the name of a table that begins like this as quoted: it finds no table, or it crashes.
QUOTES = ('"', "'", "`", "[")
names = st.text(st.characters(exclude_categories=["Cs", "Cc"]), min_size=1, max_size=8) | st.sampled_from(
    ["select", "a.b", 'a"b', "a'b", "a;--", ":x", "%s", "?", " a ", "a\nb", "Capital", "名前", "[a]", "`a`"]
)
#: The databases keep some for themselves; SQLAlchemy takes "%(" for the beginning of a parameter.
usable = names.filter(
    lambda name: not name.casefold().startswith(("sqlite_", "pg_")) and name.strip() != "" and "%(" not in name
)


@dataclass
class Column:
    name: str
    type: str
    not_null: bool
    default: str | None = None


@dataclass
class Made:
    """A table as it is to be made."""

    name: str
    columns: list[Column]
    pks: tuple[str, ...]
    unique: tuple[str, ...]
    index: tuple[str, ...]
    #: Columns, the table they refer to, and both actions.
    reference: tuple[tuple[str, ...], Made, str | None, str | None] | None = None

    def sql(self, number: int) -> list[str]:
        """Return the statements that make it."""
        parts = [
            f"{quoted(column.name)} {column.type}"
            + (" NOT NULL" if column.not_null else "")
            + (f" DEFAULT {column.default}" if column.default else "")
            for column in self.columns
        ]
        if self.pks:
            parts.append(f"PRIMARY KEY ({listed(self.pks)})")
        if self.unique:
            parts.append(f"UNIQUE ({listed(self.unique)})")
        if self.reference is not None:
            columns, parent, on_delete, on_update = self.reference
            target = f"{quoted(parent.name)} ({listed(parent.pks)})"
            actions = [(" ON DELETE ", on_delete), (" ON UPDATE ", on_update)]
            written = "".join(clause + action for clause, action in actions if action)
            parts.append(f"FOREIGN KEY ({listed(columns)}) REFERENCES {target}{written}")
        made = [f"CREATE TABLE {quoted(self.name)} ({', '.join(parts)})"]
        if self.index:
            made.append(f"CREATE INDEX ix_{number} ON {quoted(self.name)} ({listed(self.index)})")
        return made


def quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def listed(columns: tuple[str, ...]) -> str:
    return ", ".join(map(quoted, columns))


@st.composite
def tables(draw: st.DrawFn, parent: Made | None = None, taken: str = "") -> Made:
    """Draw a table, maybe one that refers to another by the whole of its key."""
    drawn = draw(st.lists(usable, min_size=2, max_size=5, unique_by=str.casefold))
    kinds = draw(st.lists(st.sampled_from(sorted(TYPES)), min_size=len(drawn), max_size=len(drawn)))
    columns = [
        Column(name, kind, draw(st.booleans()), DEFAULTS.get(kind) if draw(st.booleans()) else None)
        for name, kind in zip(drawn, kinds, strict=True)
    ]
    some = st.lists(st.sampled_from(drawn), max_size=2, unique=True).map(tuple)
    pks = draw(some)
    for column in columns:
        if column.name in pks:
            column.not_null, column.type, column.default = True, draw(st.sampled_from(KEYS)), None
    reference = None
    if parent is not None and parent.pks:
        kinds = [next(column.type for column in parent.columns if column.name == name) for name in parent.pks]
        own = tuple(f"reference {n}" for n in range(len(kinds)))
        columns += [Column(name, kind, False) for name, kind in zip(own, kinds, strict=True)]
        reference = (own, parent, draw(st.sampled_from(ACTIONS)), draw(st.sampled_from(ACTIONS)))
    restricts = reference is not None and "RESTRICT" in reference
    name = draw(
        usable.filter(lambda name: name.casefold() != taken.casefold() and not (restricts and name.startswith(QUOTES)))
    )
    unique = draw(some.filter(lambda chosen: set(chosen) != set(pks) or not chosen))
    return Made(name, columns, pks, unique, draw(some), reference)


@st.composite
def schemas(draw: st.DrawFn) -> list[tuple[Made, dict[str, Any]]]:
    """Draw two tables and a row of each; the second row refers to the first."""
    parent = draw(tables())
    first = {column.name: draw(TYPES[column.type]) for column in parent.columns}
    child = draw(tables(parent=parent, taken=parent.name))
    second = {column.name: draw(TYPES[column.type]) for column in child.columns}
    if child.reference is not None:
        second |= zip(child.reference[0], [first[name] for name in parent.pks], strict=True)
    return [(parent, first), (child, second)]


@pytest.fixture(scope="module", params=BACKENDS)
def opened(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[asyncio.Runner, Database]]:
    """An empty database, one for all examples of this module and backend."""
    if request.param == "postgres":
        with request.getfixturevalue("postgres_server").fresh_database() as url:
            yield from open_at(url)
    else:
        folder: Path = tmp_path_factory.mktemp("reflection")
        yield from open_at(":memory:" if request.param == "sqlite-memory" else str(folder / "test.db"))


def open_at(target: str) -> Iterator[tuple[asyncio.Runner, Database]]:
    with asyncio.Runner() as runner:
        # The examples share the connections that are open now, so none may be opened later.
        db = Database(target, durability="normal", in_loop=None)
        runner.run(warm_up(db))
        yield runner, db
        runner.run(db.close())


async def warm_up(db: Database) -> None:
    """Open the connections, and the files, that all examples use."""
    await db.script("CREATE TABLE t (a int); DROP TABLE t;")
    await db.reflect()


@given(schemas())
def test_reflection_returns_what_exists(
    opened: tuple[asyncio.Runner, Database], schema: list[tuple[Made, dict[str, Any]]]
) -> None:
    runner, db = opened
    runner.run(check(db, schema))


async def check(db: Database, schema: list[tuple[Made, dict[str, Any]]]) -> None:
    try:
        for number, (made, _) in enumerate(schema):
            for statement in made.sql(number):
                await db.q(statement)
        await db.reflect()
        assert sorted(db.t._names()) == sorted(made.name for made, _ in schema)
        for number, (made, row) in enumerate(schema):
            facts = db._core.catalog.facts(made.name)
            assert facts is not None
            compare(facts, made, number)
            await use(db, made, row)
    finally:
        # The next example finds the database as this one did.
        for made, _ in reversed(schema):
            await db.q(f"DROP TABLE IF EXISTS {quoted(made.name)}")
    await db.reflect()
    assert len(db.t) == 0


def compare(facts: TableInfo, made: Made, number: int) -> None:
    assert [(column.name, column.not_null) for column in facts.columns] == [
        (column.name, column.not_null) for column in made.columns
    ]
    assert [column.default is None for column in facts.columns] == [column.default is None for column in made.columns]
    assert facts.pks == made.pks
    by_name = {index.name: index for index in facts.indexes}
    if made.index:
        assert by_name.pop(f"ix_{number}").columns == made.index
    assert [index.columns for index in by_name.values() if index.unique] == ([made.unique] if made.unique else [])
    if made.reference is None:
        assert facts.foreign_keys == ()
        return
    (key,) = facts.foreign_keys
    columns, parent, on_delete, on_update = made.reference
    assert (key.columns, key.table, key.targets) == (columns, parent.name, parent.pks)
    assert (key.on_delete, key.on_update) == (on_delete, on_update)


async def use(db: Database, made: Made, row: dict[str, Any]) -> None:
    table = db.t[made.name]
    assert await table.insert(row) == row
    assert await table() == [row]
    assert [type(value) for value in (await table())[0].values()] == [type(value) for value in row.values()]
    if made.pks:
        key = tuple(row[name] for name in made.pks)
        assert await table[key if len(key) > 1 else key[0]] == row
        if len(made.pks) < len(row):
            assert await table.update(row) == row
    if made.reference is not None:
        parent = made.reference[1]
        found = await table.get_parent(row, list(made.reference[0]))
        assert found is not None
        assert [found[name] for name in parent.pks] == [row[name] for name in made.reference[0]]
