"""Results as Arrow tables, and as frames of polars and pandas."""

from __future__ import annotations

# pyarrow and pandas come without types.
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false, reportUnknownMemberType=false
from collections.abc import Callable, Sequence
from typing import Any, Final

from deebase._engine.executor import Executor
from deebase._lanes.interface import Params
from deebase._rows.arrow_columns import ArrowColumn, Inexact, arrow, batch_of, kind_of_values, schema_of
from deebase._rows.libraries import load
from deebase._rows.model import TableModel
from deebase._sql.statement import Statement
from deebase._types.base import ColumnType
from deebase._types.documents import JSON
from deebase._types.forms.json_texts import loads
from deebase._types.native_lists import NativeList
from deebase._types.registry import column_type
from deebase.errors import DataError, InvalidOperationError, ValidationError

#: Results of at most so many rows are not worth a connection of their own.
FEW_ROWS: Final = 10_000
_JSON_FORMS: Final = ("text", "struct")


def columns_of(model: TableModel, names: Sequence[str], titles: Sequence[str] | None) -> list[ArrowColumn]:
    """Return columns of a statement as those of an Arrow table."""
    made = [(title, model.columns[name]) for title, name in zip(titles or names, names, strict=True)]
    return [ArrowColumn(title, f"{model.name}.{title}", column_type(each.sa_type), each.read) for title, each in made]


async def arrow_table(
    executor: Executor,
    columns: Sequence[ArrowColumn],
    statement: Statement,
    args: Params,
    *,
    limit: int | None,
    json: str,
) -> Any:
    """Return the result of a statement as an Arrow table.

    Args:
        executor: runs it.
        columns: of the result.
        statement: a SELECT.
        args: its parameters.
        limit: the largest number of rows; None for any.
        json: whether documents are text or structs.
    """
    if json not in _JSON_FORMS:
        raise ValidationError("json is 'text' or 'struct'", field="json", value=json)
    table = None
    if _is_long(statement, limit) and all(column.reads_arrays for column in columns):
        table = _converted(columns, await executor.fetch_arrow(statement, args))
    if table is None:
        table = await _from_rows(executor, columns, statement, args)
    statement.last_rows = table.num_rows
    return table if json == "text" else with_structs(table, columns)


def _is_long(statement: Statement, limit: int | None) -> bool:
    """Whether a result is expected to be worth a connection of its own, which takes as long as some thousand rows."""
    expected = statement.last_rows if limit is None else limit
    return expected is None or expected > FEW_ROWS


def _converted(columns: Sequence[ArrowColumn], table: Any) -> Any:
    """Return a table of the driver for Arrow with the types of the columns; None if a value has none there."""
    if table is None:
        return None
    try:
        made = [column.converted(given) for column, given in zip(columns, table.columns, strict=True)]
    except (arrow().ArrowException, Inexact, ValueError, OverflowError):
        return None
    return arrow().Table.from_arrays(made, schema=schema_of(columns))


async def _from_rows(executor: Executor, columns: Sequence[ArrowColumn], statement: Statement, args: Params) -> Any:
    schema = schema_of(columns)
    made = await executor.fetch_columns(statement, args, lambda values: batch_of(columns, schema, values))
    return arrow().Table.from_batches(made, schema=schema).unify_dictionaries()


def with_structs(table: Any, columns: Sequence[ArrowColumn]) -> Any:
    """Return a table with the documents as Arrow infers them: objects are structs.

    Raises:
        DataError: the documents of a column have no common type.
    """
    pa = arrow()
    for place, column in enumerate(columns):
        if not isinstance(column.form.kind, JSON) or isinstance(column.form.kind, NativeList):
            continue
        texts = table.column(place).to_pylist()
        try:
            array = pa.array([None if text is None else loads(text) for text in texts])
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            raise DataError(
                f"{column.place}: the documents have no common Arrow type",
                hint="json='text' gives each of them as text",
            ) from None
        table = table.set_column(place, column.name, array)
    return table


def raw_table(names: Sequence[str], kinds: Sequence[ColumnType[Any] | None], rows: Sequence[Sequence[Any]]) -> Any:
    """Return the result of raw SQL as an Arrow table.

    Args:
        names: of the columns.
        kinds: the types that the database names; None where the values tell them.
        rows: the values in Python.
    """
    pa = arrow()
    arrays: list[Any] = []
    for place, (name, known) in enumerate(zip(names, kinds, strict=True)):
        values = [row[place] for row in rows]
        kind = kind_of_values(values) if known is None else known
        arrays.append(pa.nulls(len(values)) if kind is None else ArrowColumn(name, name, kind, None).array(values))
    return pa.Table.from_arrays(arrays, names=list(names))


def polars_frame(table: Any) -> Any:
    """Return a frame of polars with the columns of a table.

    Raises:
        InvalidOperationError: polars is not installed, or has no type for a column.
    """
    polars = load("polars", "polars frames", "polars")
    wide = next((field.name for field in table.schema if arrow().types.is_decimal256(field.type)), None)
    if wide is not None:
        raise InvalidOperationError(
            f"polars has no decimals of more than 38 digits, as column {wide!r} has",
            operation="polars",
            target=wide,
            hint="leave the column out (select=[...]), or read an Arrow table",
        )
    return polars.from_arrow(table)


def pandas_frame(table: Any) -> Any:
    """Return a frame of pandas, whose columns keep the types of Arrow, and their NULLs.

    Raises:
        InvalidOperationError: pandas is not installed.
    """
    pandas = load("pandas", "pandas frames", "pandas")
    return table.to_pandas(types_mapper=pandas.ArrowDtype)


#: What makes each form of an Arrow table.
_FORMS: Final[dict[Any, Callable[[Any], Any]]] = {
    "arrow": lambda table: table,
    "polars": polars_frame,
    "pandas": pandas_frame,
}


def framed(form: Any) -> Callable[[Any], Any]:
    """Return what makes a form of an Arrow table.

    Raises:
        ValidationError: the form is not known.
    """
    if isinstance(form, str) and form in _FORMS:
        return _FORMS[form]
    raise ValidationError("as_ is 'arrow', 'polars' or 'pandas'", field="as_", value=form)
