"""Functions, procedures, aggregates, operators with their classes and families, and casts."""

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

#: The definition begins with the name, which has its schema always. A body that is a string may refer to what comes
#: later; the types that PL/pgSQL declares are looked up when such a body is checked, too.
_ROUTINES = f"""
    SELECT p.oid, p.prokind::text, {sql_name("p.proname")}, {label("p.proname")},
           pg_get_function_identity_arguments(p.oid), format('%I.%I', n.nspname, p.proname), pg_get_functiondef(p.oid),
           l.lanname NOT IN ('c', 'internal') AND p.prosqlbody IS NULL
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace JOIN pg_language l ON l.oid = p.prolang
    WHERE {USERS} AND p.prokind <> 'a' AND {own("pg_proc", "p.oid")}
        AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_proc'::regclass AND i.objid = p.oid
                        AND i.deptype = 'i')
"""
_AGGREGATES = f"""
    SELECT p.oid, {sql_name("p.proname")}, {label("p.proname")}, pg_get_function_identity_arguments(p.oid),
           pg_get_function_arguments(p.oid), p.proparallel::text, a.aggkind::text,
           a.aggtransfn::text, format_type(a.aggtranstype, NULL), a.aggtransspace,
           nullif(a.aggfinalfn::oid, '0')::regproc::text, a.aggfinalextra, a.aggfinalmodify::text,
           nullif(a.aggcombinefn::oid, '0')::regproc::text, nullif(a.aggserialfn::oid, '0')::regproc::text,
           nullif(a.aggdeserialfn::oid, '0')::regproc::text, quote_literal(a.agginitval),
           nullif(a.aggmtransfn::oid, '0')::regproc::text, nullif(a.aggminvtransfn::oid, '0')::regproc::text,
           format_type(nullif(a.aggmtranstype, '0'), NULL), a.aggmtransspace,
           nullif(a.aggmfinalfn::oid, '0')::regproc::text, a.aggmfinalextra, a.aggmfinalmodify::text,
           quote_literal(a.aggminitval),
           (SELECT format('OPERATOR(%I.%s)', opn.nspname, o.oprname) FROM pg_operator o
            JOIN pg_namespace opn ON opn.oid = o.oprnamespace WHERE o.oid = a.aggsortop)
    FROM pg_aggregate a JOIN pg_proc p ON p.oid = a.aggfnoid::oid JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE {USERS} AND {own("pg_proc", "p.oid")}
"""
_OPERATORS = f"""
    SELECT o.oid, CASE WHEN n.nspname = current_schema() THEN '' ELSE quote_ident(n.nspname) || '.' END || o.oprname,
           {label("o.oprname")}, CASE WHEN o.oprleft <> 0 THEN format_type(o.oprleft, NULL) END,
           format_type(o.oprright, NULL), o.oprcode::regproc::text,
           (SELECT format('OPERATOR(%I.%s)', cn.nspname, c.oprname) FROM pg_operator c
            JOIN pg_namespace cn ON cn.oid = c.oprnamespace WHERE c.oid = o.oprcom),
           (SELECT format('OPERATOR(%I.%s)', cn.nspname, c.oprname) FROM pg_operator c
            JOIN pg_namespace cn ON cn.oid = c.oprnamespace WHERE c.oid = o.oprnegate),
           nullif(o.oprrest::oid, '0')::regproc::text, nullif(o.oprjoin::oid, '0')::regproc::text,
           o.oprcanhash, o.oprcanmerge
    FROM pg_operator o JOIN pg_namespace n ON n.oid = o.oprnamespace
    WHERE {USERS} AND o.oprcode::oid <> 0 AND {own("pg_operator", "o.oid")}
"""
_CASTS = f"""
    SELECT c.oid, format_type(c.castsource, NULL), format_type(c.casttarget, NULL), c.castmethod::text,
           c.castcontext::text, nullif(c.castfunc, '0')::regprocedure::text
    FROM pg_cast c WHERE c.oid >= 16384 AND {own("pg_cast", "c.oid")}
        AND NOT EXISTS (SELECT FROM pg_depend i WHERE i.classid = 'pg_cast'::regclass AND i.objid = c.oid
                        AND i.deptype = 'i')
"""
#: The members that an operator class brings with it depend on it; others were added to the family alone.
_MEMBERS = """ARRAY(
        SELECT format('OPERATOR %s %s', o.amopstrategy, o.amopopr::regoperator)
            || CASE WHEN o.amoppurpose = 'o' THEN (SELECT format(' FOR ORDER BY %I.%I', sn.nspname, s.opfname)
                    FROM pg_opfamily s JOIN pg_namespace sn ON sn.oid = s.opfnamespace WHERE s.oid = o.amopsortfamily)
               ELSE '' END
        FROM pg_amop o JOIN pg_depend m ON m.classid = 'pg_amop'::regclass AND m.objid = o.oid
        WHERE m.refclassid = {catalog} AND m.refobjid = {oid} AND m.deptype IN ('i', 'a')
        ORDER BY o.amopstrategy, o.amopopr
    ) || ARRAY(
        SELECT format('FUNCTION %s (%s, %s) %s', made.amprocnum, format_type(made.amproclefttype, NULL),
                      format_type(made.amprocrighttype, NULL), made.amproc::regprocedure)
        FROM pg_amproc made JOIN pg_depend m ON m.classid = 'pg_amproc'::regclass AND m.objid = made.oid
        WHERE m.refclassid = {catalog} AND m.refobjid = {oid} AND m.deptype IN ('i', 'a')
        ORDER BY made.amprocnum, made.amproc
    )"""
