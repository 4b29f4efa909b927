"""SQL that the user wrote: text with parameters, or SQLAlchemy Core statements."""

from __future__ import annotations

# What users hand in may be of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, NamedTuple

import sqlalchemy as sa

from deebase._engine.hidden_tables import refuse_escape, refuse_text
from deebase._pictures.notebook import Rows
from deebase._rows.makers import converted, row_maker
from deebase._rows.recently_used import RecentlyUsed
from deebase._sql.binding import bind_text
from deebase._sql.compiled import Parameters, prepare
from deebase._sql.raw import adapt, described, described_kinds, unique_names
from deebase._sql.session_statements import keeps_session
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.kinds import StatementKind, classify
from deebase._sqltext.splitting import split_script
from deebase._sqltext.templates import bound_template, is_template
from deebase._types.base import ColumnType
from deebase._types.native import AnyValue
from deebase._types.registry import column_type
from deebase.errors import InvalidOperationError, MultipleRowsError, NotFoundError, QueryError, ValidationError
from deebase.types import SqlExpression

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from deebase._engine.executor import Executor


class RawResult(NamedTuple):
    """The result of a SQL text.

    Attributes:
        names: of the columns.
        kinds: the types that the database names; None where the values tell them.
        rows: the values in Python.
        truncated: rows are missing at the end, because of a limit.
    """

    names: list[str]
    kinds: list[ColumnType[Any] | None]
    rows: list[Any]
    truncated: bool


#: Texts whose statement is cached, and with it how long it took.
CACHED_TEXTS = 500


