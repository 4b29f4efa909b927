"""From one database to another: tables, rows, keys, indexes and views, between SQLite and PostgreSQL or within one.

Everything is one transaction of the target: a failure or a crash leaves it as it was.
"""

from __future__ import annotations

# Rows are dicts of any values, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
import hashlib
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from deebase._creation import create_tables
from deebase._schema.build import Design
from deebase._sql.statement import Statement
from deebase.codegen.tables import TableReader
from deebase.database import Database
from deebase.errors import DeeBaseError, IntegrityError, SchemaError
from deebase.table import Table

__all__ = ["CopiedTable", "CopyReport", "copy_database"]

#: Called with the table, the rows of it that were copied, and the rows that it has.
Progress = Callable[[str, int, int], object]

_VIEWS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY rowid",
    "postgresql": """
        SELECT c.relname::text AS name, pg_get_viewdef(c.oid) AS sql
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND n.nspname = current_schema() ORDER BY c.oid
    """,
}
_FOREIGN_KEYS = """
    SELECT conrelid::regclass::text, quote_ident(conname) FROM pg_constraint
    WHERE contype = 'f' AND NOT condeferrable
        AND conrelid = ANY(SELECT to_regclass(quote_ident(n)) FROM unnest($1::text[]) n)
"""
#: Rows between two calls of ``progress``.
_TOLD_ROWS = 5_000


@dataclass(frozen=True)
class CopiedTable:
    """A table that was copied: its rows, and a checksum of them that is the same on both sides."""

    name: str
    rows: int
    checksum: str


@dataclass(frozen=True)
class CopyReport:
    """What was copied, and what was not.

    Attributes:
        tables: with their rows and checksums, the same on both sides.
        views: that were made.
        left_out: in words, what the target does not have: views whose SQL it does not take, CHECKs, triggers.
    """

    tables: tuple[CopiedTable, ...]
    views: tuple[str, ...]
    left_out: tuple[str, ...]


async def copy_database(
    source: Database, target: Database, *, tables: Iterable[str] | None = None, progress: Progress | None = None
) -> CopyReport:
    """Copy tables with their rows, keys, foreign keys and indexes, and the views.

    Rows are streamed, so that memory does not grow with them. At the end the rows of both sides are counted and
    compared by checksum; sequences stand behind the highest key.

    Args:
        source: where they are; nothing of it is changed.
        target: where they are to be.
        tables: their names; all by default, and then the views, too.
        progress: told how far it is.

    Returns:
        What was copied, and what could not be.

    Raises:
        SchemaError: the target has a table of that name, or the source has none.
        IntegrityError: a row of the source breaks a foreign key of its own; nothing is copied.

    Example:
        ```python
        report = await copy_database(Database("app.db"), Database("postgresql://localhost/app"))
        ```
    """
    await source.reflect()
    await target.reflect()
    chosen = [source.t[name] for name in (dir(source.t) if tables is None else tables)]
    for table in chosen:
        if table.name in target.t or table.name in target.v:
            raise SchemaError(
                f"the target has a table {table.name}", table_name=table.name, hint="drop it, or name other tables"
            )
    copy = _Copy(source, target)
    async with source.transaction(read_only=True, isolation=copy.isolation), target.transaction():
        designs = [copy.design(table) for table in chosen]
        await create_tables(copy.executor, copy.catalog, designs, if_not_exists=False, replace=False, strict=False)
        await copy.defer(designs)
        sent = [await copy.rows(table, progress) for table in chosen]
        await copy.judge()
        copied = [await copy.compared(table, checksum) for table, checksum in zip(chosen, sent, strict=True)]
        views = await copy.views() if tables is None else ()
    return CopyReport(tuple(copied), tuple(views), tuple(copy.left_out))


