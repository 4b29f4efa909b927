"""The schema of the target: its tables, the objects that are created after their rows, and its views."""

from __future__ import annotations

# pyright: reportPrivateUsage=false
import dataclasses
from collections.abc import Sequence
from typing import Any

from deebase._engine.core import core_of
from deebase._model.design import TableSpec
from deebase._schema.create import create_tables, missing_checks
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase._tables.table import Table
from deebase._types.documents import JSON
from deebase.database import Database
from deebase.errors import DeeBaseError, SchemaError
from deebase.tools.access import tools_of
from deebase.tools.codegen.class_source import TableReader


class _Undone(Exception):
    """Rolls back the trial of a condition."""


class TargetSchema:
    """The tables, indexes and views of the target.

    Attributes:
        left_out: descriptions of what the target lacks.
    """

    def __init__(self, source: Database, target: Database) -> None:
        self._source = source
        self._target = target
        self._tools = tools_of(target)
        self.left_out: list[str] = []

    async def target_spec(self, table: Table[Any]) -> TableSpec:
        """Return the specification of a table for the target."""
        of = table._source
        outline = TableReader(of.model, of.catalog.facts(table.name), of.dialect).outline()
        self.left_out += [f"{table.name}: {note}" for note in outline.notes]
        if outline.design is None:
            raise SchemaError(
                f"{table.name} has no primary key, which create needs",
                table_name=table.name,
                hint="add one with transform(pk=...), or name the other tables: tables=[...] (--table)",
            )
        # An annotation would say dict, but a column without one may hold documents of any type.
        kinds = {name: column.sa_type for name, column in of.model.columns.items()}
        free = {name for name, kind in kinds.items() if isinstance(kind, JSON) and kind.hint is None}
        columns = [
            dataclasses.replace(spec, sa_type=JSON()) if spec.name in free else spec for spec in outline.design.columns
        ]
        made = dataclasses.replace(outline.design, columns=tuple(columns))
        if capabilities_of(of.dialect) is capabilities_of(self._target.engine.dialect):
            return made
        if made.name in self._target.t:
            # Created by the interrupted copy.
            target = self._target
            missing = await missing_checks(core_of(target).executor, target.engine.dialect, made)
            taken = [condition for condition in made.checks if condition not in missing]
        else:
            taken = [condition for condition in made.checks if await self._takes(made, condition)]
        self.left_out += [f"{table.name}: CHECK ({one})" for one in made.checks if one not in taken]
        return dataclasses.replace(made, checks=tuple(taken))

    async def _takes(self, made: TableSpec, condition: str) -> bool:
        """Whether the target accepts a condition in the SQL of the source."""
        tried = dataclasses.replace(made, references=(), indexes=(), checks=(condition,))
        try:
            async with self._target.transaction():
                await self._create([tried])
                raise _Undone
        except _Undone:
            return True
        except DeeBaseError:
            return False

    async def create(self, designs: Sequence[TableSpec]) -> list[str]:
        """Create the tables without the deferred objects; return the SQL that creates those."""
        await self._create(designs)
        names = [made.name for made in designs]
        found = await self._tools.deferred_objects(names)
        for drop, _ in reversed(found):
            await self.run(drop)
        return [create for _, create in found]

    async def _create(self, designs: Sequence[TableSpec]) -> None:
        target = self._target
        options = {"if_not_exists": False, "replace": False, "strict": False}
        await create_tables(core_of(target).executor, core_of(target).catalog, designs, **options)

    async def defer_foreign_keys(self) -> None:
        """Check foreign keys at the end of the transaction, not at each row."""
        for sql in self._tools.defer_foreign_keys():
            await self.run(sql)

    async def drop(self, names: Sequence[str]) -> None:
        """Drop the tables of a copy."""
        quote = self._target.engine.dialect.identifier_preparer.quote
        for sql in self._tools.drop_tables([quote(name) for name in names]):
            await self.run(sql)

    async def run(self, sql: str) -> None:
        """Run DDL in the target."""
        await core_of(self._target).executor.fetch(Statement(sql), [])

    async def views(self) -> list[str]:
        """Create the views whose SQL the target accepts; return their names."""
        made: list[str] = []
        waiting = await tools_of(self._source).views()
        while waiting:
            # A view may use one that comes later.
            left: list[tuple[str, str]] = []
            for name, sql in waiting:
                try:
                    await self._target.create_view(name, sql)
                except DeeBaseError:
                    left.append((name, sql))
                else:
                    made.append(name)
            if len(left) == len(waiting):
                self.left_out += [f"view {name}: the target does not accept its SQL" for name, _ in left]
                break
            waiting = left
        return made
