"""COPY through asyncpg."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Sequence
from typing import Any

from deebase._lanes.interface import Params
from deebase._sqltext.quoting import identifier
from deebase.errors import DataError

#: Tables and columns whose types are cached.
CACHED_TYPES = 500


class CopyCalls:
    """Runs COPY on one connection, in a transaction."""

    __slots__ = ("_driver", "_types")

    def __init__(self, driver: Any) -> None:
        self._driver = driver
        #: Types of columns by table and columns, as asyncpg cached them at its first COPY into them.
        self._types: dict[tuple[str, str], tuple[int, ...]] = {}

    async def store_rows(self, table: str, schema: str | None, columns: Sequence[str], rows: Sequence[Params]) -> None:
        """Store rows of bound values by a binary COPY."""
        await self._know_types(table, schema, columns)
        try:
            await self._until_lost(
                self._driver.copy_records_to_table(table, schema_name=schema, columns=list(columns), records=rows)
            )
        except (TypeError, ValueError, LookupError, ArithmeticError, AttributeError) as error:
            # asyncpg has no separate class for encoding errors.
            raise DataError(f"a row does not fit the columns of {table}", hint="check its values") from error

    async def store_text(self, table: str, columns: Sequence[str], pieces: AsyncGenerator[bytes, None]) -> None:
        """Store rows in the text format of COPY."""
        await self._until_lost(self._driver.copy_to_table(table, columns=list(columns), source=pieces, format="text"))

    async def read_binary(self, query: str, sink: Callable[[bytes], Awaitable[None]]) -> None:
        """Give a function the rows of a query in the binary format of COPY."""
        await self._driver.copy_from_query(query, output=sink, format="binary")

    async def store_binary(
        self, schema: str, table: str, columns: Sequence[str], pieces: AsyncGenerator[bytes, None]
    ) -> None:
        """Store rows in the binary format of COPY."""
        names = list(columns) or None
        await self._until_lost(
            self._driver.copy_to_table(table, schema_name=schema, columns=names, source=pieces, format="binary")
        )

    async def _until_lost(self, copying: Coroutine[Any, Any, object]) -> None:
        """Run a COPY into the database, and end it if the connection is lost.

        asyncpg waits until the socket takes more data, and a lost connection does not end that wait (``copy_in`` of its
        protocol).
        """
        task = asyncio.ensure_future(copying)

        def end(_: object) -> None:
            task.cancel()

        self._driver.add_termination_listener(end)
        try:
            await task
        except asyncio.CancelledError:
            caller = asyncio.current_task()
            if not self._driver.is_closed() or (caller is not None and caller.cancelling()):
                raise
            raise ConnectionResetError("the connection was lost during COPY") from None
        finally:
            self._driver.remove_termination_listener(end)

    async def _know_types(self, table: str, schema: str | None, columns: Sequence[str]) -> None:
        """Make asyncpg encode for the current types of the columns.

        It reads them once per connection and caches them: rows encoded for the former types would be stored as other
        values, without an error. The query here locks the table against changes until the end of the transaction.
        """
        place = identifier(schema, table)
        listed = ", ".join(map(identifier, columns))
        asked = await self._driver.prepare(f"SELECT {listed} FROM {place} LIMIT 0", name="")
        types = tuple([attribute.type.oid for attribute in asked.get_attributes()])
        if self._types.get((place, listed), types) != types or len(self._types) > CACHED_TYPES:
            # This clears the cache of asyncpg, too.
            self._types.clear()
            await self._driver.reload_schema_state()
        self._types[place, listed] = types
