"""Creates, refreshes and drops views."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError

from deebase._backends.protocols import NewView
from deebase._engine.executor import Executor
from deebase._model.names import check_name
from deebase._schema.query_steps import run_steps
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.splitting import split_script
from deebase.errors import InvalidOperationError, TableExistsError, ValidationError


def definition_of(name: str, definition: Any, dialect: Dialect) -> str:
    """Return the SELECT of a view as text.

    Raises:
        ValidationError: it is not a single SELECT, or holds values that cannot be written into a view.
    """
    if isinstance(definition, str):
        rules = capabilities_of(dialect).tokens
        statements = split_script(definition, rules)
        if len(statements) != 1 or classify(statements[0], rules) is not StatementKind.READ:
            raise ValidationError(
                f"view {name}: a view is defined by one SELECT", field="definition", hint="'SELECT id, title FROM post'"
            )
        return statements[0]
    if not isinstance(definition, sa.SelectBase):
        raise ValidationError(
            f"view {name}: a view is defined by SQL text or a SQLAlchemy select, not {type(definition).__name__}",
            field="definition",
            hint="'SELECT id, title FROM post'",
        )
    try:
        return str(definition.compile(dialect=dialect, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, NotImplementedError) as error:
        raise ValidationError(
            f"view {name}: SQLAlchemy cannot write the select as text", field="definition", hint="give SQL text"
        ) from error


class ViewMaker:
    """Changes one view, in the transaction of the task or in a new one."""

    def __init__(self, executor: Executor, dialect: Dialect, name: str, schema: str | None = None) -> None:
        check_name("the name of the view", name, dialect)
        self._executor = executor
        self._dialect = dialect
        self._name = name
        self._schema = schema
        quote = dialect.identifier_preparer.quote_identifier
        self._quoted = quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"

    async def _run(self, sql: str) -> None:
        await self._executor.fetch(Statement(sql), [])

    async def _kind(self) -> str | None:
        reflector = self._executor.backend.reflector
        return await run_steps(self._executor, reflector.relation_kind(self._name, self._schema, self._dialect))

    async def create(self, definition: Any, *, replace: bool, materialized: bool, key: str | None) -> None:
        """Create the view, or replace it; if the new one is invalid, the existing view is unchanged."""
        text = definition_of(self._name, definition, self._dialect)
        can = self._executor.backend.capabilities
        if materialized and not can.has_materialized_views:
            raise InvalidOperationError(
                f"view {self._name}: {can.title} has no materialized views",
                operation="create_view",
                target=self._name,
                hint="omit materialized, or create a table and fill it",
            )
        async with self._executor.transaction():
            await self._executor.lock_schema()
            existing = await self._kind()
            if existing is not None and (existing == "table" or not replace):
                raise TableExistsError(
                    f"{'table' if existing == 'table' else 'view'} {self._name} already exists",
                    table_name=self._name,
                    hint="choose another name" if existing == "table" else "replace=True replaces it",
                )
            asked = NewView(self._name, self._quoted, text, existing, materialized, key)
            await run_steps(self._executor, self._executor.backend.schema.create_view(asked, self._dialect))

    async def _drop(self, kind: str) -> None:
        await self._run(f"DROP {'MATERIALIZED ' if kind == 'materialized' else ''}VIEW {self._quoted}")

    async def drop(self) -> None:
        """Drop the view; the database refuses if other objects use it."""
        async with self._executor.transaction():
            kind = await self._kind()
            await self._drop("view" if kind is None else kind)

    async def refresh(self, *, concurrently: bool) -> None:
        """Compute the rows of a materialized view again."""
        can = self._executor.backend.capabilities
        if not can.has_materialized_views or await self._kind() != "materialized":
            raise InvalidOperationError(
                f"view {self._name} is not materialized: it is always current",
                operation="refresh",
                target=self._name,
                hint="create_view(..., materialized=True) on PostgreSQL",
            )
        await self._run(f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY ' if concurrently else ''}{self._quoted}")
