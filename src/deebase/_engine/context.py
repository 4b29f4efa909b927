"""The table, scope and row type of a handle, and the conditions of a call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar, cast

import sqlalchemy as sa

from deebase._engine.acting_executor import acting_executor
from deebase._engine.hidden_tables import refuse_hidden, refuse_selects, refuse_subqueries
from deebase._lanes.acting import Acting
from deebase._rows.makers import Maker, OneMaker, one_maker, row_maker
from deebase._sql.compiled import CompiledStatement
from deebase._sql.keyed import KeyedRead
from deebase._sql.queries.paths import is_path, path_column
from deebase._sql.scope import NO_TENANT, Scope, no_scope
from deebase._sql.where import Where
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.templates import bound_template, is_template
from deebase._types.forms.moment_sql import IS_VIEW
from deebase.errors import InvalidOperationError, NotFoundError, ValidationError
from deebase.types import UNSET, SqlExpression, must_be_flags

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

    from deebase._engine.executor import Executor
    from deebase._model.catalog import Catalog
    from deebase._rows.model import ForeignKeyModel, TableModel

T = TypeVar("T")


class TableContext:
    """The model of a handle's table, its executor, its scope and its row type."""

    __slots__ = ("_made", "by_pk", "catalog", "dialect", "executor", "model", "requested_type", "scope")

    def __init__(
        self,
        executor: Executor,
        catalog: Catalog,
        model: TableModel,
        row_type: type[Any] | None = None,
        scope: Scope | None = None,
    ) -> None:
        self.executor: Executor = executor
        self.catalog: Catalog = catalog
        self.dialect: Dialect = catalog.dialect
        self.model: TableModel = model
        self.scope: Scope = no_scope() if scope is None else scope
        #: The row type of ``rows_as``; None for that of the table.
        self.requested_type: type[Any] | None = row_type
        #: The read of a whole row by key, once one was made.
        self.by_pk: KeyedRead | None = None
        self._made: tuple[type[Any], OneMaker] | None = None

    @property
    def foreign_keys(self) -> tuple[ForeignKeyModel, ...]:
        """The current foreign keys."""
        return self.catalog.foreign_keys(self.model)

    def with_rows(self, row_type: type[Any]) -> TableContext:
        """Return a copy with another row type, which must fit the columns."""
        given: Any = row_type
        if not isinstance(given, type):
            raise ValidationError(
                f"{self.model.name}: rows_as takes a class, not {type(given).__name__}",
                field="row_type",
                hint="rows_as(dict), or rows_as(User)",
            )
        context = table_context(self.executor, self.catalog, self.model, row_type, self.own_scope)
        context.maker(self.model.names)
        return context

    @property
    def own_scope(self) -> Scope:
        """The scope of the handle itself, without the values that the task acts for."""
        return self.scope

    def narrowed(self, columns: Mapping[str, Any], *, writable: bool = True) -> TableContext:
        """Return a copy whose scope has further columns; see ``Scope.narrowed``."""
        return self.scoped(self.own_scope.narrowed(self.model, columns, writable=writable))

    def scoped(self, scope: Scope) -> TableContext:
        """Return a copy with another scope."""
        return table_context(self.executor, self.catalog, self.model, self.requested_type, scope)

    def refreshed(self, name: str) -> TableContext:
        """Return a copy with the current model of the catalog, which may have another name."""
        return table_context(self.executor, self.catalog, self.catalog.model(name), self.requested_type)

    def of_table(self, name: str) -> TableContext:
        """Return the context of another table, restricted to those columns of the scope that it has.

        Raises:
            TableNotFoundError: the table is not in the catalog.
        """
        model = self.catalog.model(name)
        return table_context(self.executor, self.catalog, model, None, self.scope.carried_to(model, self.model))

    def require_unscoped(self, operation: str) -> None:
        """Refuse to change a table or view through a handle that has a scope.

        Raises:
            InvalidOperationError: the handle has a scope.
        """
        if self.own_scope or any(value is not NO_TENANT for value in self.scope.held.values()):
            raise InvalidOperationError(
                f"{operation} changes all of {self.model.name}, and this handle has a scope",
                operation=operation,
                target=self.model.name,
                hint="use the handle without a scope",
            )

    def no_single_key(self, operation: str, keys: Sequence[Any], columns: Mapping[str, Any]) -> ValidationError:
        """Return the error of ``get`` or ``delete`` without exactly one key.

        Args:
            operation: which of them.
            keys: the positional arguments.
            columns: the keyword arguments.
        """
        model = self.model
        example = f"{operation}(1)" if len(model.pks) < 2 else f"{operation}(({', '.join(model.pks)}))"
        if columns:
            other = "lookup" if operation == "get" else "delete_where"
            given = ", ".join(f"{name}=..." for name in columns)
            message = f"{operation} of {model.name} takes a key, not columns"
            hint = f"the key itself: {example}; other columns: {other}({given})"
        elif keys[0] is UNSET:
            message, hint = f"{operation} of {model.name} was given no key", example
        else:
            message = f"{operation} of {model.name} takes one key, not {len(keys)} values"
            many = "get(key, default=None)" if operation == "get" else "several rows: delete_all([1, 2])"
            hint = f"a composite key is a tuple: {operation}((a, b)); {many}"
        return ValidationError(message, field=model.pks[0] if model.pks else None, hint=hint)

    def surplus(self, operation: str, values: Sequence[Any], hint: str) -> ValidationError:
        """Return the error for positional arguments that a method does not accept."""
        kinds = ", ".join(type(value).__name__ for value in values)
        return ValidationError(f"{operation} of {self.model.name} was given too much: {kinds}", hint=hint)

    def where(self) -> Where:
        """Return conditions that begin with the scope."""
        return Where(self.model, self.scope)

    def cached(self, key: tuple[Any, ...] | None, build: Callable[[], T]) -> T:
        """Return the cached statement of a key, which is built at its first use.

        Without a key it is built for this run only. A statement with fixed values is not cached either.
        """
        if key is None:
            return build()
        statements = self.model.statements
        found: T | None = statements[key]
        if found is None:
            found = build()
            if not (isinstance(found, CompiledStatement) and found.fixed):
                statements[key] = found
        return found

    def maker(self, columns: tuple[str, ...], *, returned: bool = False) -> Maker:
        """Return the maker of rows with these columns, which is built at its first use.

        Args:
            columns: names, in the order of the statement.
            returned: the rows come from RETURNING.
        """
        row_type = self.requested_type or self.model.row_type
        key = ("rows", columns, row_type, returned)
        cached: Maker | None = self.model.statements[key]
        if cached is not None:
            return cached
        known = [self.model.columns[name] for name in columns]
        reads = [column.read_returned if returned else column.read for column in known]
        return self.cached(key, lambda: row_maker(columns, reads, row_type))

    def row(self, row: Any) -> Any:
        """Return a whole row of a SELECT in the row type."""
        # The table's row type may have changed since this was built.
        row_type = self.requested_type or self.model.row_type
        made = self._made
        if made is None or made[0] is not row_type:
            reads = [column.read for column in self.model.columns.values()]
            made = self._made = (row_type, one_maker(self.model.names, reads, row_type))
        return made[1](*row)

    def keyed_read(self, key: tuple[str, ...], columns: tuple[str, ...]) -> KeyedRead:
        """Return the read of a row by unique columns; its columns include them."""
        scope = self.scope
        return self.cached(
            ("read", key, columns, scope.shape), lambda: KeyedRead(self.model, key, columns, self.dialect, scope)
        )

    async def by_key(
        self, key: tuple[str, ...], values: Sequence[Any], columns: tuple[str, ...], *, waits: bool = False
    ) -> list[Any]:
        """Return the driver's row with these values of unique columns, if it exists.

        Args:
            key: the unique columns.
            values: their values.
            columns: what to read; they include the key.
            waits: expect other reads in this turn of the event loop.
        """
        read = self.keyed_read(key, columns)
        return await self.executor.fetch_by_key(read, read.args(values, self.scope), waits=waits)

    def stored_nothing(self) -> InvalidOperationError:
        """Return the error of an insert whose row a trigger discarded."""
        return InvalidOperationError(
            f"{self.model.name}: the database stored no row: a trigger of the table dropped it",
            operation="insert",
            target=self.model.name,
            hint="check the triggers of the table",
        )

    def not_found(self, names: Sequence[str], key: Any) -> NotFoundError:
        """Return the error for a key that no row (of the scope) has."""
        model = self.model
        filters = dict(zip(names, model.key_values(key), strict=True))
        return NotFoundError(
            f"{model.name}: no row with this {', '.join(names)}",
            table_name=model.name,
            filters=filters,
            hint="the key is in .filters of this error; get(key, default=None) returns None instead",
        )


