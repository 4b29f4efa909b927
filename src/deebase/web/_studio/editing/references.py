"""Rows that a foreign key of a form leads to: suggestions while one types, and whether such a row exists."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import sqlalchemy as sa
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from deebase import ColumnNotFoundError, DeeBaseError
from deebase.web._studio.addresses import decoded
from deebase.web._studio.labels import label_column
from deebase.web._studio.rendering import cell
from deebase.web._studio.site import Site
from deebase.web._studio.table_fields import Fields
from deebase.web.foreign_key_columns import keys_in

#: Rows that are suggested, and characters that are searched for.
MOST, LONGEST = 12, 100


class Suggestions:
    """Answers what a foreign key may be while one types.

    Args:
        site: whose tables they are.
    """

    def __init__(self, site: Site) -> None:
        self._site = site

    async def rows(self, request: Request) -> Response:
        """Return rows of the other table whose label holds a text, or whose key is it."""
        fields = self._site.fields(request)
        column = fields.column(decoded(request.path_params["column"]) or "")
        if column.references is None or column.name not in fields.grant.writable:
            raise ColumnNotFoundError(f"{column.name} refers to no table", column_name=column.name)
        other = self._site.fields_of(column.references[0])
        target = other.column(column.references[1]).name
        text = request.query_params.get("q", "").strip()[:LONGEST]
        label = label_column(other)
        try:
            async with asyncio.timeout(self._site.limits.facet_seconds):
                found = await self._found(other, target, label, text)
        except TimeoutError:
            found = []
        return JSONResponse(
            [
                {"value": value, "label": "" if row.get("label") is None else cell(row["label"], 60).text}
                for row in found
                if (value := other.text_of(target, row["value"])) is not None
            ]
        )

    @staticmethod
    async def _found(other: Fields, target: str, label: str | None, text: str) -> list[dict[str, Any]]:
        columns: Any = other.handle.c
        chosen = {"value": columns[target]} | ({} if label is None else {"label": columns[label]})
        either: list[Any] = [] if label is None or not text else [columns[label].icontains(text, autoescape=True)]
        try:
            either += [columns[target] == other.parsed(target, text)] if text else []
        except DeeBaseError:
            # Not a value of the key.
            if not either:
                return []
        conditions = [sa.or_(*either)] if either else []
        found: list[dict[str, Any]] = await other.handle(*conditions, select=chosen, limit=MOST)
        return found


async def missing_parents(
    site: Site, fields: Fields, values: Mapping[str, Any], row: Mapping[str, Any] | None
) -> dict[str, str]:
    """Return what is wrong with foreign keys that change: no such row exists for the user. One statement asks for all.

    Args:
        site: whose tables they are.
        fields: the columns of the table.
        values: what changes.
        row: the row before the change; None for a new one.
    """
    complete: dict[str, Any] = {**(row or {}), **fields.scope, **values}
    errors: dict[str, str] = {}
    asked: list[tuple[str, str, Any]] = []
    for key in keys_in(fields.handle):
        changed = [name for name in key.columns if name in values]
        if not changed or any(complete.get(name) is None for name in key.columns):
            continue
        table = key.table
        if site.has(table):
            other = site.fields_of(table)
            there: Any = other.handle.sa_table.alias()
            same: list[Any] = [
                there.c[target] == complete[name] for name, target in zip(key.columns, key.targets, strict=True)
            ]
            one = sa.literal_column("1", sa.Integer)
            found = sa.exists(sa.select(one).select_from(there).where(*same, *other.conditions(there.c)))
            asked.append((changed[0], table, found))
        elif not site.shows_all:
            errors[changed[0]] = "there is no such row"
    if asked:
        columns = [found.label(f"f{number}") for number, (_, _, found) in enumerate(asked)]
        (answer,) = await site.db.q(sa.select(*columns))
        for (name, table, _), exists in zip(asked, answer.values(), strict=True):
            if not exists:
                errors[name] = f"{table} has no such row"
    return errors