class _Copy:
    def __init__(self, source: Database, target: Database) -> None:
        self.source = source
        self.target = target
        self.executor = target._executor  # pyright: ignore[reportPrivateUsage]
        self.catalog = target._catalog  # pyright: ignore[reportPrivateUsage]
        self.left_out: list[str] = []
        self._held: list[tuple[str, str]] = []

    @property
    def isolation(self) -> Any:
        """The isolation in which all tables of the source are seen at one moment."""
        return None if self.source.engine.dialect.name == "sqlite" else "repeatable read"

    def design(self, table: Table[Any]) -> Design:
        """Return the table as the target is to have it."""
        of = table._source  # pyright: ignore[reportPrivateUsage]
        outline = TableReader(of.model, of.catalog.facts(table.name), of.dialect).outline()
        self.left_out += [f"{table.name}: {note}" for note in outline.notes]
        assert outline.design is not None
        return outline.design

    async def defer(self, designs: Sequence[Design]) -> None:
        """Let foreign keys be looked at when all rows are there, in whatever order they come."""
        if self.catalog.dialect.name == "sqlite":
            await self._run("PRAGMA defer_foreign_keys = ON")
            return
        rows = await self.executor.fetch(Statement(_FOREIGN_KEYS), [[made.name for made in designs]])
        self._held = [(str(table), str(name)) for table, name in rows]
        for table, name in self._held:
            await self._run(f"ALTER TABLE {table} ALTER CONSTRAINT {name} DEFERRABLE INITIALLY DEFERRED")

    async def judge(self) -> None:
        """Have the foreign keys looked at now, and from now on as they were declared."""
        if self._held:
            await self._run("SET CONSTRAINTS ALL IMMEDIATE")
        for table, name in self._held:
            await self._run(f"ALTER TABLE {table} ALTER CONSTRAINT {name} NOT DEFERRABLE")

    async def _run(self, sql: str) -> None:
        await self.executor.fetch(Statement(sql), [])

    # -- rows ----------------------------------------------------------------------------------

    async def rows(self, table: Table[Any], progress: Progress | None) -> _Checksum:
        """Copy the rows of a table, and return their checksum."""
        total = await table.count()
        sent = _Checksum()

        async def stream() -> AsyncIterator[dict[str, Any]]:
            async for row in table.rows_as(dict)():
                sent.add(row)
                yield row
                if progress is not None and sent.rows % _TOLD_ROWS == 0:
                    progress(table.name, sent.rows, total)

        await self.target.t[table.name].rows_as(dict).insert_all(stream())
        if progress is not None:
            progress(table.name, sent.rows, total)
        return sent

    async def compared(self, table: Table[Any], sent: _Checksum) -> CopiedTable:
        """Read what the target has, and make sure that it is what was sent."""
        stored = _Checksum()
        async for row in self.target.t[table.name].rows_as(dict)(select=table.columns):
            stored.add(row)
        if stored != sent:
            raise IntegrityError(
                f"{table.name}: the copy is not the same: {stored.rows} rows of {sent.rows}",
                table_name=table.name,
                hint="this is a bug: please report it with the types of the columns",
            )
        return CopiedTable(table.name, sent.rows, sent.text)

    # -- views ---------------------------------------------------------------------------------

    async def views(self) -> list[str]:
        """Make the views that the target takes as they are."""
        kind = self.source.engine.dialect.name
        made: list[str] = []
        waiting = [(str(row["name"]), str(row["sql"])) for row in await self.source.q(_VIEWS[kind])]
        while waiting:
            # A view may need one that comes later.
            left: list[tuple[str, str]] = []
            for name, sql in waiting:
                try:
                    await self.target.create_view(name, _definition(sql, kind))
                except DeeBaseError:
                    left.append((name, sql))
                else:
                    made.append(name)
            if len(left) == len(waiting):
                self.left_out += [f"view {name}: the target does not take its SQL" for name, _ in left]
                break
            waiting = left
        return made


def _definition(sql: str, kind: str) -> str:
    """Return the SELECT of a view."""
    if kind != "sqlite":
        return sql.strip().removesuffix(";")
    upper = sql.upper()
    return sql[upper.index(" AS ", upper.index("VIEW")) + 4 :] if " AS " in upper else sql


class _Checksum:
    """A sum over rows that does not depend on their order."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, row: dict[str, Any]) -> None:
        """Take a row in."""
        self.rows += 1
        text = repr([_canonical(value) for value in row.values()]).encode("utf-8", "surrogatepass")
        self._sum += int.from_bytes(hashlib.blake2b(text, digest_size=16).digest(), "big")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Checksum) and (self.rows, self._sum) == (other.rows, other._sum)

    @property
    def text(self) -> str:
        """The sum in 32 hexadecimal digits."""
        return f"{self._sum % 2**128:032x}"


def _canonical(value: Any) -> Any:
    """Return a value in the form that is the same whatever database it comes from."""
    if isinstance(value, Decimal):
        return str(value.normalize())
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, dict):
        return sorted((str(name), repr(_canonical(inner))) for name, inner in value.items())
    if isinstance(value, list):
        return [_canonical(inner) for inner in value]
    return value