class SecuredContext(TableContext):
    """The context of a secured table: its scope has the values that the task acts for, too."""

    __slots__ = ("_own", "_scopes")

    def __init__(
        self,
        executor: Executor,
        catalog: Catalog,
        model: TableModel,
        row_type: type[Any] | None = None,
        scope: Scope | None = None,
    ) -> None:
        #: The last values that the task acted for, and the scope with them.
        self._scopes: tuple[Acting | None, Scope] | None = None
        held = {} if scope is None else scope.held
        own = {name: held[name] for name in model.secure if held.get(name) not in (None, NO_TENANT)}
        super().__init__(acting_executor(executor, own) if own else executor, catalog, model, row_type, scope)

    @property
    def scope(self) -> Scope:
        """The scope of the handle, with the values that the task acts for."""
        acting = self.executor.acting.current()
        known = self._scopes
        if known is None or known[0] != acting:
            held = None if acting is None else acting.held
            known = self._scopes = (acting, self._own.acting(self.model, held))
        return known[1]

    @scope.setter
    def scope(self, scope: Scope) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._own: Scope = scope

    @property
    def own_scope(self) -> Scope:
        """See ``TableContext``."""
        return self._own


class _OpenContext(TableContext):
    """The context of a view where the database itself secures no rows."""

    __slots__ = ("_own",)

    @property
    def scope(self) -> Scope:
        """The scope of the handle.

        Raises:
            InvalidOperationError: the task acts for a tenant, and the view reads a secured table.
        """
        acting = self.executor.acting.current()
        if acting is not None:
            refuse_hidden(acting, [self.model.name], self.dialect)
        return self._own

    @scope.setter
    def scope(self, scope: Scope) -> None:  # pyright: ignore[reportIncompatibleVariableOverride]
        self._own: Scope = scope

    @property
    def own_scope(self) -> Scope:
        """See ``TableContext``."""
        return self._own