class RawSql:
    """Runs ``q``, ``item``, ``stream`` and ``script`` of one database."""

    def __init__(self, executor: Executor, dialect: Dialect) -> None:
        self._executor = executor
        self._dialect = dialect
        self._rules = capabilities_of(dialect).tokens
        self._secures_rows = capabilities_of(dialect).secures_rows
        self._statements: RecentlyUsed[str, Statement] = RecentlyUsed(CACHED_TEXTS)

    def _text(self, sql: str, params: Any) -> tuple[Statement, list[Any]]:
        kind = classify(sql, self._rules)
        if kind is StatementKind.TRANSACTION:
            raise InvalidOperationError(
                "BEGIN, COMMIT, ROLLBACK and SAVEPOINT are not sent as SQL",
                operation="q",
                hint="async with db.transaction(): ... ; nested, it is a savepoint",
            )
        acting = self._executor.acting.current()
        if acting is not None:
            if self._secures_rows:
                refuse_escape(sql, self._dialect)
            else:
                refuse_text(acting, sql, self._dialect)
        bound, values = bind_text(sql, params, self._rules)
        statement = self._statements[bound]
        if statement is None:
            self._refuse_several(sql)
            resets = capabilities_of(self._dialect).resets_sessions
            statement = self._statements[bound] = Statement(
                bound,
                reads=kind is StatementKind.READ,
                changes_session=kind is StatementKind.SESSION and not resets,
                keeps_session=not resets or keeps_session(sql, self._rules),
            )
        return statement, [adapt(value, self._dialect) for value in values]

    def _plain(self, sql: Any, params: Any) -> tuple[Any, Any]:
        """Return a template as text with its values, and anything else as it is."""
        if not is_template(sql):
            return sql, params
        if params is not None:
            raise ValidationError(
                "a template holds its values, and takes no parameters", field="params", hint="write {value} in it"
            )
        return bound_template(sql, self._rules)

    def _must_be_seen(self, element: Any) -> None:
        """Refuse a statement of SQLAlchemy on a secured table, which has no scope."""
        acting = self._executor.acting.current()
        if acting is not None and not self._secures_rows:
            refuse_text(acting, str(element.compile(dialect=self._dialect)), self._dialect)

    def _refuse_several(self, sql: str) -> None:
        # Most texts have no semicolon, and need not be tokenized.
        if ";" in sql and len(split_script(sql, self._rules)) > 1:
            raise QueryError(
                "the text has more than one statement",
                statement=sql,
                hint="await db.script(...) runs several, in one transaction",
            )

    async def rows(self, sql: Any, params: Any, row_type: type) -> Rows[Any]:
        """Return the rows of a statement as ``row_type``."""
        names, rows = await self._run(sql, params)
        return Rows(row_maker(names, [None] * len(names), row_type)(rows))

    async def _run(self, sql: Any, params: Any) -> tuple[list[str], list[Any]]:
        sql, params = self._plain(sql, params)
        if not isinstance(sql, str):
            return await self._core(sql, params)
        statement, args = self._text(sql, params)
        columns, rows = await self._executor.raw_fetch(statement, args)
        names, converters = described(columns)
        conversions = tuple((n, convert) for n, convert in enumerate(converters) if convert is not None)
        return names, [converted(row, conversions) for row in rows] if conversions else rows

    async def _core(self, element: Any, params: Any) -> tuple[list[str], list[Any]]:
        """Let SQLAlchemy run its own statement, on the connection of the transaction."""
        if not isinstance(element, sa.Executable):
            raise ValidationError(
                f"q takes SQL text or a SQLAlchemy statement, not {type(element).__name__}",
                field="sql",
                hint="db.q('SELECT 1'); a table or query is awaited itself: await users(...)",
            )
        self._must_be_seen(element)
        selects = isinstance(element, (sa.Select, sa.CompoundSelect))
        reads = selects and getattr(element, "_for_update_arg", None) is None
        if not reads:
            self._executor.reads.must_write("a statement that does more than read")
        block = self._executor.current_transaction()
        if block is None:
            async with self._executor.transaction(read_only=reads):
                return await self._core(element, params)

        async def execute(lane: Any) -> tuple[list[str], list[Any]]:
            await lane.flush()
            result = await lane.connection.execute(element, params)
            return (unique_names(result.keys()), list(result.all())) if result.returns_rows else ([], [])

        return await block.run(execute)

    async def table(self, sql: Any, params: Any, form: str) -> Any:
        """Return the rows of a statement as an Arrow table, or as a frame of polars or pandas."""
        # Here, because only programs with Arrow tables need it.
        from deebase._tables.arrow_results import framed

        frame = framed(form)
        return frame(await self._arrow(sql, params))

    async def _arrow(self, sql: Any, params: Any) -> Any:
        from deebase._tables.arrow_results import raw_table

        sql, params = self._plain(sql, params)
        if isinstance(sql, str):
            result = await self.result(sql, params)
            return raw_table(result.names, result.kinds, result.rows)
        names, rows = await self._core(sql, params)
        selected = list(sql.exported_columns) if isinstance(sql, (sa.Select, sa.CompoundSelect)) else []
        if len(selected) != len(names):
            return raw_table(names, [None] * len(names), rows)
        found = [column_type(column.type) for column in selected]
        return raw_table(names, [None if isinstance(kind, AnyValue) else kind for kind in found], rows)

    async def result(self, sql: str, params: Any) -> RawResult:
        """Return the result of a SQL text with the types of its columns."""
        statement, args = self._text(sql, params)
        columns, rows = await self._executor.raw_fetch(statement, args)
        names, converters = described(columns)
        conversions = tuple((n, convert) for n, convert in enumerate(converters) if convert is not None)
        made = [converted(row, conversions) for row in rows] if conversions else list(rows)
        return RawResult(names, described_kinds(columns), made, False)

    async def item(self, sql: Any, params: Any) -> Any:
        """Return the one value of a result."""
        names, rows = await self._run(sql, params)
        if not rows:
            raise NotFoundError("the query returned no row", hint="item wants exactly one row with one column")
        if len(rows) > 1:
            raise MultipleRowsError("the query returned more than one row", hint="add a condition, or use q")
        if len(names) != 1:
            raise ValidationError(
                f"the query returned {len(names)} columns", hint="item wants one column; use q for a row"
            )
        return rows[0][0]

    async def stream(self, sql: Any, params: Any, row_type: type, size: int) -> AsyncIterator[Any]:
        """Yield the rows of a query from a cursor of the database.

        Args:
            sql: SQL text, or a SQLAlchemy select where the statement is trusted.
            params: its parameters.
            row_type: of the rows.
            size: rows that are fetched at once.
        """
        statement, args, fixed = self._query(sql, params)
        maker = None
        # Closed with this generator, not some time later: it holds a connection.
        async with aclosing(self._executor.stream(statement, args, size)) as pieces:
            async for described_columns, rows in pieces:
                if maker is None:
                    names, converters = fixed or described(described_columns)
                    maker = row_maker(names, converters, row_type)
                for row in maker(rows):
                    yield row

    def _query(self, sql: Any, params: Any) -> tuple[Statement, list[Any], tuple[list[str], list[Any]] | None]:
        """Return a query, its parameters, and the names and converters of its columns if the result does not tell."""
        sql, params = self._plain(sql, params)
        if isinstance(sql, str):
            return *self._text(sql, params), None
        if isinstance(sql, (sa.Select, sa.CompoundSelect)):
            select: Any = sql
            self._must_be_seen(select)
            prepared = prepare(
                select.params(params) if params else select, self._dialect, Parameters(), reads=True, is_cheap=False
            )
            statement, args = prepared.ready({})
            columns = list(select.exported_columns)
            read = [column.type.dialect_impl(self._dialect).result_processor(self._dialect, None) for column in columns]
            return statement, args, (unique_names(str(column.name) for column in columns), read)
        raise ValidationError("stream takes SQL text or a SQLAlchemy select", hint="db.stream('SELECT ...')")

    async def script(self, sql: Any) -> None:
        """Run all statements of a script in one transaction."""
        if not isinstance(sql, str):
            raise ValidationError(
                f"script takes SQL text, not {type(sql).__name__}",
                field="sql",
                hint="db.script('CREATE ...; INSERT ...;'); a SQLAlchemy statement goes to db.q",
            )
        async with self._executor.transaction():
            for text in split_script(sql, self._rules):
                await self._run(text, None)

    def expression(self, expression: Any) -> SqlExpression:
        """Wrap an expression that is meant to be SQL."""
        if isinstance(expression, str):
            return SqlExpression(sa.literal_column(f"({expression})"))
        element = expression.__clause_element__() if hasattr(expression, "__clause_element__") else expression
        if not isinstance(element, sa.ColumnElement):
            raise ValidationError(
                f"sql takes a SQLAlchemy expression, not {type(expression).__name__}", hint="db.sql(t.c.n + 1)"
            )
        return SqlExpression(element)
