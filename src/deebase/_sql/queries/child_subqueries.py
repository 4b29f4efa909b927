"""Conditions on the rows that refer to a row, and their number: correlated subqueries.

The children are a subquery of FROM, in which conditions see the table of the children alone, also where a table refers
to itself.
"""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, Literal

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement, visitors
from sqlalchemy.sql.visitors import InternalTraversal

from deebase._sql.compiled import Bind, Parameters
from deebase._sql.scope import Scope
from deebase.errors import ValidationError

Kind = Literal["any", "none", "count"]

#: Children of children and so on, in one condition.
MAX_LEVELS = 10


class Inlined(Parameters):
    """Parameters that hold their values, so that the statement around them can read these at each run.

    Args:
        values: the values by source.
    """

    def __init__(self, values: Mapping[Any, Any]) -> None:
        super().__init__()
        self._values = values

    def add(self, source: Hashable, column_type: sa.types.TypeEngine[Any], bind: Bind | None) -> sa.BindParameter[Any]:
        """Return a parameter with its value, which is checked."""
        value = self._values[source]
        if bind is not None and value is not None:
            bind(value)
        return sa.bindparam(None, value, type_=column_type, unique=True)

    def embed(self, source: str, kind: sa.types.TypeEngine[Any]) -> sa.BindParameter[Any]:
        """Return a parameter of SQL text with its value."""
        return sa.bindparam(None, self._values[source], type_=kind, unique=True)


class Outer(ColumnElement[Any]):
    """A column of the statement around a subquery, which does not bring its table into the subquery."""

    __visit_name__ = "deebase_outer"
    inherit_cache = True
    _traverse_internals = [("column", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - declared by SQLAlchemy

    def __init__(self, column: Any) -> None:
        self.column = column
        self.type = column.type

    @property
    def _from_objects(self) -> Any:
        return []


@compiles(Outer)
def _compile_outer(element: Outer, compiler: Any, **options: Any) -> str:
    text: str = compiler.process(element.column, **options)
    return text


class OfChildren(ColumnElement[Any]):
    """A value of the rows that refer to a row: whether there are any, or how many.

    Attributes:
        element: the subquery.
        outer: the columns of the row that the children refer to.
        scope: the scope that it was made with.
        levels: how many tables of children it leads through.
        remade: makes the same for a handle with another scope, beneath handles whose scopes hold, too.
    """

    __visit_name__ = "deebase_of_children"
    inherit_cache = True
    _traverse_internals = [("element", InternalTraversal.dp_clauseelement)]  # noqa: RUF012 - declared by SQLAlchemy

    def __init__(
        self,
        element: Any,
        outer: Sequence[Any],
        scope: Scope,
        levels: int,
        remade: Callable[[Scope, Sequence[Any]], OfChildren],
    ) -> None:
        self.element = element
        self.type = element.type
        self.outer = tuple(outer)
        self.scope = scope
        self.levels = levels
        self._remade = remade

    @property
    def _from_objects(self) -> Any:
        return []

    def get_children(self, **_: Any) -> Any:
        """Return the columns of the statement around it: all others are within the subquery."""
        return self.outer

    def self_group(self, against: Any = None) -> OfChildren:
        """Return the value itself: SQLAlchemy would compare it with 1 on SQLite."""
        return self

    def within(self, scope: Scope) -> OfChildren:
        """Return the same for a handle with a scope.

        Raises:
            ScopeError: it was made from a handle with another scope.
        """
        return self if self.scope.held == scope.held else self._remade(scope, ())

    def beneath(self, handles: Sequence[Any]) -> OfChildren:
        """Return the same as part of a condition on children of other handles, whose scopes hold, too."""
        return self._remade(self.scope, handles)


@compiles(OfChildren)
def _compile_of_children(element: OfChildren, compiler: Any, **options: Any) -> str:
    # Only the value around it is a column of the result.
    inner = {**options, "within_columns_clause": False, "add_to_result_map": None}
    return f"({compiler.process(element.element, **inner)})"


def of_children(
    counted: bool, rows: Any, pairs: Sequence[tuple[Any, str]], held: Sequence[tuple[Any, Any]]
) -> ColumnElement[Any]:
    """Return whether there are children of a row, or their number, as a subquery.

    Args:
        counted: their number.
        rows: a SELECT of the children's columns that refer to the row.
        pairs: (column of the row, name of the column of ``rows`` that refers to it).
        held: (column of the row, its value): further conditions on the row.
    """
    found = rows.correlate(None).subquery("deebase_children")
    # The left side decides the collation: a foreign key is compared by that of the column it refers to.
    matches = [Outer(column) == found.c[name] for column, name in pairs]
    matches += [Outer(column) == value for column, value in held]
    if counted:
        number: Any = sa.func.count(type_=sa.BigInteger())
        return sa.select(number).select_from(found).where(*matches).scalar_subquery()
    one: Any = sa.literal_column("1", sa.Integer())
    return sa.select(one).select_from(found).where(*matches).exists()


def children_in(parts: Iterable[Any]) -> list[OfChildren]:
    """Return the values of children among the parts of an expression."""
    return [part for part in parts if isinstance(part, OfChildren)]


def within_scope(element: sa.ColumnElement[Any], parts: Iterable[Any], scope: Scope) -> Any:
    """Return an expression with its values of children restricted to a scope.

    Args:
        element: the expression.
        parts: its parts.
        scope: the scope of the handle that uses it.

    Raises:
        ScopeError: one was made from a handle with another scope.
        ValidationError: one is within an expression that cannot be changed.
    """
    changed = {found: found.within(scope) for found in children_in(parts)}
    if all(one is other for one, other in changed.items()):
        return element
    made = replaced(element, changed.get)
    if any(found.scope.held != scope.held for found in children_in(visitors.iterate(made))):
        raise ValidationError(
            "children of a handle without a scope are part of an expression of a handle with one",
            hint="make them from the handle with the scope: mine.children('post').any()",
        )
    return made


def replaced(element: Any, change: Callable[[OfChildren], Any]) -> Any:
    """Return an expression with other values of children."""

    def replace(part: Any, **_: Any) -> Any:
        return change(part) if isinstance(part, OfChildren) else None

    traverse: Any = visitors.replacement_traverse
    return traverse(element, {}, replace)
