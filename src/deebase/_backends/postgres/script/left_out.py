"""What the statements of a schema do not recreate, by name."""

from __future__ import annotations

from deebase._backends.postgres.script.entries import USERS, own
from deebase._backends.schema_script import Read

#: Kind and name of an object, as people read them.
_NAMED = "(SELECT i.type || ' ' || i.identity FROM pg_identify_object({catalog}, {oid}, 0) AS i)"


def _named(catalog: str, oid: str) -> str:
    return _NAMED.format(catalog=f"'{catalog}'::regclass", oid=oid)


_OWNED = f"""
    SELECT pg_get_userbyid(o.owner) AS owner, o.name FROM (
        SELECT c.relowner AS owner, {_named("pg_class", "c.oid")} AS name
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USERS} AND c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND {own("pg_class", "c.oid")}
            AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid
                            AND d.deptype IN ('a', 'i') AND d.refobjsubid <> 0)
        UNION ALL
        SELECT p.proowner, {_named("pg_proc", "p.oid")} FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE {USERS} AND {own("pg_proc", "p.oid")}
        UNION ALL
        SELECT t.typowner, {_named("pg_type", "t.oid")} FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
        WHERE {USERS} AND t.typtype IN ('d', 'e', 'r') AND {own("pg_type", "t.oid")}
        UNION ALL
        SELECT n.nspowner, 'schema ' || n.nspname FROM pg_namespace n
        WHERE {USERS} AND n.nspname <> 'public' AND {own("pg_namespace", "n.oid")}
    ) AS o WHERE o.owner <> (SELECT oid FROM pg_roles WHERE rolname = current_user) ORDER BY 1, 2
"""
_PRIVILEGES = f"""
    SELECT o.name, o.acl::text FROM (
        SELECT {_named("pg_class", "c.oid")} AS name, c.relacl AS acl,
               acldefault(CASE c.relkind WHEN 'S' THEN 's' ELSE 'r' END::"char", c.relowner) AS usual
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USERS} AND {own("pg_class", "c.oid")}
        UNION ALL
        SELECT 'column ' || c.oid::regclass || '.' || quote_ident(a.attname), a.attacl, NULL
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE {USERS} AND NOT a.attisdropped AND {own("pg_class", "c.oid")}
        UNION ALL
        SELECT {_named("pg_proc", "p.oid")}, p.proacl, acldefault('f', p.proowner)
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace WHERE {USERS} AND {own("pg_proc", "p.oid")}
        UNION ALL
        SELECT {_named("pg_type", "t.oid")}, t.typacl, acldefault('T', t.typowner)
        FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace WHERE {USERS} AND {own("pg_type", "t.oid")}
        UNION ALL
        SELECT 'schema ' || n.nspname, n.nspacl, acldefault('n', n.nspowner)
        FROM pg_namespace n WHERE {USERS} AND n.nspname <> 'public' AND {own("pg_namespace", "n.oid")}
        UNION ALL
        SELECT 'default privileges of ' || pg_get_userbyid(d.defaclrole) || coalesce(' in schema ' || n.nspname, ''),
               d.defaclacl, NULL
        FROM pg_default_acl d LEFT JOIN pg_namespace n ON n.oid = d.defaclnamespace
    ) AS o WHERE o.acl IS NOT NULL AND o.acl IS DISTINCT FROM o.usual ORDER BY 1
"""
#: Objects that have no statement here. Rows of pg_amop and pg_amproc belong to a family.
_OBJECTS = f"""
    SELECT 'base type ' || t.oid::regtype AS name FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    WHERE {USERS} AND t.typtype = 'b' AND t.typelem = 0 AND {own("pg_type", "t.oid")}
    UNION ALL
    SELECT {_named("pg_opfamily", "f.oid")} FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace
    WHERE {USERS} AND {own("pg_opfamily", "f.oid")}
    UNION ALL
    SELECT {_named("pg_opclass", "f.oid")} FROM pg_opclass f JOIN pg_namespace n ON n.oid = f.opcnamespace
    WHERE {USERS} AND {own("pg_opclass", "f.oid")}
    UNION ALL
    SELECT {_named("pg_conversion", "f.oid")} FROM pg_conversion f JOIN pg_namespace n ON n.oid = f.connamespace
    WHERE {USERS} AND {own("pg_conversion", "f.oid")}
    UNION ALL
    SELECT {_named("pg_ts_parser", "f.oid")} FROM pg_ts_parser f JOIN pg_namespace n ON n.oid = f.prsnamespace
    WHERE {USERS} AND {own("pg_ts_parser", "f.oid")}
    UNION ALL
    SELECT {_named("pg_ts_template", "f.oid")} FROM pg_ts_template f JOIN pg_namespace n ON n.oid = f.tmplnamespace
    WHERE {USERS} AND {own("pg_ts_template", "f.oid")}
    UNION ALL
    SELECT 'language ' || l.lanname FROM pg_language l WHERE l.oid >= 16384 AND {own("pg_language", "l.oid")}
    UNION ALL
    SELECT 'access method ' || a.amname FROM pg_am a WHERE a.oid >= 16384 AND {own("pg_am", "a.oid")}
    UNION ALL
    SELECT {_named("pg_transform", "f.oid")} FROM pg_transform f WHERE {own("pg_transform", "f.oid")}
    UNION ALL
    SELECT {_named("pg_foreign_data_wrapper", "w.oid")} FROM pg_foreign_data_wrapper w
    WHERE {own("pg_foreign_data_wrapper", "w.oid")}
    UNION ALL
    SELECT 'user mapping of ' || coalesce(m.usename, 'PUBLIC') || ' for server ' || m.srvname FROM pg_user_mappings m
    UNION ALL
    SELECT 'subscription ' || s.subname FROM pg_subscription s
    WHERE s.subdbid = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL
    SELECT 'setting ' || c || ' of database ' || current_database() || coalesce(' for ' || r.rolname, '')
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) AS c LEFT JOIN pg_roles r ON r.oid = s.setrole
    WHERE s.setdatabase = (SELECT oid FROM pg_database WHERE datname = current_database())
    UNION ALL
    SELECT 'security label of ' || l.objtype || ' ' || l.objname FROM pg_seclabels l
    WHERE l.objtype NOT IN ('role', 'database', 'tablespace')
    UNION ALL
    SELECT 'tablespace ' || s.spcname || ' of ' || c.oid::regclass FROM pg_class c
    JOIN pg_tablespace s ON s.oid = c.reltablespace JOIN pg_namespace n ON n.oid = c.relnamespace WHERE {USERS}
    UNION ALL
    SELECT count(*) || ' large objects' FROM pg_largeobject_metadata HAVING count(*) > 0
    UNION ALL
    SELECT format('index %s, which is not valid', i.indexrelid::regclass) FROM pg_index i
    JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE {USERS} AND NOT i.indisvalid AND c.relkind = 'i'
    ORDER BY 1
"""


async def read_left_out(read: Read) -> list[str]:
    """Return descriptions of objects and properties that no statement of the script creates."""
    owners: dict[str, list[str]] = {}
    for owner, name in await read(_OWNED, []):
        owners.setdefault(owner, []).append(name)
    return [
        *[row[0] for row in await read(_OBJECTS, [])],
        *[f"privileges of {name}: {acl}" for name, acl in await read(_PRIVILEGES, [])],
        *[f"owner {owner} of {', '.join(names)}" for owner, names in owners.items()],
    ]
