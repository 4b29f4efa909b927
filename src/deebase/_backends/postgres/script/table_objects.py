"""What belongs to a table or view and has a statement of its own: indexes, triggers, rules, policies, statistics."""

from __future__ import annotations

from collections.abc import Sequence

from deebase._backends.postgres.script.entries import (
    USERS,
    Address,
    Entry,
    Target,
    label,
    make_entry,
    own,
    sql_name,
)
from deebase._backends.schema_script import Read
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.tokens import spliced, tokens

_NAME = sql_name("c.relname")
_LABEL = label("c.relname")
#: The name of the table as the functions of the server write it in definitions, which name its schema always.
_WRITTEN = "format('%I.%I', n.nspname, c.relname)"
_TABLE = "JOIN pg_class c ON c.oid = {} JOIN pg_namespace n ON n.oid = c.relnamespace"
#: The index of a constraint comes with it. An index of a partition joins the one of the partitioned table.
_INDEXES = f"""
    SELECT x.oid, {_NAME}, {_LABEL}, {_WRITTEN}, {sql_name("x.relname")}, {label("x.relname")},
           pg_get_indexdef(x.oid), i.indisclustered, i.indisreplident, quote_ident(x.relname),
           (SELECT {sql_name("p.relname", "pn.nspname")} FROM pg_inherits h JOIN pg_class p ON p.oid = h.inhparent
            JOIN pg_namespace pn ON pn.oid = p.relnamespace WHERE h.inhrelid = x.oid),
           CASE c.relkind WHEN 'm' THEN 'MATERIALIZED VIEW' ELSE 'TABLE' END,
           ARRAY(SELECT format('ALTER INDEX %s ALTER COLUMN %s SET STATISTICS %s', {sql_name("x.relname")},
                               a.attnum, a.attstattarget)
                 FROM pg_attribute a WHERE a.attrelid = x.oid AND a.attstattarget >= 0 ORDER BY a.attnum)
    FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid {_TABLE.format("i.indrelid")}
    WHERE {USERS} AND c.relkind IN ('r', 'p', 'm') AND {own("pg_class", "c.oid")} AND {own("pg_class", "x.oid")}
        AND (i.indisvalid OR c.relkind = 'p')
        AND NOT EXISTS (SELECT FROM pg_constraint k
                        WHERE k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x'))
"""
_TRIGGERS = f"""
    SELECT g.oid, {_NAME}, {_LABEL}, {_WRITTEN}, g.tgname::text, quote_ident(g.tgname), pg_get_triggerdef(g.oid),
           g.tgenabled::text, g.tgparentid, p.tgenabled::text
    FROM pg_trigger g {_TABLE.format("g.tgrelid")} LEFT JOIN pg_trigger p ON p.oid = g.tgparentid
    WHERE {USERS} AND NOT g.tgisinternal AND {own("pg_trigger", "g.oid")} AND {own("pg_class", "c.oid")}
"""
_RULES = f"""
    SELECT r.oid, {_NAME}, {_LABEL}, {_WRITTEN}, r.rulename::text, quote_ident(r.rulename), pg_get_ruledef(r.oid),
           r.ev_enabled::text
    FROM pg_rewrite r {_TABLE.format("r.ev_class")}
    WHERE {USERS} AND r.rulename <> '_RETURN' AND {own("pg_class", "c.oid")} AND {own("pg_rewrite", "r.oid")}
"""
_POLICIES = f"""
    SELECT p.oid, {_NAME}, {_LABEL}, p.polname::text, quote_ident(p.polname), p.polpermissive, p.polcmd::text,
           ARRAY(SELECT CASE r WHEN '0' THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END
                 FROM unnest(p.polroles) AS r ORDER BY 1),
           pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid)
    FROM pg_policy p {_TABLE.format("p.polrelid")} WHERE {USERS} AND {own("pg_class", "c.oid")}
"""
_ROW_SECURITY = f"""
    SELECT c.oid, {_NAME}, {_LABEL}, c.relrowsecurity, c.relforcerowsecurity
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS} AND (c.relrowsecurity OR c.relforcerowsecurity) AND {own("pg_class", "c.oid")}
"""
_STATISTICS = f"""
    SELECT s.oid, {_LABEL}, {sql_name("s.stxname", "sn.nspname")}, {label("s.stxname", "sn.nspname")},
           format('%I.%I', sn.nspname, s.stxname), pg_get_statisticsobjdef(s.oid),
           nullif(s.stxstattarget, -1)
    FROM pg_statistic_ext s JOIN pg_namespace sn ON sn.oid = s.stxnamespace {_TABLE.format("s.stxrelid")}
    WHERE {USERS} AND {own("pg_class", "c.oid")} AND {own("pg_statistic_ext", "s.oid")}
"""
#: tgenabled and ev_enabled (manual, pg_trigger).
_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS", "O": "ENABLE"}
_COMMANDS = {"r": "SELECT", "a": "INSERT", "w": "UPDATE", "d": "DELETE"}


