"""Navigable: the part of a table that follows foreign keys."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Generic, TypeVar, overload

from deebase._engine.context import TableContext
from deebase._tables.query import Query
from deebase._tables.readable import Readable
from deebase._tables.relations import ForeignKeys, children_query, described, with_children, with_parents

R = TypeVar("R")
T = TypeVar("T")


class Navigable(Generic[R]):
    """From a row to the one it refers to, and back to those that refer to it; ``R`` is the type of a row."""

    _source: TableContext

    @property
    def foreign_keys(self) -> list[dict[str, Any]]:
        """The foreign keys, ``[{"column": "author_id", "references": "user.id"}]``; lists where composite."""
        return described(self._source)

    @property
    def fk(self) -> ForeignKeys:
        """For each foreign key a function that returns the row a row refers to.

        None for NULL and for a row that is not there. Asked for many rows at once it is one statement.

        Example:
            ```python
            author = await posts.fk.author_id(post)
            authors = await asyncio.gather(*(posts.fk.author_id(post) for post in rows))
            ```
        """
        return ForeignKeys(self._source)

    async def get_parent(self, row: Any, column: str | Sequence[str], /) -> Any:
        """Return the row that a row refers to, in the row type of its table; None for NULL and dangling keys.

        Args:
            row: a row of this table.
            column: the foreign key's column, or the columns of a composite one.

        Raises:
            SchemaError: the column is no foreign key.
            TableNotFoundError: the other table is not known: ``await db.reflect()``.

        Example:
            ```python
            author = await posts.get_parent(post, "author_id")
            ```
        """
        return await self.fk[column](row)

    @overload
    def get_children(
        self,
        row: Any,
        table: Readable[T],
        column: str | Sequence[str] | None = None,
        /,
        *where: Any,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        **keywords: Any,
    ) -> Query[T]: ...

    @overload
    def get_children(
        self,
        row: Any,
        table: str,
        column: str | Sequence[str] | None = None,
        /,
        *where: Any,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        **keywords: Any,
    ) -> Query[Any]: ...

    def get_children(
        self,
        row: Any,
        table: str | Readable[Any],
        column: str | Sequence[str] | None = None,
        /,
        *where: Any,
        order_by: Any = None,
        limit: int | None = None,
        offset: int | None = None,
        **keywords: Any,
    ) -> Query[Any]:
        """Return the query of the rows of another table that refer to a row.

        Args:
            row: a row of this table.
            table: the other table, by name or as a handle (whose row type and scope are kept).
            column: its foreign key; may be left out where only one leads here.
            *where: conditions, as in a call of the table.
            order_by: as in a call of the table.
            limit: at most so many rows.
            offset: leave out so many rows first.
            **keywords: conditions by column.

        Raises:
            SchemaError: the column does not lead here, or none or several do.

        Example:
            ```python
            posts = await users.get_children(user, "post", "author_id", order_by="-id", limit=10)
            ```
        """
        return children_query(
            self._source, row, table, column, where, keywords, order_by=order_by, limit=limit, offset=offset
        )

    async def with_parents(self, rows: Any, column: str | Sequence[str], /) -> list[tuple[R, Any]]:
        """Return pairs of a row and the row it refers to, in one further statement for any number of rows.

        Args:
            rows: a query of this table, or rows of it.
            column: the foreign key's column, or the columns of a composite one.

        Returns:
            A list of (row, parent or None); rows with one parent share the object.

        Raises:
            SchemaError: the column is no foreign key.

        Example:
            ```python
            pairs = await posts.with_parents(posts(limit=100), "author_id")
            ```
        """
        return await with_parents(self._source, rows, column)

    async def with_children(
        self,
        rows: Any,
        table: str | Readable[Any],
        column: str | Sequence[str] | None = None,
        /,
        *,
        order_by: Any = None,
    ) -> list[tuple[R, list[Any]]]:
        """Return pairs of a row and the rows that refer to it, in one further statement for any number of rows.

        Args:
            rows: a query of this table, or rows of it.
            table: the other table, by name or as a handle (whose row type and scope are kept).
            column: its foreign key; may be left out where only one leads here.
            order_by: the order of the rows of each list.

        Returns:
            A list of (row, list of rows).

        Raises:
            SchemaError: the column does not lead here, or none or several do.

        Example:
            ```python
            groups = await users.with_children(users(), "post", "author_id")
            ```
        """
        return await with_children(self._source, rows, table, column, order_by)
