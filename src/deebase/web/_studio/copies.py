"""The rows of a page as code: Python with DeeBase, and SQL."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.exc import SQLAlchemyError

from deebase import DeeBaseError, Table
from deebase.web._studio.site import Site
from deebase.web._studio.state import TableState
from deebase.web._studio.table_fields import Fields


def python_code(fields: Fields, state: TableState) -> str | None:
    """Return the call that reads the rows of a page; None if it would name hidden columns."""
    handle = fields.handle
    place = "db.t" if isinstance(handle, Table) else "db.v"
    name = handle.name
    if not fields.shows_scope:
        return None
    scope = f".xtra(**{dict(fields.scope)!r})" if fields.scope else ""
    lines = [(f"t = {place}.{name}" if name.isidentifier() else f"t = {place}[{name!r}]") + scope]
    arguments = [item.python(fields) for item in state.filters]
    if any(argument.startswith("sa.") for argument in arguments):
        lines.insert(0, "import sqlalchemy as sa\n")
    if state.search:
        call = ", ".join([repr(state.search), *arguments, f"limit={state.size(fields)}"])
        return "\n".join([*lines, f"hits = await t.search({call})"])
    if state.columns or not fields.is_whole:
        arguments.append(f"select={list(state.columns or fields.columns)!r}")
    order = state.order()
    if order is not None:
        arguments.append(f"order_by={order[0]!r}")
    if fields.has_pages:
        arguments.append(f"size={state.size(fields)}")
        return "\n".join([*lines, f"page = await t.page({', '.join(arguments)})"])
    arguments.append(f"limit={state.size(fields)}")
    return "\n".join([*lines, f"rows = await t({', '.join(arguments)})"])


def sql_code(site: Site, fields: Fields, state: TableState) -> str | None:
    """Return the SELECT of the rows of a page in the SQL of its database.

    It is None for a search, and if it would name hidden columns.
    """
    if state.search or not fields.shows_scope:
        return None
    columns: Any = fields.handle.c
    chosen = [columns[name] for name in state.columns or fields.columns]
    filters = [item.condition(fields, site.db.dialect) for item in state.filters]
    select = sa.select(*chosen).where(*fields.conditions(), *filters)
    keys = fields.handle.pks if fields.has_pages else ()
    # As the page does it: the key in the direction of the column before it.
    order = [columns[name] for name in dict.fromkeys([*([] if state.sort is None else [state.sort]), *keys])]
    select = select.order_by(*[column.desc() if state.descending and state.sort else column for column in order])
    try:
        text = str(select.compile(dialect=site.db.dialect, compile_kwargs={"literal_binds": True}))
    except (SQLAlchemyError, DeeBaseError, NotImplementedError):
        # A value that has no literal.
        return None
    return "\n".join([*[line.rstrip() for line in text.splitlines()], f"LIMIT {state.size(fields)};"])
