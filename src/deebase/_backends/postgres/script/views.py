"""Views and materialized views."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from deebase._backends.postgres.script.entries import (
    USERS,
    Address,
    Entry,
    Target,
    label,
    make_entry,
    own,
    sql_name,
    storage_text,
)
from deebase._backends.schema_script import Read

_MINE = f"{USERS} AND c.relkind IN ('v', 'm') AND {own('pg_class', 'c.oid')}"
_VIEWS = f"""
    SELECT c.oid, {sql_name("c.relname")}, {label("c.relname")}, c.relkind = 'm', pg_get_viewdef(c.oid),
           coalesce(c.reloptions, '{{}}') || ARRAY(SELECT 'toast.' || o FROM unnest(t.reloptions) AS o),
           CASE WHEN m.amname <> 'heap' THEN quote_ident(m.amname) END, c.relispopulated
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am m ON m.oid = c.relam
    WHERE {_MINE}
"""
_COLUMNS = f"""
    SELECT a.attrelid, a.attnum, quote_ident(a.attname), a.attname::text, pg_get_expr(d.adbin, d.adrelid),
           nullif(a.attstattarget, -1), CASE WHEN c.relkind = 'm' AND a.attstorage <> t.typstorage THEN
               CASE a.attstorage WHEN 'p' THEN 'PLAIN' WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END
           END, coalesce(a.attoptions, '{{}}')
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {_MINE} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""


class ViewText(NamedTuple):
    """A view.

    Attributes:
        entry: its entry.
        select: its definition; None if it is more than a SELECT.
    """

    entry: Entry
    select: str | None


async def read_views(read: Read) -> list[ViewText]:
    """Return the views; a materialized one computes its rows when it is created."""
    views = await read(_VIEWS, [])
    columns: defaultdict[int, list[Sequence[Any]]] = defaultdict(list)
    for row in await read(_COLUMNS, []):
        columns[row[0]].append(row[1:])
    return [_view(columns[row[0]], *row) for row in views]


def _view(
    columns: Sequence[Sequence[Any]],
    oid: int,
    name: str,
    shown: str,
    materialized: bool,
    definition: str,
    options: Sequence[str],
    method: str | None,
    populated: bool,
) -> ViewText:
    kind = "MATERIALIZED VIEW" if materialized else "VIEW"
    create = f"CREATE {kind} {name}"
    create += f" USING {method}" if method is not None else ""
    create += f" WITH ({storage_text(options)})" if options else ""
    select = definition.strip().removesuffix(";")
    create += f" AS\n{select}"
    create += "" if populated else "\nWITH NO DATA"
    address = Address("pg_class", oid)
    parts = {
        (address, number): Target(f"COLUMN {name}.{quoted}", f"column {shown}.{plain}")
        for number, quoted, plain, *_ in columns
    }
    target = Target(f"{kind} {name}", f"{kind.lower()} {shown}")
    statements = [create, *_settings(f"ALTER {kind} {name}", columns)]
    entry = make_entry(address, target, statements, after_rows=materialized, parts=parts)
    plain = populated and method is None and not options and len(statements) == 1
    return ViewText(entry, select if plain else None)


def _settings(alter: str, columns: Sequence[Sequence[Any]]) -> Iterator[str]:
    for _, quoted, _, default, statistics, storage, options in columns:
        column = f"{alter} ALTER COLUMN {quoted}"
        if default is not None:
            yield f"{column} SET DEFAULT {default}"
        if statistics is not None:
            yield f"{column} SET STATISTICS {statistics}"
        if storage is not None:
            yield f"{column} SET STORAGE {storage}"
        if options:
            yield f"{column} SET ({storage_text(options)})"
