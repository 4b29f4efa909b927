"""Tables as the target is to have them, and what of them is made only when their rows are there."""

from __future__ import annotations

# pyright: reportPrivateUsage=false
import dataclasses
from collections.abc import Sequence
from typing import Any

from deebase._model.design import TableSpec
from deebase._schema.create import create_tables, missing_checks
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import quoted
from deebase._tables.table import Table
from deebase._types.documents import JSON
from deebase.database import Database
from deebase.errors import DeeBaseError, SchemaError
from deebase.tools.codegen.class_source import TableReader

_VIEWS = {
    "sqlite": "SELECT name, sql FROM sqlite_master WHERE type = 'view' ORDER BY rowid",
    "postgresql": """
        SELECT c.relname::text AS name, pg_get_viewdef(c.oid) AS sql
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('v', 'm') AND n.nspname = current_schema() AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        ORDER BY c.oid
    """,
}
#: The statements that drop and make them; foreign keys after the indexes that they may need.
_LATER = """
    WITH mine AS (SELECT to_regclass(quote_ident(n)) AS oid FROM unnest($1::text[]) n)
    SELECT format('DROP INDEX %s', i.indexrelid::regclass), pg_get_indexdef(i.indexrelid), 1 AS place
    FROM pg_index i JOIN mine ON mine.oid = i.indrelid
    WHERE NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
    UNION ALL
    SELECT format('ALTER TABLE %s DROP CONSTRAINT %I', k.conrelid::regclass, k.conname),
           format('ALTER TABLE %s ADD CONSTRAINT %I %s', k.conrelid::regclass, k.conname, pg_get_constraintdef(k.oid)),
           2 AS place
    FROM pg_constraint k JOIN mine ON mine.oid = k.conrelid WHERE k.contype = 'f'
    ORDER BY place, 2
"""
#: Unique ones stay: foreign keys may need them.
_INDEXES = """
    SELECT name, sql FROM sqlite_master
    WHERE type = 'index' AND sql IS NOT NULL AND upper(substr(sql, 8, 6)) <> 'UNIQUE' AND tbl_name IN ({})
"""


class _Undone(Exception):
    """Ends the trial of a condition."""


class TargetSchema:
    """What is made in the target besides rows.

    Attributes:
        left_out: in words, what the target does not have.
    """

    def __init__(self, source: Database, target: Database) -> None:
        self._source = source
        self._target = target
        self.left_out: list[str] = []

    @property
    def _sqlite(self) -> bool:
        return self._target.engine.dialect.name == "sqlite"

    async def design(self, table: Table[Any]) -> TableSpec:
        """Return a table as the target is to have it."""
        of = table._source
        outline = TableReader(of.model, of.catalog.facts(table.name), of.dialect).outline()
        self.left_out += [f"{table.name}: {note}" for note in outline.notes]
        if outline.design is None:
            raise SchemaError(
                f"{table.name} has no primary key, without which create makes no table",
                table_name=table.name,
                hint="give it one, as in transform(pk=...), or name the other tables: tables=[...] (--table)",
            )
        # An annotation would say dict, but documents of a column without one may be of any kind.
        kinds = {name: column.sa_type for name, column in of.model.columns.items()}
        free = {name for name, kind in kinds.items() if isinstance(kind, JSON) and kind.hint is None}
        columns = [
            dataclasses.replace(spec, sa_type=JSON()) if spec.name in free else spec for spec in outline.design.columns
        ]
        made = dataclasses.replace(outline.design, columns=tuple(columns))
        if of.dialect.name == self._target.engine.dialect.name:
            return made
        if made.name in self._target.t:
            # Made by a copy that was cut off.
            target = self._target
            missing = await missing_checks(target._executor, target.engine.dialect, made)
            taken = [condition for condition in made.checks if condition not in missing]
        else:
            taken = [condition for condition in made.checks if await self._takes(made, condition)]
        self.left_out += [f"{table.name}: CHECK ({one})" for one in made.checks if one not in taken]
        return dataclasses.replace(made, checks=tuple(taken))

    async def _takes(self, made: TableSpec, condition: str) -> bool:
        """Try a condition that is in the SQL of the other database."""
        tried = dataclasses.replace(made, references=(), indexes=(), checks=(condition,))
        try:
            async with self._target.transaction():
                await self._create([tried])
                raise _Undone
        except _Undone:
            return True
        except DeeBaseError:
            return False

    async def make(self, designs: Sequence[TableSpec]) -> list[str]:
        """Make the tables, without what is better made when their rows are there; return the SQL of that."""
        await self._create(designs)
        names = [made.name for made in designs]
        if self._sqlite:
            listed = ", ".join("?" * len(names))
            indexes = await self._fetch(_INDEXES.format(listed), names)
            found = [(f"DROP INDEX {quoted(str(name))}", sql) for name, sql in indexes]
        else:
            found = [(row[0], row[1]) for row in await self._fetch(_LATER, [names])]
        for drop, _ in reversed(found):
            await self.run(str(drop))
        return [str(sql) for _, sql in found]

    async def _create(self, designs: Sequence[TableSpec]) -> None:
        target = self._target
        options = {"if_not_exists": False, "replace": False, "strict": False}
        await create_tables(target._executor, target._catalog, designs, **options)

    async def judge_late(self) -> None:
        """Have foreign keys looked at when all rows of a transaction are there (SQLite; PostgreSQL has none yet)."""
        if self._sqlite:
            await self.run("PRAGMA defer_foreign_keys = ON")

    async def drop(self, names: Sequence[str]) -> None:
        """Drop tables of a copy."""
        await self.judge_late()
        quote = self._target.engine.dialect.identifier_preparer.quote
        if self._sqlite:
            for name in names:
                await self.run(f"DROP TABLE {quote(name)}")
        elif names:
            await self.run(f"DROP TABLE {', '.join(map(quote, names))}")

    async def run(self, sql: str) -> None:
        """Run DDL in the target."""
        await self._fetch(sql, [])

    async def _fetch(self, sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await self._target._executor.fetch(Statement(sql), args)

    async def views(self) -> list[str]:
        """Make the views that the target takes as they are."""
        kind = self._source.engine.dialect.name
        made: list[str] = []
        waiting = [(str(row["name"]), str(row["sql"])) for row in await self._source.q(_VIEWS[kind])]
        while waiting:
            # A view may need one that comes later.
            left: list[tuple[str, str]] = []
            for name, sql in waiting:
                try:
                    await self._target.create_view(name, _definition(sql, kind))
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
