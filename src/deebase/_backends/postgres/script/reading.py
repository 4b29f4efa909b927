"""Reads a whole schema: the objects of all modules in the order of their creation."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from deebase._backends.postgres.catalog_queries import reading_catalogs
from deebase._backends.postgres.script.database_objects import read_database_objects
from deebase._backends.postgres.script.defined_types import read_types
from deebase._backends.postgres.script.dependency_order import ordered
from deebase._backends.postgres.script.entries import Entry
from deebase._backends.postgres.script.left_out import read_left_out
from deebase._backends.postgres.script.namespaces import read_namespaces
from deebase._backends.postgres.script.object_comments import read_comments
from deebase._backends.postgres.script.routines import read_routines
from deebase._backends.postgres.script.searches import Searches
from deebase._backends.postgres.script.sequences import read_sequences
from deebase._backends.postgres.script.table_objects import read_table_objects
from deebase._backends.postgres.script.table_text import TableText
from deebase._backends.postgres.script.tables import read_tables
from deebase._backends.postgres.script.view_text import read_views
from deebase._backends.schema_script import Read, SchemaObject, SchemaScript


@dataclass(frozen=True)
class Described:
    """A schema as SQL, with its tables and views as the catalogs hold them.

    Attributes:
        script: all objects.
        tables: the tables, by the names of the script.
        selects: the definition of each view by its name, or None if it is more than a SELECT.
    """

    script: SchemaScript
    tables: Mapping[str, TableText]
    selects: Mapping[str, str | None]


async def read_script(read: Read) -> SchemaScript:
    """Return the schema of a database, all of its schemas included.

    Names of the current schema are written without it, so that the script creates them in the current schema of
    the connection that runs it. All statements can run in one transaction, which they need: a function is created
    after ``SET LOCAL check_function_bodies = off``, since its body may use what comes later.

    Args:
        read: runs a SELECT.
    """
    return (await describe(read)).script


async def describe(read: Read) -> Described:
    """Return the schema of a database with its tables and views; see ``read_script``."""
    read = reading_catalogs(read)
    sequences = await read_sequences(read)
    searches = await Searches.read(read)
    tables = [searches.without_column(table) for table in await read_tables(read, sequences)]
    views = await read_views(read)
    entries = [
        *await read_namespaces(read),
        *await read_types(read),
        *await read_routines(read),
        *[sequence.entry() for sequence in sequences if sequence.owner is None],
        *[table.entry() for table in tables],
        *[entry for table in tables for entry in table.later_constraints()],
        *[view.entry for view in views],
        *await read_table_objects(read),
        *await read_database_objects(read),
    ]
    done, cyclic = await ordered(read, searches.replaced(entries))
    comments = await read_comments(read, done)
    left_out = [f"{entry.item.label}, which depends on itself" for entry in cyclic]
    return Described(
        SchemaScript(tuple(_named([*done, *comments])), (*left_out, *await read_left_out(read))),
        {table.label: table for table in tables},
        {view.entry.item.name: view.select for view in views},
    )


def _named(entries: Iterable[Entry]) -> list[SchemaObject]:
    """Return the objects; where two names are the same in print, the later ones are written as SQL."""
    seen: Counter[tuple[str, str]] = Counter()
    found: list[SchemaObject] = []
    for entry in entries:
        item = entry.item
        if seen[item.kind, item.name]:
            item = dataclasses.replace(item, name=entry.target.sql)
        seen[item.kind, item.name] += 1
        found.append(item)
    return found
