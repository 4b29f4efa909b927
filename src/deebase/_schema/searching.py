"""Makes tables searchable, and removes their search."""

from __future__ import annotations

from sqlalchemy.engine import Dialect

from deebase._engine.executor import Executor
from deebase._model.facts import TableInfo
from deebase._model.reflected import column_types
from deebase._model.table_options import must_be_texts
from deebase._schema.query_steps import run_steps
from deebase._sql.statement import Statement
from deebase._sqltext.capabilities import capabilities_of
from deebase.errors import InvalidOperationError, ValidationError
from deebase.types import Search

_OPERATION = "enable_search"


async def enable_search(executor: Executor, dialect: Dialect, facts: TableInfo, search: Search) -> None:
    """Make a table searchable, inside of a transaction; its search, if it has one, is replaced.

    Raises:
        InvalidOperationError: the table has no key, or the database lacks what the search needs.
        ValidationError: a column does not hold text, or is computed, or the database does not know the language.
    """
    _check(facts, search, dialect)
    if facts.search is not None and facts.search.search == search:
        return
    await disable_search(executor, facts)
    taken = await run_steps(executor, executor.backend.reflector.relation_names(facts.schema))
    for sql in await run_steps(executor, executor.backend.search.enable(facts, search, taken)):
        await executor.fetch(Statement(sql), [])


async def disable_search(executor: Executor, facts: TableInfo) -> None:
    """Remove the search of a table, inside of a transaction."""
    for sql in executor.backend.search.disable(facts):
        await executor.fetch(Statement(sql), [])


def _check(facts: TableInfo, search: Search, dialect: Dialect) -> None:
    if not facts.pks:
        raise InvalidOperationError(
            f"{facts.qualified_name} has no primary key, by which a search finds its rows",
            operation=_OPERATION,
            target=facts.qualified_name,
            hint="give it one: await t.transform(pk='id')",
        )
    must_be_texts(facts.qualified_name, column_types(facts, dialect), search)
    for column in facts.columns:
        if column.name in search.columns and column.computed is not None:
            raise ValidationError(
                f"{facts.qualified_name}.{column.name} is computed, and {capabilities_of(dialect).title} computes it "
                "after the words of a row are read",
                field=column.name,
                hint="search the columns that it is computed from",
            )
