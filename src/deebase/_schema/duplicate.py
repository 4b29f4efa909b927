"""A second table like the first: columns, constraints, indexes and rows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from deebase._backends.alter import qualified
from deebase._backends.postgres import ddl as postgres
from deebase._backends.sqlite import ddl as edit
from deebase._backends.sqlite.rebuild import ENTRIES, SchemaRow, counts, rowid_name
from deebase._engine.context import TableContext
from deebase._model.facts import TableInfo
from deebase._model.generated_names import shortened
from deebase._schema.transform import Transformation
from deebase._sql.statement import Statement
from deebase._sqltext.create_table import parse
from deebase._sqltext.dialects import POSTGRES, SQLITE
from deebase._sqltext.quoting import identifier, literal
from deebase._sqltext.tokens import folded
from deebase._types.moment_sql import moments_of, other_forms_index
from deebase.errors import TableExistsError

_OPERATION = "duplicate"


async def duplicate(source: TableContext, new: str) -> TableInfo:
    """Make a copy of a table inside of a transaction, and return what the copy is.

    Foreign keys to the table itself lead to the copy in the copy. Triggers are not copied, nor what refers to the
    table.

    Raises:
        TableExistsError: the name is taken.
        InvalidOperationError: it is a virtual table.
    """
    work = Transformation(source, _OPERATION)
    facts = await work.look()
    sqlite = source.dialect.name == "sqlite"
    entries = [SchemaRow(*row) for row in await _rows(source, ENTRIES)] if sqlite else []
    taken = {folded(entry.name) for entry in entries} if sqlite else set(work.tables)
    if (folded(new) if sqlite else new) in taken:
        raise TableExistsError(f"table {new} exists", table_name=new, hint="choose another name")
    if sqlite:
        statements = [*_sqlite(work.understood(facts).sql, facts, new, taken), *_beside(source, facts, new)]
    else:
        statements = await _postgres(source, facts, new)
    for sql in statements:
        await _rows(source, sql)
    await work.look()
    return work.tables[new]


async def _rows(source: TableContext, sql: str, *args: Any) -> Sequence[Any]:
    return await source.executor.fetch(Statement(sql), args)


def _beside(source: TableContext, facts: TableInfo, new: str) -> Iterable[str]:
    columns = [str(index.columns[0]) for index in facts.other_forms]
    table = source.model.sa_table
    for name in moments_of(table, columns):
        yield other_forms_index(new, table.c[name], source.dialect)


def _sqlite(sql: str, facts: TableInfo, new: str, taken: set[str]) -> Iterable[str]:
    yield edit.with_references_to(edit.renamed(sql, new), facts.name, new)
    table = parse(sql)
    columns = [identifier(column.name) for column in facts.columns if column.computed is None]
    rowid = rowid_name(facts) if table.rowid_column is None else None
    listed = ", ".join(columns if rowid is None else [rowid, *columns])
    yield f"INSERT INTO {identifier(new)} ({listed}) SELECT {listed} FROM {identifier(facts.name)}"
    if counts(table):
        old, copy = (literal(name, SQLITE) for name in (facts.name, new))
        yield (
            f"UPDATE sqlite_sequence SET seq = (SELECT seq FROM sqlite_sequence WHERE name = {old}) WHERE name = {copy}"
        )
    taken = {*taken, folded(new)}
    for index in facts.indexes:
        if index.sql is not None:
            name = index.name.replace(facts.name, new) if facts.name in index.name else f"{index.name}_{new}"
            while folded(name) in taken:
                name += "_"
            taken.add(folded(name))
            yield edit.index_for(index.sql, name, new)


async def _postgres(source: TableContext, facts: TableInfo, new: str) -> list[str]:
    quote = source.dialect.identifier_preparer.quote
    old = qualified(facts, source.dialect)
    copy = quote(new) if facts.schema is None else f"{quote(facts.schema)}.{quote(new)}"
    columns = ", ".join([quote(column.name) for column in facts.columns if column.computed is None])
    statements = [f"CREATE TABLE {copy} (LIKE {old} INCLUDING ALL)"]
    counted = [column for column in facts.columns if column.generated]
    for column in counted:
        if column.default is not None:
            # A serial column: the default that LIKE copies counts on with the sequence of the first table.
            sequence = quote(shortened(f"{new}_{column.name}_seq"))
            sequence = sequence if facts.schema is None else f"{quote(facts.schema)}.{sequence}"
            text = literal(sequence, POSTGRES)
            statements += [
                f"CREATE SEQUENCE {sequence} OWNED BY {copy}.{quote(column.name)}",
                f"ALTER TABLE {copy} ALTER COLUMN {quote(column.name)} SET DEFAULT nextval({text})",
            ]
    if columns:
        statements.append(f"INSERT INTO {copy} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM {old}")
    for column in counted:
        texts = [literal(text, POSTGRES) for text in (copy, old, column.name)]
        sequences = [f"pg_get_serial_sequence({table}, {texts[2]})" for table in texts[:2]]
        statements.append(
            f"SELECT setval({sequences[0]}, last) FROM (SELECT pg_sequence_last_value({sequences[1]}) AS last) AS s"
            " WHERE last IS NOT NULL"
        )
    constraints = postgres.constraints_of(await _rows(source, postgres.CONSTRAINTS, old))
    written = (await _rows(source, "SELECT to_regclass($1)::text", old))[0][0]
    for constraint in constraints:
        if constraint.kind == "f":
            definition = constraint.definition.replace(f" REFERENCES {written}(", f" REFERENCES {copy}(", 1)
            statements.append(f"ALTER TABLE {copy} ADD CONSTRAINT {quote(constraint.name)} {definition}")
    return statements
