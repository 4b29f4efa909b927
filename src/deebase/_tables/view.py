"""View: the handle through which rows of a view are read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Never, NoReturn, TypeVar

from deebase._schema.views import ViewMaker
from deebase._tables.readable import Readable
from deebase.errors import InvalidOperationError

R = TypeVar("R")
T = TypeVar("T")

#: The methods of a table that a view lacks.
_WRITES = frozenset(
    {
        "delete",
        "delete_all",
        "delete_where",
        "get_or_create",
        "insert",
        "insert_all",
        "update",
        "update_all",
        "update_where",
        "upsert",
        "upsert_all",
    }
)


class View(Readable[R]):
    """One view and the type of its rows: it has the methods of a table that read, and none that writes.

    The key of ``view[key]`` is the first column unless ``create_view(..., key=...)`` names another.

    Example:
        ```python
        popular = await db.create_view("popular", "SELECT id, title FROM post WHERE views >= 100")
        rows = await popular(order_by="title")
        row = await popular[1]
        ```
    """

    def rows_as(self, row_type: type[T]) -> View[T]:
        """Return a new handle whose rows are ``row_type``: dict, a dataclass, pydantic, attrs, msgspec.

        Args:
            row_type: fields are matched to columns by name.

        Raises:
            ValidationError: instances of the class cannot be made from columns.

        Example:
            ```python
            plain = popular.rows_as(dict)
            ```
        """
        return View(self._source.with_rows(row_type))

    def xtra(self, /, *surplus: Never, **columns: Any) -> View[R]:
        """Return a new handle that sees only the rows with these values; see ``Table.xtra``.

        Args:
            **columns: one value each; None means IS NULL.

        Raises:
            ScopeError: the scope of the handle has another value of a column.

        Example:
            ```python
            mine = popular.xtra(author_id=7)
            ```
        """
        source = self._source
        if surplus:
            raise source.surplus("xtra", surplus, "the columns are keywords: v.xtra(owner_id=7), or v.xtra(**columns)")
        return View(source.narrowed(columns, writable=False))

    async def drop(self) -> None:
        """Drop the view; the rows of its tables stay.

        Raises:
            QueryError: other views use it (PostgreSQL).
            InvalidOperationError: the handle has a scope.

        Example:
            ```python
            await popular.drop()
            ```
        """
        self._source.require_unscoped("drop")
        async with self._executor.transaction():
            await self._maker().drop()
            self._source.catalog.forget(self.name)

    async def refresh(self, *, concurrently: bool = False) -> None:
        """Compute the rows of a materialized view again (PostgreSQL).

        Args:
            concurrently: do not block readers; needs a unique index, which ``create_view(..., key=...)`` makes.

        Raises:
            InvalidOperationError: the view is not materialized, so that it is always current, or the handle has a
                scope.

        Example:
            ```python
            await totals.refresh(concurrently=True)
            ```
        """
        self._source.require_unscoped("refresh")
        await self._maker().refresh(concurrently=concurrently)

    def _maker(self) -> ViewMaker:
        table = self._model.sa_table
        return ViewMaker(self._executor, self._source.dialect, table.name, table.schema)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            if name not in _WRITES:
                super().__getattr__(name)

            def refuse(*_: Any, **__: Any) -> NoReturn:
                raise InvalidOperationError(
                    f"{self.name} is a view: {name} would write",
                    operation=name,
                    target=self.name,
                    hint="write to the tables it reads",
                )

            return refuse


View.__module__ = "deebase"
