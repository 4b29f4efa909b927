"""An object of the catalogs with the SQL that creates it, and the fragments of queries that all kinds share."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from deebase._backends.postgres.check_text import reproducing, settled
from deebase._backends.schema_script import SchemaObject
from deebase._sqltext.dialects import POSTGRES
from deebase._sqltext.quoting import literal


class Address(NamedTuple):
    """A row of a catalog, as ``pg_depend`` refers to it."""

    catalog: str
    oid: int


class Target(NamedTuple):
    """What COMMENT ON names.

    Attributes:
        sql: kind and name as SQL.
        label: kind and name for people.
    """

    sql: str
    label: str


#: The kinds in the order in which they are created where no dependency decides.
KINDS = (
    "schema",
    "extension",
    "collation",
    "type",
    "domain",
    "sequence",
    "function",
    "procedure",
    "aggregate",
    "operator family",
    "operator class",
    "operator",
    "cast",
    "text search dictionary",
    "text search configuration",
    "server",
    "table",
    "foreign table",
    "view",
    "default",
    "index",
    "constraint",
    "search",
    "materialized view",
    "statistics",
    "rule",
    "trigger",
    "policy",
    "row security",
    "publication",
    "comment",
    "event trigger",
)


#: Their bodies are text that stays as it is.
_ROUTINES = ("function", "procedure")


@dataclass(frozen=True)
class Entry:
    """An object with its place in the catalogs.

    Attributes:
        address: its row.
        item: the object.
        target: what COMMENT ON names.
        parts: what else a comment may belong to: a column by the address of its table and its number, or a constraint.
        loose: parts that are created later if a cycle of dependencies requires it.
        without: returns the entry without some of these.
        needs: what it needs besides its dependencies in the catalogs.
    """

    address: Address
    item: SchemaObject
    target: Target
    parts: Mapping[tuple[Address, int], Target] = field(default_factory=lambda: dict[tuple[Address, int], Target]())
    loose: Mapping[Address, Entry] = field(default_factory=lambda: dict[Address, Entry]())
    without: Callable[[Collection[Address]], Entry] | None = None
    needs: tuple[Address, ...] = ()

    @property
    def place(self) -> tuple[int, str]:
        """Its place among objects that do not depend on each other."""
        return KINDS.index(self.item.kind), self.item.name


def make_entry(
    address: Address,
    target: Target,
    create: Sequence[str],
    *,
    drop: str | tuple[()] | None = None,
    table: str | None = None,
    after_rows: bool = False,
    kind: str | None = None,
    parts: Mapping[tuple[Address, int], Target] | None = None,
    needs: tuple[Address, ...] = (),
) -> Entry:
    """Return the entry of an object.

    Args:
        address: its row.
        target: its kind and name; the label is ``kind name``.
        create: the statements that create it.
        drop: the statement that drops it; ``DROP`` with the target unless given; empty if it goes with another object.
        table: the label of its table.
        after_rows: whether it is better created after the rows.
        kind: its kind; the lower-case words at the start of the target unless given.
        parts: see ``Entry``.
        needs: see ``Entry``.
    """
    kind = kind or next(one for one in KINDS if target.label.startswith(one + " "))
    item = SchemaObject(
        kind=kind,
        name=target.label.removeprefix(kind + " "),
        create=tuple(create if kind in _ROUTINES else map(reproducing, create)),
        drop=() if drop == () else (drop or f"DROP {target.sql}",),
        key=settled(";\n".join(create)),
        table=table,
        after_rows=after_rows,
    )
    return Entry(address, item, target, parts or {}, needs=needs)


#: Schemas whose objects are the user's.
USERS = "n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'"


def sql_name(name: str, schema: str = "n.nspname") -> str:
    """Return an expression of a name as SQL: with its schema unless that is the current one.

    Args:
        name: the expression of the name.
        schema: the expression of its schema.
    """
    quoted = f"quote_ident({name})"
    return f"CASE WHEN {schema} = current_schema() THEN {quoted} ELSE quote_ident({schema}) || '.' || {quoted} END"


def label(name: str, schema: str = "n.nspname") -> str:
    """Return an expression of a name for people: with its schema unless that is the current one."""
    return f"CASE WHEN {schema} = current_schema() THEN {name}::text ELSE {schema} || '.' || {name} END"


def own(catalog: str, oid: str) -> str:
    """Return a condition: an object does not belong to an extension."""
    return (
        f"NOT EXISTS (SELECT FROM pg_depend e WHERE e.classid = {literal(catalog, POSTGRES)}::regclass"
        f" AND e.objid = {oid} AND e.deptype = 'e')"
    )


def options_text(options: Mapping[str, str | None]) -> str:
    """Return a list of options as SQL: those that are None are left out, an empty text is a flag."""
    return ", ".join([f"{name} = {text}" if text else name for name, text in options.items() if text is not None])


def storage_text(options: Sequence[str]) -> str:
    """Return storage options as SQL.

    Args:
        options: ``name=value``, as the catalogs hold them.
    """
    pairs = [option.partition("=") for option in options]
    return ", ".join(
        [f"{name}={value if _PLAIN.fullmatch(value) else literal(value, POSTGRES)}" for name, _, value in pairs]
    )


#: The value of an option that needs no quotes.
_PLAIN = re.compile(r"[a-z_][a-z0-9_]*|[0-9]+(?:\.[0-9]+)?")
