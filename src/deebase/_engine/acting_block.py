"""What ``Database.acting`` returns."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from deebase._engine.generators import owner_of
from deebase._engine.hidden_tables import hidden_names
from deebase._lanes.acting import Acting
from deebase._model.table_options import secured_columns
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded
from deebase.errors import InvalidOperationError, TransactionError, ValidationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor

_OBJECTS = Statement(
    "SELECT type, name, sql FROM sqlite_master WHERE sql IS NOT NULL AND type IN ('table', 'view')",
    reads=True,
    is_cheap=True,
)


class ActingBlock:
    """A block that acts for a tenant, made by ``Database.acting``.

    Raises:
        ValidationError: no values, or one of another type.

    Example:
        ```python
        async with db.acting(tenant=7):
            mine = await docs()
        ```
    """

    def __init__(self, executor: Executor, values: Mapping[str, Any]) -> None:
        if not values:
            raise ValidationError(
                "acting() without a tenant", field="values", hint="async with db.acting(tenant=7): ..."
            )
        self._executor = executor
        self._acting = Acting(values)
        self._token: Any = None

    async def __aenter__(self) -> Self:
        if self._token is not None:
            raise TransactionError("a block can be used only once", hint="call db.acting() again")
        owner = owner_of(sys._getframe(1))  # pyright: ignore[reportPrivateUsage]
        if owner is not None and owner.is_iterated:
            raise InvalidOperationError(
                "an async generator cannot hold db.acting() open over a yield: the loop over it would act, too",
                operation="acting",
                hint="open the block around the loop",
            )
        context = self._executor.acting
        acting = self._acting.beside(context.current())
        if not self._executor.backend.capabilities.secures_rows:
            acting = Acting(acting.held, await self._hidden())
        self._token = context.enter(acting)
        return self

    async def _hidden(self) -> frozenset[str]:
        """Return what shows rows of secured tables of a SQLite file."""
        rows = await self._executor.fetch(_OBJECTS, [])
        secured = [name for kind, name, sql in rows if kind == "table" and secured_columns(sql)]
        virtual = [(str(name), str(sql)) for kind, name, sql in rows if kind == "view" or _is_virtual(sql)]
        found = hidden_names(secured, virtual)
        # A virtual table keeps its rows in tables of its own.
        whole = [f"{folded(name)}_" for name, sql in virtual if _is_virtual(sql) and folded(name) in found]
        return found | {folded(name) for _, name, _ in rows if folded(name).startswith(tuple(whole))}

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._executor.acting.leave(self._token)


def _is_virtual(sql: str) -> bool:
    return sql[:14].upper() == "CREATE VIRTUAL"
