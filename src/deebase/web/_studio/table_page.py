"""The page of a table or view: its rows, filters, facets, and the panel of a column."""

from __future__ import annotations

import asyncio
import datetime as dt
from typing import Any
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from deebase import Column
from deebase.web._studio.charts import chart_svg
from deebase.web._studio.copies import python_code, sql_code
from deebase.web._studio.exports import FORMATS
from deebase.web._studio.facets import Distribution, Facets
from deebase.web._studio.filters import OPERATORS, Operator
from deebase.web._studio.shown_rows import ShownRows, heading_kinds, rows_of
from deebase.web._studio.site import Site
from deebase.web._studio.state import MOST_COLUMNS, TableState
from deebase.web._studio.table_fields import ORDERED, Fields


class TablePage:
    """Shows the rows of tables and views.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def rows(self, request: Request) -> Response:
        """Show a page of rows."""
        fields = self._site.fields(request)
        given = request.query_params.multi_items()
        state = TableState.read(given, fields)
        if any(text == "" for _, text in given) and state.address() != f"?{urlencode(given)}":
            # A form sends its empty inputs, too. A column may have an empty name.
            return RedirectResponse(state.address(), status_code=303)
        facets = Facets(self._site, fields, state)
        _, shown = await rows_of(self._site, fields, state)
        return self._site.render(
            request,
            "table.html",
            fields=fields,
            state=state,
            shown=shown,
            names=state.shown(fields),
            headings=heading_kinds(shown.rows, state.shown(fields), fields.kinds),
            links=_Links(fields, state),
            number=await self._number(fields, state, shown),
            panel=None if state.focus is None else await self._panel(fields, state, facets, state.focus),
            facets=[await facets.values(name) for name in state.facets],
            searchable=fields.searchable,
            python=python_code(fields, state),
            sql=sql_code(self._site, fields, state),
            formats=FORMATS,
        )

    async def _number(self, fields: Fields, state: TableState, shown: ShownRows) -> str | None:
        """Return how many rows match, in words; None if that is not known."""
        if shown.is_all:
            return f"{len(shown.rows):,} {'row' if len(shown.rows) == 1 else 'rows'}"
        # The panel takes the statements that counting would.
        if not state.counted or state.focus is not None:
            return None if state.filters or state.search else self._estimate(fields)
        conditions = [item.condition(fields) for item in state.filters]
        try:
            async with asyncio.timeout(self._site.limits.facet_seconds * 2):
                if state.search:
                    return f"{await fields.searched().search(state.search, *conditions).count():,} rows"
                return f"{await fields.handle.count(*conditions):,} rows"
        except TimeoutError:
            return "too many rows to count in time"

    def _estimate(self, fields: Fields) -> str | None:
        size = self._site.last_size(fields.handle.name)
        if size is None or size.rows is None:
            return None
        return f"{'' if size.exact else '≈ '}{size.rows:,} rows"

    async def _panel(self, fields: Fields, state: TableState, facets: Facets, name: str) -> dict[str, Any]:
        """Return what the panel of a column shows."""
        column, kind = fields.columns[name], fields.kinds[name]
        chart = Distribution(name) if kind in ("document", "binary") else await facets.chart(name)
        return {
            "column": column,
            "kind": kind,
            "type": _type_name(column),
            "operators": [_Input(operator, column, state) for operator in OPERATORS.values() if kind in operator.kinds],
            "chart": chart,
            "svg": chart_svg(chart.shape, chart.values) if chart.shape != "bar" else "",
            "hidden": state.pairs(without=name),
        }


class _Input:
    """The input of a filter in the panel of a column."""

    def __init__(self, operator: Operator, column: Column, state: TableState) -> None:
        found = [item for item in state.filters if (item.code, item.column) == (operator.code, column.name)]
        self.operator = operator
        self.name = f"{operator.code}.{column.name}"
        self.value = ", ".join(found[0].texts) if found else ""
        self.is_set = bool(found)
        python: Any = column.type.python
        #: The browser's own input of a day.
        self.type = "date" if operator.code != "in" and python is dt.date else None
        self.choices: list[str] = []
        if operator.code in ("is", "not"):
            if column.choices:
                self.choices = [column.type.format(choice) for choice in column.choices]
            elif python is bool:
                self.choices = [column.type.format(True), column.type.format(False)]


def _type_name(column: Column) -> str:
    parts = [column.type.name or "any"]
    if column.length is not None:
        parts.append(f"up to {column.length} characters")
    if column.key:
        parts.append("key")
    if column.computed:
        parts.append("computed")
    if column.nullable:
        parts.append("may be NULL")
    if column.references is not None:
        parts.append(f"refers to {column.references[0]}")
    return ", ".join(parts)


class _Links:
    """The addresses that lead from a page of a table to others of it."""

    def __init__(self, fields: Fields, state: TableState) -> None:
        self._fields = fields
        self._state = state

    def sort(self, name: str) -> str | None:
        """Return the query of the address sorted by a column, the other way round at the second time."""
        if self._fields.kinds[name] not in ORDERED or self._state.search:
            return None
        is_sorted = self._state.sort == name
        return self._state.with_(sort=name, descending=is_sorted and not self._state.descending)

    def direction(self, name: str) -> str | None:
        """Return the direction of the order by a column, as ``aria-sort`` takes it."""
        if self._state.sort != name:
            return None
        return "descending" if self._state.descending else "ascending"

    def panel(self, name: str) -> str:
        """Return the query of the address with the panel of a column, or without it where it is open."""
        return self._state.staying(focus=None if self._state.focus == name else name)

    def facet(self, name: str) -> str:
        """Return the query of the address with the values of a column beside the rows, or without them."""
        facets = self._state.facets
        changed = tuple([each for each in facets if each != name]) if name in facets else (*facets, name)[-2:]
        return self._state.staying(facets=changed)

    def column(self, name: str) -> str:
        """Return the query of the address with a column, or without it where it is shown."""
        shown = self._state.shown(self._fields)
        changed = [each for each in shown if each != name] if name in shown else [*shown, name][-MOST_COLUMNS:]
        return self._state.staying(
            columns=tuple(changed), focus=None if self._state.focus == name else self._state.focus
        )
