"""Any two schemas: the migration that is written takes one to the other and back, and rows stay."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from deebase import Database, ForeignKey, Index, Text
from deebase.migrations.files import MigrationFile
from deebase.migrations.runner import Runner
from deebase.migrations.target import Target
from deebase.migrations.write.proposals import propose
from tests.support.capabilities import can
from tests.support.migrations import compare
from tests.support.postgres import PostgresTestServer

TABLES = ["author", 'boo"k', "or der"]
NUMBERS = ["n", "num ber"]
#: Columns of one type in any schema: its annotation, a value, defaults.
FIXED: dict[str, tuple[Any, Any, list[Any]]] = {
    "day": (date, date(2024, 2, 29), [date(2020, 1, 1)]),
    "sel;ect": (bool, True, [False]),
    "uuid": (UUID, UUID(int=5), []),
    "data": (dict, {"a": 1}, [{"x": "y"}]),
}
KINDS: list[Any] = [int, float, str, Text, Decimal]
CHOICES: list[Any] = [Literal["a", "b"], Literal["a", "b", "it's"]]
ACTIONS = [None, "cascade", "set null"]


@dataclass(frozen=True)
class Column:
    name: str
    kind: Any
    nullable: bool
    default: Any = None

    @property
    def hint(self) -> Any:
        return self.kind | None if self.nullable else self.kind


@dataclass(frozen=True)
class Table:
    name: str
    columns: tuple[Column, ...]
    pk: tuple[str, ...]
    indexes: tuple[Index, ...]
    refers: tuple[str, str | None] | None

    def cls(self) -> type[Any]:
        hints: dict[str, Any] = {"id": int, **{column.name: column.hint for column in self.columns}}
        if self.refers is not None:
            hints["ref"] = Annotated[int | None, ForeignKey(f"{self.refers[0]}.id", on_delete=self.refers[1])]
        defaults = {column.name: column.default for column in self.columns if column.default is not None}
        return type("Made", (), {"__annotations__": hints, **defaults})

    def row(self, other: Table | None) -> dict[str, Any]:
        """Return a row that the table of the other schema takes too."""
        row: dict[str, Any] = {}
        for column in self.columns:
            value = FIXED[column.name][1] if column.name in FIXED else "a" if column.name == "choice" else 7
            row[column.name] = str(value) if column.kind in (str, Text) else value
        if self.refers is not None and other is not None and other.refers is not None:
            row["ref"] = 1 if other.refers[0] == self.refers[0] else None
        return row


@dataclass(frozen=True)
class Made:
    tables: dict[str, Table]
    view: tuple[str, str] | None

    async def make(self, db: Database) -> None:
        options = {}
        for table in self.tables.values():
            options[table.cls()] = {"name": table.name, "pk": list(table.pk), "indexes": table.indexes}
        if options:
            await db.create_all(*options, options=options)
        if self.view is not None:
            table_name, column = (name.replace('"', '""') for name in self.view)
            await db.create_view("a view", f'SELECT id, "{column}" AS it FROM "{table_name}"')


@st.composite
def tables(draw: st.DrawFn, name: str) -> Table:
    columns: list[Column] = []
    for column in draw(st.lists(st.sampled_from([*NUMBERS, *FIXED, "choice"]), unique=True, max_size=5)):
        nullable = draw(st.booleans())
        if column in FIXED:
            kind, _, defaults = FIXED[column]
            columns.append(Column(column, kind, nullable, draw(st.sampled_from([None, *defaults]))))
        elif column == "choice":
            columns.append(Column(column, draw(st.sampled_from(CHOICES)), nullable, draw(st.sampled_from([None, "b"]))))
        else:
            kind = draw(st.sampled_from(KINDS))
            default = draw(st.sampled_from([None, 3, 4]))
            value = (
                default if default is None or kind is int else str(default) if kind in (str, Text) else kind(default)
            )
            columns.append(Column(column, kind, nullable, value))
    keys = [column.name for column in columns if column.name in NUMBERS]
    pk = draw(st.sampled_from([("id",), ("id", *keys[:1])]))
    names = [column.name for column in columns if column.kind is not dict]
    chosen = draw(st.lists(st.sampled_from(names), unique=True, max_size=2)) if names else []
    where = draw(st.sampled_from([None, "id > 3"]))
    unique = draw(st.booleans())
    indexes = [Index(f"ix {name} {column}", "id", column, unique=unique, where=where) for column in chosen]
    return Table(name, tuple(columns), pk, tuple(indexes), None)


@st.composite
def schemas(draw: st.DrawFn) -> Made:
    found = {name: draw(tables(name)) for name in draw(st.lists(st.sampled_from(TABLES), unique=True))}
    targets = [name for name, table in found.items() if table.pk == ("id",)]
    for name, table in found.items():
        if targets and draw(st.booleans()):
            refers = (draw(st.sampled_from(targets)), draw(st.sampled_from(ACTIONS)))
            found[name] = Table(name, table.columns, table.pk, table.indexes, refers)
    columns = [(name, column.name) for name, table in found.items() for column in table.columns]
    return Made(found, draw(st.sampled_from([None, *columns])))


# -- the property ------------------------------------------------------------------------------------


@pytest.fixture
def urls(postgres_server: PostgresTestServer) -> Iterator[list[str]]:
    """Where the three databases are: of the history, of what is wanted, and with rows."""
    with ExitStack() as stack:
        yield [stack.enter_context(postgres_server.fresh_database()) for _ in range(3)]


async def emptied(db: Database) -> Database:
    if can(db).has_schemas:
        await db.script("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    return db


async def rows_of(db: Database, made: Made, other: Made) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the columns that both schemas have; numbers of any type are returned as numbers."""
    await db.reflect()
    found: dict[str, list[dict[str, Any]]] = {}
    for name in made.tables.keys() & other.tables.keys():
        mine, others = made.tables[name], other.tables[name]
        common = {column.name for column in mine.columns} & {column.name for column in others.columns}
        common |= {"ref"} if mine.refers and others.refers and mine.refers[0] == others.refers[0] else set()
        rows = await db.t[name](order_by="id")
        found[name] = [
            {
                column: Decimal(str(row[column])) if column in NUMBERS else row[column]
                for column in sorted({*common, "id"})
            }
            for row in rows
        ]
    return found


