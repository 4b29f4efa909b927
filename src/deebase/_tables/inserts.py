"""The statements that insert a row, and what they do when it conflicts with one that exists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deebase._engine.context import TableContext
from deebase._sql import statements
from deebase._sql.compiled import CompiledStatement
from deebase._sql.violations import no_target
from deebase._tables.unique_changes import merge
from deebase.errors import QueryError, UniqueViolationError, ValidationError

#: A column, or several.
Columns = str | Sequence[str]


def insert_statement(context: TableContext, new: Mapping[str, Any], *, returning: bool = True) -> CompiledStatement:
    """Return the plain insert of a row with these columns."""
    kind, build = ("insert", statements.insert) if returning else ("insert only", statements.insert_only)
    return context.cached((kind, *new), lambda: build(context.model, context.dialect, new))


class OnConflict:
    """What happens to a row to insert whose key or unique columns another row has.

    Args:
        context: the table, with its scope.
        on: the columns whose conflict is meant; the key by default.
        update: the columns that an existing row gets; those of the record by default.
    """

    def __init__(self, context: TableContext, on: Columns | None, update: Columns | None = None) -> None:
        self._context = context
        self._model = context.model
        self._on = on
        self._update = update

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns whose conflict is meant."""
        return self._model.key_columns("upsert") if self._on is None else self._model.listed("on", self._on)

    def ignoring(self, new: Mapping[str, Any]) -> CompiledStatement:
        """Return the insert that leaves out a row that conflicts; with any row, unless columns are named."""
        model, dialect = self._model, self._context.dialect
        target = None if self._on is None else self._target(new)
        return self._context.cached(
            ("insert ignore", target, *new), lambda: statements.insert_ignore(model, dialect, new, target)
        )

    def updating(
        self, new: Mapping[str, Any], given: Mapping[str, Any], *, returning: bool = True
    ) -> CompiledStatement:
        """Return the upsert of a row. What Python made for a new row does not change an existing one.

        Args:
            new: the values of the row.
            given: those of the record.
            returning: whether it returns the stored row.
        """
        context, model = self._context, self._model
        target = self._target(new)
        fixed = {*target, *context.scope.held}
        changed = tuple([name for name in self._changed(given) if name not in fixed])
        return context.cached(
            ("upsert", context.scope.shape, target, changed, returning, *new),
            lambda: statements.upsert(
                model, context.dialect, new, target, changed, context.where(), returning=returning
            ),
        )

    async def upsert(self, new: Mapping[str, Any], given: Mapping[str, Any]) -> list[Any]:
        """Return the driver's row after the upsert.

        Raises:
            ValidationError: a value that does not fit, and is not what the row holds.
            UniqueViolationError: a row of another scope has the key.
            QueryError: the columns of the conflict are not unique.
        """
        context = self._context
        prepared = self.updating(new, given)
        try:
            args = prepared.args({**new, **context.scope.values})
        except ValidationError:
            if rows := await self.merge(new, given):
                return rows
            raise
        if self._model.lacks_documents(new) and (rows := await self.merge(new, given)):
            return rows
        try:
            rows = await context.executor.fetch(prepared.statement, args)
        except QueryError as error:
            raise self.not_unique(error) from error.__cause__
        if not rows and context.scope:
            raise self.outside_scope()
        return rows

    async def merge(self, new: Mapping[str, Any], given: Mapping[str, Any]) -> list[Any]:
        """Change the existing row of a record with values that cannot be sent, if it holds them already."""
        return await merge(self._context, self._target(new), new, self._changed(given))

    def _target(self, new: Mapping[str, Any]) -> tuple[str, ...]:
        """Return the columns whose conflict is meant; the row must have them."""
        target = self.columns
        for name in target:
            if new.get(name) is None:
                raise ValidationError(
                    f"{self._model.name}: the record has no {name!r}, which tells whether the row exists",
                    field=name,
                    hint="put it in, give on=... with unique columns, or insert",
                )
        return target

    def _changed(self, given: Mapping[str, Any]) -> Iterable[str]:
        if self._update is None:
            return given
        names = self._model.listed("update", self._update)
        for name in names:
            if name not in given:
                raise ValidationError(
                    f"{self._model.name}: update= names {name!r}, which the record lacks",
                    field=name,
                    hint="put it into the record, or take it out of update=",
                )
        return names

    def outside_scope(self) -> UniqueViolationError:
        """Return the error of an upsert over a row that the scope does not show."""
        return UniqueViolationError(
            f"{self._model.name}: the key or a unique value of the row is taken",
            constraint="unique",
            table_name=self._model.name,
            hint="choose another key",
        )

    def not_unique(self, error: QueryError) -> QueryError:
        """Return the error for columns of a conflict that are not unique, or the given one."""
        return no_target(self._model, self.columns, error)
