"""Tables as the catalogs hold them: three queries for any number of tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from collections.abc import Sequence as Rows
from typing import Any

from deebase._backends.postgres.script.entries import USERS, label, own, sql_name
from deebase._backends.postgres.script.sequences import Sequence
from deebase._backends.postgres.script.table_text import Column, Constraint, TableText
from deebase._backends.schema_script import Read

_MINE = f"{USERS} AND c.relkind IN ('r', 'p', 'f') AND {own('pg_class', 'c.oid')}"
_TABLES = f"""
    SELECT c.oid, {sql_name("c.relname")}, {label("c.relname")}, c.relname::text, c.relkind::text,
           c.relpersistence::text, c.relispartition,
           coalesce(c.reloptions, '{{}}') || ARRAY(SELECT 'toast.' || o FROM unnest(t.reloptions) AS o),
           CASE WHEN m.amname <> 'heap' THEN quote_ident(m.amname) END,
           CASE WHEN c.relkind = 'p' THEN pg_get_partkeydef(c.oid) END, pg_get_expr(c.relpartbound, c.oid),
           CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) END, c.relreplident::text,
           (SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND i.indisreplident),
           (SELECT quote_ident(x.relname) FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
            WHERE i.indrelid = c.oid AND i.indisclustered),
           quote_ident(fs.srvname),
           ARRAY(SELECT format('%I %L', o.option_name, o.option_value) FROM pg_options_to_table(f.ftoptions) AS o),
           ARRAY(SELECT i.inhparent::int8 FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class t ON t.oid = c.reltoastrelid LEFT JOIN pg_am m ON m.oid = c.relam
    LEFT JOIN pg_foreign_table f ON f.ftrelid = c.oid LEFT JOIN pg_foreign_server fs ON fs.oid = f.ftserver
    WHERE {_MINE} ORDER BY n.nspname, c.relname
"""
_COLUMNS = f"""
    SELECT a.attrelid, a.attnum, a.attname::text, quote_ident(a.attname), format_type(a.atttypid, a.atttypmod),
           CASE WHEN a.attcollation <> t.typcollation THEN a.attcollation::regcollation::text END,
           a.attnotnull, a.attidentity::text, a.attgenerated::text, d.oid, pg_get_expr(d.adbin, d.adrelid),
           a.attislocal,
           CASE WHEN a.attstorage <> t.typstorage THEN a.attstorage::text END,
           nullif(a.attcompression::text, ''),
           nullif(a.attstattarget, -1), coalesce(a.attoptions, '{{}}'),
           ARRAY(SELECT format('%I %L', o.option_name, o.option_value) FROM pg_options_to_table(a.attfdwoptions) AS o)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_type t ON t.oid = a.atttypid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    WHERE {_MINE} AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum
"""
#: contype: p key, u unique, x exclusion, c check, n not null, f foreign key (manual, pg_constraint). The foreign keys
#: that partitions have from their table come with that one.
_CONSTRAINTS = f"""
    SELECT k.conrelid, k.oid, k.conname::text, quote_ident(k.conname), k.contype::text, pg_get_constraintdef(k.oid),
           k.conislocal, k.connoinherit, k.convalidated, k.conkey::int[], {sql_name("x.relname")},
           CASE WHEN k.contype IN ('p', 'u') THEN coalesce(x.reloptions, '{{}}') ELSE '{{}}' END,
           array_remove(ARRAY[
               CASE WHEN k.confmatchtype = 'f' THEN 'MATCH FULL' END,
               CASE WHEN k.contype = 'f' AND to_jsonb(k) ->> 'conperiod' = 'true' THEN 'PERIOD' END,
               'SET ' || (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a
                          WHERE a.attrelid = k.conrelid AND a.attnum = ANY (k.confdelsetcols)),
               CASE WHEN k.contype <> 'f' OR NOT k.condeferrable THEN NULL
                    WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' ELSE 'DEFERRABLE' END,
               CASE WHEN k.contype <> 'f' THEN NULL WHEN to_jsonb(k) ->> 'conenforced' = 'false' THEN 'NOT ENFORCED'
                    WHEN NOT k.convalidated THEN 'NOT VALID' END], NULL)
    FROM pg_constraint k JOIN pg_class c ON c.oid = k.conrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    LEFT JOIN pg_class x ON x.oid = k.conindid
    WHERE {_MINE} AND k.contype IN ('p', 'u', 'x', 'c', 'n', 'f') AND NOT (k.contype = 'f' AND k.conparentid <> 0)
    ORDER BY k.conrelid, array_position(ARRAY['p', 'u', 'x', 'c', 'n', 'f'], k.contype::text), k.conname
"""


async def read_tables(read: Read, sequences: Collection[Sequence]) -> list[TableText]:
    """Return all tables.

    Args:
        read: runs a SELECT.
        sequences: all sequences.
    """
    tables = await read(_TABLES, [])
    columns, constraints = _grouped(await read(_COLUMNS, [])), _grouped(await read(_CONSTRAINTS, []))
    owned: defaultdict[int, defaultdict[int, list[Sequence]]] = defaultdict(lambda: defaultdict(list))
    for sequence in sequences:
        if sequence.owner is not None:
            owned[sequence.owner[0]][sequence.owner[1]].append(sequence)
    found: dict[int, TableText] = {}
    waiting = {row[0]: row for row in tables}

    def made(oid: int) -> TableText:
        if oid not in found:
            row = waiting[oid]
            found[oid] = TableText(
                [Column(*one) for one in columns[oid]],
                [Constraint(*one) for one in constraints[oid]],
                owned[oid],
                [made(parent) for parent in row[-1] if parent in waiting],
                *row[:-1],
            )
        return found[oid]

    return [made(row[0]) for row in tables]


def _grouped(rows: Rows[Rows[Any]]) -> defaultdict[int, list[Rows[Any]]]:
    result: defaultdict[int, list[Rows[Any]]] = defaultdict(list)
    for first, *rest in rows:
        result[first].append(rest)
    return result
