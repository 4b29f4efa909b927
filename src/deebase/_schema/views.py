"""Making, refreshing and dropping views."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import SQLAlchemyError

from deebase._engine.executor import Executor
from deebase._model.design import check_name
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.splitting import split_script
from deebase.errors import InvalidOperationError, QueryError, TableExistsError, ValidationError

#: What is there under a name: "table", "view" or "materialized".
_KIND = {
    "sqlite": "SELECT type FROM sqlite_master WHERE name = ? COLLATE NOCASE AND type IN ('table', 'view')",
    "postgresql": """
        SELECT CASE relkind WHEN 'v' THEN 'view' WHEN 'm' THEN 'materialized' ELSE 'table' END
        FROM pg_class WHERE oid = to_regclass($1)
    """,
}
_TRIGGERS = "SELECT sql FROM sqlite_master WHERE type = 'trigger' AND tbl_name = ? COLLATE NOCASE"
_INDEXES = "SELECT pg_get_indexdef(indexrelid) FROM pg_index WHERE indrelid = to_regclass($1)"

#: PostgreSQL's refusal to replace a view whose columns change (manual, appendix A, invalid_table_definition).
_OTHER_COLUMNS = "42P16"


def definition_of(name: str, definition: Any, dialect: Dialect) -> str:
    """Return the SELECT of a view as text.

    Raises:
        ValidationError: it is no single SELECT, or holds values that cannot be written into a view.
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
    """Changes one view, in a transaction (the one of the task if there is one)."""

    def __init__(self, executor: Executor, dialect: Dialect, name: str, schema: str | None = None) -> None:
        check_name("the name of the view", name, dialect)
        self._executor = executor
        self._dialect = dialect
        self._name = name
        quote = dialect.identifier_preparer.quote_identifier
        self._quoted = quote(name) if schema is None else f"{quote(schema)}.{quote(name)}"

    async def _run(self, sql: str, args: Sequence[Any] = ()) -> list[Any]:
        return await self._executor.fetch(Statement(sql), args)

    async def _kind(self) -> str | None:
        sqlite = self._dialect.name == "sqlite"
        rows = await self._run(_KIND[self._dialect.name], [self._name if sqlite else self._quoted])
        return str(rows[0][0]) if rows else None

    async def create(self, definition: Any, *, replace: bool, materialized: bool, key: str | None) -> None:
        """Make the view; one that is there is replaced, or left as it was when the new one is wrong."""
        text = definition_of(self._name, definition, self._dialect)
        if materialized and self._dialect.name == "sqlite":
            raise InvalidOperationError(
                f"view {self._name}: SQLite has no materialized views",
                operation="create_view",
                target=self._name,
                hint="leave materialized out, or fill a table",
            )
        async with self._executor.transaction():
            await self._executor.lock_schema()
            there = await self._kind()
            if there is not None and (there == "table" or not replace):
                raise TableExistsError(
                    f"{'table' if there == 'table' else 'view'} {self._name} exists",
                    table_name=self._name,
                    hint="choose another name" if there == "table" else "replace=True replaces it",
                )
            if self._dialect.name == "sqlite":
                await self._create_on_sqlite(text, there)
            else:
                await self._create_on_postgres(text, there, materialized=materialized, key=key)

    async def _create_on_sqlite(self, text: str, there: str | None) -> None:
        triggers = await self._run(_TRIGGERS, [self._name]) if there else []
        if there:
            await self._run(f"DROP VIEW {self._quoted}")
        await self._run(f"CREATE VIEW {self._quoted} AS {text}")
        # SQLite looks at a view when it is first used.
        await self._run(f"SELECT * FROM {self._quoted} LIMIT 0")
        for (trigger,) in triggers:
            await self._run(trigger)

    async def _create_on_postgres(self, text: str, there: str | None, *, materialized: bool, key: str | None) -> None:
        if there == "view" and not materialized:
            try:
                async with self._executor.transaction():
                    await self._run(f"CREATE OR REPLACE VIEW {self._quoted} AS {text}")
                return
            except QueryError as error:
                if error.sqlstate != _OTHER_COLUMNS:
                    raise
        indexes = await self._run(_INDEXES, [self._quoted]) if there == "materialized" and materialized else []
        if there is not None:
            await self._drop(there)
        await self._run(f"CREATE {'MATERIALIZED ' if materialized else ''}VIEW {self._quoted} AS {text}")
        for (index,) in indexes:
            await self._run(index)
        if materialized and key is not None and not indexes:
            column = self._dialect.identifier_preparer.quote_identifier(key)
            await self._run(f"CREATE UNIQUE INDEX ON {self._quoted} ({column})")

    async def _drop(self, kind: str) -> None:
        await self._run(f"DROP {'MATERIALIZED ' if kind == 'materialized' else ''}VIEW {self._quoted}")

    async def drop(self) -> None:
        """Drop the view; the database refuses while others use it."""
        async with self._executor.transaction():
            kind = await self._kind()
            await self._drop("view" if kind is None else kind)

    async def refresh(self, *, concurrently: bool) -> None:
        """Compute a materialized view anew."""
        if self._dialect.name == "sqlite" or await self._kind() != "materialized":
            raise InvalidOperationError(
                f"view {self._name} is not materialized: it is always current",
                operation="refresh",
                target=self._name,
                hint="create_view(..., materialized=True) on PostgreSQL",
            )
        await self._run(f"REFRESH MATERIALIZED VIEW {'CONCURRENTLY ' if concurrently else ''}{self._quoted}")