_FAMILIES = f"""
    SELECT f.oid, {sql_name("f.opfname")}, {label("f.opfname")}, quote_ident(m.amname),
           {_MEMBERS.format(catalog="'pg_opfamily'::regclass", oid="f.oid")}
    FROM pg_opfamily f JOIN pg_namespace n ON n.oid = f.opfnamespace JOIN pg_am m ON m.oid = f.opfmethod
    WHERE {USERS} AND {own("pg_opfamily", "f.oid")}
"""
_CLASSES = f"""
    SELECT c.oid, {sql_name("c.opcname")}, {label("c.opcname")}, quote_ident(m.amname), c.opcdefault,
           format_type(c.opcintype, NULL), {sql_name("f.opfname", "fn.nspname")},
           {_MEMBERS.format(catalog="'pg_opclass'::regclass", oid="c.oid")}
           || CASE WHEN c.opckeytype <> 0 THEN ARRAY['STORAGE ' || format_type(c.opckeytype, NULL)] END
    FROM pg_opclass c JOIN pg_namespace n ON n.oid = c.opcnamespace JOIN pg_am m ON m.oid = c.opcmethod
    JOIN pg_opfamily f ON f.oid = c.opcfamily JOIN pg_namespace fn ON fn.oid = f.opfnamespace
    WHERE {USERS} AND {own("pg_opclass", "c.oid")}
"""
_KINDS = {"f": "FUNCTION", "w": "FUNCTION", "p": "PROCEDURE"}
_UNCHECKED = "SET LOCAL check_function_bodies = off"
_PARALLEL = {"s": "safe", "r": "restricted", "u": None}
_MODIFY = {"r": "read_only", "s": "shareable", "w": "read_write"}
_CONTEXTS = {"a": " AS ASSIGNMENT", "i": " AS IMPLICIT", "e": ""}


async def read_routines(read: Read) -> list[Entry]:
    """Return the routines, and what is made of them.

    The statements of a routine whose body is a string first switch the check of bodies off, until the end of the
    transaction: such a body may use tables that are created later.
    """
    found: list[Entry] = []
    for oid, kind, name, shown, arguments, qualified, definition, unchecked in await read(_ROUTINES, []):
        word = _KINDS[kind]
        create = definition.replace(qualified, name, 1).strip()
        target = Target(f"{word} {name}({arguments})", f"{word.lower()} {shown}({arguments})")
        found.append(make_entry(Address("pg_proc", oid), target, [*([_UNCHECKED] if unchecked else []), create]))
    found += [_aggregate(*row) for row in await read(_AGGREGATES, [])]
    found += [_operator(*row) for row in await read(_OPERATORS, [])]
    found += [_family(*row) for row in await read(_FAMILIES, [])]
    found += [_class(*row) for row in await read(_CLASSES, [])]
    found += [_cast(*row) for row in await read(_CASTS, [])]
    return found


