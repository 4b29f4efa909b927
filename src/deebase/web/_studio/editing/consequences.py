"""What goes with rows that are deleted: rows of other tables that refer to them, counted by table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import sqlalchemy as sa

from deebase.web._studio.row_identity import same_rows
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields
from deebase.web.foreign_key_columns import keys_in

#: The condition of some rows of a table, or of an alias of it.
Rows = Callable[[Any], Any]
#: Rows that are counted of one table, levels of foreign keys that are followed, and foreign keys in all.
COUNTED, LEVELS, MOST = 100_000, 4, 40

Effect = Literal["deleted", "emptied", "refused"]
#: What the rows that refer to a deleted one get, by the action of the foreign key. Without one the database refuses.
_EFFECTS: Mapping[str, Effect] = {"cascade": "deleted", "set null": "emptied", "set default": "emptied"}


@dataclass(frozen=True)
class Consequence:
    """Rows of one table that refer to rows that are deleted.

    Attributes:
        table: its name.
        columns: the foreign key.
        effect: what happens to them.
        rows: their condition.
        count: their number, at most one more than ``COUNTED``; None if it is not known.
    """

    table: str
    columns: tuple[str, ...]
    effect: Effect
    rows: Rows
    count: int | None = None

    @property
    def number(self) -> str:
        """The number in words."""
        if self.count is None:
            return "too many rows to count in time"
        return f"more than {COUNTED:,} rows" if self.count > COUNTED else rows_in_words(self.count)


@dataclass(frozen=True)
class Consequences:
    """What goes with rows that are deleted.

    Attributes:
        found: the rows that refer to them, by foreign key; those without rows are left out.
        is_whole: whether nothing else may go with them, such as rows of tables that are hidden from the user.
    """

    found: tuple[Consequence, ...]
    is_whole: bool

    @property
    def is_refused(self) -> bool:
        """Whether the database refuses the change."""
        return any(each.effect == "refused" for each in self.found)

    @property
    def mark(self) -> str:
        """A text that is another one if something else goes with the rows."""
        return ",".join([str(each.count) for each in self.found])


def rows_in_words(number: int) -> str:
    """Return a number of rows in words."""
    return f"{number:,} {'row' if number == 1 else 'rows'}"


async def consequences_of(site: Site, fields: Fields, rows: Sequence[Mapping[str, Any]]) -> Consequences:
    """Return what goes with rows that are deleted."""
    leading = list(_leading(site, fields, lambda table: same_rows(table, fields.handle.pks, rows), 1))
    shown = leading[:MOST]
    is_whole = len(leading) <= MOST and not _some_are_hidden(
        site, [fields.handle.name, *[each.table for each in shown]]
    )
    if not shown:
        return Consequences((), is_whole)
    try:
        async with asyncio.timeout(site.limits.facet_seconds * 4):
            (found,) = await site.db.q(sa.select(*[_count(site, each, number) for number, each in enumerate(shown)]))
            numbers: list[int | None] = list(found.values())
    except TimeoutError:
        numbers = [None] * len(shown)
    counted = [replace(each, count=number) for each, number in zip(shown, numbers, strict=True) if number != 0]
    return Consequences(tuple(counted), is_whole)


def _count(site: Site, each: Consequence, number: int) -> Any:
    """Return a column with the number of rows, of which no more than a limit are read."""
    table: Any = site.fields_of(each.table).handle.sa_table.alias()
    one = sa.literal_column("1", sa.Integer).label("one")
    some = sa.select(one).where(each.rows(table)).limit(COUNTED + 1).subquery()
    return sa.select(sa.func.count()).select_from(some).scalar_subquery().label(f"n{number}")


def _leading(site: Site, fields: Fields, rows: Rows, level: int) -> Iterator[Consequence]:
    """Return the foreign keys that lead to rows of a table, and those that lead to the rows that go with these."""
    for name in site.names()[0]:
        other = site.fields_of(name)
        for key in [key for key in keys_in(other.handle) if key.table == fields.handle.name]:
            if not (other.columns.keys() >= set(key.columns) and fields.columns.keys() >= set(key.targets)):
                continue
            effect = _EFFECTS.get(key.on_delete, "refused")
            found = _referring(other, key.columns, fields, key.targets, rows)
            yield Consequence(name, key.columns, effect, found)
            if effect == "deleted" and level < LEVELS:
                yield from _leading(site, other, found, level + 1)


def _referring(other: Fields, columns: Sequence[str], fields: Fields, targets: Sequence[str], rows: Rows) -> Rows:
    """Return the condition of the rows of a table that refer to rows of another one."""

    def condition(table: Any) -> Any:
        # An alias: a table may refer to itself.
        there = fields.handle.sa_table.alias()
        referred = sa.select(*[there.c[name] for name in targets]).where(rows(there))
        own = [table.c[name] for name in columns]
        return sa.and_((own[0] if len(own) == 1 else sa.tuple_(*own)).in_(referred), *other.conditions(table.c))

    return condition


def _some_are_hidden(site: Site, tables: Sequence[str]) -> bool:
    """Whether rows that the user does not see may refer to rows of some tables."""
    if site.shows_all:
        return False
    known = set(site.names()[0])
    for table in site.db.t:
        fields = site.fields_of(table.name) if table.name in known else None
        for key in [key for key in keys_in(table) if key.table in tables]:
            if fields is None or fields.scope or not fields.columns.keys() >= set(key.columns):
                return True
    return False
