"""Types that a schema defines: enums, domains, composite and range types; and collations."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

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

#: The row types of tables and views, and arrays, belong to others.
_TYPES = f"""
    SELECT t.oid, t.typtype::text, {sql_name("t.typname")}, {label("t.typname")},
           ARRAY(SELECT quote_literal(e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder),
           format_type(t.typbasetype, t.typtypmod), t.typnotnull, t.typdefault,
           CASE WHEN t.typcollation <> b.typcollation THEN t.typcollation::regcollation::text END,
           t.typrelid,
           ARRAY(SELECT format('%I %s', a.attname, format_type(a.atttypid, a.atttypmod))
                     || CASE WHEN a.attcollation <> at.typcollation THEN ' COLLATE ' || a.attcollation::regcollation
                             ELSE '' END
                 FROM pg_attribute a JOIN pg_type at ON at.oid = a.atttypid
                 WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace
    LEFT JOIN pg_type b ON b.oid = t.typbasetype LEFT JOIN pg_class c ON c.oid = t.typrelid
    WHERE {USERS} AND (t.typtype IN ('d', 'e', 'r') OR t.typtype = 'c' AND c.relkind = 'c')
        AND {own("pg_type", "t.oid")}
"""
_FIELDS = f"""
    SELECT t.oid, a.attnum, quote_ident(a.attname), a.attname::text
    FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace JOIN pg_class c ON c.oid = t.typrelid
    JOIN pg_attribute a ON a.attrelid = c.oid
    WHERE {USERS} AND c.relkind = 'c' AND a.attnum > 0 AND NOT a.attisdropped AND {own("pg_type", "t.oid")}
"""
_DOMAIN_CONSTRAINTS = """
    SELECT k.contypid, k.oid, quote_ident(k.conname), k.conname::text, k.contype::text, k.convalidated,
           pg_get_constraintdef(k.oid), t.typname || '_not_null'
    FROM pg_constraint k JOIN pg_type t ON t.oid = k.contypid WHERE k.contype IN ('c', 'n')
    ORDER BY k.contypid, k.conname
"""
_RANGES = f"""
    SELECT r.rngtypid, format_type(r.rngsubtype, NULL),
           CASE WHEN NOT o.opcdefault THEN format('%I.%I', opn.nspname, o.opcname) END,
           CASE WHEN r.rngcollation <> st.typcollation THEN r.rngcollation::regcollation::text END,
           CASE WHEN r.rngcanonical::oid <> 0 THEN r.rngcanonical::regproc::text END,
           CASE WHEN r.rngsubdiff::oid <> 0 THEN r.rngsubdiff::regproc::text END,
           {sql_name("m.typname", "mn.nspname")}
    FROM pg_range r JOIN pg_opclass o ON o.oid = r.rngsubopc JOIN pg_namespace opn ON opn.oid = o.opcnamespace
    JOIN pg_type st ON st.oid = r.rngsubtype JOIN pg_type m ON m.oid = r.rngmultitypid
    JOIN pg_namespace mn ON mn.oid = m.typnamespace
"""
_COLLATIONS = f"""
    SELECT l.oid, {sql_name("l.collname")}, {label("l.collname")}, l.collprovider::text, l.collisdeterministic,
           quote_literal(l.collcollate), quote_literal(l.collctype),
           quote_literal(coalesce(to_jsonb(l) ->> 'colllocale', to_jsonb(l) ->> 'colliculocale')),
           quote_literal(to_jsonb(l) ->> 'collicurules')
    FROM pg_collation l JOIN pg_namespace n ON n.oid = l.collnamespace
    WHERE {USERS} AND {own("pg_collation", "l.oid")}
"""
#: collprovider (manual, pg_collation).
_PROVIDERS = {"b": "builtin", "c": "libc", "i": "icu"}


async def read_types(read: Read) -> list[Entry]:
    """Return the types and collations."""
    types = await read(_TYPES, [])
    fields = await read(_FIELDS, [])
    constraints = await read(_DOMAIN_CONSTRAINTS, [])
    ranges = {row[0]: row[1:] for row in await read(_RANGES, [])}
    found = [_collation(*row) for row in await read(_COLLATIONS, [])]
    for oid, kind, name, shown, labels, base, not_null, default, collation, relation, columns in types:
        address, target = Address("pg_type", oid), Target(f"TYPE {name}", f"type {shown}")
        if kind == "d":
            own_constraints = [row[1:] for row in constraints if row[0] == oid]
            facts = _Domain(address, name, shown, base, collation, default, not_null, own_constraints)
            found.append(facts.entry(()))
            continue
        create = f"CREATE TYPE {name} AS "
        if kind == "e":
            create += f"ENUM ({', '.join(labels)})"
        elif kind == "c":
            create += f"({', '.join(columns)})"
        else:
            create += _range(*ranges[oid])
        parts = {
            (Address("pg_class", relation), number): Target(f"COLUMN {name}.{quoted}", f"column {shown}.{field}")
            for owner, number, quoted, field in fields
            if owner == oid
        }
        found.append(make_entry(address, target, [create], parts=parts))
    return found


def _range(
    subtype: str,
    operators: str | None,
    collation: str | None,
    canonical: str | None,
    difference: str | None,
    multi: str,
) -> str:
    options = {
        "SUBTYPE": subtype,
        "SUBTYPE_OPCLASS": operators,
        "COLLATION": collation,
        "CANONICAL": canonical,
        "SUBTYPE_DIFF": difference,
        "MULTIRANGE_TYPE_NAME": multi,
    }
    return f"RANGE ({options_text(options)})"


def _collation(
    oid: int,
    name: str,
    shown: str,
    provider: str,
    deterministic: bool,
    collate: str | None,
    ctype: str | None,
    locale: str | None,
    rules: str | None,
) -> Entry:
    options: dict[str, str | None] = {
        "PROVIDER": _PROVIDERS.get(provider, provider),
        "LOCALE": locale,
        "LC_COLLATE": collate if locale is None else None,
        "LC_CTYPE": ctype if locale is None else None,
        "RULES": rules,
        "DETERMINISTIC": None if deterministic else "false",
    }
    create = f"CREATE COLLATION {name} ({options_text(options)})"
    return make_entry(Address("pg_collation", oid), Target(f"COLLATION {name}", f"collation {shown}"), [create])


class _Domain:
    """A domain, whose checks may have to wait for a function that uses the domain."""

    def __init__(
        self,
        address: Address,
        name: str,
        shown: str,
        base: str,
        collation: str | None,
        default: str | None,
        not_null: bool,
        constraints: Sequence[Sequence[Any]],
    ) -> None:
        self._address = address
        self._name = name
        self._shown = shown
        self._constraints = constraints
        parts = [f"CREATE DOMAIN {name} AS {base}"]
        parts += [f"COLLATE {collation}"] if collation is not None else []
        parts += [f"DEFAULT {default}"] if default is not None else []
        named = [row for row in constraints if row[3] == "n"]
        parts += [_not_null(*row) for row in named] or (["NOT NULL"] if not_null else [])
        self._start = parts

    def entry(self, without: Collection[Address]) -> Entry:
        """Return the domain without some of its checks."""
        checks = [row for row in self._constraints if row[3] == "c" and Address("pg_constraint", row[0]) not in without]
        parts = [*self._start, *[f"CONSTRAINT {quoted} {text}" for _, quoted, _, _, valid, text, _ in checks if valid]]
        alter = f"ALTER DOMAIN {self._name} ADD CONSTRAINT"
        later = [f"{alter} {quoted} {text}" for _, quoted, _, _, valid, text, _ in checks if not valid]
        target = Target(f"DOMAIN {self._name}", f"domain {self._shown}")
        made = make_entry(self._address, target, [" ".join(parts), *later], parts=self._parts())
        loose = {entry.address: entry for entry in map(self._check, checks)}
        return Entry(made.address, made.item, made.target, made.parts, loose, self.entry)

    def _parts(self) -> dict[tuple[Address, int], Target]:
        return {
            (Address("pg_constraint", oid), 0): Target(
                f"CONSTRAINT {quoted} ON DOMAIN {self._name}", f"constraint {plain} on {self._shown}"
            )
            for oid, quoted, plain, *_ in self._constraints
        }

    def _check(self, row: Sequence[Any]) -> Entry:
        oid, quoted, plain, _, _, text, _ = row
        return make_entry(
            Address("pg_constraint", oid),
            Target(f"CONSTRAINT {quoted} ON DOMAIN {self._name}", f"constraint {plain} on {self._shown}"),
            [f"ALTER DOMAIN {self._name} ADD CONSTRAINT {quoted} {text}"],
            drop=f"ALTER DOMAIN {self._name} DROP CONSTRAINT {quoted}",
        )


def _not_null(_: int, quoted: str, plain: str, kind: str, valid: bool, text: str, usual: str) -> str:
    return "NOT NULL" if plain == usual else f"CONSTRAINT {quoted} NOT NULL"
