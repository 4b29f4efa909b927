"""Bytes."""

from __future__ import annotations

import base64
from typing import Any

import sqlalchemy as sa

from deebase._types.base import ColumnType, is_a, misfit
from deebase._types.forms.foreign_values import as_bytes


def accept_bytes(value: Any) -> bytes:
    """Return bytes; also for a bytearray, memoryview or array of bytes.

    Raises:
        ValidationError: it is something else.
    """
    if is_a(value, bytes):
        return value if type(value) is bytes else bytes(value)
    made = as_bytes(value)
    if made is not None:
        return made
    raise misfit(value, "bytes", "value.encode()" if isinstance(value, str) else None)


class Binary(ColumnType[bytes], python=bytes):
    """BLOB, BYTEA. The text form is base64."""

    impl = sa.LargeBinary
    adopts = (sa.LargeBinary, sa.BINARY, sa.VARBINARY)
    sqlite = postgres = sa.LargeBinary()
    classes = (bytes, bytearray, memoryview)
    wanted = "bytes in base64"
    example = "AAEC"
    zero = b""
    passes = frozenset({bytes})

    def accept(self, value: Any) -> bytes:
        return accept_bytes(value)

    def parse(self, text: str) -> bytes:
        return base64.b64decode(text, validate=True)

    def format(self, value: bytes) -> str:
        return base64.b64encode(value).decode("ascii")

    def to_sqlite(self) -> None:
        """Send it as it is."""

    from_sqlite = to_postgres = from_postgres = to_sqlite

    def of_literal(self, value: Any) -> bytes:
        return bytes.fromhex(value.removeprefix("\\x")) if isinstance(value, str) else bytes(value)

    def sample(self, number: int, name: str) -> bytes:
        return f"{name}-{number}".encode()
