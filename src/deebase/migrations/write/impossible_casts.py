"""Changes of types that no value survives: refused when a draft is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from deebase._backends.postgres.ddl import converted
from deebase._backends.sqlite.casts import fits
from deebase._engine.core import core_of
from deebase._types.registry import column_type
from deebase.errors import DeeBaseError, MigrationError
from deebase.migrations.compare.changes import Changes, TableChange
from deebase.migrations.hints import either
from deebase.migrations.runner import separate
from deebase.types import UNSET

if TYPE_CHECKING:
    from deebase.database import Database

#: PostgreSQL has no cast between two types (cannot_coerce).
_NO_CAST = "42846"


async def check_casts(db: Database, changes: Changes) -> None:
    """Refuse a change between two types of which one never converts to the other.

    Args:
        db: a scratch database with the schema before the changes.
        changes: what is to be done.

    Raises:
        MigrationError: there is one; the hint says what to write instead.
    """
    postgres = changes.before.catalog.dialect.name == "postgresql"
    for change in changes.alter:
        for name, old, new in _pairs(change):
            if await (_lacks_a_cast(db, old, new) if postgres else _fits_never(db, change, name, new)):
                raise MigrationError(
                    f"{change.name}.{name} cannot change from {old} to {new}: no value converts",
                    hint=f"keep {name}, add a column of the new type under another name, fill it in a migration of your"
                    f" own ({either('new(name, data=True)', 'new NAME --data')}), and drop {name} later",
                )


def _pairs(change: TableChange) -> Iterator[tuple[str, str, str]]:
    old = {column.name: column.type for column in change.before.facts.columns}
    new = {column.name: column.type for column in change.after.facts.columns}
    yield from [(name, old[name], new[name]) for name in change.types if old[name] != new[name]]


async def _lacks_a_cast(db: Database, old: str, new: str) -> bool:
    try:
        await db.q(f"SELECT {converted(f'NULL::{old}', old, new.upper())}")
    except DeeBaseError as error:
        # A type that the migration itself makes is not known yet.
        return getattr(error.__cause__, "sqlstate", None) == _NO_CAST
    return False


async def _fits_never(db: Database, change: TableChange, name: str, new: str) -> bool:
    """Whether a plain value of a column, as SQLite stores it, does not fit the new type."""
    spec = change.before.specs.get(name)
    zero = UNSET if spec is None else column_type(spec.sa_type).zero
    if zero is UNSET or isinstance(zero, str):
        return False  # a text may hold what fits
    own = separate(db)
    await own.reflect()
    bind = core_of(own).catalog.model(change.name).column(name).bind
    return not fits(new, zero if bind is None else bind(zero))
