"""FROM with the tables that foreign keys lead to."""

from __future__ import annotations

# SQLAlchemy's expressions are typed loosely.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import FromClause, visitors
from sqlalchemy.sql import operators as ops
from sqlalchemy.sql.elements import BinaryExpression, BooleanClauseList, Grouping

from deebase._rows.model import TableModel
from deebase._rows.parents import Join, Parent, parent_of_column
from deebase._sql.fragments import Fragment
from deebase._sql.scope import Scope
from deebase.errors import InvalidOperationError, ValidationError


def parents_in(parts: Iterable[Any]) -> list[Parent]:
    """Return the Parents whose columns are among the parts of an expression, each once."""
    found = [parent_of_column(part) for part in parts if isinstance(part, sa.ColumnClause)]
    return list(dict.fromkeys([parent for parent in found if parent is not None]))


def parts_of(element: Any) -> Iterator[Any]:
    """Yield all parts of an expression."""
    return visitors.iterate(element)


def has_text(parts: Iterable[Any]) -> bool:
    """Whether an expression with these parts holds SQL text, in which a column may have no table."""
    return any(isinstance(part, (Fragment, sa.TextClause)) or getattr(part, "is_literal", False) for part in parts)


#: Comparisons that are not true of NULL.
_OF_VALUES = (ops.eq, ops.ne, ops.lt, ops.le, ops.gt, ops.ge, ops.in_op, ops.like_op, ops.ilike_op)


def required_by(conditions: Iterable[Any]) -> set[Parent]:
    """Return the tables without whose row none of the conditions can be true: an inner join finds the same rows.

    SQLite reads the tables of an inner join in any order, and begins with the one of the condition.
    """
    return {parent for condition in conditions for parent in _required(condition)}


def _required(condition: Any) -> set[Parent]:
    """Return the tables whose columns a condition compares with values."""
    if isinstance(condition, Grouping):
        return _required(condition.element)
    operator = getattr(condition, "operator", None)
    if isinstance(condition, BooleanClauseList):
        parts = [_required(part) for part in condition.clauses]
        return set[Parent].union(*parts) if operator is ops.and_ else set[Parent].intersection(*parts)
    if operator not in _OF_VALUES or not isinstance(condition, BinaryExpression):
        return set()
    parent = parent_of_column(condition.left) if isinstance(condition.left, sa.Column) else None
    return set() if parent is None else set(parent.chain())


def joins_of(parents: Iterable[Parent], model: TableModel, scope: Scope) -> tuple[Join, ...]:
    """Return the joins for some tables, those that lead to them first.

    Args:
        parents: the tables.
        model: the table of the statement.
        scope: the scope of its handle.

    Raises:
        ValidationError: a path begins at another table.
    """
    listed = dict.fromkeys([each for parent in parents for each in parent.chain()])
    result: list[Join] = []
    for parent in listed:
        if parent.root is not model:
            raise _misplaced(parent, model)
        held = _held(parent, scope) if scope else ()
        if parent.model.needs_scope and not set(parent.model.secure) <= set(held):
            raise _unsecured(parent, model)
        result.append(Join(parent, held))
    return tuple(result)


def _held(parent: Parent, scope: Scope) -> tuple[str, ...]:
    origin = parent.root
    for each in parent.chain():
        if each is parent:
            return scope.carried_to(each.model, origin).columns
        scope, origin = scope.beyond(each.model, origin), each.model
    return ()


def _unsecured(parent: Parent, model: TableModel) -> InvalidOperationError:
    return InvalidOperationError(
        f"{model.name}: the path {parent.path} leads to the secured table {parent.model.name}, and a statement on "
        f"{model.name} does not say for whom it reads",
        operation="a path",
        target=model.name,
        hint=f"read the row itself, await t.fk.{parent.path.partition('.')[0]}(row), or secure {model.name}, too",
    )


def _misplaced(parent: Parent, model: TableModel) -> ValidationError:
    same = parent.root.name == model.name
    what = "an earlier state of the table" if same else f"the table {parent.root.name}"
    return ValidationError(
        f"{model.name}: a column by the path {parent.path} belongs to {what}",
        field=parent.path,
        hint=f"take it from this handle: t.fk.{parent.path.replace('.', '.fk.')}.c",
    )


class Narrowed(FromClause):
    """The rows of a table that meet conditions, under the name of the table.

    Text in a condition can name columns without their table. Here it sees the table alone, and no joined one.
    """

    __visit_name__ = "deebase_narrowed"
    named_with_column = False

    def __init__(self, table: sa.Table, conditions: Sequence[Any]) -> None:
        self.table = table
        self.conditions = sa.and_(*conditions)

    @property
    def _from_objects(self) -> Any:
        # A join hides those of its sides: the table itself is not in FROM.
        return [self, self.table]

    def get_children(self, **_: Any) -> Any:
        """Return nothing: the conditions are of the inner statement."""
        return ()


@compiles(Narrowed)
def _compile_narrowed(element: Narrowed, compiler: Any, **options: Any) -> str:
    preparer = compiler.preparer
    condition = compiler.process(element.conditions, **{**options, "asfrom": False})
    table = preparer.format_table(element.table)
    return f"(SELECT * FROM {table} WHERE {condition}) AS {preparer.quote(element.table.name)}"
