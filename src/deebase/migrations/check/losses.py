"""What a table lost between two moments, in words and numbers."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from deebase.migrations.check.contents import Column, Contents, Profile, TableState

#: Types that keep a text which they accept, as it is or in one form of the same meaning.
_PARSED = frozenset({"jsonb", "json", "uuid", "inet", "cidr", "macaddr", "macaddr8", "xml"})


def gone(table: TableState, was: Contents) -> str:
    """Return what is lost with a whole table."""
    return f"table {table.name} with {_counted(was.rows, 'row')}"


def losses(
    before: TableState, was: Contents, after: TableState, now: Contents, *, copied: bool, deleted: bool
) -> Iterator[str]:
    """Yield what a table holds no more.

    A value that another one replaces is changed, not lost, as long as it is not empty and the values of a column do not
    all become one. Where the type of a column changes, or rows are copied to a new table, each value has to stay.

    Args:
        before: the table as it was.
        was: what it held.
        after: the table that has its rows now.
        now: what that holds.
        copied: whether it is another table, to which the rows were copied.
        deleted: whether rows were deleted, so that others may have taken their place.
    """
    if now.rows < was.rows:
        yield f"{was.rows - now.rows} of {_counted(was.rows, 'row')} of {before.name}"
        return
    pairs, added = _paired(before, after, by_name=copied)
    # A row that goes to another partition has other values in the columns that place it, and no others.
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


def _lost(column: Column, was: Profile, same: Column, now: Profile, *, strict: bool) -> str | None:
    """Return which values of a column are lost, if any are."""
    if now.filled < was.filled:
        return f"{was.filled - now.filled} of {_counted(was.filled, 'value')}"
    other_type = column.type != same.type and not (column.family == "texts" and same.family in _PARSED)
    if (strict or other_type) and not _stays(was, now):
        return f"{_counted(was.filled, 'value')}, cut or changed with its type," if other_type else "values"
    if now.single and not was.single and now.present > 1:
        return f"{_counted(was.filled, 'value')}, which all become one,"
    return None


def _paired(
    before: TableState, after: TableState, *, by_name: bool
) -> tuple[list[tuple[Column, Column | None]], list[Column]]:
    """Return each column with itself as it is now, and the columns that are new."""
    now = {column.name if by_name else column.key: column for column in after.columns}
    pairs = [(column, now.pop(column.name if by_name else column.key, None)) for column in before.columns]
    return pairs, list(now.values())


def _all_stay(was: Contents, now: Contents, pairs: Sequence[tuple[Column, Column | None]]) -> bool:
    return was.rows == now.rows and all(
        same is None or _equal(was.columns[column.name], now.columns[same.name]) for column, same in pairs
    )


def _stays(was: Profile, now: Profile) -> bool:
    """Whether each value can still be there: others may have been added to them."""
    return _equal(was, now) if now.present == was.present else now.digest[:1] >= was.digest[:1]


def _equal(was: Profile, now: Profile) -> bool:
    # Sums of fractions depend on the order in which rows come; those of hashes are whole numbers.
    pairs = zip(was.digest, now.digest, strict=True)
    return was.present == now.present and all(
        first == second or math.isclose(first, second, rel_tol=1e-12) for first, second in pairs
    )


def _counted(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def survivor(
    before: TableState, was: Contents, created: Sequence[tuple[TableState, Contents]]
) -> tuple[TableState, list[str]] | None:
    """Return the new table that has the rows of one that no longer exists, and what it lacks of them.

    Args:
        before: the table as it was.
        was: what it held.
        created: the tables that did not exist before.
    """
    found = [
        (table, list(losses(before, was, table, now, copied=True, deleted=False)))
        for table, now in created
        if _may_hold(before, table)
    ]
    whole = [pair for pair in found if not pair[1]]
    named = [pair for pair in found if pair[0].name == before.name]
    return next(iter([*whole, *named]), None)


def _may_hold(before: TableState, table: TableState) -> bool:
    return table.name == before.name or bool(
        {column.name for column in before.columns} & {column.name for column in table.columns}
    )
