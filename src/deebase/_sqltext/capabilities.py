"""What the databases can do, as far as code outside their packages depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from importlib import import_module
from typing import Protocol

from deebase._sqltext.dialects import TokenRules


class Named(Protocol):
    """Anything with the name of a dialect, such as SQLAlchemy's ``Dialect``."""

    name: str


@dataclass(frozen=True, kw_only=True)
class Capabilities:
    """What one database can do. Each package of ``deebase._backends`` registers its own.

    Attributes:
        name: the name of SQLAlchemy's dialect; for files and messages, not for decisions.
        title: the name of the database in messages.
        is_one_file: the whole database is one file, which a process opens itself.
        has_schemas: tables may lie in schemas.
        alters_in_place: ALTER TABLE changes types, defaults and constraints; else the table is rebuilt.
        locks_rows: SELECT takes FOR UPDATE.
        has_sequences: generated keys come from sequences, which an explicit key does not advance.
        has_rowids: each row of a table without a key has a number that identifies it.
        has_arrays: a list may be sent as one parameter.
        has_hash_joins: a join needs no index to be fast; else each row of one side reads all of the other.
        has_materialized_views: views may store their rows.
        has_own_types: enums and domains are objects of the schema.
        has_strict_tables: a table may be declared STRICT.
        has_exact_decimals: decimals are a type of the database, which computes them exactly; else they are text.
        has_moments: dates and times are types of the database; else they are text in one of several forms.
        has_uuids: UUIDs are a type of the database; else they are text.
        checks_types: a column holds values of its type alone.
        parses_documents: the driver returns a JSON document as Python values, but takes its text.
        sorts_nulls_last: NULL sorts above every value; else below.
        ignores_case_of_names: two names that differ only in the case of ASCII letters are one name.
        copies_rows: COPY takes many rows.
        tokens: how SQL text is read: quotes, comments, placeholders.
        resets_sessions: a connection is reset after a statement that may have changed its session; else such a
            statement is repeated on every connection.
        max_columns: how many columns a table may have.
        max_name_bytes: how many bytes of a name are kept; None without a limit.
        system_columns: columns that every table has.
        locks_tables: a change of a table makes other sessions wait that read or write it.
        builds_concurrently: CONCURRENTLY is a keyword, of statements that no transaction accepts.
        cascades_drops: DROP takes CASCADE, which drops what depends on the object.
        reads_may_write: a SELECT may call a function that writes.
        secures_rows: the database itself compares the rows of a secured table with the settings of the session.
        aggregates: the functions that take the rows of a group, where a column outside of them has the value of any
            row; None where the database refuses such a column.
    """

    name: str
    title: str
    is_one_file: bool
    has_schemas: bool
    alters_in_place: bool
    locks_rows: bool
    has_sequences: bool
    has_rowids: bool
    has_arrays: bool
    has_hash_joins: bool
    has_materialized_views: bool
    has_own_types: bool
    has_strict_tables: bool
    has_exact_decimals: bool
    has_moments: bool
    has_uuids: bool
    checks_types: bool
    parses_documents: bool
    sorts_nulls_last: bool
    ignores_case_of_names: bool
    copies_rows: bool
    tokens: TokenRules
    resets_sessions: bool
    max_columns: int
    max_name_bytes: int | None
    system_columns: frozenset[str]
    locks_tables: bool
    builds_concurrently: bool
    cascades_drops: bool
    reads_may_write: bool
    secures_rows: bool
    aggregates: frozenset[str] | None


_registered: dict[str, Capabilities] = {}


def register(capabilities: Capabilities) -> None:
    """Register a database under the name of its dialect."""
    _registered[capabilities.name] = capabilities


def capabilities_of(database: Named | str) -> Capabilities:
    """Return what the database of a dialect, or of the name of one, can do."""
    if not _registered:
        # Each backend registers itself when it is imported.
        import_module("deebase._backends")
    return _registered[database if isinstance(database, str) else database.name]
