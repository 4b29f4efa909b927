"""Limits of a statement that only reads: its time, its rows and the size of its result."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from deebase.errors import ConfigurationError, DataError, DeeBaseError, InvalidOperationError, QueryTimeoutError

R = TypeVar("R")

#: The bytes that a value counts besides texts and binary data.
_PLAIN = 8
#: By how much the number of rows that are fetched at once grows.
_GROWTH = 8
#: Rows that are fetched at once at most if their size is limited: later ones may be larger than the first.
_MOST_UNKNOWN = 200


@dataclass(frozen=True)
class Limits:
    """The limits of each statement; None for no limit.

    Attributes:
        seconds: how long the statement may take.
        rows: the rows of its result.
        size: the bytes of its result, and of any value in between where the database can limit them.
    """

    seconds: float | None = None
    rows: int | None = None
    size: int | None = None

    def check(self) -> Limits:
        """Return the limits.

        Raises:
            ConfigurationError: one of them is not a number from 0.
        """
        if not (self.seconds is None or (_is_number(self.seconds, (int, float)) and 0 < self.seconds < 1e6)):
            raise ConfigurationError("seconds is a number above 0", hint="seconds=2, or None for no limit")
        for name, value in (("rows", self.rows), ("size", self.size)):
            if not (value is None or (_is_number(value, int) and value > 0)):
                raise ConfigurationError(f"{name} is a whole number from 1", hint=f"{name}=1000, or None for no limit")
        return self

    def too_slow(self) -> QueryTimeoutError:
        """Return the error of a statement that took too long."""
        return QueryTimeoutError(
            f"the statement took longer than {self.seconds:g} s and was ended",
            hint="add conditions or an index, or allow more seconds",
        )

    def too_large(self) -> DataError:
        """Return the error of a value, or a row, that is larger than the whole result may be."""
        return DataError(
            f"a value or a row of the statement is larger than {self.size:,} bytes",
            hint="read a part of it, such as substr(value, 1, 1000), or allow a larger size",
        )

    def too_many(self) -> DeeBaseError:
        """Return the error of rows of a table that cannot be cut off without being noticed."""
        return InvalidOperationError(
            f"the rows are more than the {self.rows:,} rows or {self.size:,} bytes that may be read at once"
            if self.rows and self.size
            else "the rows are more than may be read at once",
            operation="read",
            hint="read fewer, with limit= or page(), or allow more rows or a larger size",
        )


def _is_number(value: object, kinds: type | tuple[type, ...]) -> bool:
    return isinstance(value, kinds) and not isinstance(value, bool)


#: For statements without limits.
UNLIMITED = Limits()


class Allowance:
    """What is left of the limits of one statement while its rows are read.

    Args:
        limits: the limits.
        piece: rows that are fetched at once, at most.

    Attributes:
        truncated: rows are missing at the end.
        ended: no more rows are to be fetched.
    """

    def __init__(self, limits: Limits, piece: int) -> None:
        self.limits = limits
        self.seconds: float = math.inf if limits.seconds is None else limits.seconds
        self.truncated: bool = False
        self.ended: bool = False
        self._rows: float = math.inf if limits.rows is None else limits.rows
        self._size: float = math.inf if limits.size is None else limits.size
        self._most = piece if limits.size is None else min(piece, _MOST_UNKNOWN)
        self._piece = piece if limits.size is None else 1
        self._taken = 0

    def piece(self) -> int:
        """Return how many rows to fetch next: few at first, while nothing is known about their size."""
        return int(min(self._piece, self._rows + 1))

    def take(self, rows: Iterable[R]) -> list[R]:
        """Return rows of the next piece, up to the limits, and record what is left of them."""
        kept: list[R] = []
        wanted = self.piece()
        for row in rows:
            size = 0 if self.limits.size is None else weight(row)
            if not self._rows or size > self._size:
                self.truncated = True
                break
            self._rows -= 1
            self._size -= size
            kept.append(row)
        self.ended = self.truncated or len(kept) < wanted
        self._taken += len(kept)
        self._grow()
        return kept

    def _grow(self) -> None:
        if self.limits.size is not None and self._taken:
            average = (self.limits.size - self._size) / self._taken
            self._piece = int(min(self._piece * _GROWTH, self._most, self._size // max(average, 1) + 1))


def weight(value: Any) -> int:
    """Return the approximate size of a value or a row in bytes."""
    if isinstance(value, (str, bytes, bytearray, memoryview)):
        return len(cast("bytes", value)) + 1
    if isinstance(value, (int, float, bool)) or value is None:
        return _PLAIN
    if not hasattr(value, "__iter__"):
        return _PLAIN
    parts: Any = value
    size = sum(map(weight, parts))
    return size + weight(list(parts.values())) if type(value) is dict else size
