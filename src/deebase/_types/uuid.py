"""UUIDs."""

from __future__ import annotations

from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._types.base import ColumnType, Named, Processor, has_types, kept_on_sqlite, misfit


class Uuid(ColumnType[UUID], python=UUID):
    """UUID; SQLite stores 32 hexadecimal digits."""

    impl = sa.Uuid
    adopts = (sa.Uuid,)
    sqlite = Named("UUID CHAR(32)")
    postgres = sa.Uuid()
    wanted = "a UUID"
    example = "123e4567-e89b-12d3-a456-426614174000"
    zero = UUID(int=0)
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
