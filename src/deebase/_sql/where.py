"""Conditions: keywords, SQLAlchemy expressions and SQL fragments, joined with AND."""

from __future__ import annotations

# Arguments of users may have any type, and pyright reports an Any that isinstance has narrowed as unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
import operator
from collections.abc import Hashable, Mapping, Sequence
from copy import copy
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.visitors import InternalTraversal

from deebase._rows.model import ColumnModel, TableModel
from deebase._rows.parents import Join, Parent, parent_of_column
from deebase._sql.binding import check_enclosed
from deebase._sql.compiled import Parameters, member_source
from deebase._sql.fragments import BoundFragment, bound_fragment
from deebase._sql.operands import indexable, may_hide_index
from deebase._sql.queries.child_subqueries import within_scope
from deebase._sql.queries.joins import Narrowed, has_text, joins_of, parents_in, parts_of, required_by
from deebase._sql.scope import Scope, no_scope
from deebase._sqltext.capabilities import capabilities_of
from deebase._types.forms.foreign_values import OWN, sendable
from deebase._types.forms.moment_sql import Plain
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import SqlExpression

_COLLECTIONS = (list, tuple, set, frozenset)
_COMPARISONS = frozenset({operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge})

#: Values of one condition: a statement has 32,766 at most on SQLite, 32,767 on PostgreSQL.
MAX_VALUES = 30_000
#: Elements of one expression (a comparison has three), and how deep they may be nested. Beyond that, SQLAlchemy would
#: block the event loop, and overflow the stack.
MAX_ELEMENTS = 10_000
MAX_DEPTH = 100