def table_context(
    executor: Executor,
    catalog: Catalog,
    model: TableModel,
    row_type: type[Any] | None = None,
    scope: Scope | None = None,
) -> TableContext:
    """Return the context of a table or view.

    Args:
        executor: sends the statements.
        catalog: the registered tables.
        model: the table or view.
        row_type: the row type of ``rows_as``; None for that of the table.
        scope: the scope of the handle.
    """
    kind = TableContext
    if model.secure:
        kind = SecuredContext
    elif model.sa_table.info.get(IS_VIEW) and not capabilities_of(catalog.dialect).secures_rows:
        kind = _OpenContext
    return kind(executor, catalog, model, row_type, scope)


def _stray(source: TableContext, item: Any) -> ValidationError:
    """Return the error for a list or dict without SQL text before it."""
    name = source.model.name
    if isinstance(item, dict):
        return ValidationError(
            f"{name}: a dict is not a condition; after SQL text it holds the values of :name",
            hint="conditions by column are keywords or where: t(name='Ada'), or t(where={'name': 'Ada'})",
        )
    return ValidationError(
        f"{name}: a {type(item).__name__} is not a condition; it holds the values of the SQL text right before it",
        hint=f"t('age > ?', [30]); several rows by key are t({(source.model.pks or ('id',))[0]}=[1, 2])",
    )


def _check_condition(source: TableContext, item: Any) -> None:
    """Refuse a bare value after SQL text, which takes its values as a list or dict."""
    if hasattr(item, "__clause_element__") or isinstance(item, (str, sa.ClauseElement, SqlExpression)):
        return
    raise ValidationError(
        f"{source.model.name}: the values of SQL text come as a list or dict, not as {type(item).__name__}",
        field="params",
        hint="t('age > ?', [30]), or t('age > :age', {'age': 30})",
    )