async def there_and_back(urls: list[str], before: Made, after: Made, path: Path) -> None:
    async with Database(urls[0]) as history, Database(urls[1]) as wanted, Database(urls[2]) as db:
        for database, made in ((history, before), (wanted, after), (db, before)):
            await made.make(await emptied(database))
        await Target(history).ledger.make()
        changes = await compare(history, wanted)
        if before == after:
            assert not changes
        if not changes:
            return
        await db.reflect()
        for table in before.tables.values():
            row = table.row(after.tables.get(table.name))
            await db.t[table.name].insert_all(
                [{"id": key, **row, **({"ref": None} if "ref" in row else {})} for key in (1, 2)]
            )
        for table in before.tables.values():
            if table.row(after.tables.get(table.name)).get("ref") is not None:
                await db.t[table.name].update_where({"ref": 1}, all=True)
        kept = await rows_of(db, before, after)
        proposal = await propose("a step", Target(history), Target(wanted), {}, path)
        assert [note for note in proposal.notes if "if it was renamed" not in note] == [], proposal.text
        target = Target(db)
        await target.ledger.make()
        file = MigrationFile(path, proposal.text, None)
        await Runner(target).apply(file)
        assert [str(difference) for difference in (await compare(db, wanted)).differences()] == [], proposal.text
        assert await rows_of(db, after, before) == kept, proposal.text
        await Runner(target).undo(file)
        assert not await compare(db, history), proposal.text
        assert await rows_of(db, before, after) == kept, proposal.text


MEMORY = [":memory:"] * 3


@given(before=schemas(), after=schemas())
@settings(max_examples=10)
def test_a_migration_leads_there_and_back_on_sqlite(tmp_path: Path, before: Made, after: Made) -> None:
    asyncio.run(there_and_back(MEMORY, before, after, tmp_path / "draft.py"))


@given(before=schemas(), after=schemas())
@settings(max_examples=5)
def test_a_migration_leads_there_and_back_on_postgres(
    urls: list[str], tmp_path: Path, before: Made, after: Made
) -> None:
    asyncio.run(there_and_back(urls, before, after, tmp_path / "draft.py"))


@pytest.mark.long
@given(before=schemas(), after=schemas())
@settings(max_examples=500)
def test_500_migrations_lead_there_and_back_on_sqlite(tmp_path: Path, before: Made, after: Made) -> None:
    asyncio.run(there_and_back(MEMORY, before, after, tmp_path / "draft.py"))


@pytest.mark.long
@pytest.mark.timeout(1800)
@given(before=schemas(), after=schemas())
@settings(max_examples=500)
def test_500_migrations_lead_there_and_back_on_postgres(
    urls: list[str], tmp_path: Path, before: Made, after: Made
) -> None:
    asyncio.run(there_and_back(urls, before, after, tmp_path / "draft.py"))
