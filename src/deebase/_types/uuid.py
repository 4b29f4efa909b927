"""UUIDs."""

from __future__ import annotations

from typing import Any, Final
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._types.base import ColumnType, Named, Processor, has_types, kept_on_sqlite, misfit

#: Three hexadecimal digits, and the digit of the variant of RFC 9562.
_THREE: Final = "substr(hex(randomblob(2)), 2)"
_VARIANT: Final = "substr('89AB', 1 + (random() & 3), 1)"
#: Milliseconds since 1970, as twelve hexadecimal digits.
_MILLISECONDS: Final = "printf('%012x', CAST((julianday('now') - 2440587.5) * 86400000 AS INTEGER))"
_SQLITE_UUIDS: Final = {
    "uuid4": ("hex(randomblob(4))", "hex(randomblob(2))", f"'4' || {_THREE}"),
    "uuid7": (f"substr({_MILLISECONDS}, 1, 8)", f"substr({_MILLISECONDS}, 9)", f"'7' || {_THREE}"),
}
#: Milliseconds, the version, and random bits; the function uuidv7 is only in PostgreSQL 18 and later.
_POSTGRES_UUID7: Final = (
    "encode(set_bit(set_bit(overlay(uuid_send(gen_random_uuid()) placing substring(int8send("
    "floor(extract(epoch from clock_timestamp()) * 1000)::bigint) from 3) from 1 for 6), 52, 1), 53, 1), 'hex')::uuid"
)
_POSTGRES_UUIDS: Final = {"uuid4": "gen_random_uuid()", "uuid7": _POSTGRES_UUID7}


def uuids_by_database(*, as_text: bool) -> dict[str, tuple[str, str]]:
    """Return the SQL of SQLite and of PostgreSQL that makes a UUID, by the name of its DatabaseValue.

    Args:
        as_text: with hyphens, for a column of text.
    """
    return {name: (_on_sqlite(name, as_text), _POSTGRES_UUIDS[name] + "::text" * as_text) for name in _POSTGRES_UUIDS}


def _on_sqlite(name: str, as_text: bool) -> str:
    parts = (*_SQLITE_UUIDS[name], f"{_VARIANT} || {_THREE}", "hex(randomblob(6))")
    between = " || '-' || " if as_text else " || "
    return f"lower({between.join(parts)})"


class Uuid(ColumnType[UUID], python=UUID):
    """UUID; SQLite stores 32 hexadecimal digits."""

    impl = sa.Uuid
    adopts = (sa.Uuid,)
    sqlite = Named("UUID CHAR(32)")
    postgres = sa.Uuid()
    wanted = "a UUID"
    example = "123e4567-e89b-12d3-a456-426614174000"
    zero = UUID(int=0)
    made_by_database = uuids_by_database(as_text=False)
    passes = frozenset({UUID})

    def accept(self, value: Any) -> UUID:
        """Return a UUID, also of a subclass that a driver makes."""
        if not isinstance(value, UUID):
            raise misfit(value, "a UUID", "UUID(value)" if isinstance(value, str) else None)
        return value

    def to_sqlite(self) -> Processor:
        return lambda value: self.accept(value).hex

    def from_sqlite(self) -> Processor:
        # Twice as fast as UUID(text), which looks for braces and hyphens first.
        return lambda text: UUID(int=int(text, 16)) if len(text) == 32 else UUID(text)

    def from_postgres(self) -> Processor:
        """Return what makes a plain UUID: asyncpg makes instances of a subclass of its own."""
        return lambda value: UUID(int=value.int)

    def kept(self, stored: Any, new: Any, dialect: Dialect) -> Any:
        return new if has_types(dialect) else kept_on_sqlite("UUID CHAR", stored, new)

    def sample(self, number: int, name: str) -> UUID:
        return UUID(int=number)
