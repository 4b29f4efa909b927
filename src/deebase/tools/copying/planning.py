"""How each table of a copy between two kinds of databases is copied, and which values cannot be."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from deebase._backends.copy_columns import ColumnConverter
from deebase._backends.copy_forms import (
    PLAIN,
    Batch,
    Convert,
    CopiedColumn,
    CopySource,
    CopyTarget,
    Form,
    TablePlan,
)
from deebase._model.facts import TableInfo
from deebase._rows.model import ForeignKeyModel
from deebase.errors import DeeBaseError
from deebase.tools.copying.problems import BadValue, OnError, Problems, shown

#: Returns the columns of a table that have a type of the program, and how the target declares it.
OwnTypes = Callable[[TableInfo], Mapping[str, str]]


class Planner:
    """Plans the tables of a copy.

    Args:
        source: reads the tables.
        target: stores them.
        on_error: what becomes of a value that cannot be converted.
        problems: collects such values.
        own_types: finds the columns with a type of the program.

    Attributes:
        problems: the values that cannot be converted.
        left_out: what the target will not have.
        notes: what it has in another form.
    """

    def __init__(
        self, source: CopySource, target: CopyTarget, on_error: OnError, problems: Problems, own_types: OwnTypes
    ) -> None:
        self._source = source
        self._target = target
        self._on_error = on_error
        self._own_types = own_types
        self.problems = problems
        self.left_out: list[str] = []
        self.notes: list[str] = []

    async def plans(self, tables: Sequence[TableInfo], existing: Mapping[str, TableInfo]) -> list[TablePlan]:
        """Return the plans of tables.

        Args:
            tables: the tables.
            existing: other tables of the target, to which foreign keys may refer.

        Raises:
            DataError: values cannot be converted, and the copy stops then.
        """
        found = {facts.qualified_name: plan for facts in tables if (plan := await self._plan(facts)) is not None}
        await self._harmonize(found)
        made = list(found.values())
        if self._on_error == "stop":
            self.problems.refuse()
        known = {**existing, **{plan.name: plan.facts for plan in made}}
        for plan in made:
            self.notes += [f"{plan.name}: {note}" for note in plan.notes]
            self.left_out += [
                f"{plan.name}: {column.name} is computed by the database, and its values are copied"
                for column in plan.columns
                if column.is_computed
            ]
        return [replace(plan, keys=tuple(await self._keys(plan, known))) for plan in made]

    async def _plan(self, facts: TableInfo) -> TablePlan | None:
        try:
            plan = await self._source.plan(facts, self._target, as_text=False)
        except DeeBaseError as error:
            if facts.sql is None or "VIRTUAL" not in facts.sql.upper().split("TABLE")[0]:
                raise
            self.left_out.append(f"virtual table {facts.qualified_name}: it cannot be read: {error.message}")
            return None
        if not plan.columns:
            self.left_out += plan.notes
            return None
        own = self._own_types(facts)
        columns = [self._target.declared(one, own[one.name]) if one.name in own else one for one in plan.columns]
        return await self._settled(replace(plan, columns=tuple(columns)))

    async def _settled(self, plan: TablePlan) -> TablePlan:
        """Return the plan of a table that takes its values, as far as they are to be copied; list the others."""
        if not plan.misfits:
            return plan
        columns = await self._list(plan)
        if self._on_error == "text":
            return await self._source.plan(plan.facts, self._target, as_text=True)
        if self._on_error == "null":
            freed = [replace(one, not_null=one.not_null and one.name not in columns) for one in plan.columns]
            lost = [one.name for one in plan.columns if one.not_null and one.name in columns]
            self.left_out += [f"{plan.name}: NOT NULL of {name}" for name in lost]
            return replace(plan, columns=tuple(freed))
        return plan

    async def _harmonize(self, plans: dict[str, TablePlan]) -> None:
        """Give the columns of foreign keys and the columns they refer to one form, where all values allow it."""
        pairs = [
            ((name, column), (key.target, target))
            for name, plan in plans.items()
            for key in plan.facts.foreign_keys
            if key.target in plans
            for column, target in zip(key.columns, key.targets, strict=False)
            if target in plans[key.target].names
        ]
        # A column that refers to another one may itself be referred to.
        for _ in pairs:
            changed = [await self._match(plans, one, other) for one, other in pairs]
            if not any(changed):
                return

    async def _match(self, plans: dict[str, TablePlan], one: tuple[str, str], other: tuple[str, str]) -> bool:
        """Change the form of one of two columns, if they differ; return whether one has changed."""
        for (table, name), (target, targeted) in ((one, other), (other, one)):
            column, model = _column(plans[table], name), _column(plans[target], targeted)
            if not _differ(column.form, model.form):
                return False
            if column.is_generated:
                continue
            made = replace(
                column, form=model.form, declared=column.declared or _declared(plans[table], name), style=model.style
            )
            plan = replace(
                plans[table], columns=tuple([made if each is column else each for each in plans[table].columns])
            )
            if await self._keeps(plan, name):
                note = f"{name} is {made.form}, as {target}.{targeted} is"
                plans[table] = replace(plan, notes=(*plan.notes, note))
                return True
        return False

    async def _keeps(self, plan: TablePlan, name: str) -> bool:
        """Whether a column takes all its values as they are, apart from their class."""
        convert, refuse = self._source.converters(plan, [name])[0], self._target.refusals(_column(plan, name).form)
        if convert is None or plan.misfits:
            return False
        async with aclosing(self._source.rows(plan, [name])) as batches:
            async for (values,) in batches:
                for value in values:
                    try:
                        made = None if value is None else convert(value)
                        if refuse is not None and value is not None:
                            refuse(made)
                    except ValueError:
                        return False
                    if str(made) != str(value):
                        return False
        return True

    async def _keys(self, plan: TablePlan, known: Mapping[str, TableInfo]) -> list[ForeignKeyModel]:
        """Return the foreign keys that the target can have; note the others."""
        found: list[ForeignKeyModel] = []
        for key in plan.facts.foreign_keys:
            reason = _refused(key, known)
            if reason is None and (count := await self._source.violations(plan.facts, key)):
                reason = f"{count:,} {'rows violate' if count > 1 else 'row violates'} it"
            if reason is None:
                found.append(key)
            else:
                columns, targets = ", ".join(key.columns), ", ".join(key.targets)
                self.left_out.append(f"{plan.name}: the foreign key ({columns}) to {key.target} ({targets}): {reason}")
        return found

    async def _list(self, plan: TablePlan) -> set[str]:
        """List all values of a table that cannot be converted; return their columns."""
        columns: set[str] = set()
        number = 0
        converts = self.converters(plan)
        async with aclosing(self._source.rows(plan, plan.names)) as batches:
            async for batch in batches:
                found = _bad_values(plan, batch, converts, number)
                number += len(batch[0])
                columns.update(one.column for one in found)
                self.problems.add(found)
        return columns

    def converters(self, plan: TablePlan) -> list[Convert | None]:
        """Return what converts the values of each column, and refuses those that the target does not store."""
        read = self._source.converters(plan, plan.names)
        if not plan.misfits:
            return read
        refusals = [self._target.refusals(column.form) for column in plan.columns]
        return [_both(convert, refuse) for convert, refuse in zip(read, refusals, strict=True)]

    async def rows(self, plan: TablePlan) -> AsyncGenerator[Batch, None]:
        """Yield the rows of a table in the forms of its columns; with ``skip`` without those that cannot be."""
        converts = self.converters(plan)
        whole = [
            None if convert is None else ColumnConverter(convert, plain=PLAIN.get(column.form.kind))
            for convert, column in zip(converts, plan.columns, strict=True)
        ]
        async with aclosing(self._source.rows(plan, plan.names)) as batches:
            async for batch in batches:
                yield (
                    _converted(batch, plan.columns, converts, skips=self._on_error == "skip")
                    if plan.misfits
                    else [
                        values if convert is None else convert.of(values)
                        for convert, values in zip(whole, batch, strict=True)
                    ]
                )


def _column(plan: TablePlan, name: str) -> CopiedColumn:
    return next(column for column in plan.columns if column.name == name)


def _declared(plan: TablePlan, name: str) -> str:
    """Return the declared type of a column in the source."""
    return next(column.type for column in plan.facts.columns if column.name == name) or "BLOB"


def _differ(one: Form, other: Form) -> bool:
    """Whether values of two forms cannot be compared by a foreign key."""
    return one.kind != other.kind or (one.kind in ("native", "array") and one.native != other.native)


def _refused(key: ForeignKeyModel, known: Mapping[str, TableInfo]) -> str | None:
    """Return why the target cannot have a foreign key; None if it can."""
    parent = known.get(key.target)
    if parent is None:
        return f"the copy has no table {key.target}"
    names = {column.name for column in parent.columns}
    if len(key.targets) != len(key.columns) or not names.issuperset(key.targets):
        return f"{key.target} has no such columns"
    uniques = [set(parent.pks), *[set(index.columns) for index in parent.indexes if index.is_unique_key]]
    return None if set(key.targets) in uniques else f"these columns of {key.target} are not unique"


def _both(convert: Convert | None, refuse: Convert | None) -> Convert | None:
    if convert is None or refuse is None:
        return convert or (None if refuse is None else _checking(refuse))
    check = _checking(refuse)
    return lambda value: check(convert(value))


def _checking(refuse: Convert) -> Convert:
    def check(value: Any) -> Any:
        refuse(value)
        return value

    return check


def _attempt(convert: Convert, value: Any) -> str | None:
    try:
        convert(value)
    except ValueError as error:
        return str(error)
    return None


def _bad_values(plan: TablePlan, batch: Batch, converts: Sequence[Convert | None], number: int) -> list[BadValue]:
    keys = [plan.names.index(name) for name in plan.facts.pks]
    found: list[BadValue] = []
    for column, values, convert in zip(plan.columns, batch, converts, strict=True):
        for place, value in enumerate(values):
            if value is None:
                reason = "NULL in a NOT NULL column" if column.not_null else None
            else:
                reason = None if convert is None else _attempt(convert, value)
            if reason is not None:
                key = (
                    ", ".join([f"{plan.names[n]}={shown(batch[n][place])}" for n in keys])
                    or f"row {number + place + 1}"
                )
                found.append(BadValue(plan.name, key, column.name, shown(value), reason))
    return found


def _converted(batch: Batch, into: Sequence[CopiedColumn], converts: Sequence[Convert | None], *, skips: bool) -> Batch:
    """Return rows converted; a value that cannot be becomes NULL, or its row is left out."""
    bad: set[int] = set()
    columns: list[list[Any]] = []
    for values, column, convert in zip(batch, into, converts, strict=True):
        made: list[Any] = []
        for place, value in enumerate(values):
            if value is None and column.not_null:
                bad.add(place)
            try:
                made.append(value if value is None or convert is None else convert(value))
            except ValueError:
                made.append(None)
                bad.add(place)
        columns.append(made)
    if not skips or not bad:
        return columns
    return [[value for place, value in enumerate(values) if place not in bad] for values in columns]