def _aggregate(
    oid: int,
    name: str,
    shown: str,
    identity: str,
    arguments: str,
    parallel: str,
    kind: str,
    transition: str,
    state: str,
    space: int,
    final: str | None,
    final_extra: bool,
    final_modify: str,
    combine: str | None,
    serial: str | None,
    deserial: str | None,
    initial: str | None,
    m_transition: str | None,
    m_inverse: str | None,
    m_state: str | None,
    m_space: int,
    m_final: str | None,
    m_final_extra: bool,
    m_final_modify: str,
    m_initial: str | None,
    sort: str | None,
) -> Entry:
    usual = "r" if kind == "n" else "w"
    options: dict[str, str | None] = {
        "SFUNC": transition,
        "STYPE": state,
        "SSPACE": str(space) if space else None,
        "FINALFUNC": final,
        "FINALFUNC_EXTRA": "" if final_extra else None,
        "FINALFUNC_MODIFY": _MODIFY[final_modify] if final_modify != usual else None,
        "COMBINEFUNC": combine,
        "SERIALFUNC": serial,
        "DESERIALFUNC": deserial,
        "INITCOND": initial,
        "MSFUNC": m_transition,
        "MINVFUNC": m_inverse,
        "MSTYPE": m_state,
        "MSSPACE": str(m_space) if m_space else None,
        "MFINALFUNC": m_final,
        "MFINALFUNC_EXTRA": "" if m_final_extra else None,
        "MFINALFUNC_MODIFY": _MODIFY[m_final_modify] if m_state is not None and m_final_modify != usual else None,
        "MINITCOND": m_initial,
        "SORTOP": sort,
        "PARALLEL": _PARALLEL[parallel],
        "HYPOTHETICAL": "" if kind == "h" else None,
    }
    create = f"CREATE AGGREGATE {name}({arguments or '*'}) ({options_text(options)})"
    target = Target(f"AGGREGATE {name}({identity or '*'})", f"aggregate {shown}({identity or '*'})")
    return make_entry(Address("pg_proc", oid), target, [create])


def _operator(
    oid: int,
    name: str,
    shown: str,
    left: str | None,
    right: str,
    function: str,
    commutator: str | None,
    negator: str | None,
    restrict: str | None,
    join: str | None,
    hashes: bool,
    merges: bool,
) -> Entry:
    options: dict[str, str | None] = {
        "FUNCTION": function,
        "LEFTARG": left,
        "RIGHTARG": right,
        "COMMUTATOR": commutator,
        "NEGATOR": negator,
        "RESTRICT": restrict,
        "JOIN": join,
        "HASHES": "" if hashes else None,
        "MERGES": "" if merges else None,
    }
    operands = f"({left or 'NONE'}, {right})"
    target = Target(f"OPERATOR {name} {operands}", f"operator {shown} {operands}")
    return make_entry(Address("pg_operator", oid), target, [f"CREATE OPERATOR {name} ({options_text(options)})"])


def _family(oid: int, name: str, shown: str, method: str, members: Sequence[str]) -> Entry:
    target = Target(f"OPERATOR FAMILY {name} USING {method}", f"operator family {shown} using {method}")
    create = [f"CREATE {target.sql}", *([f"ALTER {target.sql} ADD {', '.join(members)}"] if members else [])]
    return make_entry(Address("pg_opfamily", oid), target, create)


def _class(
    oid: int, name: str, shown: str, method: str, default: bool, of_type: str, family: str, members: Sequence[str]
) -> Entry:
    target = Target(f"OPERATOR CLASS {name} USING {method}", f"operator class {shown} using {method}")
    create = f"CREATE OPERATOR CLASS {name}{' DEFAULT' if default else ''} FOR TYPE {of_type}"
    # A class without members stores values of its own type.
    listed = ", ".join(members) or f"STORAGE {of_type}"
    create += f" USING {method} FAMILY {family} AS {listed}"
    return make_entry(Address("pg_opclass", oid), target, [create])


def _cast(oid: int, source: str, to: str, method: str, context: str, function: str | None) -> Entry:
    how = {"f": f"WITH FUNCTION {function}", "i": "WITH INOUT", "b": "WITHOUT FUNCTION"}[method]
    target = Target(f"CAST ({source} AS {to})", f"cast ({source} as {to})")
    return make_entry(Address("pg_cast", oid), target, [f"CREATE {target.sql} {how}{_CONTEXTS[context]}"])
