"""What PostgreSQL stores of a table besides columns, keys and indexes; and the DDL of tables and views."""

from __future__ import annotations

import dataclasses
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from deebase._backends.migration_protocols import Choices, Connected
from deebase._backends.postgres.check_text import settled
from deebase._backends.postgres.script import describe
from deebase._backends.postgres.script.entries import storage_text
from deebase._backends.postgres.script.table_text import COMPRESSION, IDENTITY, STORAGE, Column, Constraint, TableText
from deebase._backends.schema_parts import VIEWS, Feature, SchemaParts, TableDdl, TableParts, ViewState
from deebase._backends.schema_script import SchemaObject, SchemaScript
from deebase._model.facts import TableInfo
from deebase._sql.statement import Statement


async def read_parts(
    database: Connected, tables: Mapping[str, TableInfo], views: Iterable[TableInfo], choices: Choices
) -> SchemaParts:
    """See ``MigrationSupport``."""

    async def read(sql: str, args: Sequence[Any]) -> Sequence[Sequence[Any]]:
        return await database.fetch(Statement(sql, reads=True), args)

    found = await describe(read)
    known = {facts.qualified_name for facts in views}
    states = [
        _view(item, found.selects[item.name])
        for item in found.script.objects
        if item.kind in VIEWS and item.name in known
    ]
    of_tables: defaultdict[str, list[SchemaObject]] = defaultdict(list)
    for item in found.script.objects:
        of_tables[item.name if item.table is None else item.table].append(item)
    parts = {
        name: _parts(facts, found.tables[facts.qualified_name], of_tables, choices(name))
        for name, facts in tables.items()
    }
    # Migrations and their ledger are in the current schema, which none of them creates or drops.
    current = [("schema", name) for (name,) in await read("SELECT current_schema()::text", [])]
    objects = [item for item in found.script.objects if (item.kind, item.name) not in current]
    script = SchemaScript(tuple(objects), found.script.not_carried)
    return SchemaParts(parts, {view.name: view for view in states}, script)


def _view(item: SchemaObject, select: str | None) -> ViewState:
    return ViewState(item.name, select, item.create, item.kind == "materialized view", item.key)


def _parts(
    facts: TableInfo,
    table: TableText,
    objects: Mapping[str, Sequence[SchemaObject]],
    choices: Mapping[str, Sequence[str]],
) -> TableParts:
    """Return a table with all of its parts.

    Args:
        facts: the table.
        table: the same, as the catalogs hold it.
        objects: all objects, by the table that they are or belong to.
        choices: its columns of an Enum or Literal, whose CHECK belongs to their type.
    """
    names = {one.name for one in table.constraints if one.kind in "pux"}
    own = dataclasses.replace(facts, indexes=tuple([index for index in facts.indexes if index.name not in names]))
    features = [*_of_constraints(table, choices), *_of_columns(table), *_of_table(table)]
    return TableParts(own, tuple(features), _ddl(table, objects[table.label]))


def _ddl(table: TableText, mine: Sequence[SchemaObject]) -> TableDdl:
    return TableDdl(
        tuple([sql for item in mine if item.kind in ("table", "foreign table", "index") for sql in item.create]),
        tuple([sql for item in mine if item.kind in ("default", "constraint") for sql in item.create]),
        {column.name: table.column_sql(column) for column in table.columns},
    )


# -- constraints -------------------------------------------------------------------------------------


def _of_constraints(table: TableText, choices: Mapping[str, Sequence[str]]) -> Iterator[Feature]:
    names = {column.number: column.name for column in table.columns}
    for one in table.constraints:
        columns = [names[number] for number in one.columns if number in names]
        if one.kind == "f":
            yield from _of_key(table, one, ", ".join(columns))
        elif one.kind == "p" and one.local and not _is_plain(one):
            yield Feature(_with_options(one))
        elif one.local and one.kind != "p" and not _is_plain(one) and not _of_choice(one, columns, choices):
            yield _constraint(table, one)


def _is_plain(one: Constraint) -> bool:
    """Whether reflection of the table covers a key or NOT NULL."""
    if one.kind == "p":
        return not one.index_options and one.definition.count("(") == 1 and one.definition.endswith(")")
    return one.kind == "n" and one.valid and not one.no_inherit


def _constraint(table: TableText, one: Constraint) -> Feature:
    text = _with_options(one)
    return Feature(
        text, f"{table.alter_all} ADD CONSTRAINT {one.quoted} {text}", f"{table.alter_all} DROP CONSTRAINT {one.quoted}"
    )


def _with_options(one: Constraint) -> str:
    # The options come before DEFERRABLE.
    definition = settled(one.definition)
    if not one.index_options:
        return definition
    key, deferrable, rest = definition.partition(" DEFERRABLE")
    return f"{key} WITH ({storage_text(one.index_options)}){deferrable}{rest}"


def _of_choice(one: Constraint, columns: Sequence[str], choices: Mapping[str, Sequence[str]]) -> bool:
    return (
        one.kind == "c" and len(columns) == 1 and columns[0] in choices and "= ANY ((ARRAY[" in settled(one.definition)
    )


