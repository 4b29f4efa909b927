"""Copies between two kinds of databases: every value is converted, and the copy is compared value by value."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncGenerator, Iterable, Iterator, Sequence
from contextlib import aclosing
from dataclasses import replace

from deebase._backends.copy_columns import Digest
from deebase._backends.copy_forms import Batch, CopySource, CopyTarget, Later, Placed, TablePlan
from deebase._engine.core import core_of
from deebase._model.facts import TableInfo
from deebase._model.reflected import column_types
from deebase._schema.reflect import inventory
from deebase._sqltext.ordering import groups
from deebase._sqltext.quoting import identifier
from deebase._types.registry import is_own_type
from deebase.database import Database
from deebase.errors import DeeBaseError, SchemaError
from deebase.tools.access import copy_access, learn_tables, tools_of
from deebase.tools.copying.copy_progress import (
    PROGRESS,
    BegunTable,
    CopiedTable,
    CopyProgress,
    changed,
    differing,
    require_absent,
    require_same_tables,
)
from deebase.tools.copying.planning import Planner
from deebase.tools.copying.problems import OnError, Problems
from deebase.tools.copying.report import CopyReport, Tell

#: How many offending keys a note names.
_NAMED = 3


class _Undone(Exception):
    """Rolls back a trial."""


class KindCopy:
    """One copy between two kinds of databases."""

    def __init__(
        self, source: Database, target: Database, *, on_error: OnError, problems: Problems, tell: Tell | None
    ) -> None:
        self._from: CopySource = tools_of(source).copy_source(copy_access(source))
        self._to: CopyTarget = tools_of(target).copy_target(copy_access(target))
        self._source = source
        self._target = target
        self._read = copy_access(source)
        self._write = copy_access(target)
        self._planner = Planner(self._from, self._to, on_error, problems, self._own_types)
        self._problems = problems
        self._progress = CopyProgress(target)
        self._tell = tell
        self._copied: dict[str, CopiedTable] = {}
        self._left_out = self._planner.left_out
        self._notes = self._planner.notes

    async def run(self, tables: Sequence[str] | None, *, restart: bool) -> CopyReport:
        """Copy tables, in a transaction of the source that is open."""
        for sql in self._from.prepare():
            await self._read.run(sql)
        found = await self._tables()
        names = [name for name in found if name != PROGRESS] if tables is None else list(tables)
        for name in names:
            if name not in found:
                raise SchemaError(f"table {name} does not exist in the source", table_name=name)
        begun = await self._progress.tables() if self._progress.begun else None
        existing = {one.name: one for one in await inventory(core_of(self._target).executor, None, quiet=True)}
        if begun is None:
            require_absent(names, existing)
        elif not restart:
            require_same_tables(names, begun)
        others = {name: one for name, one in existing.items() if one.kind == "table" and name not in (begun or {})}
        plans = await self._planner.plans([found[name] for name in names], {} if begun and restart else others)
        placed = self._to.settle(plans)
        self._notes += placed.notes
        plans, before = await self._begin(plans, placed, None if restart else begun, list(begun or ()))
        for group in groups(plans, _needs):
            await self._group(group, placed, before)
        return await self._finish(plans, placed, views=tables is None)

    async def _tables(self) -> dict[str, TableInfo]:
        """Return the tables of all schemas by name."""
        executor = core_of(self._source).executor
        read = [await inventory(executor, schema, quiet=True) for schema in await self._from.schemas()]
        return {one.qualified_name: one for found in read for one in found if one.kind == "table"}

    def _own_types(self, facts: TableInfo) -> dict[str, str]:
        """Return the columns that have a type of the program, and how the target declares it."""
        core, name = core_of(self._source), facts.qualified_name
        if core.catalog.facts(name) is None:
            found = column_types(facts, core.dialect)
        else:
            found = {column: known.sa_type for column, known in core.catalog.model(name).columns.items()}
        dialect = core_of(self._target).dialect
        return {column: kind.compile(dialect=dialect) for column, kind in found.items() if is_own_type(kind)}

    # -- beginning -----------------------------------------------------------------------------

    async def _begin(
        self, plans: Sequence[TablePlan], placed: Placed, begun: dict[str, BegunTable] | None, dropped: Sequence[str]
    ) -> tuple[list[TablePlan], dict[str, CopiedTable]]:
        """Create the tables, unless a copy is resumed; return the plans, and the tables that are already copied."""
        if begun is not None:
            for plan in plans:
                if begun[plan.name].how != _how(plan):
                    raise changed(plan.name)
            self._left_out += await self._progress.kept()
            return list(plans), {name: one.copied for name, one in begun.items() if one.copied is not None}
        async with self._target.transaction():
            if self._progress.begun:
                for sql in self._to.drop([placed.tables.get(name, name) for name in dropped]):
                    await self._write.run(sql)
                await self._progress.end()
            known = len(self._left_out)
            made = [await self._create(plan, placed) for plan in plans]
            await self._progress.begin({plan.name: _how(plan) for plan in plans}, self._left_out[known:])
        return made, {}

    async def _create(self, plan: TablePlan, placed: Placed) -> TablePlan:
        """Create a table, without the conditions that the target does not accept."""
        try:
            async with self._target.transaction():
                await self._run_all(self._to.create(plan, placed))
        except DeeBaseError:
            if not plan.checks:
                raise
        else:
            return plan
        accepted = [one for one in plan.checks if await self._accepts(replace(plan, checks=(one,)), placed)]
        self._left_out += [f"{plan.name}: CHECK ({one})" for one in plan.checks if one not in accepted]
        made = replace(plan, checks=tuple(accepted))
        await self._run_all(self._to.create(made, placed))
        return made

    async def _accepts(self, plan: TablePlan, placed: Placed) -> bool:
        try:
            async with self._target.transaction():
                await self._run_all(self._to.create(plan, placed))
                raise _Undone
        except _Undone:
            return True
        except DeeBaseError:
            return False

    async def _run_all(self, statements: Iterable[str]) -> None:
        for sql in statements:
            await self._write.run(sql)

    # -- rows ----------------------------------------------------------------------------------

    async def _group(self, group: Sequence[TablePlan], placed: Placed, before: dict[str, CopiedTable]) -> None:
        """Copy tables that refer to each other, in one transaction."""
        if all(plan.name in before for plan in group):
            for plan in group:
                await self._unchanged(plan, before[plan.name])
            return
        async with self._target.transaction():
            await self._run_all(self._to.before_rows())
            for plan in _ordered(group):
                self._copied[plan.name] = await self._send(plan, placed)
                await self._progress.done(self._copied[plan.name])

    async def _send(self, plan: TablePlan, placed: Placed) -> CopiedTable:
        total = await self._from.total(plan)
        digest = _digest(plan)

        async def read() -> AsyncGenerator[Batch, None]:
            async with aclosing(self._planner.rows(plan)) as batches:
                async for batch in batches:
                    digest.add(batch)
                    if batch[0]:
                        yield batch
                    self._say(plan.name, digest.rows, total)

        async with aclosing(read()) as batches:
            await self._to.store(plan, placed, batches)
        self._say(plan.name, digest.rows, total)
        return CopiedTable(plan.name, digest.rows, digest.text)

    def _say(self, name: str, rows: int, total: int) -> None:
        if self._tell is not None:
            self._tell(name, rows, total)

    async def _unchanged(self, plan: TablePlan, before: CopiedTable) -> None:
        """Refuse a table that has changed since it was copied."""
        digest = _digest(plan)
        async with aclosing(self._planner.rows(plan)) as batches:
            async for batch in batches:
                digest.add(batch)
        if (digest.rows, digest.text) != (before.rows, before.checksum):
            raise changed(plan.name)
        self._copied[plan.name] = before

    # -- the end -------------------------------------------------------------------------------

    async def _finish(self, plans: Sequence[TablePlan], placed: Placed, *, views: bool) -> CopyReport:
        """Create what comes after the rows, and compare both sides."""
        async with self._target.transaction():
            await self._run_all(self._to.before_rows())
            for plan in plans:
                await self._compare(plan, placed)
                await self._to.settle_keys(plan, placed)
            later = [item for plan in plans for item in self._to.finish(plan, placed)]
            # A foreign key may need the unique index of a table that comes later.
            for item in sorted(later, key=lambda item: bool(item.offenders)):
                await self._make(item)
            made = await self._others([plan.name for plan in plans], placed) if views else []
            await self._progress.end()
        await learn_tables(self._target)
        for plan in plans:
            await self._make_searchable(plan, placed)
            await self._secure(plan, placed)
        copied = [self._copied[plan.name] for plan in plans]
        problems = self._problems
        return CopyReport(
            tuple(copied), tuple(made), tuple(self._left_out), tuple(self._notes), tuple(problems.first), problems.count
        )

    async def _secure(self, plan: TablePlan, placed: Placed) -> None:
        """Secure the rows of a table whose rows are secured in the source; list it if the target refuses."""
        if not plan.facts.secure:
            return
        try:
            await self._target.t[placed.tables.get(plan.name, plan.name)].transform(secure=plan.facts.secure)
        except DeeBaseError as error:
            self._left_out.append(f"{plan.name}: its row security: {error.message}")

    async def _make_searchable(self, plan: TablePlan, placed: Placed) -> None:
        """Make a table searchable that is searchable in the source; list it if the target refuses."""
        if plan.facts.search is None:
            return
        search = plan.facts.search.search
        try:
            await self._target.t[placed.tables.get(plan.name, plan.name)].enable_search(
                *search.columns,
                weights=search.weights,
                language=search.language,
                prefix=search.prefix,
                tokenize=search.tokenize,
            )
        except DeeBaseError as error:
            self._left_out.append(f"{plan.name}: its search: {error.message}")

    async def _make(self, item: Later) -> None:
        """Create an object, or what comes closest; list it if the target accepts neither."""
        error = await self._attempt(item.sql)
        if error is None:
            return
        if item.otherwise and await self._attempt(item.otherwise) is None:
            self._notes.append(f"{item.label} {item.remark}{await self._offenders(item)}")
        else:
            self._left_out.append(f"{item.label}: {error.message}")

    async def _attempt(self, sql: str) -> DeeBaseError | None:
        try:
            async with self._target.transaction():
                await self._write.run(sql)
        except DeeBaseError as error:
            return error
        return None

    async def _offenders(self, item: Later) -> str:
        """Return how many rows violate a foreign key, and the first of them."""
        if not item.offenders:
            return ""
        counted = await self._write.read(f"SELECT count(*) FROM ({item.offenders}) AS found", [])
        first = await self._write.read(f"{item.offenders} LIMIT {_NAMED}", [])
        listed = ", ".join([f"({', '.join(map(str, row))})" for row in first])
        return f": {counted[0][0]:,} rows, the first with {listed}"

    async def _compare(self, plan: TablePlan, placed: Placed) -> None:
        """Compare the rows of the target with those that were sent."""
        sent = self._copied[plan.name]
        digest = _digest(plan)
        async with aclosing(self._to.rows(plan, placed)) as batches:
            async for batch in batches:
                digest.add(batch)
        if (digest.rows, digest.text) != (sent.rows, sent.checksum):
            raise differing(sent, digest.rows)

    async def _others(self, names: Sequence[str], placed: Placed) -> list[str]:
        """Create the views that the target accepts; list everything else that it does not have."""
        found = await self._from.skeleton(names)
        made: list[str] = []
        waiting: dict[str, str] = dict(found.views)
        while waiting:
            # A view may use one that comes later.
            refused: dict[str, DeeBaseError] = {}
            for name, sql in waiting.items():
                error = await self._view(name, sql, placed)
                if error is not None:
                    refused[name] = error
            made += [name for name in waiting if name not in refused]
            if len(refused) == len(waiting):
                self._left_out += [
                    f"view {name}: the target does not accept its SQL: {error.message}"
                    for name, error in refused.items()
                ]
                break
            waiting = {name: waiting[name] for name in refused}
        self._left_out += found.left_out
        return made

    async def _view(self, name: str, definition: str, placed: Placed) -> DeeBaseError | None:
        """Create a view; return why the target does not accept it."""
        try:
            async with self._target.transaction():
                await self._write.run(self._to.view(name, definition, placed))
                # SQLite accepts a view that cannot be read.
                await self._write.read(f"SELECT 1 FROM {identifier(name)} LIMIT 0", [])
        except DeeBaseError as error:
            return error
        return None


def _digest(plan: TablePlan) -> Digest:
    return Digest([column.form for column in plan.columns])


def _needs(plan: TablePlan) -> set[str]:
    """Return the other tables that a table refers to."""
    return {key.target for key in plan.keys} - {plan.name}


def _ordered(group: Sequence[TablePlan]) -> Iterator[TablePlan]:
    """Yield tables that refer to each other, those first that refer to the fewest tables without rows yet.

    SQLite searches all rows that may refer to a new row, as long as any row refers to a missing one.
    """
    waiting = {plan.name: plan for plan in group}
    while waiting:
        found = min(waiting.values(), key=lambda plan: len(_needs(plan) & waiting.keys()))
        yield waiting.pop(found.name)


def _how(plan: TablePlan) -> str:
    """Return a digest of how a table is copied."""
    columns = [(column.name, column.form, column.declared, column.not_null) for column in plan.columns]
    return hashlib.blake2b(repr(columns).encode(), digest_size=16).hexdigest()
