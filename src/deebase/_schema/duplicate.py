"""Copies a table: columns, constraints, indexes and rows."""

from __future__ import annotations

from deebase._backends.protocols import TableCopy
from deebase._engine.context import TableContext
from deebase._model.facts import TableInfo
from deebase._schema.query_steps import run_steps
from deebase._schema.reflect import inventory
from deebase._schema.transform import Transformation
from deebase._sql.statement import Statement
from deebase._sqltext.tokens import folded
from deebase.errors import TableExistsError

_OPERATION = "duplicate"


async def duplicate(source: TableContext, new: str) -> TableInfo:
    """Copy a table inside of a transaction, and return the new table.

    Foreign keys of the table to itself refer to the copy in the copy. Triggers are not copied, nor the foreign keys
    of other tables.

    Raises:
        TableExistsError: a table or view of that name exists.
        InvalidOperationError: it is a virtual table.
    """
    executor, backend = source.executor, source.executor.backend
    facts = await Transformation(source, _OPERATION).look()
    taken = await run_steps(executor, backend.reflector.relation_names(facts.schema))
    same = folded if backend.capabilities.ignores_case_of_names else str
    if same(new) in {same(name) for name in taken}:
        raise TableExistsError(f"table {new} already exists", table_name=new, hint="choose another name")
    asked = TableCopy(facts, source.model.sa_table, new, taken, _OPERATION)
    for sql in await run_steps(executor, backend.schema.duplicate(asked, source.dialect)):
        await executor.fetch(Statement(sql), [])
    return (await inventory(executor, facts.schema, [new]))[0]
