"""What a query reads, and the conditions of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from deebase._rows.makers import Maker, row_maker
from deebase._sql.where import Where
from deebase.errors import ValidationError

if TYPE_CHECKING:
    from deebase._engine.executor import Executor
    from deebase._rows.model import TableModel


class Source:
    """What a query reads: a table's model, where its statements run, and the type of its rows."""

    __slots__ = ("_row_type", "dialect", "executor", "model")

    def __init__(self, executor: Executor, dialect: Any, model: TableModel, row_type: type[Any] | None = None) -> None:
        self.executor = executor
        self.dialect = dialect
        self.model = model
        self._row_type = row_type

    @property
    def row_type(self) -> type[Any]:
        """The type that was asked for, else the table's."""
        return self.model.row_type if self._row_type is None else self._row_type

    def maker(self, columns: tuple[str, ...], *, returned: bool = False) -> Maker:
        """Return what makes rows of these columns, built at its first use.

        Args:
            columns: names, in the order of the statement.
            returned: the rows come from RETURNING.
        """
        kept = self.model.statements
        key = ("rows", columns, self.row_type, returned)
        maker: Maker | None = kept.get(key)
        if maker is None:
            known = [self.model.columns[name] for name in columns]
            reads = [column.read_returned if returned else column.read for column in known]
            maker = kept[key] = row_maker(columns, reads, self.row_type)
        return maker


def conditions(
    source: Source,
    args: Sequence[Any],
    where: str | None,
    params: Any,
    keywords: Mapping[str, Any],
) -> Where:
    """Return the conditions of a call: expressions and SQL text by position, columns by keyword."""
    result = Where(source.model)
    dialect = source.dialect.name
    pending = list(args)
    while pending:
        item = pending.pop(0)
        if isinstance(item, str):
            following = pending.pop(0) if pending and isinstance(pending[0], (list, tuple, dict)) else None
            result.fragment(item, following, dialect)
        elif isinstance(item, (list, tuple, dict)):
            raise ValidationError("parameters come right after the SQL text they belong to", hint="t('age > ?', [30])")
        else:
            result.expression(item)
    if where is not None:
        result.fragment(where, params, dialect)
    elif params is not None:
        raise ValidationError(
            "params without a where", field="params", hint="t(where='age > :age', params={'age': 30})"
        )
    for name, value in keywords.items():
        result.equal(name, value)
    return result
