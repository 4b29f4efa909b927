"""The schema of a SQLite file as statements: the stored SQL of its objects, and the numbers in its header."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Dialect

from deebase._backends.schema_script import Read, Recreation, SchemaObject, SchemaScript
from deebase._backends.sqlite.search.search_ddl import IS_PART, IS_SEARCH, as_object, recreated
from deebase._model.create_statements import create_statements
from deebase._model.design import SEARCH
from deebase._model.facts import TableInfo
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import identifier
from deebase._sqltext.tokens import code_tokens, folded, joined

#: Numbers in the header that belong to the application (sqlite.org/fileformat2.html).
_NUMBERS = "SELECT user_version, application_id FROM pragma_user_version, pragma_application_id"
#: Settings that only an empty file accepts, with their values in a new file.
_SETTINGS = "SELECT encoding, auto_vacuum, page_size FROM pragma_encoding, pragma_auto_vacuum, pragma_page_size"
_NEW_FILE = {"encoding": "UTF-8", "auto_vacuum": 0, "page_size": 4096}
#: An index of a constraint has no SQL. A virtual table creates its shadow tables, unless its module is missing.
#: The parts of a search are one object.
_OBJECTS = f"""
    SELECT m.type, m.name, m.tbl_name, m.sql, l.type IS 'virtual' FROM sqlite_master m
    LEFT JOIN pragma_table_list l ON l.schema = 'main' AND l.name = m.name AND m.type IN ('table', 'view')
    WHERE m.sql IS NOT NULL AND m.name NOT LIKE 'sqlite\\_%' ESCAPE '\\' AND l.type IS NOT 'shadow'
        AND m.rowid NOT IN (SELECT rowid FROM sqlite_master WHERE {IS_PART})
    ORDER BY m.rowid
"""
_SEARCHES = f"SELECT tbl_name, sql FROM sqlite_master WHERE {IS_SEARCH} ORDER BY rowid"
_STATISTICS = "SELECT name FROM sqlite_master WHERE name LIKE 'sqlite\\_stat_' ESCAPE '\\' ORDER BY name"
_MODULES = "SELECT name FROM pragma_module_list"
#: A virtual table may read columns of a table or view when it is created; a view reads nothing then.
_ORDER = ("table", "view", "virtual table", "index", "search", "trigger")


async def read_script(read: Read) -> SchemaScript:
    """Return the objects of a database in an order in which they can be created."""
    modules = {folded(str(name)) for (name,) in await read(_MODULES, [])}
    objects: list[SchemaObject] = []
    left: list[str] = []
    for kind, name, table, sql, virtual in await read(_OBJECTS, []):
        if virtual and (module := module_of(sql)) not in modules:
            left.append(f"virtual table {name}: this SQLite library has no module {module}")
        else:
            objects.append(_object("virtual table" if virtual else str(kind), str(name), str(table), str(sql)))
    searches = [recreated(str(table), str(sql)) for table, sql in await read(_SEARCHES, [])]
    objects += [item for item in searches if item is not None]
    objects.sort(key=lambda item: _ORDER.index(item.kind))
    (numbers,) = await read(_NUMBERS, [])
    (settings,) = await read(_SETTINGS, [])
    statistics = await read(_STATISTICS, [])
    left += [*_settings(settings), *[f"{name}: the statistics that ANALYZE collects" for (name,) in statistics]]
    return SchemaScript((*_numbers(numbers), *objects), tuple(left))


def known_script(tables: Sequence[TableInfo]) -> SchemaScript:
    """Return the objects of reflected tables and views."""
    objects: list[SchemaObject] = []
    for facts in tables:
        if facts.sql is not None:
            words = [token.word for token in code_tokens(facts.sql, SQLITE)[:2]]
            kind = "virtual table" if words == ["CREATE", "VIRTUAL"] else facts.kind
            objects.append(_object(kind, facts.name, facts.name, facts.sql))
        for index in (*facts.indexes, *facts.other_forms):
            if index.sql is not None:
                objects.append(_object("index", index.name, facts.name, index.sql))
        if facts.search is not None:
            objects.append(as_object(facts, facts.search))
    objects.sort(key=lambda item: _ORDER.index(item.kind))
    return SchemaScript(tuple(objects))


def recreation(
    table: sa.Table, facts: TableInfo, objects: Mapping[tuple[str, str], SchemaObject], dialect: Dialect
) -> Recreation:
    """Compare a table, and its indexes, that ``create`` would make with the existing ones."""
    made = Recreation()
    for sql in create_statements([table], dialect):
        found = code_tokens(sql, SQLITE)
        place = next(place for place, token in enumerate(found) if token.word in ("TABLE", "INDEX"))
        if [token.word for token in found[place + 1 : place + 4]] == ["IF", "NOT", "EXISTS"]:
            # SQLite does not store this.
            del found[place + 1 : place + 4]
        kind, name = found[place].word.lower(), found[place + 1].name
        known = objects.get((kind, name))
        made.add(kind, name, known is not None and known.key == joined(found))
    if facts.search is not None:
        made.add("search", facts.search.index, table.info.get(SEARCH) == facts.search.search)
    return made


def module_of(sql: str) -> str:
    """Return the module of a CREATE VIRTUAL TABLE, in lower case."""
    found = code_tokens(sql, SQLITE)
    using = next(place for place, token in enumerate(found) if token.word == "USING")
    return folded(found[using + 1].name)


def _object(kind: str, name: str, table: str, sql: str) -> SchemaObject:
    listed = code_tokens(sql, SQLITE)
    unique = kind == "index" and listed[1].word == "UNIQUE"
    return SchemaObject(
        kind,
        name,
        (sql,),
        (f"DROP {kind.split()[-1].upper()} {identifier(name)}",),
        joined(listed),
        table if kind in ("index", "trigger") else None,
        # A foreign key may need a unique index while rows are written.
        after_rows=kind in ("index", "trigger") and not unique,
    )


def _numbers(row: Sequence[Any]) -> Iterator[SchemaObject]:
    for name, value in zip(("user_version", "application_id"), row, strict=True):
        if value:
            sql = f"PRAGMA {name} = {value}"
            yield SchemaObject("pragma", name, (sql,), (f"PRAGMA {name} = 0",), sql)


def _settings(row: Sequence[Any]) -> Iterator[str]:
    for (name, usual), value in zip(_NEW_FILE.items(), row, strict=True):
        if value != usual:
            yield f"pragma {name} = {value}: only an empty file accepts it"
