"""Copies rows from one database to another, with a checksum that is equal on both sides."""

from __future__ import annotations

# Values are of any type, and pyright calls an Any that isinstance has narrowed unknown.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportPrivateUsage=false
import asyncio
import hashlib
import marshal
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import aclosing
from enum import Enum
from typing import Any, TypeVar

from deebase._rows.column_batches import ColumnBatch
from deebase._tables.table import Table
from deebase._types.registry import type_of

#: Rows that are read at once.
_PIECE = 5_000
#: Of these types the bytes of marshal tell every value, and its type.
_PLAIN = frozenset([type(None), bool, int, float, str, bytes])
#: Of these types the values inside are compared.
_NESTED = frozenset([dict, list])
#: Without references, which depend on the history of an object and not on its value.
_VERSION = 2


T = TypeVar("T")


class Checksum:
    """A sum over rows that does not depend on their order.

    Attributes:
        rows: how many it is of.
    """

    def __init__(self) -> None:
        self.rows: int = 0
        self._sum = 0

    def add(self, columns: Sequence[Sequence[Any]]) -> None:
        """Take rows in, column by column."""
        blake, dumps, number = hashlib.blake2b, marshal.dumps, int.from_bytes
        digests = [
            number(blake(dumps(row, _VERSION), digest_size=16).digest(), "big")
            for row in zip(*map(_canonical_column, columns), strict=True)
        ]
        self.rows += len(digests)
        self._sum = (self._sum + sum(digests)) % 2**128

    @property
    def text(self) -> str:
        """The sum in 32 hexadecimal digits."""
        return f"{self._sum:032x}"


def _canonical_column(values: Sequence[Any]) -> Sequence[Any]:
    kinds = set(map(type, values))
    if kinds <= _PLAIN:
        return values
    kinds.discard(type(None))
    if len(kinds) == 1 and not kinds <= _NESTED:
        kind = type_of(next(value for value in values if value is not None))
        if kind is not None:
            return [None if value is None else kind.comparable(value) for value in values]
    return list(map(_canonical, values))


def _canonical(value: Any) -> Any:
    """Return a value in the form that is the same whatever database it comes from."""
    if type(value) in _PLAIN:
        return value
    if isinstance(value, Enum):
        return _canonical(value.value)
    if isinstance(value, dict):
        return tuple(sorted((str(name), repr(_canonical(inner))) for name, inner in value.items()))
    if isinstance(value, list):
        return tuple(map(_canonical, value))
    kind = type_of(value)
    return repr(value) if kind is None else kind.comparable(value)


async def columns_of(table: Table[Any], names: Sequence[str]) -> AsyncGenerator[list[Sequence[Any]], None]:
    """Yield the rows of a table in pieces, by column, as Python's values."""
    models = table._source.model.columns
    reads = [models[name].read for name in names]
    async with aclosing(table(select=names)._stored(_PIECE)) as pieces:
        async for _, rows in pieces:
            if rows:
                yield [_read(values, read) for values, read in zip(zip(*rows, strict=True), reads, strict=True)]


def _read(values: Sequence[Any], read: Callable[[Any], Any] | None) -> Sequence[Any]:
    return values if read is None else [None if value is None else read(value) for value in values]


async def _ahead(pieces: AsyncGenerator[T, None]) -> AsyncGenerator[T, None]:
    """Yield what a generator yields, which makes the next one meanwhile."""
    async with aclosing(pieces):
        coming = asyncio.ensure_future(anext(pieces, None))
        try:
            while (piece := await coming) is not None:
                coming = asyncio.ensure_future(anext(pieces, None))
                yield piece
        finally:
            # A generator that runs cannot be closed. Whatever it raises now, there is a reason to end already.
            await asyncio.wait([coming])
            if not coming.cancelled():
                coming.exception()


async def send(source: Table[Any], target: Table[Any], progress: Callable[[int], object]) -> Checksum:
    """Copy all rows of a table; ``progress`` is called with the number that were read."""
    names = source.columns
    sent = Checksum()

    async def batches() -> AsyncGenerator[ColumnBatch, None]:
        async with aclosing(_ahead(columns_of(source, names))) as pieces:
            async for columns in pieces:
                sent.add(columns)
                yield ColumnBatch(names, columns, len(columns[0]))
                progress(sent.rows)

    async with aclosing(batches()) as pieces:
        await target.insert_all(pieces)
    return sent


async def checksum(table: Table[Any], names: Sequence[str]) -> Checksum:
    """Read all rows of a table."""
    found = Checksum()
    async with aclosing(_ahead(columns_of(table, names))) as pieces:
        async for columns in pieces:
            found.add(columns)
    return found
