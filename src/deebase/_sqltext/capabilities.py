"""What the databases differ in, as far as code outside of their packages has to know it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol


class Named(Protocol):
    """A dialect of SQLAlchemy, as far as it is asked here."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one database can do. Each package of ``deebase._backends`` registers its own.

    Attributes:
        name: of SQLAlchemy's dialect; for files and messages, not for decisions.
        is_one_file: the whole database is one file, which a process opens itself.
        has_schemas: tables may lie in schemas.
        alters_in_place: ALTER TABLE changes types, defaults and constraints; else the table is rebuilt.
        locks_rows: SELECT takes FOR UPDATE.
        has_sequences: generated keys come from sequences, which values of one's own do not move.
        has_arrays: a list may be sent as one parameter.
        has_materialized_views: views may store their rows.
        has_own_types: enums and domains are objects of the schema.
        checks_types: a column holds values of its type alone.
        ignores_case_of_names: two names that differ by case alone are one name.
        copies_rows: COPY takes many rows.
        locks_tables: a change of a table makes other sessions wait that read or write it.
        builds_concurrently: CONCURRENTLY is a keyword, of statements that no transaction accepts.
        cascades_drops: DROP takes CASCADE, which drops what depends on the object.
        reads_may_write: a SELECT may call a function that writes.
    """

    name: str
    is_one_file: bool
    has_schemas: bool
    alters_in_place: bool
    locks_rows: bool
    has_sequences: bool
    has_arrays: bool
    has_materialized_views: bool
    has_own_types: bool
    checks_types: bool
    ignores_case_of_names: bool
    copies_rows: bool
    locks_tables: bool
    builds_concurrently: bool
    cascades_drops: bool
    reads_may_write: bool


_registered: dict[str, Capabilities] = {}


def register(capabilities: Capabilities) -> None:
    """Make a database known by the name of its dialect."""
    _registered[capabilities.name] = capabilities


def capabilities_of(database: Named) -> Capabilities:
    """Return what the database of a dialect can do."""
    if not _registered:
        # Each backend registers itself when it is imported.
        import_module("deebase._backends")
    return _registered[database.name]