async def read_table_objects(read: Read) -> list[Entry]:
    """Return the objects of tables and views."""
    return [
        *[_index(*row) for row in await read(_INDEXES, [])],
        *[entry for row in await read(_TRIGGERS, []) if (entry := _trigger(*row)) is not None],
        *[_rule(*row) for row in await read(_RULES, [])],
        *[_policy(*row) for row in await read(_POLICIES, [])],
        *[_row_security(*row) for row in await read(_ROW_SECURITY, [])],
        *[_statistics(*row) for row in await read(_STATISTICS, [])],
    ]


def _index(
    oid: int,
    table: str,
    table_label: str,
    written: str,
    name: str,
    shown: str,
    definition: str,
    clustered: bool,
    replica: bool,
    plain: str,
    parent: str | None,
    kind: str,
    statistics: Sequence[str],
) -> Entry:
    create = [_renamed(definition, written, table)]
    create += [f"ALTER INDEX {parent} ATTACH PARTITION {name}"] if parent is not None else []
    create += statistics
    create += [f"ALTER {kind} {table} CLUSTER ON {plain}"] if clustered else []
    create += [f"ALTER TABLE ONLY {table} REPLICA IDENTITY USING INDEX {plain}"] if replica else []
    target = Target(f"INDEX {name}", f"index {shown}")
    # The index of a partition goes with that of its table.
    drop = () if parent is not None else None
    return make_entry(Address("pg_class", oid), target, create, drop=drop, table=table_label, after_rows=True)


def _trigger(
    oid: int,
    table: str,
    table_label: str,
    written: str,
    name: str,
    quoted: str,
    definition: str,
    state: str,
    parent: int,
    parent_state: str | None,
) -> Entry | None:
    """Return a trigger; of the copy that a partition has of a trigger, its state where that differs."""
    set_state = f"ALTER TABLE ONLY {table} {_STATES[state]} TRIGGER {quoted}"
    target = Target(f"TRIGGER {quoted} ON {table}", f"trigger {name} on {table_label}")
    if parent:
        if state == parent_state:
            return None
        back = f"ALTER TABLE ONLY {table} {_STATES[parent_state or 'O']} TRIGGER {quoted}"
        create, drop = [set_state], back
    else:
        create, drop = [_renamed(definition, written, table), *([set_state] if state != "O" else [])], None
    return make_entry(Address("pg_trigger", oid), target, create, drop=drop, table=table_label, after_rows=True)


def _rule(
    oid: int, table: str, table_label: str, written: str, name: str, quoted: str, definition: str, state: str
) -> Entry:
    create = [_renamed(definition.strip().removesuffix(";"), written, table)]
    create += [f"ALTER TABLE {table} {_STATES[state]} RULE {quoted}"] if state != "O" else []
    target = Target(f"RULE {quoted} ON {table}", f"rule {name} on {table_label}")
    return make_entry(Address("pg_rewrite", oid), target, create, table=table_label, after_rows=True)


def _policy(
    oid: int,
    table: str,
    table_label: str,
    name: str,
    quoted: str,
    permissive: bool,
    command: str,
    roles: Sequence[str],
    using: str | None,
    check: str | None,
) -> Entry:
    create = f"CREATE POLICY {quoted} ON {table}"
    create += "" if permissive else " AS RESTRICTIVE"
    create += f" FOR {_COMMANDS[command]}" if command in _COMMANDS else ""
    create += f" TO {', '.join(roles)}" if list(roles) != ["PUBLIC"] else ""
    create += f" USING ({using})" if using is not None else ""
    create += f" WITH CHECK ({check})" if check is not None else ""
    target = Target(f"POLICY {quoted} ON {table}", f"policy {name} on {table_label}")
    return make_entry(Address("pg_policy", oid), target, [create], table=table_label, after_rows=True)


def _row_security(oid: int, table: str, table_label: str, enabled: bool, forced: bool) -> Entry:
    alter = f"ALTER TABLE {table}"
    create = [f"{alter} ENABLE ROW LEVEL SECURITY"] if enabled else []
    create += [f"{alter} FORCE ROW LEVEL SECURITY"] if forced else []
    drop = f"{alter} NO FORCE ROW LEVEL SECURITY, DISABLE ROW LEVEL SECURITY"
    target = Target(f"TABLE {table}", f"row security {table_label}")
    # The row of the table belongs to the table itself.
    address, needs = Address("row security", oid), (Address("pg_class", oid),)
    return make_entry(address, target, create, drop=drop, table=table_label, after_rows=True, needs=needs)


def _statistics(
    oid: int, table_label: str, name: str, shown: str, written: str, definition: str, number: int | None
) -> Entry:
    create = [_renamed(definition, written, name)]
    create += [f"ALTER STATISTICS {name} SET STATISTICS {number}"] if number is not None else []
    target = Target(f"STATISTICS {name}", f"statistics {shown}")
    return make_entry(Address("pg_statistic_ext", oid), target, create, table=table_label, after_rows=True)


def _renamed(definition: str, written: str, name: str) -> str:
    """Return a definition with another name in the place where the server wrote that of the table.

    It is the first place: a name or a text before it that looks the same stands in quotes.
    """
    found = tokens(definition, POSTGRES)
    first = next(n for n in range(len(found)) if "".join([token.text for token in found[n : n + 3]]) == written)
    return spliced(definition, (found[first].start, found[first + 2].end, name))
