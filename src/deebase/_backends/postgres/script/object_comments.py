"""Comments on objects, on columns and on constraints."""

from __future__ import annotations

from collections.abc import Iterable

from deebase._backends.postgres.script.entries import Address, Entry, Target, make_entry
from deebase._backends.schema_script import Read

#: The schema public has a comment from the start, and so has an extension.
_COMMENTS = """
    SELECT d.classoid::regclass::text, d.objoid, d.objsubid, quote_literal(d.description) FROM pg_description d
    WHERE d.objoid >= 16384 AND NOT EXISTS (
        SELECT FROM pg_extension x JOIN pg_available_extensions v ON v.name = x.extname
        WHERE d.classoid = 'pg_extension'::regclass AND x.oid = d.objoid AND v.comment = d.description)
    UNION ALL
    SELECT 'public', 0, 0, quote_literal(d.description) FROM pg_description d
    WHERE d.classoid = 'pg_namespace'::regclass AND d.objoid = to_regnamespace('public')::oid
        AND d.description <> 'standard public schema'
    ORDER BY 1, 2, 3
"""
_STANDARD = "'standard public schema'"
_PUBLIC = Address("public", 0)
_RELATIONS = ("table", "foreign table", "view", "materialized view")


async def read_comments(read: Read, entries: Iterable[Entry]) -> list[Entry]:
    """Return the comments on entries and their parts, and on the schema public."""
    targets: dict[tuple[Address, int], tuple[Entry | None, Target]] = {
        (_PUBLIC, 0): (None, Target("SCHEMA public", "schema public"))
    }
    for entry in entries:
        targets[entry.address, 0] = entry, entry.target
        targets.update({part: (entry, target) for part, target in entry.parts.items()})
    found: list[Entry] = []
    for catalog, oid, number, text in await read(_COMMENTS, []):
        if (part := (Address(catalog, oid), number)) in targets:
            found.append(_comment(*targets[part], text))
    return sorted(found, key=lambda one: one.place)


def _comment(entry: Entry | None, target: Target, text: str) -> Entry:
    item = entry.item if entry is not None else None
    table = None if item is None else item.table or (item.name if item.kind in _RELATIONS else None)
    return make_entry(
        Address("pg_description", 0),
        Target(target.sql, f"comment on {target.label}"),
        [f"COMMENT ON {target.sql} IS {text}"],
        drop=f"COMMENT ON {target.sql} IS {'NULL' if entry is not None else _STANDARD}",
        table=table,
        after_rows=item is not None and item.after_rows,
        kind="comment",
    )