def _of_key(table: TableText, one: Constraint, columns: str) -> Iterator[Feature]:
    alter = f"{table.alter_all} ALTER CONSTRAINT {one.quoted}"
    for text in one.properties:
        add: str | None = None
        drop: str | None = None
        if text.startswith("DEFERRABLE"):
            add, drop = f"{alter} {text}", f"{alter} NOT DEFERRABLE"
        elif text == "NOT ENFORCED":
            add, drop = f"{alter} NOT ENFORCED", f"{alter} ENFORCED"
        elif text == "NOT VALID":
            drop = f"{table.alter_all} VALIDATE CONSTRAINT {one.quoted}"
        yield Feature(f"foreign key ({columns}): {text}", add, drop)


# -- columns -----------------------------------------------------------------------------------------


def _of_columns(table: TableText) -> Iterator[Feature]:
    for column in table.columns:
        alter = f"{table.alter} ALTER COLUMN {column.quoted}"
        yield from _of_values(table, column, alter)
        if column.collation is not None:
            yield Feature(f"{column.name}: collate {column.collation}", column=column.name)
        for text, add, drop in _settings(column):
            yield Feature(f"{column.name}: {text}", f"{alter} {add}", f"{alter} {drop}", column=column.name)
        if column.foreign_options:
            yield Feature(f"{column.name}: options ({', '.join(column.foreign_options)})", column=column.name)


def _of_values(table: TableText, column: Column, alter: str) -> Iterator[Feature]:
    """Yield how the database makes the values of a column."""
    sequence = next(iter(table.sequences.get(column.number, ())), None)
    if column.generated:
        kind = "stored" if column.generated == "s" else "virtual"
        yield Feature(f"{column.name}: generated as {column.default} {kind}", column=column.name)
    elif sequence is not None:
        options = [*([f"AS {sequence.type}"] if sequence.type != column.type else []), *sequence.options()]
        listed = f" ({' '.join(options)})" if options else ""
        if column.identity:
            kind = IDENTITY[column.identity]
            add = f"{alter} ADD GENERATED {kind} AS IDENTITY{listed}"
            plain = column.identity == "d" and not options
            text = f"{column.name}: generated {kind.lower()}{listed}"
            yield Feature(text, add, f"{alter} DROP IDENTITY", plain, column.name)
        elif column.default == sequence.next_value:
            yield Feature(f"{column.name}: serial{listed}", column=column.name)
        else:
            yield Feature(f"{column.name}: owns sequence {sequence.label}{listed}", column=column.name)


def _settings(column: Column) -> Iterator[tuple[str, str, str]]:
    """Yield settings of a column: what identifies each, and the ends of the statements that add and drop it."""
    if column.storage is not None:
        storage = STORAGE[column.storage]
        yield f"storage {storage.lower()}", f"SET STORAGE {storage}", "SET STORAGE DEFAULT"
    if column.compression is not None:
        method = COMPRESSION[column.compression]
        yield f"compression {method}", f"SET COMPRESSION {method}", "SET COMPRESSION DEFAULT"
    if column.statistics is not None:
        yield f"statistics {column.statistics}", f"SET STATISTICS {column.statistics}", "SET STATISTICS -1"
    for option in column.options:
        text = storage_text([option])
        yield f"with ({text})", f"SET ({text})", f"RESET ({option.partition('=')[0]})"


# -- the table itself --------------------------------------------------------------------------------


def _of_table(table: TableText) -> Iterator[Feature]:
    yield from [Feature(text, f"{table.alter} {add}", f"{table.alter} {drop}") for text, add, drop in _changes(table)]
    if table.partition_key is not None:
        yield Feature(f"partition by {table.partition_key}")
    if table.server is not None:
        yield Feature(f"server {table.server}")
    for option in table.server_options:
        name = option.partition(" ")[0]
        yield Feature(
            f"options ({option})",
            f"{table.alter_all} OPTIONS (ADD {option})",
            f"{table.alter_all} OPTIONS (DROP {name})",
        )


def _changes(table: TableText) -> Iterator[tuple[str, str, str]]:
    """Yield properties of a table: what identifies each, and the ends of the statements that add and drop it."""
    if table.persistence == "u":
        yield "unlogged", "SET UNLOGGED", "SET LOGGED"
    for option in table.options:
        text = storage_text([option])
        yield f"with ({text})", f"SET ({text})", f"RESET ({option.partition('=')[0]})"
    if table.method is not None:
        yield f"using {table.method}", f"SET ACCESS METHOD {table.method}", "SET ACCESS METHOD heap"
    for parent in table.parents:
        yield f"inherits {parent.label}", f"INHERIT {parent.name}", f"NO INHERIT {parent.name}"
    if table.of_type is not None:
        yield f"of {table.of_type}", f"OF {table.of_type}", "NOT OF"
    if table.replica in _REPLICA and table.kind != "f":
        how = f"REPLICA IDENTITY {_REPLICA[table.replica]}"
        yield how.lower(), how, "REPLICA IDENTITY DEFAULT"
    elif table.replica_index is not None:
        how = f"USING INDEX {table.replica_index}"
        yield f"replica identity {table.replica_index}", f"REPLICA IDENTITY {how}", "REPLICA IDENTITY DEFAULT"
    if table.cluster_index is not None:
        yield f"cluster on {table.cluster_index}", f"CLUSTER ON {table.cluster_index}", "SET WITHOUT CLUSTER"


_REPLICA = {"f": "FULL", "n": "NOTHING"}