def _not_again(source: TableContext, where: Mapping[str, Any], keywords: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the keywords; refuse those that ``where`` has, too."""
    both = [name for name in keywords if name in where]
    if both:
        raise ValidationError(
            f"{source.model.name}.{both[0]} is in where and among the keywords",
            field=both[0],
            hint="a condition on a column is in one of them",
        )
    return keywords


def _must_be_expression(source: TableContext, where: Any) -> None:
    if (
        hasattr(where, "__clause_element__")
        or isinstance(where, (sa.ClauseElement, SqlExpression))
        or is_template(where)
    ):
        return
    raise ValidationError(
        f"{source.model.name}: where is a dict, SQL text, an expression or a list of conditions, "
        f"not {type(where).__name__}",
        field="where",
        hint="t(where={'age': 30}), t(where='age > ?', params=[30]), or t(t.c.age > 30)",
    )


def _without(keywords: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    return {key: value for key, value in keywords.items() if key != name}


def conditions(
    source: TableContext,
    args: Sequence[Any],
    keywords: Mapping[str, Any],
    where: Any = None,
    params: Any = None,
) -> Where:
    """Return the conditions of a call: expressions and SQL text by position, columns and paths by name.

    Args:
        source: the table.
        args: the conditions by position.
        keywords: conditions by column; ``where`` and ``params`` among them are the arguments, unless they are columns.
        where: a dict of columns or paths, SQL text with ``params``, an expression, or a list as by position.
        params: the parameters of a ``where`` of SQL text.
    """
    if "where" in keywords and "where" not in source.model.columns:
        where, keywords = keywords["where"], _without(keywords, "where")
    if "params" in keywords and "params" not in source.model.columns:
        params, keywords = keywords["params"], _without(keywords, "params")
    result = Where(source.model, source.scope)
    context = source.executor.acting
    acting = context.current() if context.used else None
    if isinstance(where, (list, tuple)):
        args, where = (*args, *cast("Sequence[Any]", where)), None
    elif where is not None and not isinstance(where, (str, Mapping)):
        _must_be_expression(source, where)
        args, where = (*args, where), None
    pending = list(args)
    while pending:
        item = pending.pop(0)
        if isinstance(item, str):
            following = pending.pop(0) if pending and isinstance(pending[0], (list, tuple, dict)) else None
            if pending and following is None:
                _check_condition(source, pending[0])
            if acting is not None and acting.hidden:
                refuse_subqueries(acting, item, source.dialect)
            result.fragment(item, following, source.dialect)
        elif isinstance(item, (list, tuple, dict)):
            raise _stray(source, item)
        elif not isinstance(item, sa.ClauseElement) and is_template(item):
            text, values = bound_template(item, capabilities_of(source.dialect).tokens)
            if acting is not None and acting.hidden:
                refuse_subqueries(acting, text, source.dialect)
            result.fragment(text, values, source.dialect)
        else:
            if acting is not None and acting.hidden:
                refuse_selects(acting, item, source.dialect)
            result.expression(item, source.dialect)
    if isinstance(where, Mapping):
        keywords = {**where, **_not_again(source, cast("Mapping[str, Any]", where), keywords)}
    elif where is not None:
        if acting is not None and acting.hidden:
            refuse_subqueries(acting, where, source.dialect)
        result.fragment(where, params, source.dialect)
        params = None
    if params is not None:
        raise ValidationError(
            "params without a text as where", field="params", hint="t(where='age > :age', params={'age': 30})"
        )
    for name, value in keywords.items():
        if "." in name and is_path(source.model, name):
            result.equal(name, value, path_column(source.catalog, source.model, name)[1])
        else:
            result.equal(name, value)
    return result


def intended_conditions(
    source: TableContext, operation: str, args: Sequence[Any], keywords: Mapping[str, Any], everything: bool
) -> Where:
    """Return the conditions of a change of many rows, which must exist unless every row is meant."""
    must_be_flags(all=everything)
    result = conditions(source, args, keywords)
    if not result and not everything:
        raise ValidationError(
            f"{operation} of {source.model.name} without a condition would touch every row",
            hint="give a condition, or all=True to mean it",
        )
    return result
