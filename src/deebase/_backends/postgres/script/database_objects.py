"""Objects of the whole database: text search, foreign servers, publications, event triggers."""

from __future__ import annotations

from collections.abc import Sequence

from deebase._backends.postgres.script.entries import (
    USERS,
    Address,
    Entry,
    Target,
    label,
    make_entry,
    options_text,
    own,
    sql_name,
)
from deebase._backends.schema_script import Read

_DICTIONARIES = f"""
    SELECT d.oid, {sql_name("d.dictname")}, {label("d.dictname")}, format('%I.%I', tn.nspname, t.tmplname),
           d.dictinitoption
    FROM pg_ts_dict d JOIN pg_namespace n ON n.oid = d.dictnamespace JOIN pg_ts_template t ON t.oid = d.dicttemplate
    JOIN pg_namespace tn ON tn.oid = t.tmplnamespace
    WHERE {USERS} AND {own("pg_ts_dict", "d.oid")}
"""
_CONFIGURATIONS = f"""
    SELECT c.oid, {sql_name("c.cfgname")}, {label("c.cfgname")}, format('%I.%I', pn.nspname, p.prsname),
           ARRAY(SELECT format('%I WITH %s', y.alias,
                               string_agg(m.mapdict::regdictionary::text, ', ' ORDER BY m.mapseqno))
                 FROM pg_ts_config_map m JOIN ts_token_type(c.cfgparser) y ON y.tokid = m.maptokentype
                 WHERE m.mapcfg = c.oid GROUP BY y.alias, m.maptokentype ORDER BY m.maptokentype)
    FROM pg_ts_config c JOIN pg_namespace n ON n.oid = c.cfgnamespace JOIN pg_ts_parser p ON p.oid = c.cfgparser
    JOIN pg_namespace pn ON pn.oid = p.prsnamespace
    WHERE {USERS} AND {own("pg_ts_config", "c.oid")}
"""
_SERVERS = f"""
    SELECT s.oid, quote_ident(s.srvname), s.srvname::text, quote_literal(s.srvtype), quote_literal(s.srvversion),
           quote_ident(w.fdwname),
           ARRAY(SELECT format('%I %L', o.option_name, o.option_value) FROM pg_options_to_table(s.srvoptions) AS o)
    FROM pg_foreign_server s JOIN pg_foreign_data_wrapper w ON w.oid = s.srvfdw
    WHERE {own("pg_foreign_server", "s.oid")} AND NOT {own("pg_foreign_data_wrapper", "w.oid")}
"""
#: Columns of an index and expressions cannot be published; the columns of a list are those of the table.
_PUBLICATIONS = f"""
    SELECT p.oid, quote_ident(p.pubname), p.pubname::text, p.puballtables,
           ARRAY(SELECT 'TABLE ' || CASE WHEN c.relispartition OR c.relkind = 'p' THEN '' ELSE 'ONLY ' END
                     || {sql_name("c.relname")}
                     || coalesce((SELECT ' (' || string_agg(quote_ident(a.attname), ', ' ORDER BY u.place) || ')'
                                  FROM unnest(r.prattrs::int2[]) WITH ORDINALITY AS u(number, place)
                                  JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = u.number), '')
                     || coalesce(' WHERE (' || pg_get_expr(r.prqual, c.oid) || ')', '')
                 FROM pg_publication_rel r JOIN pg_class c ON c.oid = r.prrelid
                 JOIN pg_namespace n ON n.oid = c.relnamespace
                 WHERE r.prpubid = p.oid ORDER BY n.nspname, c.relname)
           || ARRAY(SELECT format('TABLES IN SCHEMA %I', n.nspname) FROM pg_publication_namespace s
                    JOIN pg_namespace n ON n.oid = s.pnnspid WHERE s.pnpubid = p.oid ORDER BY n.nspname),
           p.pubinsert, p.pubupdate, p.pubdelete, p.pubtruncate, p.pubviaroot, to_jsonb(p) ->> 'pubgencols'
    FROM pg_publication p WHERE {own("pg_publication", "p.oid")}
"""
_EVENT_TRIGGERS = f"""
    SELECT g.oid, quote_ident(g.evtname), g.evtname::text, g.evtevent::text, g.evtfoid::regproc::text,
           ARRAY(SELECT quote_literal(tag) FROM unnest(g.evttags) AS tag), g.evtenabled::text
    FROM pg_event_trigger g WHERE {own("pg_event_trigger", "g.oid")}
"""
_STATES = {"D": "DISABLE", "R": "ENABLE REPLICA", "A": "ENABLE ALWAYS"}


