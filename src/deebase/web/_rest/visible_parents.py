"""Foreign keys of rows that are written: they lead only to rows that exist for the user."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from deebase import ForeignKeyViolationError
from deebase.web.foreign_key_columns import keys_in

#: By the name of a table its rows within the scope of the user; None if the table does not exist for the user.
Parents = Mapping[str, Any]


async def must_see_parents(
    handle: Any, rows: Sequence[Mapping[str, Any]], held: frozenset[str], parents: Parents, *, stored: bool = False
) -> None:
    """Refuse rows that refer to rows outside of a scope, as if those did not exist.

    Args:
        handle: the table, with the scope.
        rows: values that are going to be stored. No other error of theirs may come first: it would tell that the
            row that they refer to exists.
        held: the columns of the scope.
        parents: the tables that have a scope of their own.
        stored: the rows are stored. Foreign keys of several columns are checked, of which the database may have
            filled in some.

    Raises:
        ForeignKeyViolationError: a row refers to one outside of the scope.
    """
    for key in keys_in(handle) if held or parents else ():
        columns = key.columns[0] if len(key.columns) == 1 else key.columns
        is_scoped = key.table in parents or bool(held.intersection(handle.fk[columns].c.keys()))
        if (len(key.columns) > 1) is not stored or not is_scoped:
            continue
        referring = [row for row in rows if all(row.get(name) is not None for name in key.columns)]
        if not referring:
            continue
        is_missing = any(parent is None for _, parent in await handle.with_parents(referring, columns))
        values = {tuple([row[name] for name in key.columns]) for row in referring}
        if is_missing or (key.table in parents and not await _all_exist(parents[key.table], key.targets, values)):
            raise ForeignKeyViolationError("a row that is referred to does not exist", constraint="foreign_key")


async def _all_exist(parent: Any, targets: tuple[str, ...], keys: set[tuple[Any, ...]]) -> bool:
    """Whether rows with these unique values are within the scope of their table."""
    if parent is None:
        return False
    if len(targets) == 1:
        return len(await parent(where={targets[0]: [key[0] for key in keys]}, select=list(targets))) == len(keys)
    for key in keys:
        if not await parent(where=dict(zip(targets, key, strict=True)), select=list(targets), limit=1):
            return False
    return True
