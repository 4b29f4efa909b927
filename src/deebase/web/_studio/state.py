"""What a page of a table shows, all of which is in its address."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from deebase.web._studio.filters import Filter, filters_of
from deebase.web._studio.table_fields import ORDERED, Fields

#: Columns that are shown unless others are chosen, columns of a page at most, and facets of a page.
SHOWN, MOST_COLUMNS, MOST_FACETS = 12, 40, 2
#: Rows of a page, and cells: a page stays small.
MOST_ROWS, FEWEST_ROWS, CELLS = 50, 10, 500
#: The furthest row of what has no key to find its neighbours by.
FURTHEST = 2_000


@dataclass(frozen=True)
class TableState:
    """What a page of a table shows.

    Attributes:
        filters: the conditions of the rows.
        sort: the column of the order; None for the key.
        descending: the direction of the order.
        columns: the names of the chosen columns; empty for the first ones.
        search: the text of a full-text search.
        after: the cursor of the page.
        offset: rows before the page, where it has no cursor.
        focus: the column whose panel is open.
        facets: columns whose values are counted.
        counted: whether the rows are counted.
    """

    filters: tuple[Filter, ...] = ()
    sort: str | None = None
    descending: bool = False
    columns: tuple[str, ...] = ()
    search: str = ""
    after: str | None = None
    offset: int = 0
    focus: str | None = None
    facets: tuple[str, ...] = ()
    counted: bool = False

    @classmethod
    def read(cls, pairs: Iterable[tuple[str, str]], fields: Fields) -> TableState:
        """Return the state in the parameters of an address.

        Raises:
            ColumnNotFoundError: the table has no such column.
            ValidationError: a filter that makes no sense.
        """
        given = list(pairs)
        last = dict(given)

        def names(parameter: str) -> list[str]:
            return list(dict.fromkeys([fields.column(text).name for name, text in given if name == parameter]))

        sort = next(iter(names("desc") or names("sort")), None)
        offset = last.get("offset", "0")
        return cls(
            filters=filters_of(given, fields),
            sort=None if sort is None or fields.kinds[sort] not in ORDERED else sort,
            descending="desc" in last,
            columns=tuple(names("show"))[:MOST_COLUMNS],
            search=last.get("q", "").strip()[:300],
            after=last.get("after") or None,
            offset=min(int(offset), FURTHEST) if offset.isascii() and offset.isdigit() and len(offset) < 8 else 0,
            focus=next(iter(names("column")), None),
            facets=tuple(names("facet"))[:MOST_FACETS],
            counted=last.get("count") == "1",
        )

    def pairs(self, *, without: str | None = None) -> list[tuple[str, str]]:
        """Return the parameters of the address, the place of the page left out.

        Args:
            without: a column whose filters are left out.
        """
        result = [pair for item in self.filters if item.column != without for pair in item.pairs()]
        if self.sort is not None:
            result.append(("desc" if self.descending else "sort", self.sort))
        result += [("show", name) for name in self.columns]
        result += [("facet", name) for name in self.facets]
        if self.search:
            result.append(("q", self.search))
        if self.focus is not None:
            result.append(("column", self.focus))
        return result

    def address(self) -> str:
        """Return the query of the address of this page."""
        pairs = self.pairs()
        if self.after is not None:
            pairs.append(("after", self.after))
        if self.offset:
            pairs.append(("offset", str(self.offset)))
        if self.counted:
            pairs.append(("count", "1"))
        return "?" + urlencode(pairs)

    def with_(self, **changes: Any) -> str:
        """Return the query of the address of another page, the first one of its rows."""
        return replace(self, **{"after": None, "offset": 0, "counted": False, **changes}).address()

    def staying(self, **changes: Any) -> str:
        """Return the query of the address of the same rows, shown in another way."""
        return replace(self, **changes).address()

    def filtered(self, code: str, column: str, *texts: str) -> str:
        """Return the query of the address with one more filter; those of the same kind are replaced."""
        others = [item for item in self.filters if (item.code, item.column) != (code, column)]
        return self.with_(filters=(*others, Filter(code, column, texts)))

    def unfiltered(self, item: Filter) -> str:
        """Return the query of the address without a filter."""
        return self.with_(filters=tuple([other for other in self.filters if other != item]))

    # -- what is shown -------------------------------------------------------------------------

    def shown(self, fields: Fields) -> list[str]:
        """Return the names of the columns that are shown: the key first, then as in the table."""
        if self.columns:
            return list(self.columns)
        return list(fields.columns)[:SHOWN]

    def size(self, fields: Fields) -> int:
        """Return the number of rows of a page."""
        return max(FEWEST_ROWS, min(MOST_ROWS, CELLS // max(1, len(self.shown(fields)))))

    def order(self) -> list[str] | None:
        """Return the order as ``page`` takes it."""
        return None if self.sort is None else [f"-{self.sort}" if self.descending else self.sort]