async def read_database_objects(read: Read) -> list[Entry]:
    """Return the objects that do not belong to a table."""
    return [
        *[_dictionary(*row) for row in await read(_DICTIONARIES, [])],
        *[_configuration(*row) for row in await read(_CONFIGURATIONS, [])],
        *[_server(*row) for row in await read(_SERVERS, [])],
        *[_publication(*row) for row in await read(_PUBLICATIONS, [])],
        *[_event_trigger(*row) for row in await read(_EVENT_TRIGGERS, [])],
    ]


def _dictionary(oid: int, name: str, shown: str, template: str, options: str | None) -> Entry:
    target = Target(f"TEXT SEARCH DICTIONARY {name}", f"text search dictionary {shown}")
    more = f", {options}" if options else ""
    return make_entry(Address("pg_ts_dict", oid), target, [f"CREATE {target.sql} (TEMPLATE = {template}{more})"])


def _configuration(oid: int, name: str, shown: str, parser: str, mappings: Sequence[str]) -> Entry:
    target = Target(f"TEXT SEARCH CONFIGURATION {name}", f"text search configuration {shown}")
    create = [f"CREATE {target.sql} (PARSER = {parser})"]
    create += [f"ALTER {target.sql} ADD MAPPING FOR {mapping}" for mapping in mappings]
    return make_entry(Address("pg_ts_config", oid), target, create)


def _server(
    oid: int, quoted: str, name: str, kind: str | None, version: str | None, wrapper: str, options: Sequence[str]
) -> Entry:
    create = f"CREATE SERVER {quoted}"
    create += f" TYPE {kind}" if kind is not None else ""
    create += f" VERSION {version}" if version is not None else ""
    create += f" FOREIGN DATA WRAPPER {wrapper}"
    create += f" OPTIONS ({', '.join(options)})" if options else ""
    return make_entry(Address("pg_foreign_server", oid), Target(f"SERVER {quoted}", f"server {name}"), [create])


def _publication(
    oid: int,
    quoted: str,
    name: str,
    all_tables: bool,
    listed: Sequence[str],
    inserts: bool,
    updates: bool,
    deletes: bool,
    truncates: bool,
    via_root: bool,
    generated: str | None,
) -> Entry:
    written = {"insert": inserts, "update": updates, "delete": deletes, "truncate": truncates}
    options = {
        "publish": None if all(written.values()) else f"'{', '.join([verb for verb, on in written.items() if on])}'",
        "publish_via_partition_root": "true" if via_root else None,
        "publish_generated_columns": "stored" if generated == "s" else None,
    }
    create = f"CREATE PUBLICATION {quoted}"
    if all_tables:
        create += " FOR ALL TABLES"
    elif listed:
        create += f" FOR {', '.join(listed)}"
    if text := options_text(options):
        create += f" WITH ({text})"
    target = Target(f"PUBLICATION {quoted}", f"publication {name}")
    return make_entry(Address("pg_publication", oid), target, [create], after_rows=True)


def _event_trigger(
    oid: int, quoted: str, name: str, event: str, function: str, tags: Sequence[str], state: str
) -> Entry:
    target = Target(f"EVENT TRIGGER {quoted}", f"event trigger {name}")
    when = f" WHEN TAG IN ({', '.join(tags)})" if tags else ""
    create = [f"CREATE {target.sql} ON {event}{when} EXECUTE FUNCTION {function}()"]
    create += [f"ALTER {target.sql} {_STATES[state]}"] if state in _STATES else []
    return make_entry(Address("pg_event_trigger", oid), target, create, after_rows=True)
