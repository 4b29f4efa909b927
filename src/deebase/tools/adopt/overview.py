"""What a database holds, and what DeeBase can do with each of its tables."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._engine.core import core_of
from deebase._model.facts import TableInfo
from deebase._model.reflected import text_columns
from deebase._schema.reflect import inventory
from deebase._sqltext.capabilities import capabilities_of
from deebase._sqltext.quoting import identifier
from deebase.database import OWN_TABLES, Database
from deebase.errors import ConnectionError, DeeBaseError
from deebase.tools.access import tools_of
from deebase.tools.adopt.owners import Owner, owners_of

#: Tables are counted up to this number of rows.
MOST_COUNTED = 100_000


@dataclass(frozen=True)
class TableOverview:
    """A table.

    Attributes:
        name: its name, with its schema unless that is the default one.
        rows: the number of rows, at most 100,000; None for a table that cannot be read.
        columns: the number of columns.
        key: the columns of the primary key.
        owner: the program that keeps its records here, or None.
        text_columns: columns whose type has no counterpart in Python: read and written as text, by name.
        notes: what DeeBase cannot do with it, or does differently.
    """

    name: str
    rows: int | None
    columns: int
    key: tuple[str, ...]
    owner: str | None
    text_columns: Mapping[str, str]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class ViewOverview:
    """A view.

    Attributes:
        name: its name, with its schema unless that is the default one.
        columns: the number of columns.
        materialized: whether it stores its rows.
    """

    name: str
    columns: int
    materialized: bool


@dataclass(frozen=True)
class Overview:
    """What a database holds.

    Attributes:
        kind: the name of the database software.
        version: the version of the database software.
        size_bytes: its size.
        schemas: the schemas besides the default one.
        extensions: the extensions.
        owners: the programs that made tables.
        tables: the tables.
        views: the views.
        objects: the number of other objects by kind: index, trigger, function, policy, ...
        not_carried: what DeeBase does not recreate when it copies the schema or writes a migration of it.
        unreadable: messages about what cannot be read.
    """

    kind: str
    version: str
    size_bytes: int
    schemas: tuple[str, ...]
    extensions: tuple[str, ...]
    owners: tuple[Owner, ...]
    tables: tuple[TableOverview, ...]
    views: tuple[ViewOverview, ...]
    objects: Mapping[str, int]
    not_carried: tuple[str, ...]
    unreadable: tuple[str, ...]


async def look_at(db: Database) -> Overview:
    """Return what a database holds and what DeeBase can do with it; nothing is changed.

    Args:
        db: an open database.

    Returns:
        The overview: its programs, tables, views, other objects, and what is not carried.

    Raises:
        ConnectionError: the database cannot be reached.

    Example:
        ```python
        overview = await look_at(db)
        print([table.name for table in overview.tables if not table.key])
        ```
    """
    tools = tools_of(db)
    script = await tools.schema_script()
    schemas = tuple([item.name for item in script.objects if item.kind == "schema"])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", UserWarning)
        found = [item for schema in (None, *schemas) for item in await inventory(core_of(db).executor, schema)]
    found = [item for item in found if not item.name.startswith(OWN_TABLES)]
    tables = [item for item in found if item.kind == "table"]
    owners = owners_of(
        {item.qualified_name: [column.name for column in item.columns] for item in tables},
        [sql for item in script.objects if item.kind == "table" for sql in item.create],
    )
    return Overview(
        kind=capabilities_of(db.engine.dialect).name,
        version=await tools.version(),
        size_bytes=await tools.size_bytes(),
        schemas=schemas,
        extensions=tuple([item.name for item in script.objects if item.kind == "extension"]),
        owners=tuple(owners),
        tables=tuple([await _table(db, item, owners, script) for item in tables]),
        views=tuple(
            [
                ViewOverview(item.qualified_name, len(item.columns), item.kind == "materialized")
                for item in found
                if item.kind != "table"
            ]
        ),
        objects=_other_objects(script),
        not_carried=script.not_carried,
        unreadable=tuple([str(warning.message) for warning in caught]),
    )


def _other_objects(script: SchemaScript) -> dict[str, int]:
    shown = {"schema", "extension", "table", "view", "materialized view"}
    kinds = [item.kind for item in script.objects if item.kind not in shown and OWN_TABLES not in item.name]
    return dict(sorted(Counter(kinds).items()))


async def _table(db: Database, facts: TableInfo, owners: Iterable[Owner], script: SchemaScript) -> TableOverview:
    name = facts.qualified_name
    dialect = db.engine.dialect
    return TableOverview(
        name=name,
        rows=await _rows(db, facts),
        columns=len(facts.columns),
        key=facts.pks,
        owner=next((owner.name for owner in owners if name in owner.tables), None),
        text_columns={column.name: column.type for column in text_columns(facts, dialect)},
        notes=tuple(_notes(facts, script)),
    )


async def _rows(db: Database, facts: TableInfo) -> int | None:
    name = identifier(*[part for part in (facts.schema, facts.name) if part is not None])
    try:
        return int(await db.item(f"SELECT count(*) FROM (SELECT 1 FROM {name} LIMIT {MOST_COUNTED}) AS counted"))
    except ConnectionError:
        raise
    except DeeBaseError:
        # A virtual table whose module is missing, or a table without the right to read it.
        return None


def _notes(facts: TableInfo, script: SchemaScript) -> Iterable[str]:
    if not facts.columns:
        yield "no columns: it cannot be used"
    elif not facts.pks:
        yield "no get, update or upsert by key"
    computed = [column.name for column in facts.columns if column.computed is not None]
    if computed:
        yield f"computed by the database: {', '.join(computed)}"
    of_table = [item for item in script.objects if item.table == facts.qualified_name]
    yield from _counted(of_table, {"trigger": "run on its changes", "policy": "choose the rows", "rule": "rewrite it"})


def _counted(objects: Sequence[SchemaObject], meanings: Mapping[str, str]) -> Iterable[str]:
    for kind, meaning in meanings.items():
        number = sum(item.kind == kind for item in objects)
        if number:
            plural = {"policy": "policies"}.get(kind, f"{kind}s")
            yield f"{number} {kind if number == 1 else plural}: {meaning}"
