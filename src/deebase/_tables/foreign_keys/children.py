"""``users.children("post", "author_id")``: conditions on the rows that refer to a row, and their number."""

from __future__ import annotations

# Conditions of users may have any type.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from deebase._engine.context import TableContext, conditions
from deebase._sql.queries.child_subqueries import (
    MAX_LEVELS,
    Inlined,
    Kind,
    OfChildren,
    children_in,
    of_children,
    replaced,
)
from deebase._sql.scope import Scope
from deebase._tables.foreign_keys.relations import Columns, carried, child_source, children_of
from deebase.errors import ValidationError
from deebase.types import SqlExpression

if TYPE_CHECKING:
    from deebase._sql.where import Where


class Children:
    """The rows of another table that refer to a row, in conditions and as a number.

    ``await users(users.children("post").any(views=0))`` are the users who have such a post.

    Example:
        ```python
        posts = users.children("post", "author_id")
        writers = await users(posts.any("views > ?", [100]))
        rows = await users(select={"name": "name", "posts": posts.count}, order_by="-posts")
        ```
    """

    __slots__ = ("_child", "_column", "_keywords", "_source", "_where")

    def __init__(self, source: Any, child: Any, column: Any, where: Any = (), keywords: Any = None) -> None:
        # Only tables make one, so these types are no part of the public interface.
        self._source: TableContext = source
        self._child: Any = child
        self._column: Columns | None = column
        self._where: tuple[Any, ...] = tuple(where)
        self._keywords: Mapping[str, Any] = {} if keywords is None else keywords
        # Its errors are raised here.
        children_of(source, child_source(source, child), column)

    def __repr__(self) -> str:
        name = self._child if isinstance(self._child, str) else self._child.name
        return f"<Children of {self._source.model.name} in {name}>"

    def __bool__(self) -> bool:
        raise TypeError("a condition on children is children.any(), children.none() or children.count > 3")

    def any(self, /, *where: Any, **keywords: Any) -> sa.ColumnElement[bool]:
        """Return the condition that at least one of the children matches.

        Args:
            *where: conditions on a child, as in a call of its table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            SchemaError: a name is not a column of the children.
            ValidationError: a value that does not fit, a broken fragment, a column of another table.

        Example:
            ```python
            popular = await users(users.children("post").any(posts.c.views > 100))
            ```
        """
        condition: sa.ColumnElement[bool] = self._value("any", self._with(where), keywords)
        return condition

    def none(self, /, *where: Any, **keywords: Any) -> sa.ColumnElement[bool]:
        """Return the condition that none of the children matches; also true where there are no children.

        Args:
            *where: conditions on a child, as in a call of its table.
            **keywords: conditions by column; ``where`` and ``params`` as in a call of the table.

        Raises:
            SchemaError: a name is not a column of the children.
            ValidationError: a value that does not fit, a broken fragment, a column of another table.

        Example:
            ```python
            silent = await users(users.children("post").none())
            ```
        """
        condition: sa.ColumnElement[bool] = self._value("none", self._with(where), keywords)
        return condition

    @property
    def count(self) -> sa.ColumnElement[int]:
        """The number of the children: a column for ``select``, conditions, ``order_by``, groups and aggregates.

        Example:
            ```python
            popular = users.children("post", "author_id", posts.c.views > 100)
            rows = await users(popular.count >= 3, select={"name": "name", "posts": popular.count})
            ```
        """
        number: sa.ColumnElement[int] = self._value("count", self._where, {})
        return number

    def _with(self, where: Sequence[Any]) -> tuple[Any, ...]:
        return (*self._where, *where)

    def _value(self, kind: Kind, where: Sequence[Any], keywords: Mapping[str, Any]) -> Any:
        doubled = [name for name in keywords if name in self._keywords]
        if doubled:
            raise ValidationError(
                f"{self._source.model.name}: {doubled[0]} is given to children() and to {kind}()",
                field=doubled[0],
                hint="a condition by column is in one of them; a list means IN",
            )
        return self._made(self._source, kind, where, {**self._keywords, **keywords})

    def _made(
        self,
        source: TableContext,
        kind: Kind,
        where: Sequence[Any],
        keywords: Mapping[str, Any],
        above: Sequence[TableContext] = (),
    ) -> OfChildren:
        """Return the expression for a handle, beneath those of the conditions that it is part of."""
        children = child_source(source, self._child)
        for handle in above:
            # A scope holds beyond a table without its column.
            children = carried(handle, children)
        key = children_of(source, children, self._column)
        handles = (source, *above)
        scoped = any(handle.scope for handle in handles)
        found = conditions(children, [_beneath(each, handles) for each in where] if scoped else where, keywords)
        columns = children.model.sa_table.c
        rows = found.applied_to(
            sa.select(*[columns[name] for name in dict.fromkeys(key.columns)]), Inlined(found.values)
        )
        parent = source.model.sa_table.c
        pairs = [(parent[target], name) for target, name in zip(key.targets, key.columns, strict=True)]
        element = of_children(kind == "count", rows, pairs, _held(source, children))
        if kind == "none":
            element = sa.not_(element)

        def remade(scope: Scope, handles: Sequence[TableContext]) -> OfChildren:
            own = source
            if scope.held:
                own = source.scoped(source.scope.narrowed(source.model, scope.held, writable=False))
            return self._made(own, kind, where, keywords, (*above, *handles))

        return OfChildren(element, [column for column, _ in pairs], source.scope, _levels(found, where), remade)


def _beneath(condition: Any, handles: Sequence[TableContext]) -> Any:
    """Return a condition whose values of children keep to the scopes of some handles, too."""
    if isinstance(condition, SqlExpression):
        condition = condition.element
    if not isinstance(condition, sa.ClauseElement):
        return condition
    return replaced(condition, lambda found: found.beneath(handles))


def _held(source: TableContext, children: TableContext) -> list[tuple[Any, Any]]:
    """Return the columns of the scope that the children lack, which hold for the row itself, and their values."""
    columns = source.model.sa_table.c
    return [(columns[name], value) for name, value in source.scope.held.items() if name not in children.scope.held]


def _levels(found: Where, where: Sequence[Any]) -> int:
    """Return how many tables of children a value leads through.

    Raises:
        ValidationError: too many.
    """
    inner = [
        part.levels for each in where if isinstance(each, sa.ClauseElement) for part in children_in(found.parts(each))
    ]
    levels = 1 + max(inner, default=0)
    if levels > MAX_LEVELS:
        raise ValidationError(
            f"{found.model.name}: a condition leads through {MAX_LEVELS} tables of children at most",
            hint="read the rows in several steps",
        )
    return levels