class Enclosed(ColumnElement[bool]):
    """A condition of a scoped handle, in parentheses that its text cannot close.

    SQLAlchemy joins expressions with AND that may hold raw text (``literal_column``, custom operators).
    """

    __visit_name__ = "deebase_enclosed"
    inherit_cache = True
    _traverse_internals = [("element", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - declared by SQLAlchemy
    type = sa.Boolean()

    def __init__(self, element: ColumnElement[bool]) -> None:
        self.element = element

    def get_children(self, **_: Any) -> Any:
        """Return the condition, whose parts may need joins."""
        return (self.element,)


@compiles(Enclosed)
def _compile_enclosed(element: Enclosed, compiler: Any, **kwargs: Any) -> str:
    text = compiler.process(element.element, **kwargs)
    check_enclosed(text, capabilities_of(compiler.dialect).tokens)
    return f"({text})"


class Assigned(ColumnElement[Any]):
    """The new value of a column, written through a scoped handle: one expression that cannot end its assignment."""

    __visit_name__ = "deebase_assigned"
    inherit_cache = False

    def __init__(self, column: str, element: ColumnElement[Any]) -> None:
        self.column = column
        self.element = element
        self.type = element.type

    def get_children(self, **_: Any) -> Any:
        """Return the expression, whose parts may need joins."""
        return (self.element,)


@compiles(Assigned)
def _compile_assigned(element: Assigned, compiler: Any, **kwargs: Any) -> str:
    text: str = compiler.process(element.element, **kwargs)
    check_enclosed(text, capabilities_of(compiler.dialect).tokens, value_of=element.column)
    # The keyword DEFAULT is not an expression: in parentheses it is a syntax error.
    return text if text.strip().upper() == "DEFAULT" else f"({text})"


class Where:
    """The conditions of one statement.

    ``shape`` is the part of the cache key that determines the SQL text. It is None if a condition has no
    comparable key (an expression whose text holds values); the statement is then not cached.
    """

    __slots__ = ("_clauses", "_sources", "embedded", "joins", "model", "scope", "shape", "values")

    def __init__(self, model: TableModel, scope: Scope | None = None) -> None:
        self.model: TableModel = model
        self.scope: Scope = no_scope() if scope is None else scope
        # Other names than those of conditions on the same columns.
        self.shape: tuple[Hashable, ...] | None = (self.scope.shape,) if self.scope else ()
        self.values: dict[str, Any] = dict(self.scope.values)
        self._sources = 0
        #: Values inside of expressions, and their names in ``values``.
        self.embedded: dict[sa.BindParameter[Any], str] = {}
        self._clauses: list[Any] = []
        #: The tables that the conditions need, besides that of the statement.
        self.joins: tuple[Join, ...] = ()

    def __bool__(self) -> bool:
        return bool(self._clauses)

    def equal(self, name: str, value: Any, column: ColumnModel | None = None) -> None:
        """Add ``column = value``; None means IS NULL, a list, tuple or set means IN.

        Args:
            name: the column, or the path of one of a related row.
            value: the value.
            column: the column of the path.
        """
        if column is None:
            column = self.model.column(name)
        else:
            self.join(parents_in([column.sa_column]))
        _refuse_expression(name, value)
        # Columns never have such names, so one dict can hold the values of conditions and columns.
        source = key_source(self._sources)
        self._sources += 1
        if value is None:
            self._add_keyed(("null", source, column), ("null", name))
        elif isinstance(value, _COLLECTIONS) and not column.takes_collections:
            members: Any = value
            self._contained(column, source, list(members))
        else:
            self.values[source] = value
            self._add_keyed(("equal", source, column), ("equal", name))

    def copy(self) -> Where:
        """Return the same conditions, for another statement with other columns."""
        made = copy(self)
        made.values, made.embedded, made._clauses = dict(self.values), dict(self.embedded), list(self._clauses)
        return made

    def nothing(self) -> None:
        """Add a condition that is false for all rows."""
        self.expression(sa.false())

    def match(self, names: Sequence[str]) -> None:
        """Add ``column = value`` for columns whose values are passed at each run, from ``key_source(0)`` on."""
        for n, name in enumerate(names):
            self._add_keyed(("equal", key_source(n), self.model.column(name)), ("equal", name))

    def _contained(self, column: ColumnModel, source: str, values: list[Any]) -> None:
        present = [value for value in values if value is not None]
        self._refuse_many(len(present))
        for position, value in enumerate(present):
            _refuse_expression(column.name, value)
            self.values[f"{source}_{position}"] = value
        self.values[source] = None
        kind = "in or null" if len(present) < len(values) else "in"
        self._add_keyed((kind, source, column, len(present)), (kind, column.name, len(present)))

    def _add_keyed(self, clause: Any, shape: Hashable) -> None:
        self._clauses.append(clause)
        self.add_shape(shape)

    def add_shape(self, shape: Hashable) -> None:
        """Add what the text of the statement depends on besides its conditions."""
        if self.shape is not None:
            self.shape = (*self.shape, shape)

    def expression(self, element: Any, dialect: Dialect | None = None) -> None:
        """Add a SQLAlchemy condition; one of the caller with the database, so that an index can serve it."""
        if isinstance(element, SqlExpression):
            element = element.element
        if not isinstance(element, sa.ColumnElement):
            kind = type(element).__name__
            raise ValidationError(
                f"{self.model.name}: a condition is a SQLAlchemy expression, SQL text or a keyword, not {kind}",
                hint=_condition_hint(element),
            )
        condition: Any = element
        if _is_comparison(condition):
            hides = may_hide_index(condition) or may_hide_index(condition.right)
            if condition.left.table is not self.model.sa_table:
                self._must_be_reachable(condition.left)
                self.join(parents_in([condition.left]))
        else:
            parts = self.parts(condition)
            hides = any(map(may_hide_index, parts))
            self.join(parents_in(parts))
            if self.scope:
                condition = within_scope(condition, parts, self.scope)
        if hides and dialect is not None and capabilities_of(dialect).checks_types:
            condition = indexable(condition)
        self._clauses.append(condition)
        if self.shape is None:
            return
        if _is_comparison(condition) and self._is_plain(condition):
            # As its cache key of SQLAlchemy, which takes longer to make than the rest of the call.
            self._embed(condition.right)
            self.add_shape(("comparison", condition.operator, condition.left.name))
        else:
            self._add_expression_shape(condition)

    def within(self, element: Any) -> Any:
        """Return an expression with its values of children restricted to the scope."""
        return within_scope(element, self.parts(element), self.scope) if self.scope else element

    def include(self, element: Any) -> None:
        """Make an expression that is not a condition a part of the statement: its values, and the tables it needs."""
        self.join(parents_in(self.parts(element)))
        if self.shape is not None:
            self._add_expression_shape(element)

    def join(self, parents: Sequence[Parent]) -> None:
        """Join tables to that of the statement, with those that lead to them."""
        if not parents:
            return
        known = [join.parent for join in self.joins]
        self.joins = joins_of([*known, *parents], self.model, self.scope)
        self.add_shape(("joins", self.joins))

    def _is_plain(self, condition: Any) -> bool:
        """Whether it compares a column of the table with a value of its type."""
        left: Any = condition.left
        right: Any = condition.right
        return (
            isinstance(condition, sa.BinaryExpression)
            and condition.operator in _COMPARISONS
            and left.table is self.model.sa_table
            and right.type is left.type
            and right.unique
            and not _is_part_of_the_text(right)
            and not condition.modifiers
        )

    def _embed(self, value: sa.BindParameter[Any]) -> None:
        """Have a value of an expression read at each run."""
        source = self._embedded_source(value)
        given = value.value
        self.values[source] = given if type(given) in OWN else sendable(given)

    def _embedded_source(self, value: sa.BindParameter[Any]) -> str:
        """Return the name of a value of an expression."""
        if value in self.embedded:
            # Two conditions with one object: their statement reads it once, and is no statement for two values.
            self.shape = None
        return self.embedded.setdefault(value, f"\0e{len(self.embedded)}")

    def _refuse_many(self, values: int) -> None:
        if values > MAX_VALUES:
            raise ValidationError(
                f"{self.model.name}: a condition has {MAX_VALUES} values at most",
                hint="read in several pieces, or put the values into a table and join it",
            )

    def parts(self, element: sa.ClauseElement) -> list[Any]:
        """Return all parts of an expression.

        Raises:
            ValidationError: it is too large, or has a column of another table outside of a SELECT of its own. It is
                read without recursion, because it may be an attack.
        """
        waiting: list[tuple[Any, int, bool]] = [(element, 1, False)]
        seen: list[Any] = []
        while waiting:
            part, depth, selects = waiting.pop()
            seen.append(part)
            selects = selects or isinstance(part, sa.SelectBase)
            if not selects and isinstance(part, sa.ColumnClause):
                self._must_be_reachable(part)
            if len(seen) > MAX_ELEMENTS or depth > MAX_DEPTH:
                raise ValidationError(
                    f"{self.model.name}: a condition is too large or too deeply nested",
                    hint="write many alternatives for one column as a list: t(id=[1, 2, 3])",
                )
            waiting.extend([(child, depth + 1, selects) for child in part.get_children()])
        return seen

    def _must_be_reachable(self, column: sa.ColumnClause[Any]) -> None:
        """Refuse a column of another table, of which each row would meet every row of this one."""
        own: Any = self.model.sa_table
        table: Any = column.table
        # A handle may be older than the last change of its table, which has other columns of the same name since.
        same = isinstance(table, sa.Table) and table.fullname == own.fullname
        if table is None or table is own or same or parent_of_column(column) is not None:
            return
        raise ValidationError(
            f"{self.model.name}: {column.name} is a column of {_said(table)}",
            field=column.name,
            hint=f"over a foreign key: t.fk.author_id.c.{column.name}; otherwise in a SELECT of its own: "
            f"t.c.id.in_(sa.select(...))",
        )

    def _add_expression_shape(self, element: Any) -> None:
        """Allow a statement with this expression to be cached: its values are read from the expression at each run.

        Expressions with the same cache key of SQLAlchemy compile to the same text.
        """
        key = element._generate_cache_key()
        if key is None or any(_is_part_of_the_text(value) for value in key.bindparams):
            self.shape = None
            return
        lengths: list[int] = []
        for value in key.bindparams:
            if not value.expanding:
                self._embed(value)
                continue
            source = self._embedded_source(value)
            members = value.value
            self._refuse_many(len(members))
            lengths.append(len(members))
            self.values.update({member_source(source, n): sendable(member) for n, member in enumerate(members)})
        self.add_shape(("expression", key.key, *lengths))

    def fragment(self, text: str, params: Mapping[str, Any] | Sequence[Any] | None, dialect: Dialect) -> None:
        """Add a condition in SQL text, with its values bound."""
        if params is not None and hasattr(params, "__len__"):
            self._refuse_many(len(params))
        condition, values = bound_fragment(
            text, params, dialect, scoped=bool(self.scope), first=len(self.values) + len(self._clauses)
        )
        self.values.update(zip(condition.sources, values, strict=True))
        self._add_keyed(condition, condition.shape)

    def clauses(self, parameters: Parameters) -> list[ColumnElement[bool]]:
        """Return the conditions on rows of the table, as Core expressions.

        Those on related rows become one: the key of the row is among those that a SELECT with joins finds.
        """
        if not self.joins:
            return self._conditions(parameters)
        keys = self._keys()
        found = self.applied_to(sa.select(*keys), parameters).correlate(None)
        return [*self._held(parameters), _among(keys, found)]

    def applied_to(self, select: Any, parameters: Parameters, joins: tuple[Join, ...] = ()) -> Any:
        """Return a SELECT with the conditions, and with the tables that they, or its columns, need.

        Args:
            select: a SELECT of columns and expressions, which need not name the table.
            parameters: those of the statement.
            joins: what its columns need.
        """
        joins = tuple(dict.fromkeys([*self.joins, *joins]))
        conditions = self._conditions(parameters)
        table: Any = self.model.sa_table
        if not joins:
            return select.select_from(table).where(*conditions)
        if any(has_text(parts_of(condition)) for condition in conditions):
            related = [bool(parents_in(parts_of(condition))) for condition in conditions]
            own = [condition for condition, is_related in zip(conditions, related, strict=True) if not is_related]
            conditions = [condition for condition, is_related in zip(conditions, related, strict=True) if is_related]
            if table.schema is None:
                table = Narrowed(table, own)
            else:
                # A column is written with its schema, and a subquery has none.
                keys = self._keys()
                conditions.append(_among(keys, sa.select(*keys).where(*own).correlate(None)))
        required = required_by([each.element if isinstance(each, Enclosed) else each for each in conditions])
        for join in joins:
            condition = sa.and_(*self.joined_by(join, parameters))
            table = table.join(join.parent.alias, condition, isouter=join.parent not in required)
        return select.select_from(table).where(*conditions)

    def _keys(self) -> list[Any]:
        """Return the columns of the key, as they are stored."""
        if not self.model.pks:
            raise InvalidOperationError(
                f"a condition on related rows finds rows of {self.model.name} by their key here, and it has none",
                operation="a condition by path",
                target=self.model.name,
                hint="read them with t(...), or give the table a primary key",
            )
        return [Plain(self.model.columns[name].sa_column) for name in self.model.pks]

    def joined_by(self, join: Join, parameters: Parameters) -> list[ColumnElement[bool]]:
        """Return the condition of a join: the foreign key, and the scope."""
        result = join.parent.condition()
        for (kind, name), source in zip(self.scope.shape, self.scope.values, strict=True):
            if name in join.held:
                result.append(_keyed((kind, source, join.parent.column(name)), parameters))
        return result

    def _held(self, parameters: Parameters) -> list[ColumnElement[bool]]:
        """Return the conditions of the scope."""
        return [
            _keyed((kind, source, self.model.columns[name]), parameters)
            for (kind, name), source in zip(self.scope.shape, self.scope.values, strict=True)
        ]

    def _conditions(self, parameters: Parameters) -> list[Any]:
        parameters.embedded.update(self.embedded)
        result: list[Any] = self._held(parameters)
        for clause in self._clauses:
            if isinstance(clause, BoundFragment):
                result.append(clause.clause(parameters))
            elif not isinstance(clause, ColumnElement):
                result.append(_keyed(clause, parameters))
            elif self.scope:
                result.append(Enclosed(clause))
            else:
                result.append(clause)
        return result


def _said(table: Any) -> str:
    """Return the name of a table for a message; SQLAlchemy gives an alias or subquery without one a number."""
    name = getattr(table, "name", "%")
    if not name.startswith("%"):
        return str(name)
    element = getattr(table, "element", None)
    return f"an alias of {element.name}" if isinstance(element, sa.Table) else "a subquery"


def _among(keys: Sequence[Any], found: Any) -> ColumnElement[bool]:
    left: Any = keys[0] if len(keys) == 1 else sa.tuple_(*keys)
    among: ColumnElement[bool] = left.in_(found)
    return among


def beside_key(conditions: Sequence[ColumnElement[bool]]) -> list[ColumnElement[bool]]:
    """Return the conditions of a scope in a form that no index serves: the key finds the rows, and they are checked.

    Databases assume that a value of an indexed column has few rows. If most rows are of one scope, an index over the
    column of the scope would be read whole for a few keys.
    """
    return [condition.is_(sa.true()) for condition in conditions]


def _condition_hint(given: Any) -> str:
    """Return the hint for an argument that is not a condition."""
    if isinstance(given, sa.SelectBase):
        return "a whole SELECT goes to db.q(select)"
    if isinstance(given, sa.TextClause):
        return "pass the text itself: t('age > :age', {'age': 30})"
    if isinstance(given, bool):
        return "Python has evaluated it: write t.c.age > 30, t.c.age.in_([...]), sa.and_(...), sa.not_(...)"
    if isinstance(given, int):
        return "a row by its key is t[1], or await t.get(1)"
    return "write t.c.age > 30, or 'age > ?' followed by [30], or age=30"


def _keyed(clause: tuple[Any, ...], parameters: Parameters) -> ColumnElement[bool]:
    kind, source, column = clause[:3]
    sa_column, bind = column.sa_column, column.bind_operand
    if kind == "no tenant":
        return sa.false()
    if kind == "null":
        condition: ColumnElement[bool] = sa_column.is_(None)
        return condition
    if kind == "equal":
        condition = sa_column == parameters.add(source, column.sa_type, bind)
        return condition
    members = [parameters.add(f"{source}_{n}", column.sa_type, bind) for n in range(clause[3])]
    contained = sa_column.in_(members) if members else sa.false()
    return sa.or_(contained, sa_column.is_(None)) if kind == "in or null" else contained


def _is_comparison(element: Any) -> bool:
    """Whether it compares a column with a value, as most conditions do."""
    left, right = getattr(element, "left", None), getattr(element, "right", None)
    return isinstance(left, sa.Column) and isinstance(right, sa.BindParameter)


def _is_part_of_the_text(value: sa.BindParameter[Any]) -> bool:
    """Whether a text with this value is only valid once: it holds the value, or a list of rows."""
    if value.literal_execute or value.callable is not None:
        return True
    # Of other lists, the number of members is part of the shape.
    return value.expanding and (type(value.value) is not list or any(map(_is_row, value.value)))


def _is_row(member: Any) -> bool:
    return isinstance(member, _COLLECTIONS)


def _refuse_expression(name: str, value: Any) -> None:
    # An object in the place of a value must never become SQL.
    if hasattr(value, "__clause_element__") or isinstance(value, (sa.ClauseElement, SqlExpression)):
        raise ValidationError(
            f"the value for {name} is a SQL expression, not a value",
            field=name,
            hint=f"pass the condition as an expression: t(t.c.{name} == ...)",
        )


def key_source(n: int) -> str:
    """Return the source name of the n-th value of the conditions."""
    return f"\0w{n}"
