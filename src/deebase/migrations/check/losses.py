"""What a table has lost, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deebase._backends.stored_tables import Contents, Profile, StoredColumn, StoredTable

#: Types that store a text which they accept unchanged, or in a normal form of the same meaning.
_PARSED = frozenset({"jsonb", "json", "uuid", "inet", "cidr", "macaddr", "macaddr8", "xml"})


def gone(table: StoredTable, was: Contents) -> str:
    """Return the text for a table that is lost."""
    return f"table {table.name} with {_counted(was.rows, 'row')}"


def losses(
    before: StoredTable, was: Contents, after: StoredTable, now: Contents, *, copied: bool, deleted: bool
) -> Iterator[str]:
    """Yield what a table has lost.

    A value that is replaced by another one is not lost, unless that is empty, or all values of the column become equal.
    If the type of a column changes, or rows are copied to a new table, every value has to stay.

    Args:
        before: the table before the migration.
        was: its contents then.
        after: the table that has its rows now.
        now: the contents of that.
        copied: whether it is another table, to which the rows were copied.
        deleted: whether rows were deleted, so that others may have replaced them.
    """
    if now.rows < was.rows:
        yield f"{was.rows - now.rows} of {_counted(was.rows, 'row')} of {before.name}"
        return
    pairs, added = _paired(before, after, by_name=copied)
    # A row that moves to another partition differs only in the columns that determine its partition.
    staying = [(column, same) for column, same in pairs if column.name not in before.placing]
    if deleted and was.rows and not _all_stay(was, now, staying):
        yield f"rows of {before.name}, which are deleted while others are inserted"
        return
    for column, same in pairs:
        profile = was.columns[column.name]
        name = f"{before.name}.{column.name}"
        if same is None:
            if profile.present and not any(_equal(profile, now.columns[other.name]) for other in added):
                yield f"column {name} with {_counted(profile.present, 'value')}"
        elif lost := _lost(column, profile, same, now.columns[same.name], strict=copied):
            yield f"{lost} of {name}"


def _lost(column: StoredColumn, was: Profile, same: StoredColumn, now: Profile, *, strict: bool) -> str | None:
    """Return which values of a column are lost; None if all stay."""
    if now.filled < was.filled:
        return f"{was.filled - now.filled} of {_counted(was.filled, 'value')}"
    other_type = column.type != same.type and not (column.family == "texts" and same.family in _PARSED)
    if (strict or other_type) and not _stays(was, now):
        return f"{_counted(was.filled, 'value')}, cut or changed with its type," if other_type else "values"
    if now.single and not was.single and now.present > 1:
        return f"{_counted(was.filled, 'value')}, which all become one,"
    return None


def _paired(
    before: StoredTable, after: StoredTable, *, by_name: bool
) -> tuple[list[tuple[StoredColumn, StoredColumn | None]], list[StoredColumn]]:
    """Return each column with its present state, and the columns that are new."""
    now = {column.name if by_name else column.key: column for column in after.columns}
    pairs = [(column, now.pop(column.name if by_name else column.key, None)) for column in before.columns]
    return pairs, list(now.values())


def _all_stay(was: Contents, now: Contents, pairs: Sequence[tuple[StoredColumn, StoredColumn | None]]) -> bool:
    return was.rows == now.rows and all(
        same is None or _equal(was.columns[column.name], now.columns[same.name]) for column, same in pairs
    )


def _stays(was: Profile, now: Profile) -> bool:
    """Whether no value can be missing: others may have been added."""
    return _equal(was, now) if now.present == was.present else now.digest[:1] >= was.digest[:1]


def _equal(was: Profile, now: Profile) -> bool:
    # Sums of fractions depend on the order of the rows; sums of hashes are whole numbers.
    pairs = zip(was.digest, now.digest, strict=True)
    return was.present == now.present and all(
        first == second or math.isclose(first, second, rel_tol=1e-12) for first, second in pairs
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def survivor(
    before: StoredTable, was: Contents, created: Sequence[tuple[StoredTable, Contents]]
) -> tuple[StoredTable, list[str]] | None:
    """Return the new table that has the rows of a dropped one, and what it lacks of them.

    Args:
        before: the dropped table.
        was: its contents.
        created: the new tables, with their contents.
    """
    found = [
        (table, list(losses(before, was, table, now, copied=True, deleted=False)))
        for table, now in created
        if _may_hold(before, table)
    ]
    whole = [pair for pair in found if not pair[1]]
    named = [pair for pair in found if pair[0].name == before.name]
    return next(iter([*whole, *named]), None)


def _may_hold(before: StoredTable, table: StoredTable) -> bool:
    return table.name == before.name or bool(
        {column.name for column in before.columns} & {column.name for column in table.columns}
    )
