"""A digest of rows that is the same on both sides of a copy."""

from __future__ import annotations

import hashlib
import marshal
from collections.abc import Sequence

from deebase._backends.copy_columns import canonical
from deebase._backends.copy_forms import Batch, Form

#: Without references, which depend on the history of an object and not on its value.
_VERSION = 2


class Digest:
    """A sum over rows that does not depend on their order: equal for rows of equal values.

    Args:
        forms: the forms of the columns.

    Attributes:
        rows: how many rows it is of.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self.rows: int = 0
        self._sum = 0
        self._canonical = [canonical(form) for form in forms]

    def add(self, columns: Batch) -> None:
        """Take rows in, column by column."""
        blake, dumps, number = hashlib.blake2b, marshal.dumps, int.from_bytes
        equal = [
            values if convert is None else convert.of(values)
            for convert, values in zip(self._canonical, columns, strict=True)
        ]
        digests = [
            number(blake(dumps(row, _VERSION), digest_size=16).digest(), "big") for row in zip(*equal, strict=True)
        ]
        self.rows += len(digests)
        self._sum = (self._sum + sum(digests)) % 2**128

    @property
    def text(self) -> str:
        """The sum in 32 hexadecimal digits."""
        return f"{self._sum:032x}"
