"""Changes of types for which no value converts: refused when a draft is written."""

from __future__ import annotations

from collections.abc import Iterator

from deebase._types.registry import column_type
from deebase.errors import MigrationError
from deebase.migrations.compare.changes import Changes, TableChange
from deebase.migrations.hints import either
from deebase.migrations.target import Target
from deebase.types import UNSET


async def check_casts(target: Target, changes: Changes) -> None:
    """Refuse a change between two types if no value converts.

    Args:
        target: a scratch database with the schema before the changes.
        changes: the changes.

    Raises:
        MigrationError: there is such a change; the hint says what to write instead.
    """
    for change in changes.alter:
        for name, old, new in _pairs(change):
            if await target.support.never_converts(target, old, new, _sample(changes, change, name)):
                raise MigrationError(
                    f"{change.name}.{name} cannot change from {old} to {new}: no value converts",
                    hint=f"keep {name}, add a column of the new type under another name, fill it in a migration of your"
                    f" own ({either('new(name, data=True)', 'new NAME --data')}), and drop {name} later",
                )


def _pairs(change: TableChange) -> Iterator[tuple[str, str, str]]:
    old = {column.name: column.type for column in change.before.facts.columns}
    new = {column.name: column.type for column in change.after.facts.columns}
    yield from [(name, old[name], new[name]) for name in change.types if old[name] != new[name]]


def _sample(changes: Changes, change: TableChange, name: str) -> object:
    """Return a plain value of a column, as it is stored; None if its type has none."""
    spec = change.before.specs.get(name)
    zero = UNSET if spec is None else column_type(spec.sa_type).zero
    if zero is UNSET or isinstance(zero, str):
        return None  # a text may hold what converts
    bind = changes.before.catalog.model(change.name).column(name).bind
    return zero if bind is None else bind(zero)
