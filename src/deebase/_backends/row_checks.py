"""Queries that count the rows in the way of a change, and what is said of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from sqlalchemy.engine import Dialect

from deebase._backends.alter import qualified
from deebase._backends.sqlite.casts import FITS
from deebase._model.change import Change, NewKey
from deebase._model.facts import ColumnInfo, TableInfo
from deebase._sqltext.dialects import SQLITE
from deebase._sqltext.quoting import literal
from deebase.errors import (
    CheckViolationError,
    DataError,
    DeeBaseError,
    ForeignKeyViolationError,
    NotNullViolationError,
    UniqueViolationError,
)


@dataclass(frozen=True)
class RowCheck:
    """A query of one number, and the error for a number that is not 0."""

    sql: str
    error: Callable[[int], DeeBaseError]


def row_checks(facts: TableInfo, change: Change, written: dict[str, str], dialect: Dialect) -> Iterable[RowCheck]:
    """Yield what has to be counted before a change.

    Args:
        facts: the table.
        change: the change.
        written: the new types of columns, as they will be declared.
        dialect: the database.
    """
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
        found = checks.misfits(columns[name], kind)
        if found is not None:
            yield found
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
        self.sqlite = dialect.name == "sqlite"

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
                hint="delete or change the rows that are there twice first",
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

    def misfits(self, column: ColumnInfo, written: str) -> RowCheck | None:
        name = self.quote(column.name)
        if self.sqlite:
            condition = f"NOT {FITS}({literal(written, SQLITE)}, {name})"
        elif written == "BIGINT" and column.type.split("(")[0] in ("numeric", "real", "double precision"):
            # PostgreSQL would round.
            condition = f"{name} <> trunc({name})"
        else:
            return None
        return RowCheck(
            f"SELECT count(*) FROM {self.table} WHERE {condition}",
            lambda n: DataError(
                f"{self.name}.{column.name} cannot become {written}: it holds something else in {_rows(n)}",
                hint="correct those rows first",
            ),
        )


def _rows(count: int) -> str:
    return "1 row" if count == 1 else f"{count} rows"
