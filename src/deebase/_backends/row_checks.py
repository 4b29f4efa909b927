"""Queries that count the rows that do not fit a changed table, and the errors for them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from sqlalchemy.engine import Dialect

from deebase._backends.alter import qualified
from deebase._backends.protocols import Query, Steps
from deebase._model.change import Change, NewKey
from deebase._model.facts import TableInfo
from deebase.errors import (
    CheckViolationError,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    NotNullViolationError,
    UniqueViolationError,
)

#: Returns the condition of the rows whose value a new type would change, from the quoted column, its type and the new
#: one; None if the database rejects them.
Misfits = Callable[[str, str, str], str | None]


@dataclass(frozen=True)
class RowCheck:
    """A query that counts rows, and the error for a number other than 0."""

    sql: str
    error: Callable[[int], DeeBaseError]


def check_rows(
    facts: TableInfo, change: Change, written: Mapping[str, str], dialect: Dialect, misfits: Misfits
) -> Steps[None]:
    """Count the rows that do not fit the changed table.

    Args:
        facts: the table.
        change: the change.
        written: the new types of columns, as they will be declared.
        dialect: the database.
        misfits: returns the condition of values that do not fit a new type.

    Raises:
        IntegrityError: some rows do not fit.
        DataError: a value cannot be converted.
    """
    for check in _row_checks(facts, change, written, dialect, misfits):
        rows = yield Query(check.sql, reads=True)
        count = int(rows[0][0])
        if count:
            raise check.error(count)


def _row_checks(
    facts: TableInfo, change: Change, written: Mapping[str, str], dialect: Dialect, misfits: Misfits
) -> Iterable[RowCheck]:
    checks = _Checks(facts, dialect)
    columns = {column.name: column for column in facts.columns}
    required = [name for name, not_null in change.not_null.items() if not_null]
    required += [name for name in change.pk or () if name not in required]
    for name in required:
        if not columns[name].not_null:
            yield checks.null(name)
    if change.pk:
        yield checks.duplicates(change.pk)
    for name, kind in written.items():
        condition = misfits(checks.quote(name), columns[name].type, kind)
        if condition is not None:
            yield checks.misfitting(name, kind, condition)
    for key in change.add_foreign_keys:
        yield checks.dangling(key)
    for condition in change.add_checks:
        yield checks.refused(condition)


class _Checks:
    def __init__(self, facts: TableInfo, dialect: Dialect) -> None:
        self.name = facts.qualified_name
        self.schema = facts.schema
        self.table = qualified(facts, dialect)
        self.quote = dialect.identifier_preparer.quote

    def null(self, name: str) -> RowCheck:
        return RowCheck(
            f"SELECT count(*) FROM {self.table} WHERE {self.quote(name)} IS NULL",
            lambda n: NotNullViolationError(
                f"{self.name}.{name} is NULL in {_rows(n)}",
                constraint="not_null",
                table_name=self.name,
                columns=(name,),
                hint=f"give them a value first: update_where({{{name!r}: ...}}, t.c[{name!r}].is_(None))",
            ),
        )

    def duplicates(self, columns: tuple[str, ...]) -> RowCheck:
        listed = ", ".join(map(self.quote, columns))
        return RowCheck(
            f"SELECT count(*) FROM (SELECT 1 FROM {self.table} GROUP BY {listed} HAVING count(*) > 1) AS twice",
            lambda n: UniqueViolationError(
                f"({', '.join(columns)}) cannot be the key of {self.name}: {n} of its values "
                f"{'stands' if n == 1 else 'stand'} in more than one row",
                constraint="primary_key",
                table_name=self.name,
                columns=columns,
                hint="delete or change the duplicate rows first",
            ),
        )

    def dangling(self, key: NewKey) -> RowCheck:
        parent = self.quote(key.table) if self.schema is None else f"{self.quote(self.schema)}.{self.quote(key.table)}"
        child, target = f"child.{self.quote(key.column)}", f"parent.{self.quote(key.target)}"
        return RowCheck(
            f"SELECT count(*) FROM {self.table} AS child WHERE {child} IS NOT NULL"
            f" AND NOT EXISTS (SELECT 1 FROM {parent} AS parent WHERE {target} = {child})",
            lambda n: ForeignKeyViolationError(
                f"{self.name}.{key.column} refers to no row of {key.table} in {_rows(n)}",
                constraint="foreign_key",
                table_name=self.name,
                columns=(key.column,),
                hint="delete those rows, set the column to NULL in them, or add what they refer to first",
            ),
        )

    def refused(self, condition: str) -> RowCheck:
        return RowCheck(
            f"SELECT count(*) FROM {self.table} WHERE NOT ({condition})",
            lambda n: CheckViolationError(
                f"{self.name}: {_rows(n)} {'does' if n == 1 else 'do'} not meet the check {condition}",
                constraint="check",
                constraint_name=condition,
                table_name=self.name,
                hint="correct those rows first",
            ),
        )

    def misfitting(self, column: str, written: str, condition: str) -> RowCheck:
        return RowCheck(
            f"SELECT count(*) FROM {self.table} WHERE {condition}",
            lambda n: DataError(
                f"{self.name}.{column} cannot become {written}: it holds something else in {_rows(n)}",
                hint="correct those rows first",
            ),
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
